"""Machines, sites and places for the tests of planning, made up where no recording is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from installer.model.events import Event, Happened
from installer.model.facts import Cpu, Disk, Firmware, Machine, Nic, Signature
from installer.model.folds import add_event
from installer.model.ledger import Ledger
from installer.model.plan import AdminPlace, Image, Plan
from installer.model.site import Site
from installer.plan.gifts import make_gifts
from installer.plan.plan import make_plan
from installer.plan.roles import load_roles
from installer.site.load import parse_site

GB = 10**9
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5FqXb5u8b5ruaW9W9v2VvX9u1H0B3O2M6o2bq3T0fQ admin@lab"
IMAGE = Image("1.0", "6.12.1-amd64", {"root.squashfs": "a" * 64, "rackstrap.squashfs": "b" * 64}, {}, 700 * 10**6)
PLACE = AdminPlace("/var/lib/rackstrap", "/srv/image", "br0", "c" * 64, IMAGE)
ROLES = load_roles()[0]
EXT4 = Signature("sda1", "filesystem", "ext4", 1080, "d5ae", "backup")
TABLE = Signature("sda", "table", "gpt", 512, "7b1c")
OWN = (TABLE, Signature("sda3", "partition", "gpt", 0, "", "rackstrap-root"))
HEAD = """rackstrap: 1
name: lab
domain: lab.example
"""
ADMIN = "admin: {hostname: admin, address: 192.168.124.10}\n"


def make_disk(name: str = "sda", size_gb: float = 20, **changes: Any) -> Disk:
    disk = Disk(
        f"ata-DISK_{name}",
        name,
        int(size_gb * GB),
        by_id=(f"ata-DISK_{name}",),
        serial=f"SER-{name}",
        model="DISK",
        transport="sata",
    )
    return replace(disk, **changes)


def make_machine(number: int = 1, disks: Iterable[Disk] | None = None, **changes: Any) -> Machine:
    """Machine `number` with serial S<number>, two NICs and, unless told otherwise, one blank disk of 20 GB."""
    mac = f"52:54:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
    nics = (
        Nic("enp1s0", mac, "virtio_net", 1000, True, "pci-0000:01:00.0"),
        Nic("enp2s0", mac.replace("52", "56", 1), "e1000e", 10000, True, "pci-0000:02:00.0"),
    )
    own = disks if disks is not None else [make_disk(serial=f"SER-{number}", wwn=f"0x5000{number:08x}")]
    cpu = Cpu("Xeon", 2, 16, 32, True)
    machine = Machine("", f"S{number}", "Lab", "R1", cpu, 64 * GB, Firmware("uefi"), nics, tuple(own), boot_nic=mac)
    return replace(machine, **changes)


def make_machines(*numbers: int) -> dict[str, Machine]:
    return {f"m-{number}": make_machine(number) for number in numbers}


def make_site(text: str) -> Site:
    """A site from what follows the head; it must be free of errors."""
    head = HEAD if "admin: {hostname" in text else HEAD + ADMIN
    loaded = parse_site((head + text).encode(), "site.yaml")
    assert loaded.site is not None, loaded.problems
    assert not loaded.problems
    return loaded.site


class Bench:
    """A site, its machines and its ledger, planned again and again as apply does, without any effect."""

    def __init__(self, site: Site, machines: Mapping[str, Machine] | None = None) -> None:
        self.site, self.ledger, self.machines = site, Ledger(), dict(machines or {})
        for key in self.machines:
            self.discover(key, self.machines[key])

    def discover(self, key: str, machine: Machine) -> None:
        self.machines[key] = machine
        data = {"recording": "r" * 64, "code": "ABCD-EFGH", "key": "k" * 64}
        self.note("machine_discovered", key, **data)

    def note(self, kind: str, host: str, **data: Any) -> None:
        self.add(Event(Happened(kind), host, data))

    def add(self, *events: Event) -> None:
        for event in events:
            seq = self.ledger.seq + 1
            add_event(self.ledger, replace(event, id=seq, at=float(seq)))

    def forget(self, key: str) -> None:
        del self.machines[key]
        self.note("machine_deleted", key)

    def plan(self) -> Plan:
        return make_plan(self.site, self.machines, self.ledger, ROLES, PLACE)

    def settle(self) -> Plan:
        """Plan, journal what is given, and plan again; the second plan must give nothing more."""
        self.add(*make_gifts(self.plan(), self.site, self.machines, self.ledger))
        plan = self.plan()
        assert make_gifts(plan, self.site, self.machines, self.ledger) == ()
        return plan
