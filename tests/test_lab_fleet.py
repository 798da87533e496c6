"""The simulated fleet: copies of recordings are other machines, and the journal is all that they touch."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from installer.engine.journal import Journal
from installer.lab import fleet
from installer.lab.fleet import LOOKED, Fleet, is_forsaken, make_machines
from installer.lab.fleet_machine import FAILURE, STAGES, find_stage
from installer.lab.fleet_recordings import load_rack, make_admin, make_copy, make_rack
from installer.model.events import Event, Happened
from installer.model.problems import RackstrapError
from installer.probe.identity import find_machine, make_machine_id
from installer.probe.parse import parse_recording

RECORDINGS = sorted((Path(__file__).parent / "machines").glob("*.json"))
FILES = [str(path) for path in RECORDINGS]
FEW = [str(Path(__file__).parent / "machines" / name) for name in ("bmc.json", "four-nics.json")]
FAST = 2000.0


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_copy_is_another_machine_with_the_same_hardware(path: Path) -> None:
    recording = load_rack([str(path)])[0]
    before = copy.deepcopy(recording)
    old, new = parse_recording(recording), parse_recording(make_copy(recording, "x"))
    assert recording == before
    assert find_machine(new, {"old": old}) is None
    assert not old.macs & new.macs
    assert [(n.name, n.driver, n.has_link) for n in old.nics] == [(n.name, n.driver, n.has_link) for n in new.nics]
    assert [(d.name, d.size_bytes, d.holds) for d in old.disks] == [(d.name, d.size_bytes, d.holds) for d in new.disks]
    assert make_copy(recording, "x") == make_copy(recording, "x")


def test_a_rack_is_filled_up_to_its_size_and_cabled() -> None:
    rack = [parse_recording(recording) for recording in make_rack(load_rack(FEW), 12)]
    assert len({make_machine_id(machine) for machine in rack}) == 12
    assert len({mac for machine in rack for mac in machine.macs}) == sum(len(machine.macs) for machine in rack)
    ports = [(nic.lldp.switch, nic.lldp.port) for machine in rack for nic in machine.nics if nic.lldp is not None]
    assert len(ports) == len(set(ports)) >= 12
    assert all(disk.size_bytes > 10**10 for machine in rack for disk in machine.disks)
    assert all(machine.memory_bytes > 30 * 10**9 for machine in rack)


def test_a_rack_that_is_large_enough_has_no_copies() -> None:
    assert len(make_rack(load_rack(FILES), 12)) == len(FILES) == 13


def test_the_admin_is_no_machine_of_the_rack() -> None:
    recordings = load_rack(FILES)
    admin = parse_recording(make_admin(recordings))
    assert find_machine(admin, {str(n): parse_recording(one) for n, one in enumerate(recordings)}) is None
    assert len(admin.nics) == 4


def test_no_recording_and_one_twice_are_refused() -> None:
    with pytest.raises(RackstrapError, match="needs a recorded machine"):
        load_rack([])
    with pytest.raises(RackstrapError, match="given already"):
        load_rack([FEW[0], FEW[0]])


def test_stages_follow_one_another() -> None:
    assert find_stage(STAGES, 0.0) == ("partition", 0.0)
    assert find_stage(STAGES, 9.0) == ("unpack", 0.5)
    assert find_stage(STAGES, 1000.0) == ("", 1.0)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "state" / "store.db", "fleet") as journal:
        yield journal


def run_until(rack: Fleet, is_so: Callable[[], bool], within_s: float = 10.0) -> None:
    ends_at = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < ends_at
        rack.step()
        rack.journal.refresh()


def make_fleet(journal: Journal, speed: float = FAST) -> Fleet:
    return Fleet(journal, journal.store.path.parent, make_rack(load_rack(FEW), 4), speed)


def ask(journal: Journal, host: str, **asked: object) -> None:
    journal.append(Event(Happened.ASKED, host, {"request": f"r{journal.ledger.seq}", **asked}), durable=True)


def read_answer(rack: Fleet, host: str, **asked: object) -> tuple[bool, str]:
    ask(rack.journal, host, **asked)
    rack.journal.refresh()
    run_until(rack, lambda: not rack.journal.ledger.asked)
    last = [event for event in rack.journal.store.read() if event.kind is Happened.ANSWERED][-1]
    return last.data["ok"], last.data["message"]


def test_machines_turn_up_but_for_the_one_whose_bmc_is_slow(journal: Journal) -> None:
    rack = make_fleet(journal)
    run_until(rack, lambda: len(journal.ledger.machines) == 3)
    slow = rack.machines[3]
    assert (slow.has_slow_bmc, slow.id in journal.ledger.machines) == (True, False)
    codes = {entry.code for entry in journal.ledger.machines.values()}
    assert len(codes) == 3
    assert set(journal.machines()) == set(journal.ledger.machines)
    for _ in range(3):
        journal.append(Event(Happened.POWER_SET, f"bmc {slow.bmc}", {"bmc": slow.bmc, "power": "cycle", "boot": "pxe"}))
    run_until(rack, lambda: slow.id in journal.ledger.machines)


def test_requests_are_answered(journal: Journal) -> None:
    rack = make_fleet(journal)
    run_until(rack, lambda: len(journal.ledger.machines) == 3)
    one = rack.machines[0]
    assert read_answer(rack, one.id, verb="identify", seconds=15) == (True, "its light blinks for 15 s (simulated)")
    assert read_answer(rack, one.id, verb="power", power="cycle", boot="pxe") == (True, "switched cycle (simulated)")
    assert journal.ledger.machines[one.id].boot_expected
    run_until(rack, lambda: not journal.ledger.machines[one.id].boot_expected)
    found = read_answer(rack, "admin", verb="scan", ranges=["192.168.124.162-192.168.124.170"])
    assert found == (True, "4 BMCs answered, 0 of them new (simulated)")
    assert read_answer(rack, "admin", verb="scan", ranges=["10.0.0.0/8"])[0] is False
    assert read_answer(rack, "m-unknown", verb="power", power="on") == (False, "the simulated rack does not know this wish")


def give_order(journal: Journal, machine: str, order: str) -> None:
    journal.append(
        Event(Happened.INSTALL_STARTED, machine, {"epoch": 1}),
        Event(Happened.ORDER_GIVEN, machine, {"order": order, "kind": "install", "install": {}, "resumes": False}),
        durable=True,
    )


def test_one_machine_fails_once_and_comes_good(journal: Journal) -> None:
    rack = make_fleet(journal)
    run_until(rack, lambda: len(journal.ledger.machines) == 3)
    failing = rack.machines[fleet.FAILING].id
    give_order(journal, failing, "one")
    run_until(rack, lambda: journal.ledger.machines[failing].order_failed == FAILURE)
    give_order(journal, failing, "two")
    run_until(rack, lambda: journal.ledger.machines[failing].installed is not None)
    assert journal.ledger.machines[failing].orders_done == ("two",)
    assert list(journal.ledger.machines[failing].phases) == [name for name, _ in STAGES]
    with Journal(journal.store.path) as later:
        again = make_fleet(later)
        assert [machine.fails for machine in again.machines] == [False] * 4
        assert again.machines[fleet.FAILING].mode == "disk"


def test_a_withdrawn_order_is_not_gone_on_with(journal: Journal) -> None:
    rack = make_fleet(journal, speed=10)
    rack.machines[0].mode, rack.machines[0].until = "booting", 0.0
    run_until(rack, lambda: bool(journal.ledger.machines))
    one = rack.machines[0].id
    give_order(journal, one, "one")
    run_until(rack, lambda: rack.machines[0].mode == "installing")
    journal.append(Event(Happened.ORDER_FAILED, one, {"order": "one", "reason": "withdrawn"}), durable=True)
    run_until(rack, lambda: rack.machines[0].mode == "discovery")
    assert journal.ledger.machines[one].installed is None


def test_twins_of_one_serial_number_have_no_bmc() -> None:
    twin = load_rack(FEW)[0]
    other = make_copy(twin, "other")
    other["dmi"]["product_serial"] = twin["dmi"]["product_serial"]
    assert [machine.bmc for machine in make_machines([twin, other])] == ["", ""]


def test_it_is_forsaken_only_when_nobody_looks(journal: Journal) -> None:
    state = journal.store.path.parent
    assert is_forsaken(state, 600) is False
    (state / LOOKED).touch()
    assert is_forsaken(state, 600) is False
    os.utime(state / LOOKED, (time.time() - 700, time.time() - 700))
    assert is_forsaken(state, 600) is True


def test_the_process_ends_and_takes_its_temporary_folder_along(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    words = [sys.executable, "-m", "installer.lab.fleet", FEW[0], "--state", str(state), "--idle", "0.3", "--temporary"]
    process = subprocess.Popen(words)
    assert process.wait(10) == 0
    assert not state.exists()
