"""A rack that exists only behind the engine's real seams: BMCs as `Power`, and a process's worth of events in the journal."""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from installer.engine.journal import Journal
from installer.model.codes import make_code
from installer.model.events import Event, Happened
from installer.model.ledger import BmcEntry, MachineEntry
from installer.model.problems import RackstrapError
from installer.power.power import BootDevice, PowerState, PowerWish
from installer.render.services import make_digest
from installer.serve.daemons import make_services
from tests import served_files

DISK: Final[dict[str, Any]] = {
    "attributes": {
        "queue/logical_block_size": "512",
        "queue/rotational": "1",
        "removable": "0",
        "ro": "1",
        "serial": "VIRT-0001",
    },
    "driver": "virtio_blk",
    "path": "/devices/pci0000:00/0000:00:07.0/virtio4/block/vda",
    "properties": {
        "DEVLINKS": "/dev/disk/by-id/virtio-VIRT-0001 /dev/disk/by-path/pci-0000:00:07.0",
        "DEVNAME": "/dev/vda",
        "DEVTYPE": "disk",
        "ID_PATH": "pci-0000:00:07.0",
        "ID_SERIAL": "VIRT-0001",
        "SUBSYSTEM": "block",
    },
}
LOOKED: Final = ("wipefs", "--no-act", "--json", "--output", "DEVICE,OFFSET,TYPE,UUID,LABEL,USAGE", "/dev/vda")


def make_recording(serial: str, size_bytes: int = 20 * 10**9) -> bytes:
    """A recording of a machine with this serial number and one blank disk."""
    digits = sha256(serial.encode()).hexdigest()
    recording = served_files.make_recording(serial, f"52:54:00:{digits[:2]}:{digits[2:4]}:{digits[4:6]}")
    disk = copy.deepcopy(DISK)
    disk["attributes"]["size"] = str(size_bytes // 512)
    recording["block"] = [disk]
    recording["commands"]["wipefs"] = [{"argv": list(LOOKED), "exit": 0, "out": ""}]
    return json.dumps(recording).encode()


@dataclass
class FakeMachine:
    """`outcomes`: what comes of each order: "ok", "silent", or a failure's reason; "ok" when there are no more."""

    serial: str
    bmc: str
    outcomes: list[str] = field(default_factory=list)
    power: PowerState = "off"
    boots: int = 0
    runs: str = ""  # "", "discovery" or "disk"
    seen: set[str] = field(default_factory=set)

    @property
    def id(self) -> str:
        return f"m-{self.serial}"


class Rack:
    """Machines, and what `rackstrap serve` would journal about them. Runs in a thread with a journal of its own."""

    def __init__(self, state: Path, *machines: FakeMachine) -> None:
        self.state: Final = state
        self.machines: Final = {machine.bmc: machine for machine in machines}
        self.calls: Final[list[str]] = []
        self.broken: Final[set[str]] = set()  # BMCs that do not answer
        self.on_order: Callable[[MachineEntry], None] = lambda _: None
        self._booted: Final[list[FakeMachine]] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._digests: dict[str, str] = {}

    def __enter__(self) -> Rack:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def make_power(self, entry: BmcEntry) -> FakePower:
        return FakePower(self, self.machines[entry.address])

    def boot(self, machine: FakeMachine) -> None:
        machine.boots += 1
        machine.runs = "discovery"
        self._booted.append(machine)

    def _run(self) -> None:
        with Journal(self.state / "store.db", who="serve") as journal:
            while not self._end.is_set():
                journal.refresh()
                self._serve(journal)
                while self._booted:
                    self._discover(journal, self._booted.pop(0))
                for machine in self.machines.values():
                    entry = journal.ledger.machines.get(machine.id)
                    if entry is not None and machine.runs == "discovery":
                        self._work(journal, machine, entry)
                time.sleep(0.01)

    def _serve(self, journal: Journal) -> None:
        for service in make_services(self.state):
            if not all(path.exists() for path in service.files):
                continue
            digest = make_digest({str(path): path.read_text() for path in service.files})
            if self._digests.get(service.name) != digest:
                self._digests[service.name] = digest
                journal.append(Event(Happened.SERVICE_STARTED, "admin", {"name": service.name, "digest": digest}), durable=True)

    def _discover(self, journal: Journal, machine: FakeMachine) -> None:
        key = sha256(f"{machine.serial}/{machine.boots}".encode()).hexdigest()
        data = {
            "recording": journal.store.put_blob(make_recording(machine.serial)),
            "code": make_code(key),
            "key": key,
            "address": "192.168.124.21",
            "mac": "52:54:00:00:00:01",
            "boot_id": f"boot-{machine.boots}",
        }
        journal.append(Event(Happened.MACHINE_DISCOVERED, machine.id, data), durable=True)

    def _work(self, journal: Journal, machine: FakeMachine, entry: MachineEntry) -> None:
        order = entry.order
        if order is None or order["order"] in machine.seen:
            return
        machine.seen.add(order["order"])
        self.calls.append(f"{machine.serial} ordered{' again' if order['resumes'] else ''}")
        self.on_order(entry)
        outcome = machine.outcomes.pop(0) if machine.outcomes else "ok"
        if outcome == "ok":
            journal.store.set_progress(entry.id, "unpack", 61, "of 1 GB")
            told = {"epoch": entry.epoch, "phases": {"unpack": 1.0}}
            done = Event(Happened.ORDER_DONE, entry.id, {"order": order["order"]})
            journal.append(Event(Happened.NODE_UNPACKED, entry.id, told), done, durable=True)
            machine.runs = "disk"
            journal.append(Event(Happened.NODE_INSTALLED, entry.id, make_installed(entry)), durable=True)
        elif outcome != "silent":
            journal.append(Event(Happened.ORDER_FAILED, entry.id, {"order": order["order"], "reason": outcome}), durable=True)


def make_installed(entry: MachineEntry) -> dict[str, Any]:
    return {
        "epoch": entry.epoch,
        "boot_id": "installed-1",
        "soft_reboots": 1,
        "ssh_host_keys": ["ssh-ed25519 AAAA"],
        "root": "/dev/vda3",
        "disk": "virtio-VIRT-0001",
        "address": entry.addresses.get("admin", ""),
        "cold": False,
    }


@dataclass(frozen=True)
class FakePower:
    """One fake machine's BMC."""

    rack: Rack
    machine: FakeMachine

    def get_power(self) -> PowerState:
        return self.machine.power

    def set_power(self, wish: PowerWish) -> str:
        self.rack.calls.append(f"{self.machine.serial} {wish}")
        if self.machine.bmc in self.rack.broken:
            raise RackstrapError(f"the BMC at {self.machine.bmc} is silent", "look at its cable")
        self.machine.power = "off" if wish == "off" else "on"
        if wish != "off":
            self.rack.boot(self.machine)
        return f"switched {wish}"

    def set_boot(self, device: BootDevice, uefi: bool) -> str:
        return f"next boot from {device}{' (UEFI)' if uefi else ''}"

    def identify(self, seconds: int) -> str:
        return f"lit for {seconds} s"
