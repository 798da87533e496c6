"""Disks as pages name and judge them: by model, end of the serial and size; by the planner's own rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from installer.engine.plan_verbs import ASSUMED_IMAGE
from installer.model.facts import Disk, Machine
from installer.model.orders import Layout
from installer.model.site import DiskChoice
from installer.plan.describe import describe_bytes, describe_holds, join_words
from installer.plan.storage import DiskSet, choose_disks, find_offered, find_shared_wwns, make_least_bytes
from installer.probe.identity import SAME, score_identity
from installer.wizard.view import View

# An installation of the image that is assumed where none is built; the installer measures the real one before it writes.
LEAST_BYTES: Final = make_least_bytes(ASSUMED_IMAGE, Layout())
KINDS: Final = {"usb": "USB", "nvme": "NVMe", "fc": "FC", "iscsi": "iSCSI", "mmc": "MMC"}


@dataclass(frozen=True, slots=True)
class Offer:
    """The disks of one machine: those that may be chosen, the others with the reason, and how each is called."""

    offered: tuple[Disk, ...]
    refused: tuple[tuple[Disk, str], ...]
    names: dict[str, str]  # kernel name -> "SAMSUNG MZ7LH960 ..0017"
    machine: Machine  # with those disks alone that could be chosen from
    shared: frozenset[str]
    least_bytes: int

    def reason(self, disk: Disk) -> str:
        """Why it is not offered; "" when it is."""
        return next((reason for other, reason in self.refused if other == disk), "")


def make_offer(view: View) -> Offer:
    """The admin node's own disks."""
    own = view.here.machine
    others = [machine for machine in view.machines.values() if score_identity(own, machine) < SAME]
    shared = find_shared_wwns([own, *others])
    running = tuple(disk for disk in own.disks if disk.id in view.here.boot_disks)
    machine = replace(own, disks=tuple(disk for disk in own.disks if disk not in running))
    least_bytes = view.own_least_bytes or LEAST_BYTES
    offered, refused = find_offered(machine, shared, least_bytes)
    worded = tuple((disk, _word_reason(disk, reason, view, least_bytes)) for disk, reason in refused)
    live = tuple((disk, "this installer" if disk.removable else "this system runs from it") for disk in running)
    return Offer(offered, (*live, *worded), name_disks(own.disks), machine, shared, least_bytes)


def _word_reason(disk: Disk, reason: str, view: View, least_bytes: int) -> str:
    if reason.startswith("it is too small"):
        return f"too small: {describe_bytes(least_bytes)} are needed"
    if "WWN" in reason:
        seen = [
            node.title
            for node in view.status.nodes
            if node.machine in view.machines and any(d.wwn == disk.wwn for d in view.machines[node.machine].disks)
        ]
        return f"seen by {join_words(seen[:3])} too: SAN" if seen else "seen twice here: SAN or multipath"
    return reason.removeprefix("it is ").removeprefix("its ")


def choose(choice: DiskChoice, offer: Offer) -> DiskSet:
    """The disks that the site file's choice means here, by the planner's rules."""
    return choose_disks(choice, offer.machine, offer.shared, offer.least_bytes)


def name_disks(disks: Sequence[Disk]) -> dict[str, str]:
    """Kernel name -> model and the end of the serial: four characters, or as many as tell it from its fellows.

    Where two have the same serial too, what tells them apart is the place where they are connected.
    """
    names = {disk.name: f"{disk.model or f'{disk.transport} disk'} {_find_end(disk, disks)}" for disk in disks}
    count = Counter(names.values())
    return {disk.name: _place(names[disk.name], disk) if count[names[disk.name]] > 1 else names[disk.name] for disk in disks}


def _place(name: str, disk: Disk) -> str:
    return f"{name} at {(disk.by_path or disk.name).rpartition('-')[2]}"


def _find_end(disk: Disk, disks: Sequence[Disk]) -> str:
    if not disk.serial:
        return "no serial"
    others = {other.serial for other in disks if other.serial != disk.serial}
    length = next(
        (n for n in range(4, len(disk.serial)) if not any(o.endswith(disk.serial[-n:]) for o in others)), len(disk.serial)
    )
    return f"..{disk.serial[-length:]}"


def describe_kind(disk: Disk) -> str:
    """SSD, disk (it turns), or how it is reached where that says more: USB, NVMe, FC, iSCSI."""
    return KINDS.get(disk.transport) or ("disk" if disk.rotational else "SSD")


def describe_contents(disk: Disk) -> str:
    """What is lost with it, in one line."""
    return ", ".join(describe_holds(disk)) or "nothing"
