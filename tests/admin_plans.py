"""Plans of the admin node's own installation, for their tests: one machine with two disks, and what was consented to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from installer.model.events import Event, Happened
from installer.model.facts import Disk, Machine, Signature
from installer.model.ledger import Ledger
from installer.model.orders import make_disk_guid
from installer.model.plan import Image
from installer.plan.admin import AdminInstall, make_admin_consent, plan_admin
from tests.plan_samples import KEY, ROLES, make_disk, make_machine, make_site

IMAGE = Image("1", "6.12", {}, {"root.squashfs": 300 * 10**6, "admin.squashfs": 60 * 10**6}, 700 * 10**6, 200 * 10**6)
BLANK = "erase: blank\n"
HERE = make_machine(1, uuid="aaaa", disks=(make_disk("sda", wwn="0x1"), make_disk("sdb", 40, wwn="0x2")))
ADMIN = "admin: {hostname: admin, address: 192.168.124.10, nics: [enp1s0], disk: %s}\n"


def make(text: str = "", disk: str = "{smallest: true}") -> Any:
    return make_site(f"access: {{ssh_keys: [{KEY}]}}\n" + ADMIN % disk + text)


def plan(
    text: str = "", disk: str = "{smallest: true}", here: Machine = HERE, ledger: Ledger | None = None, **more: Any
) -> AdminInstall:
    return plan_admin(make(text, disk), here, ledger or Ledger(), IMAGE, ROLES["base"], **more)


def make_own(disk: Disk, epoch: int = 1, *inner: Signature) -> Disk:
    """The disk as this installation leaves it: its table, its partitions, and what is in them."""
    guid = make_disk_guid("admin", epoch, disk.id).lower()
    names = [
        Signature(f"{disk.name}{n}", "partition", "x", n, "", f"rackstrap-{what}")
        for n, what in enumerate(("bios", "esp", "root"), 1)
    ]
    return replace(disk, holds=(Signature(disk.name, "table", "gpt", 512, guid), *names, *inner))


def on(here: Machine, **disks: Disk) -> Machine:
    return replace(here, disks=tuple(disks.get(disk.name, disk) for disk in here.disks))


def consented(here: Machine, *disks: str, ledger: Ledger | None = None, **more: Any) -> Event:
    return Event(Happened.ADMIN_CONSENTED, "admin", make_admin_consent(here, disks, ledger or Ledger(), "test", **more))


def started(epoch: int = 1) -> Event:
    return Event(Happened.ADMIN_INSTALL_STARTED, "admin", {"epoch": epoch})


def problems_of(found: AdminInstall) -> str:
    return "\n".join(map(str, found.problems))
