"""What the tests of consent share: one disk, blank, marked or in use, and finding the consent in a plan."""

from __future__ import annotations

from dataclasses import replace

from installer.model.facts import Disk, Machine
from installer.model.plan import OrderNode, Plan
from tests.plan_samples import EXT4, OWN, Bench, make_disk, make_machine, make_site

BLANK = make_disk("sda", wwn="0x1")
DIRTY = replace(BLANK, holds=(EXT4,))
MARKED = replace(BLANK, holds=OWN)
MINE = "{name: a, match: {serial: S1}}"
INSTALLED = {"boot_id": "b", "soft_reboots": 1, "ssh_host_keys": [], "root": "/dev/sda3", "disk": "ata-DISK_sda", "address": "x"}


def find_consent(plan: Plan) -> tuple[str, ...]:
    """The disks that the order in this plan may erase."""
    orders = [a for step in plan.steps for a in step.actions if isinstance(a, OrderNode) and a.install is not None]
    return tuple(disk.id for order in orders if order.install is not None for disk in order.install.disks)


def plan_with(erase: str, *disks: Disk, rules: str = MINE, admit: str = "matched", **more: Machine) -> Plan:
    site = make_site(f"erase: {erase}\ndiscovery: {{admit: {admit}}}\nnodes: [{rules}]\n")
    return Bench(site, {"m-1": make_machine(1, disks), **more}).settle()


LISTED = "[{machine: S1, disks: [ata-DISK_sda]}]"
