"""The rehearsal desk: recorded machines, a fleet that meets the desk in the store alone, and a deployment that outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from installer.engine.lock import find_holder
from installer.lab.fleet import LOOKED
from installer.model.events import Event, Happened
from installer.model.problems import RackstrapError
from installer.plan.consent import make_consent
from installer.probe.identity import make_machine_id
from installer.site.verbs import load_machines
from installer.wizard.draft import edit_draft
from installer.wizard.rehearsal import TOUCH_EVERY_S, RehearsalDesk
from installer.wizard.view import View
from installer.wizard.wishes import (
    AddBmc,
    Append,
    Apply,
    Discover,
    OpenSite,
    Request,
    SaveReport,
    SaveSite,
    SetPassword,
    StopApplying,
)

MACHINES = Path(__file__).parent / "machines"
FILES = [MACHINES / name for name in ("bmc.json", "four-nics.json", "twin-a.json")]
PASSWORD = "CANARY-typed-password"
SPEED = 100.0
PLAN = frozenset({"plan"})


def look_until(desk: RehearsalDesk, is_so: Callable[[View], object], wants: frozenset[str] = PLAN, within_s: float = 20) -> View:
    """Look until it is so. `within_s`: from the last event on, so that a machine with other work only makes it slower."""
    ends_at, seq = time.monotonic() + within_s, -1
    while True:
        view = desk.look(wants)
        if is_so(view):
            return view
        if view.ledger.seq != seq:
            ends_at, seq = time.monotonic() + within_s, view.ledger.seq
        assert time.monotonic() < ends_at, (view.status, view.plan_problem, view.last_end)
        time.sleep(0.03)


@pytest.fixture
def tidied(tmp_path: Path) -> Iterator[Path]:
    """A state folder whose apply process and fleet are ended with the test, passed or failed."""
    state = tmp_path / "state"
    yield state
    holder = find_holder(state)
    if holder is not None:
        os.kill(holder.pid, signal.SIGTERM)
    if (state / "fleet.lock").exists():
        end_fleet(state)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[RehearsalDesk]:
    desk = RehearsalDesk(FILES, state=tmp_path / "state")
    yield desk
    desk.close()


def name_all(desk: RehearsalDesk, view: View) -> None:
    rules = [
        {"name": f"node{number}", "match": {"mac": sorted(machine.macs)[0]}}
        for number, (_, machine) in enumerate(sorted(view.machines.items()), 1)
    ]
    edits = [(("nodes",), rules), (("discovery", "admit"), "matched")]
    draft, problems = edit_draft(view.draft, edits, view.roles)
    assert problems == ()
    desk.keep(draft, "nodes")


def test_every_recording_is_there_at_once(desk: RehearsalDesk) -> None:
    view = desk.look(frozenset())
    assert view.machines == load_machines([str(path) for path in FILES])
    assert make_machine_id(view.here.machine) not in view.machines
    assert view.here.rehearsal == "a rehearsal: recorded machines, nothing real is touched"
    assert [check.name for check in view.checks] == ["link", "dhcp", "address", "gateway", "dns", "ntp", "mtu"]
    assert all(check.found.startswith("rehearsal: ") for check in view.checks)
    assert view.checks[0].found == "rehearsal: enp0s6 was up when it was recorded, leaf1 port 1/20"
    assert [node.state for node in view.status.nodes] == ["discovered"] * 3
    assert view.draft.site is not None


def test_a_plan_is_made_when_it_is_wanted_and_again_when_the_draft_changes(desk: RehearsalDesk) -> None:
    assert desk.look(frozenset()).plan is None
    view = look_until(desk, lambda view: view.plan is not None)
    assert view.plan is not None
    assert view.plan.nodes == ()
    look_until(desk, lambda _: not desk.has_news())
    name_all(desk, view)
    view = look_until(desk, lambda view: view.plan is not None and view.plan.nodes)
    assert view.plan is not None
    assert [node.name for node in view.plan.nodes] == ["node1", "node2", "node3"]
    assert view.done == frozenset()


def test_a_draft_with_errors_is_not_planned_and_says_why(desk: RehearsalDesk) -> None:
    view = desk.look(frozenset())
    site = desk.bench.state.parent / "wrong.yaml"
    site.write_text(view.draft.text.replace("192.168.124.10", "10.9.9.9"))
    desk.carry_out(OpenSite(str(site)))
    view = look_until(desk, lambda view: view.plan_problem)
    assert view.plan is None
    assert "10.9.9.9" in view.plan_problem


def test_without_a_demo_nothing_can_be_done_to_the_machines(desk: RehearsalDesk) -> None:
    for wish in (Apply(), Discover(), Request("m-1", {"verb": "power", "power": "on"})):
        with pytest.raises(RackstrapError, match="recorded machines") as caught:
            desk.carry_out(wish)
        assert "--demo" in caught.value.hint


def test_what_was_decided_is_there_in_the_next_session(desk: RehearsalDesk, tmp_path: Path) -> None:
    name_all(desk, desk.look(frozenset()))
    kept = desk.look(frozenset()).draft
    desk.close()
    again = RehearsalDesk(FILES, state=tmp_path / "state")
    try:
        view = again.look(frozenset())
        assert (view.draft.text, view.draft.origins) == (kept.text, kept.origins)
        assert again.find_page() == "nodes"
        assert len(view.machines) == 3
        assert [one.kind for one in view.here.continuing] == ["draft"]
    finally:
        again.close()


def test_a_password_is_kept_as_a_hash_alone(desk: RehearsalDesk, tmp_path: Path) -> None:
    assert desk.carry_out(SetPassword(PASSWORD)) == "the password is set; only its hash is kept"
    site = desk.look(frozenset()).draft.site
    assert site is not None
    assert site.access.password_hash.startswith("$y$")
    said = desk.carry_out(AddBmc("192.168.124.162", "BM0012", "root", PASSWORD))
    assert PASSWORD not in said
    entry = desk.look(frozenset()).ledger.bmcs["192.168.124.162"]
    secret = Path(entry.secret)
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == (PASSWORD + "\n", 0o600)
    desk.close()
    holding = [path for path in (tmp_path / "state").rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()]
    assert holding == [secret]


def test_a_site_file_is_saved_and_opened(desk: RehearsalDesk, tmp_path: Path) -> None:
    name_all(desk, desk.look(frozenset()))
    target = tmp_path / "mine.yaml"
    assert desk.carry_out(SaveSite(str(target))) == f"saved as {target}"
    view = desk.look(frozenset())
    assert (target.read_text(), view.draft.file, target.stat().st_mode & 0o777) == (view.draft.text, str(target), 0o600)
    broken = tmp_path / "broken.yaml"
    broken.write_text("- no\n- site\n")
    with pytest.raises(RackstrapError, match="no site file"):
        desk.carry_out(OpenSite(str(broken)))
    assert desk.look(frozenset()).draft.text == target.read_text()
    other = tmp_path / "other.yaml"
    other.write_text(target.read_text().replace("name: lab", "name: other", 1))
    desk.carry_out(OpenSite(str(other)))
    site = desk.look(frozenset()).draft.site
    assert site is not None
    assert site.name == "other"
    with pytest.raises(RackstrapError, match="no volume"):
        desk.carry_out(SaveSite("volume:usb-gone"))


def test_a_report_is_saved(desk: RehearsalDesk, tmp_path: Path) -> None:
    assert desk.carry_out(SaveReport(str(tmp_path))) == f"saved as {tmp_path}/report.txt"
    text = (tmp_path / "report.txt").read_text()
    assert "serial FN0004" in text
    assert max(map(len, text.splitlines())) <= 78


def test_a_temporary_rehearsal_leaves_nothing() -> None:
    desk = RehearsalDesk(FILES)
    folder = Path(desk.look(frozenset()).here.state_dir)
    assert folder.exists()
    desk.close()
    assert not folder.exists()


def consent(view: View) -> Append:
    """As the review page does: consent to every planned disk."""
    assert view.plan is not None
    return Append(
        tuple(
            Event(Happened.CONSENT_GIVEN, node.machine, make_consent(view.machines[node.machine], names, 1, "review"))
            for node in view.plan.nodes
            if (names := [disk.id for disk in node.disks])
        ),
        "they may be erased",
    )


DRIVER = """
import sys, time
from pathlib import Path
from installer.wizard.rehearsal import TOUCH_EVERY_S, RehearsalDesk
from installer.wizard.wishes import Apply
desk = RehearsalDesk([Path(word) for word in sys.argv[2:]], is_demo=True, state=Path(sys.argv[1]), speed=100.0)
desk.look(frozenset())
desk.carry_out(Apply())
print("applying", flush=True)
time.sleep(60)
"""


def test_a_deployment_outlives_the_one_who_started_it(tidied: Path) -> None:
    state = tidied
    desk = RehearsalDesk(FILES, is_demo=True, state=state, speed=SPEED)
    try:
        view = desk.look(frozenset())
        assert "simulated" in view.here.rehearsal
        assert "has begun" in desk.carry_out(Discover())
        assert desk.carry_out(Discover()) == "machines are being discovered already"
        assert (state / LOOKED).exists()
        (state / LOOKED).unlink()
        desk._touched_at -= TOUCH_EVERY_S  # as if that time had passed
        desk.has_news()
        assert (state / LOOKED).exists()
        view = look_until(desk, lambda view: len(view.machines) == 12, frozenset())
        assert view.running is not None
        assert view.running.mode == "discover"
        name_all(desk, view)
        view = look_until(desk, lambda view: view.plan is not None and len(view.plan.nodes) == 12)
        assert desk.carry_out(consent(view)) == "they may be erased"
    finally:
        desk.close()
    tui = subprocess.Popen([sys.executable, "-c", DRIVER, str(state), *map(str, FILES)], stdout=subprocess.PIPE, text=True)
    assert tui.stdout is not None
    assert tui.stdout.readline() == "applying\n"
    holder = find_holder(state)
    assert holder is not None
    assert holder.mode == "apply"
    tui.kill()
    tui.communicate()
    desk = RehearsalDesk(FILES, is_demo=True, state=state, speed=SPEED)
    try:
        view = desk.look(frozenset())
        assert view.running is not None
        assert view.running.pid == holder.pid
        view = look_until(desk, lambda view: view.running is None and view.last_end)
        assert view.last_end == "Done: 58 of 58 steps are done. This was simulated: nothing real was touched."
        assert {node.state for node in view.status.nodes} == {"installed"}
        failed = [event.data["reason"] for event in view.events if event.kind is Happened.ORDER_FAILED]
        assert len(failed) <= 1
        view = look_until(desk, lambda view: view.applied is not None, frozenset({"plan", "applied", "log:node1"}))
        assert view.applied is not None
        assert view.applied.text == view.draft.text
        assert view.logs["node1"]
        applied = next(one.target for one in view.here.continuing if one.kind == "applied")
        desk.carry_out(OpenSite(applied))
        assert desk.look(frozenset()).draft.file == str(Path.cwd() / "site.yaml")
        assert desk.carry_out(StopApplying()) == "nothing was running"
    finally:
        desk.close()


def end_fleet(state: Path) -> None:
    os.kill(int((state / "fleet.lock").read_text()), signal.SIGTERM)
