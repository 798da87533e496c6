"""The live desk's parts: what is kept survives a kill, volumes are never mounted, an apply says why it did not begin."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from installer.engine.journal import Journal
from installer.engine.store import make_who
from installer.live import volumes
from installer.live.sources import Part, Sighted
from installer.live.volumes import Volume, parse_volume
from installer.model.events import Event, Happened
from installer.model.problems import RackstrapError
from installer.preflight.check import Check
from installer.probe.parse import parse_recording
from installer.probe.verbs import load_recording
from installer.wizard import targets
from installer.wizard.around import Around, make_offered
from installer.wizard.here import find_boot_disks, find_fingerprint, render_ssh_lines
from installer.wizard.keeping import Keeper
from installer.wizard.keyboard import find_keyboard, find_keyboards, set_keyboard
from installer.wizard.launching import Launcher, read_last_end
from installer.wizard.live import LiveDesk
from installer.wizard.logs import LogReader, parse_lines
from installer.wizard.view import View
from installer.wizard.watching import Watcher
from installer.wizard.wishes import Append, Apply, Discover, ImportBmcs, Request, SetKeyboard, StopApplying

MACHINES = Path(__file__).parent / "machines"
SITE = """\
# what the operator wrote stays
rackstrap: 1
name: lab
domain: lab.example
access: {ssh_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAFroTJnxFXeOCx6F/r5Loyq6sLLCI/SWhHafajcd5fa operator@desk]}
admin: {hostname: admin, address: 192.168.124.10}
nodes: []
"""


def wait_for(is_so: Callable[[], object], within_s: float = 10.0) -> None:
    ends_at = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


# keeping

WRITER = """
import sys
from pathlib import Path
from installer.wizard.keeping import Keeper
keeper = Keeper(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(10**6):
    keeper.save(f"rackstrap: 1\\nname: n{number}\\n" + "# filler\\n" * 2000, {("name",): "typed"}, f"f{number}", f"p{number}")
"""


def test_a_kill_at_any_moment_leaves_a_whole_draft(tmp_path: Path) -> None:
    for wait_s in (0.02, 0.05, 0.08, 0.11):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(wait_s)
        process.kill()
        process.communicate()
        kept = Keeper(tmp_path).load()
        assert kept is not None
        head, _, filler = kept.text.partition("# filler\n")
        assert (head[:20], filler.count("# filler\n")) == ("rackstrap: 1\nname: n", 1999)
        number = head.removeprefix("rackstrap: 1\nname: n").strip()
        assert kept.origins in ({}, {("name",): "typed"})
        if kept.origins:
            assert (kept.file, kept.page) == (f"f{number}", f"p{number}")


def test_what_is_kept_is_private_and_comes_back(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    assert keeper.load() is None
    keeper.save(SITE, {("name",): "typed", ("nodes", 0, "name"): "discovered"}, "/root/site.yaml", "disks")
    kept = keeper.load()
    assert kept is not None
    assert (kept.text, kept.file, kept.page) == (SITE, "/root/site.yaml", "disks")
    assert kept.origins == {("name",): "typed", ("nodes", 0, "name"): "discovered"}
    assert {path.stat().st_mode & 0o777 for path in (keeper.text_path, keeper.notes_path)} == {0o600}


def test_notes_of_another_text_or_in_another_shape_are_not_believed(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    keeper.save(SITE, {("name",): "typed"}, "", "nodes")
    keeper.text_path.write_text(SITE + "# by hand\n")
    kept = keeper.load()
    assert kept is not None
    assert (kept.origins, kept.page) == ({}, "nodes")
    for notes in ("[]", "{", '{"origins": 1, "page": 2}', "[" * 5000):
        keeper.notes_path.write_text(notes)
        kept = keeper.load()
        assert kept is not None
        assert (kept.text, kept.origins, kept.page) == (SITE + "# by hand\n", {}, "")


# volumes

PROPERTIES = {
    "ID_BUS": "usb",
    "DEVLINKS": "/dev/disk/by-uuid/1 /dev/disk/by-id/usb-KINGSTON_DT_77A0-0:0-part1",
    "ID_FS_TYPE": "vfat",
    "ID_FS_LABEL": "RACKSTRAP",
    "ID_FS_SIZE": "4000000000",
    "ID_VENDOR": "KINGSTON",
    "ID_MODEL": "DT",
}


def make_fat(path: Path, label: str = "RACKSTRAP") -> Path:
    path.write_bytes(b"")
    os.truncate(path, 2 * 2**20)
    subprocess.run(["mkfs.vfat", "-n", label, str(path)], check=True, capture_output=True)
    return path


def test_a_removable_volume_is_known_by_its_lasting_name() -> None:
    assert parse_volume(PROPERTIES, False) == Volume(
        "usb-KINGSTON_DT_77A0-0:0-part1", "KINGSTON DT, 4.0 GB, label RACKSTRAP", "vfat", "RACKSTRAP"
    )
    assert parse_volume({**PROPERTIES, "ID_BUS": "ata"}, False) is None
    assert parse_volume({**PROPERTIES, "ID_BUS": "ata"}, True) is not None
    assert parse_volume({**PROPERTIES, "DEVLINKS": "/dev/disk/by-uuid/1"}, True) is None
    hostile = parse_volume({**PROPERTIES, "ID_FS_LABEL": "\x1b[2J" + "x" * 99, "ID_FS_SIZE": "many"}, True)
    assert hostile is not None
    assert hostile.title == "KINGSTON DT, label [2J" + "x" * 37


def test_a_fat_volume_takes_a_file_and_gives_it_back(tmp_path: Path) -> None:
    device = make_fat(tmp_path / "stick")
    volumes.write_file("vfat", device, "site.yaml", SITE.encode())
    volumes.write_file("vfat", device, "site.yaml", SITE.encode() * 2)
    assert volumes.read_file("vfat", device, "site.yaml") == SITE.encode() * 2
    volumes.write_file("vfat", device, "report.txt", b"fine")
    volume = Volume("stick", "a stick", "vfat", "RACKSTRAP")
    assert volumes.add_sites(volume, device).sites == ("site.yaml",)
    assert volumes.add_sites(replace(volume, label="OTHER"), device).sites == ()
    checked = subprocess.run(["fsck.vfat", "-n", str(device)], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_an_iso_is_read_but_not_written(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "lab.yaml").write_text(SITE)
    iso = tmp_path / "volume.iso"
    words = ["xorriso", "-as", "mkisofs", "-quiet", "-R", "-V", "RACKSTRAP", "-o", str(iso), str(tmp_path / "content")]
    subprocess.run(words, check=True, capture_output=True)
    assert volumes.list_files("iso9660", iso) == ["lab.yaml"]
    assert volumes.read_file("iso9660", iso, "lab.yaml") == SITE.encode()
    with pytest.raises(RackstrapError, match="not written here"):
        volumes.write_file("iso9660", iso, "lab.yaml", b"")


def test_names_that_are_no_file_names_reach_no_program(tmp_path: Path) -> None:
    device = make_fat(tmp_path / "stick")
    before = device.read_bytes()
    for name in ("../site.yaml", "-i", "a/b", "", "x" * 65, "a b", "::"):
        with pytest.raises(RackstrapError, match="no name for a file"):
            volumes.write_file("vfat", device, name, b"x")
        with pytest.raises(RackstrapError, match="no name for a file"):
            volumes.read_file("vfat", device, name)
    assert device.read_bytes() == before


def test_a_volume_that_is_full_broken_or_gone_is_an_error_in_words(tmp_path: Path) -> None:
    device = make_fat(tmp_path / "stick")
    with pytest.raises(RackstrapError, match="mcopy: "):
        volumes.write_file("vfat", device, "big.bin", b"x" * 3 * 2**20)
    with pytest.raises(RackstrapError, match="mcopy: "):
        volumes.read_file("vfat", tmp_path / "gone", "site.yaml")
    (tmp_path / "noise").write_bytes(os.urandom(2**16))
    with pytest.raises(RackstrapError):
        volumes.list_files("vfat", tmp_path / "noise")
    with pytest.raises(RackstrapError, match="no volume"):
        volumes.find_volume((), "volume:usb-x")
    one = Volume("usb-1:0-part1", "a stick", "vfat")
    assert volumes.find_volume((one,), "volume:usb-1:0-part1/lab.yaml") == (one, "lab.yaml")


def test_a_path_is_completed_and_a_folder_gets_the_usual_name(tmp_path: Path) -> None:
    assert targets.find_path(f"{tmp_path}/x.yaml ", "site.yaml") == tmp_path / "x.yaml"
    assert targets.find_path(str(tmp_path), "site.yaml") == tmp_path / "site.yaml"
    for text in ("", "  ", "a\0b"):
        with pytest.raises(RackstrapError, match="no path"):
            targets.find_path(text, "site.yaml")


# here


def test_ssh_lines_say_how_to_get_in_and_what_to_expect(tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    shown = subprocess.run(["ssh-keygen", "-lf", f"{key}.pub"], check=True, capture_output=True, text=True).stdout.split()[1]
    assert find_fingerprint(key.with_suffix(".pub")) == shown
    assert find_fingerprint(tmp_path / "none") == ""
    machine = parse_recording(load_recording(MACHINES / "bmc.json"))
    assert render_ssh_lines(machine, shown) == ("ssh root@10.0.2.15", f"host key ED25519 {shown}")
    assert render_ssh_lines(replace(machine, nics=()), shown) == ()


def test_disks_from_which_something_is_mounted_run_this_system(tmp_path: Path) -> None:
    machine = parse_recording(load_recording(MACHINES / "bmc.json"))
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
    around = Around(leases, lambda: looks.pop(0))
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


# logs


def test_log_lines_are_told_apart_by_machine_and_put_in_order(tmp_path: Path) -> None:
    state = tmp_path / "state"
    watcher = Watcher(state)
    recording = (MACHINES / "bmc.json").read_bytes()
    mac = sorted(parse_recording(load_recording(MACHINES / "bmc.json")).macs)[0]
    key = watcher.journal.store.put_blob(recording)
    data = {"recording": key, "code": "AAAA-BBBB", "key": "k", "address": "192.168.124.21", "mac": mac, "boot_id": "b"}
    watcher.append(Event(Happened.MACHINE_DISCOVERED, "m-1", data, at=1_000_000.0))
    (state / "run").mkdir()
    (state / "run/nginx-access.log").write_text(
        "1970-01-12T13:46:50+00:00 192.168.124.21 GET /boot 200\n1970-01-12T13:46:51+00:00 192.168.124.210 GET /boot 200\n"
    )
    local = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(999_990))
    (state / "run/serve.log").write_text(f"{local},123 INFO DHCPDISCOVER {mac.upper()}\n")
    lines = LogReader(state).read("m-1", watcher.look())
    watcher.close()
    assert [line[9:].strip() for line in lines] == [
        f"INFO DHCPDISCOVER {mac.upper()}",
        "m-1: discovered at 192.168.124.21, its console shows AAAA-BBBB",
        "192.168.124.21 GET /boot 200",
    ]


def test_a_line_without_a_time_has_the_one_before_it() -> None:
    lines = ["Traceback", "1970-01-01T00:01:40+00:00 first", "  second"]
    assert list(parse_lines(lines, 7.0)) == [(7.0, " Traceback "), (100.0, " first "), (100.0, "   second ")]


def test_a_line_of_dnsmasq_keeps_its_own_time_and_shows_it_once() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5).astimezone().timestamp()  # the log has local time
    lines = ["Jan  2 03:04:05 dnsmasq-dhcp[77]: DHCPACK(eth0) 10.0.0.9", "Dec 31 03:04:05 dnsmasq[77]: started"]
    found = list(parse_lines(lines, at + 60))
    assert found[0] == (at, " dnsmasq-dhcp: DHCPACK(eth0) 10.0.0.9 ")
    assert found[1][1] == " dnsmasq: started "
    assert at - 3 * 86400 < found[1][0] < at, "of the year before: the log was written by then"


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
