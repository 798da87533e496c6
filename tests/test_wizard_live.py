"""The live desk's parts: what it tells of this machine, that an apply outlives the wizard, and that all news arrive."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from installer.engine.journal import Journal
from installer.engine.store import make_who
from installer.live.sources import Part, Sighted
from installer.model.events import Event, Happened
from installer.model.problems import RackstrapError
from installer.preflight.check import Check
from installer.wizard.around import Around, make_offered
from installer.wizard.here import find_boot_disks, find_fingerprint, render_ssh_lines
from installer.wizard.keyboard import find_keyboard, find_keyboards, set_keyboard
from installer.wizard.launching import Launcher, read_last_end
from installer.wizard.live import LiveDesk
from installer.wizard.view import View
from installer.wizard.wishes import Append, Apply, Discover, ImportBmcs, Request, SetKeyboard, StopApplying
from tests.live_site import SITE
from tests.wizard_views import load_machine


def wait_for(is_so: Callable[[], object], within_s: float = 10.0) -> None:
    ends_at = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


# here


def test_ssh_lines_say_how_to_get_in_and_what_to_expect(tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    shown = subprocess.run(["ssh-keygen", "-lf", f"{key}.pub"], check=True, capture_output=True, text=True).stdout.split()[1]
    assert find_fingerprint(key.with_suffix(".pub")) == shown
    assert find_fingerprint(tmp_path / "none") == ""
    machine = load_machine("bmc")
    assert render_ssh_lines(machine, shown) == ("ssh root@10.0.2.15", f"host key ED25519 {shown}")
    assert render_ssh_lines(replace(machine, nics=()), shown) == ()


def test_disks_from_which_something_is_mounted_run_this_system(tmp_path: Path) -> None:
    machine = load_machine("bmc")
    name = machine.disks[0].name
    block = tmp_path / "block"
    (tmp_path / "devices" / name / f"{name}1").mkdir(parents=True)
    (tmp_path / "devices" / name / f"{name}1" / "partition").write_text("1")
    (tmp_path / "devices" / "dm-0" / "slaves").mkdir(parents=True)
    (tmp_path / "devices" / "dm-0" / "slaves" / f"{name}1").symlink_to(tmp_path / "devices" / name / f"{name}1")
    block.mkdir()
    (block / "8:1").symlink_to(tmp_path / "devices" / name / f"{name}1")
    (block / "253:0").symlink_to(tmp_path / "devices" / "dm-0")
    line = "22 1 {} / / rw - ext4 /dev/x rw\n"
    assert find_boot_disks(machine, line.format("8:1"), block) == {machine.disks[0].id}
    assert find_boot_disks(machine, line.format("253:0"), block) == {machine.disks[0].id}
    assert find_boot_disks(machine, line.format("0:27"), block) == frozenset()


def test_a_site_file_that_dhcp_names_late_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first page is there before any DHCP server has answered."""
    monkeypatch.setattr("installer.wizard.around.wait_settled", lambda _: None)
    monkeypatch.setattr("installer.wizard.around.find_installed", tuple)
    monkeypatch.setattr("installer.wizard.around.LOOK_EVERY_S", 0.01)
    leases, sighted = tmp_path / "leases", Sighted(b"", "dhcp", "URL (named by DHCP)", "a.yaml", "doubt", lambda _: Part(b""))
    looks: list[tuple[Sighted, ...]] = [(), (sighted,)]
    around = Around(leases, lambda _: looks.pop(0))
    wait_for(lambda: len(looks) == 1)
    leases.mkdir()
    (leases / "2").write_text("OPTION_224=6874\n")
    wait_for(lambda: around.number == 2)
    assert around.find_offer("offer:dhcp") is sighted
    assert [one.title for one in make_offered(around.offers)] == ["URL (named by DHCP)"]


def test_keyboards_are_read_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keyboard").write_text('XKBMODEL="pc105"\nXKBLAYOUT="de"\n')
    (tmp_path / "base.lst").write_text("! model\n  pc105 x\n\n! layout\n  us  English\n  de  German\n\n! variant\n  neo  de: x\n")
    assert find_keyboard(tmp_path / "keyboard") == "de"
    assert find_keyboard(tmp_path / "none") == ""
    assert find_keyboards(tmp_path / "base.lst") == ("us", "de")
    with pytest.raises(RackstrapError, match="no keyboard layout is called 'xx'"):
        set_keyboard("xx", ("us", "de"))


# launching

FAKE = """
import sys, time
from pathlib import Path
from installer.engine.lock import hold_lock
state = Path(sys.argv[sys.argv.index("--state") + 1])
with hold_lock(state, "discover" if "--discover" in sys.argv else "apply") as tell_begun:
    tell_begun()
    time.sleep(60)
"""


