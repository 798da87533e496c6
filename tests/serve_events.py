"""A machine's way from its discovery to its installed system as events, for the tests of what serving decides."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from installer.model.events import Event, Happened
from installer.model.folds import make_ledger
from installer.model.ledger import MachineEntry
from installer.model.orders import ChosenDisk, InstallSpec, Layout

DISK = ChosenDisk("wwn-0x1", "0x1", "Z1", 10**10, "0" * 64)
SPEC = InstallSpec("node1", 1, (DISK,), Layout(), (), "reboot", ("tty0",))
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDxJ6GMVDcOwEdKlVMJ6hQ4fVjXH9XzrjO6PDvzVjYqB"
ORDER = {"order": "o-1", "kind": "install", "install": json.loads(json.dumps(asdict(SPEC))), "resumes": False}


def happened(what: Happened, /, **data: Any) -> Event:
    return Event(what, "m-1", data)


DISCOVERED = happened(
    Happened.MACHINE_DISCOVERED, recording="r", code="ABCD-EFGH", key="k1", mac="52:54:00:00:00:01", boot_id="b1"
)
BOUND = happened(Happened.NODE_BOUND, name="node1", rule=0)
ADMITTED = happened(Happened.MACHINE_ADMITTED)
CONSENT = happened(Happened.CONSENT_GIVEN, disks=[asdict(DISK)], epoch=1, how="test")
STARTED = happened(Happened.INSTALL_STARTED, epoch=1)
GIVEN = happened(Happened.ORDER_GIVEN, **ORDER)
UNPACKED = happened(Happened.NODE_UNPACKED, epoch=1, phases={})
DONE = happened(Happened.ORDER_DONE, order="o-1")
RUNS = {
    "epoch": 1,
    "boot_id": "b2",
    "soft_reboots": 1,
    "ssh_host_keys": [KEY],
    "root": "/dev/sda3",
    "disk": "wwn-0x1",
    "address": "192.168.77.81",
    "cold": False,
}
INSTALLED = happened(Happened.NODE_INSTALLED, **RUNS)
READY_TO_INSTALL = (DISCOVERED, BOUND, ADMITTED, CONSENT, STARTED, GIVEN)


def entry_after(*events: Event) -> MachineEntry:
    return make_ledger(events).machines["m-1"]
