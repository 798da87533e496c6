"""A simulated rack: what machines, BMCs and services would do, done in a state folder's journal and nowhere else.

It stands for everything on the far side of the wires of `rackstrap tui --demo`, which it meets in the store alone. Time
runs `speed` times as fast. It ends when nobody has looked for a while, and when its folder is gone.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from installer.engine.journal import Journal
from installer.engine.lock import find_holder
from installer.lab.fleet_machine import Simulated
from installer.lab.fleet_recordings import Recording, load_rack, make_rack
from installer.model.events import Event, Happened
from installer.model.problems import RackstrapError
from installer.power.scan import MOST_ASKED, parse_ranges
from installer.probe.identity import make_machine_id
from installer.probe.parse import parse_recording

SIZE: Final = 12
FIRST_BMC: Final = 162  # the white paper's range for BMCs begins here
FIRST_AFTER_S: Final = 1.0
NEXT_AFTER_S: Final = 1.5
FAILING: Final = 2  # number of the machine whose disk fails once
LOOK_EVERY_S: Final = 0.05
IDLE_S: Final = 600.0
LOCK: Final = "fleet.lock"
SLOW: Final = "slow-bmc"  # holds the address of the BMC that answers late
LOOKED: Final = "fleet.looked"  # whoever shows the rack touches this file now and then


class Fleet:
    """The rack over one journal. `step` does what is due, and is called again and again."""

    def __init__(self, journal: Journal, state: Path, rack: Sequence[Recording], speed: float) -> None:
        self.journal: Final = journal
        self.state: Final = state
        self.speed: Final = speed
        self._began: Final = time.monotonic()
        self._digests: dict[str, str] = {}
        self.machines: Final = make_machines(rack)
        self._take_up()

    @property
    def now(self) -> float:
        return (time.monotonic() - self._began) * self.speed

    def step(self) -> None:
        for event in self.journal.take_new():
            if event.kind is Happened.POWER_SET:
                self._switch(event)
        self._serve()
        for request, asked in list(self.journal.ledger.asked.items()):
            self._answer(request, asked)
        for machine in self.machines:
            machine.advance(self.now, self.journal.ledger.machines.get(machine.id), self.journal)

    def _take_up(self) -> None:
        """Go on where the journal is; machines that it does not know come up one after the other."""
        failed = {event.host for event in self.journal.take_new() if event.kind is Happened.ORDER_FAILED}
        arrival = FIRST_AFTER_S
        for machine in self.machines:
            entry = self.journal.ledger.machines.get(machine.id)
            machine.fails = machine.fails and machine.id not in failed
            if entry is not None:
                machine.resume(entry)
            elif not machine.has_slow_bmc:
                machine.mode, machine.until = "booting", arrival
                arrival += NEXT_AFTER_S
            if machine.has_slow_bmc:
                (self.state / SLOW).write_text(f"{machine.bmc}\n", encoding="ascii")
        known = self.journal.ledger.bmcs
        fresh = [machine for machine in self.machines if machine.bmc and machine.bmc not in known]
        self.journal.append(*(make_import(machine) for machine in fresh), durable=True)

    def _switch(self, event: Event) -> None:
        for machine in self.machines:
            if event.data["bmc"] in {machine.bmc, f"manual:{machine.id}"} or event.host == machine.id:
                machine.switch(event.data["power"], self.now)

    def _serve(self) -> None:
        """Say that a service runs on its configuration, a moment after that was written."""
        from installer.render.services import make_digest
        from installer.serve.daemons import make_services

        for service in make_services(self.state):
            if all(path.exists() for path in service.files):
                digest = make_digest({str(path): path.read_text(encoding="utf-8") for path in service.files})
                if self._digests.get(service.name) != digest:
                    self._digests[service.name] = digest
                    data = {"name": service.name, "digest": digest}
                    self.journal.append(Event(Happened.SERVICE_STARTED, "admin", data), durable=True)

    def _answer(self, request: str, asked: Mapping[str, Any]) -> None:
        try:
            message, is_ok = self._carry_out(asked), True
        except RackstrapError as error:
            message, is_ok = error.message, False
        data = {"request": request, "ok": is_ok, "message": message}
        self.journal.append(Event(Happened.ANSWERED, str(asked.get("host", "")), data), durable=True)
        self.journal.refresh()

    def _carry_out(self, asked: Mapping[str, Any]) -> str:
        host = str(asked.get("host", ""))
        machine = next((one for one in self.machines if host in {one.id, f"bmc {one.bmc}"}), None)
        match asked.get("verb"):
            case "scan":
                return self._scan([str(text) for text in asked.get("ranges", ())])
            case "identify" if machine is not None:
                return f"its light blinks for {asked.get('seconds', 15)} s (simulated)"
            case "power" if machine is not None:
                data = {"bmc": machine.bmc, "power": asked["power"], "boot": asked.get("boot", "")}
                self.journal.append(Event(Happened.POWER_SET, machine.id, data), durable=True)
                return f"switched {asked['power']} (simulated)"
        raise RackstrapError("the simulated rack does not know this wish")

    def _scan(self, ranges: Sequence[str]) -> str:
        asked = {str(address) for address in parse_ranges(ranges, MOST_ASKED)}
        found = [machine.bmc for machine in self.machines if machine.bmc in asked]
        fresh = [address for address in found if address not in self.journal.ledger.bmcs]
        self.journal.append(*(Event(Happened.BMC_FOUND, f"bmc {one}", {"address": one}) for one in fresh), durable=True)
        return f"{len(found)} BMCs answered, {len(fresh)} of them new (simulated)"


def make_machines(rack: Sequence[Recording]) -> list[Simulated]:
    """The rack's machines: one fails once, the last one's BMC answers late; twins of one serial number have no BMC."""
    facts = [parse_recording(recording) for recording in rack]
    serials = Counter(machine.serial for machine in facts)
    made = []
    for number, (recording, machine) in enumerate(zip(rack, facts, strict=True)):
        is_unique = bool(machine.serial) and serials[machine.serial] == 1
        bmc = f"192.168.124.{FIRST_BMC + number}" if is_unique and FIRST_BMC + number < 241 else ""
        made.append(Simulated(make_machine_id(machine), recording, number, bmc, machine.serial, number == FAILING))
    for machine_with_bmc in [one for one in made[3:] if one.bmc][-1:]:
        machine_with_bmc.has_slow_bmc = True
    return made


def make_import(machine: Simulated) -> Event:
    """The BMC as if it had been imported. No password is anywhere: the file that is named does not exist."""
    data = {"address": machine.bmc, "serial": machine.serial, "user": "simulated", "secret": "simulated", "uefi": False}
    return Event(Happened.BMC_IMPORTED, f"bmc {machine.bmc}", data)


def is_forsaken(state: Path, idle_s: float) -> bool:
    """Whether nobody has looked for so long, and nothing is under way."""
    try:
        silent_s = time.time() - (state / LOOKED).stat().st_mtime
    except FileNotFoundError:
        return not (state / "store.db").exists()
    return silent_s > idle_s and find_holder(state) is None


def run_fleet(state: Path, rack: Sequence[Recording], speed: float, idle_s: float) -> None:
    """Until SIGTERM, or nobody looks any more."""
    ends: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ends.append(number))
    (state / LOOKED).touch(mode=0o600)
    with Journal(state / "store.db", "fleet@simulated") as journal:
        fleet = Fleet(journal, state, rack, speed)
        while not ends and not is_forsaken(state, idle_s) and (state / "store.db").exists():
            fleet.step()
            time.sleep(LOOK_EVERY_S)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fleet", description="A simulated rack over a state folder.")
    parser.add_argument("recordings", nargs="+", metavar="RECORDING")
    parser.add_argument("--state", type=Path, required=True, metavar="DIR")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--idle", type=float, default=IDLE_S, metavar="SECONDS", help="end when nobody looked for so long")
    parser.add_argument("--temporary", action="store_true", help="remove the folder at the end")
    args = parser.parse_args(argv)
    try:
        lock = os.open(args.state / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0  # another one plays this rack already
    try:
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        run_fleet(args.state, make_rack(load_rack(args.recordings), SIZE), args.speed, args.idle)
    except RackstrapError as error:
        print(f"fleet: {error.message}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    finally:
        if args.temporary:
            with contextlib.suppress(OSError):
                shutil.rmtree(args.state)
        os.close(lock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
