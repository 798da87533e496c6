"""apply --discover: it serves and discovers, gives nothing for good, and lets an apply take over."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from installer.engine.aim import DISCOVERY, keep_discovery
from installer.engine.apply import Applying
from installer.engine.heartbeat import Heartbeat
from installer.engine.hosts import LiveEffects
from installer.engine.journal import Journal
from installer.engine.lock import find_holder, hold_lock, stop_holder
from installer.engine.outlets import JsonLines
from installer.engine.prepare import find_new_bmcs, load_input
from installer.model.events import Happened
from installer.model.plan import AdminPlace
from installer.model.problems import RackstrapError
from installer.serve.verbs import find_serving
from tests.fake_rack import Rack, make_recording
from tests.served_files import save_image
from tests.serving import make_agent, make_segment
from tests.test_apply import IMAGE, apply, make_rack, save_site
from tests.test_apply_live import MAC, SITE, Desk, find_order, has_answer

HOLD = """
import sys, time
from pathlib import Path
from installer.engine.lock import hold_lock
with hold_lock(Path(sys.argv[1]), sys.argv[2]) as tell_begun:
    tell_begun()
    time.sleep(60)
"""


def discover(folder: Path, site: Path, rack: Rack, for_s: float) -> tuple[int, Applying, Journal]:
    """As run_live with --discover, for so long."""
    found = load_input(site)
    assert found.site is not None, found.problems
    journal = Journal(folder / "state" / "store.db", "root@apply")
    journal.append(*find_new_bmcs(found.bmcs, journal), durable=True)
    journal.refresh()
    place = AdminPlace(str(folder / "state"), "/srv/image", "br0", "c" * 64, IMAGE)
    heartbeat = Heartbeat(journal)
    with ThreadPoolExecutor(4) as pool:
        effects = LiveEffects(journal, heartbeat.waits, pool, rack.make_power)
        outlet = JsonLines(io.StringIO())
        applying = Applying(
            found.site, found.roles, place, journal, heartbeat, effects, outlet, deadline_s=for_s, retry_s=0.01, aim=DISCOVERY
        )
        code = asyncio.run(applying.run())
    journal.refresh()
    return code, applying, journal


def test_machines_are_discovered_and_nothing_is_given(tmp_path: Path) -> None:
    site = save_site(tmp_path, "A1", "A2", erase="blank", admit="matched")
    with make_rack(tmp_path, "A1", "A2") as rack:
        code, applying, journal = discover(tmp_path, site, rack, 1.0)
        assert code == 0
        entries = journal.ledger.machines
        assert {entry.state for entry in entries.values()} == {"discovered"}
        assert [(e.name, e.consent, e.admitted, dict(e.addresses)) for e in entries.values()] == [("", None, False, {})] * 2
        assert sorted(rack.calls) == ["A1 cycle", "A2 cycle"]
        assert applying.plan is not None
        assert {step.key.name for step in applying.plan.steps} > {"install", "allocate"}
        kinds = {event.kind.value for event in journal.store.read()}
        assert kinds <= {
            "bmc_imported", "machine_discovered", "power_set", "service_started", "step_started", "step_done", "step_waited",
        }  # fmt: skip
        journal.close()


def test_an_apply_after_it_goes_on_from_what_was_discovered(tmp_path: Path) -> None:
    site = save_site(tmp_path, "A1", "A2")
    with make_rack(tmp_path, "A1", "A2") as rack:
        discover(tmp_path, site, rack, 0.7)[2].close()
        run = apply(tmp_path, site, rack)
        assert (run.code, run.text) == (0, "Done: 12 of 12 steps are done.")
        assert sorted(rack.calls) == ["A1 cycle", "A1 ordered", "A2 cycle", "A2 ordered"]
        run.journal.close()


def test_what_was_installed_is_not_forgotten_by_a_discovery(tmp_path: Path) -> None:
    site = save_site(tmp_path, "A1")
    with make_rack(tmp_path, "A1") as rack:
        before = apply(tmp_path, site, rack).journal
        steps = dict(before.ledger.steps)
        before.close()
        journal = discover(tmp_path, site, rack, 0.4)[2]
        assert journal.ledger.steps == steps
        journal.close()
        assert rack.calls == ["A1 cycle", "A1 ordered"]


def test_only_steps_that_discover_are_kept(tmp_path: Path) -> None:
    site = save_site(tmp_path, "A1")
    with make_rack(tmp_path, "A1") as rack:
        run = apply(tmp_path, site, rack, deadline_s=30)
        run.journal.close()
        _, applying, journal = discover(tmp_path, site, rack, 0.3)
        journal.close()
    assert applying.plan is not None
    kept = keep_discovery(applying.plan.steps)
    assert {str(step.key) for step in kept} == {"admin/dnsmasq", "admin/nginx", "bmc 192.168.124.201/discover"}
    assert not any(step.destructive for step in kept)
    others = [step for step in applying.plan.steps if step not in kept]
    assert keep_discovery([*others, *kept]) == keep_discovery(kept)


def hold(state: Path, mode: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(state), mode])
    wait_for(lambda: (holder := find_holder(state)) is not None and holder.pid == process.pid and holder.has_begun)
    return process


def wait_for(is_so: Callable[[], bool], within_s: float = 10.0) -> None:
    ends_at = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


@pytest.mark.parametrize("mode", ["discover", "apply"])
def test_a_second_discovery_is_refused(tmp_path: Path, mode: str) -> None:
    state = tmp_path / "state"
    process = hold(state, mode)
    try:
        holder = find_holder(state)
        assert holder is not None
        assert (holder.pid, holder.mode) == (process.pid, mode)
        assert abs(time.time() - holder.since) < 10
        with pytest.raises(RackstrapError, match=f"process {process.pid} is"), hold_lock(state, "discover"):
            pass
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    assert find_holder(state) is None


def test_an_apply_ends_a_discovery_and_takes_over(tmp_path: Path) -> None:
    state = tmp_path / "state"
    process = hold(state, "discover")
    with hold_lock(state, "apply"):
        assert process.wait(5) == -signal.SIGTERM
        holder = find_holder(state)
        assert holder is not None
        assert (holder.pid, holder.mode, holder.has_begun) == (os.getpid(), "apply", False)
    assert find_holder(state) is None


def test_an_apply_does_not_end_another(tmp_path: Path) -> None:
    state = tmp_path / "state"
    process = hold(state, "apply")
    try:
        with pytest.raises(RackstrapError, match="is applying a site already"), hold_lock(state, "apply"):
            pass
        assert process.poll() is None
        assert stop_holder(state) is True
        assert process.wait(5) == -signal.SIGTERM
        assert stop_holder(state) is False
    finally:
        process.kill()
        process.wait()


def test_a_machine_turns_up_while_it_really_serves(tmp_path: Path) -> None:
    """The command itself, on a segment of its own, stopped as the wizard stops it."""
    save_image(tmp_path / "image")
    (tmp_path / "site.yaml").write_text(SITE)
    with make_segment() as segment:
        desk = Desk(segment, tmp_path)
        words = ["apply", str(tmp_path / "site.yaml"), "--discover", "--image", str(tmp_path / "image"), "--interface", "adm0"]
        process = subprocess.Popen(desk.argv(*words, "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            agent = make_agent(segment, tmp_path / "agent")
            wait_for(lambda: has_answer(agent), 60)
            enrolment = {"recording": json.loads(make_recording("A1")), "mac": MAC, "boot_id": "boot-1"}
            machine = agent.ask("POST", "/agent/enrol", enrolment).json()["machine"]
            wait_for(lambda: Happened.STEP_DONE in desk.kinds("admin"), 60)
            assert desk.kinds(machine) == [Happened.MACHINE_DISCOVERED]
            assert find_order(agent).kind == "wait"
            assert stop_holder(desk.state) is True
            out, err = process.communicate(timeout=60)
            assert (process.returncode, err) == (0, "")
            text = json.loads(out.splitlines()[-1])["result"]["text"]
            assert text.startswith("Discovery ended: 1 machines are known;")
            assert find_serving(desk.state) > 0
            assert not (desk.state / "applied").exists()
        finally:
            process.kill()
            process.communicate()
            subprocess.run(desk.argv("serve", "--stop"), check=False, capture_output=True, timeout=60)