def test_an_apply_goes_on_without_us_and_is_stopped_by_word(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path, [sys.executable, "-c", FAKE])
    pid = launcher.start(SITE, "--discover")
    running = launcher.find_running()
    assert running is not None
    assert (running.pid, running.mode) == (pid, "discover")
    assert os.getsid(pid) == pid
    assert (tmp_path / "run/wanted/discover.yaml").read_text() == SITE
    other = Launcher(tmp_path, [])
    assert other.find_running() == running
    launcher.close()
    assert other.stop() == "stopped; nothing is lost"
    assert other.find_running() is None


def test_an_apply_that_does_not_begin_says_why(tmp_path: Path) -> None:
    said = "print('rackstrap: another DHCP server answers: 10.0.0.5\\n  stop it'); raise SystemExit(2)"
    launcher = Launcher(tmp_path, [sys.executable, "-c", said])
    with pytest.raises(RackstrapError, match="another DHCP server answers") as caught:
        launcher.start(SITE)
    assert caught.value.hint == "stop it"
    assert launcher.find_last_end() == "another DHCP server answers: 10.0.0.5\n  stop it"


def test_the_last_end_is_the_last_runs_result(tmp_path: Path) -> None:
    log = tmp_path / "apply.log"
    assert read_last_end(log) == ""
    log.write_text('{"told":"x"}\n{"problem":{"severity":"error","message":"no name","hint":"write one"}}\n')
    assert read_last_end(log) == "no name\nwrite one"
    log.write_text('{"told":"x"}\n{"result":{"code":0,"text":"Done: 1 of 1 steps are done.","status":{}}}\n')
    assert read_last_end(log) == "Done: 1 of 1 steps are done."


# the desk


def look_until(desk: LiveDesk, is_so: Callable[[View], object], wants: frozenset[str] = frozenset()) -> View:
    ends_at = time.monotonic() + 40
    while not is_so(view := desk.look(wants)):
        assert time.monotonic() < ends_at
        time.sleep(0.02)
    return view


def test_the_live_desk_shows_this_machine_and_refuses_in_words(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(SITE)
    began = time.monotonic()
    desk = LiveDesk(tmp_path / "state", tmp_path / "no-image", site)
    view = desk.look(frozenset())
    assert time.monotonic() - began < 5
    try:
        assert (view.draft.text, view.draft.file, view.here.rehearsal) == (SITE, str(site), "")
        assert desk.has_news() in {True, False}
        with pytest.raises(RackstrapError, match="no site is applied"):
            desk.carry_out(Request("m-1", {"verb": "identify"}))
        for wish in (Apply(), Discover()):
            with pytest.raises(RackstrapError) as caught:
                desk.carry_out(wish)
            assert "192.168.124.10" in caught.value.message
        assert desk.look(frozenset()).ledger.machines == {}
        assert desk.carry_out(StopApplying()) == "nothing was running"
        with pytest.raises(RackstrapError, match="keyboard"):
            desk.carry_out(SetKeyboard("xx"))
        with pytest.raises(RackstrapError, match="cannot read"):
            desk.carry_out(ImportBmcs(str(tmp_path / "none.csv")))
        view = look_until(desk, lambda view: view.plan is not None, frozenset({"plan"}))
        assert view.plan is not None
        assert not look_until(desk, lambda view: not view.here.reading_disks).here.reading_disks
        assert {str(step.key) for step in view.plan.steps} == {"admin/dnsmasq", "admin/nginx"}
    finally:
        desk.close()


def test_what_any_process_journals_is_news(tmp_path: Path) -> None:
    desk = LiveDesk(tmp_path / "state", tmp_path / "no-image", None)
    try:
        look_until(desk, lambda _: not desk.has_news())
        with Journal(tmp_path / "state/store.db", make_who("other")) as other:
            other.append(Event(Happened.BMC_FOUND, "bmc 10.0.0.1", {"address": "10.0.0.1"}), durable=True)
        assert desk.has_news()
        first = desk.look(frozenset())
        assert list(first.ledger.bmcs) == ["10.0.0.1"]
        found = Event(Happened.BMC_FOUND, "bmc 10.0.0.2", {"address": "10.0.0.2"})
        assert desk.carry_out(Append((found,), "remembered")) == "remembered"
        assert list(desk.look(frozenset()).ledger.bmcs) == ["10.0.0.1", "10.0.0.2"]
        assert list(first.ledger.bmcs) == ["10.0.0.1"]
        assert first.events[-1].who.endswith("@other")
        assert all(isinstance(check, Check) for check in first.checks)
    finally:
        desk.close()
