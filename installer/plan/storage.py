"""Which disks of a machine are written: chosen among those that may be offered, each refusal with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from installer.model.facts import Disk, Machine
from installer.model.orders import ChosenDisk, Layout
from installer.model.plan import Image
from installer.model.site import DiskChoice

BIOS_BOOT_BYTES = 1024**2
GROWTH = 1.25  # ext4's own structures, its 5 % reserve (mke2fs(8) -m) and the first logs, over the unpacked image
FIBRE = {"fc": "it is reached over Fibre Channel", "iscsi": "it is reached over iSCSI"}


@dataclass(frozen=True, slots=True)
class DiskSet:
    """The outcome of a choice: `disks` to be written (none when `problem` says why not), and who was not offered."""

    disks: tuple[Disk, ...]
    refused: tuple[tuple[Disk, str], ...]
    problem: str = ""
    hint: str = ""


def find_shared_wwns(machines: Iterable[Machine]) -> frozenset[str]:
    """WWNs that are seen more than once: a SAN volume, or one disk behind two paths."""
    seen = Counter(disk.wwn for machine in machines for disk in machine.disks if disk.wwn)
    return frozenset(wwn for wwn, count in seen.items() if count > 1)


def make_least_bytes(image: Image, layout: Layout) -> int:
    """The smallest disk that an installation fits on."""
    return BIOS_BOOT_BYTES * 2 + layout.esp_bytes + int(image.root_bytes * GROWTH)


def find_offered(
    machine: Machine, shared: frozenset[str], least_bytes: int
) -> tuple[tuple[Disk, ...], tuple[tuple[Disk, str], ...]]:
    """The disks that may be chosen, by id, and the others, each with the reason why it is not offered."""
    offered: list[Disk] = []
    refused: list[tuple[Disk, str]] = []
    ids = Counter(disk.id for disk in machine.disks)
    for disk in sorted(machine.disks, key=lambda d: (d.id, d.name)):
        reason = find_refusal(disk, shared, least_bytes) or ("another disk has the same id" if ids[disk.id] > 1 else "")
        if reason:
            refused.append((disk, reason))
        else:
            offered.append(disk)
    return tuple(offered), tuple(refused)


def find_refusal(disk: Disk, shared: frozenset[str], least_bytes: int) -> str:
    """Why this disk is not offered; "" when it is."""
    failing = f": {disk.health.detail}" if disk.health.detail else ""
    reasons = (
        (disk.id.startswith("sys/"), "udev has no lasting name for it"),
        (disk.removable, "it is removable"),
        (disk.transport == "usb", "it is on USB"),
        (disk.transport in FIBRE, FIBRE.get(disk.transport, "")),
        (disk.read_only, "it is read-only"),
        (disk.wwn != "" and disk.wwn in shared, "its WWN is seen more than once (SAN or multipath)"),
        (disk.health.state == "failing", f"its health is failing{failing}"),
        (disk.size_bytes < least_bytes, f"it is too small ({disk.size_bytes} of {least_bytes} bytes)"),
    )
    return next((reason for applies, reason in reasons if applies), "")


def choose_disks(choice: DiskChoice, machine: Machine, shared: frozenset[str], least_bytes: int) -> DiskSet:
    """The disk (two for a mirror) that the choice means on this machine; ties go to the smaller id.

    Never a disk that is not offered, also when the choice names it.
    """
    offered, refused = find_offered(machine, shared, least_bytes)
    big_enough = tuple(disk for disk in offered if disk.size_bytes >= choice.min_gb * 10**9)
    refused += tuple((d, f"it is smaller than {choice.min_gb} GB") for d in offered if d not in big_enough)
    if _named(choice)[0]:
        return _choose_named(choice, machine, big_enough, refused)
    wanted_count = 2 if choice.mirror else 1
    order = sorted(big_enough, key=lambda d: (-d.size_bytes if choice.largest else d.size_bytes, d.id))
    if len(order) < wanted_count:
        problem = f"{len(order)} of {wanted_count} disks that may be chosen ({_list_refused(refused)})"
        return DiskSet((), refused, problem, "choose a disk that is offered, lower min_gb, or fit a disk")
    return DiskSet(tuple(order[:wanted_count]), refused)


def _named(choice: DiskChoice) -> tuple[str, tuple[str, ...]]:
    for kind, wanted in (("by_id", choice.by_id), ("serial", choice.serial), ("wwn", choice.wwn), ("path", choice.path)):
        if wanted:
            return kind, wanted
    return "", ()


def has_name(disk: Disk, kind: str, word: str) -> bool:
    """Whether this disk goes by `word`: kind by_id, serial, wwn or path."""
    names: Mapping[str, Sequence[str]] = {
        "by_id": (disk.id, *disk.by_id),
        "serial": (disk.serial,),
        "wwn": (disk.wwn,),
        "path": (disk.by_path,),
    }
    return word in names[kind]


def _choose_named(
    choice: DiskChoice, machine: Machine, offered: Sequence[Disk], refused: tuple[tuple[Disk, str], ...]
) -> DiskSet:
    kind, wanted = _named(choice)
    count = 2 if choice.mirror else 1
    if len(wanted) != count or len(set(wanted)) != count:
        problem = f"{len(set(wanted))} disks are named where {count} {'is' if count == 1 else 'are'} needed"
        return DiskSet((), refused, problem, "name one disk, or two with `mirror: true`")
    chosen: list[Disk] = []
    for word in wanted:
        fitting = [disk for disk in machine.disks if has_name(disk, kind, word)]
        if len(fitting) != 1:
            problem = f"{len(fitting)} disks have {kind} {word}" if fitting else f"no disk has {kind} {word}"
            return DiskSet((), refused, problem, f"it has: {', '.join(sorted(d.id for d in machine.disks)) or 'no disk'}")
        if fitting[0] not in offered:
            reason = next(reason for disk, reason in refused if disk == fitting[0])
            return DiskSet((), refused, f"disk {word} is not offered: {reason}", "choose another disk")
        chosen.append(fitting[0])
    if len({disk.id for disk in chosen}) != count:
        return DiskSet((), refused, "both halves of the mirror are the same disk", "name two disks")
    return DiskSet(tuple(chosen), refused)


def _list_refused(refused: Sequence[tuple[Disk, str]]) -> str:
    return "; ".join(f"{disk.id}: {reason}" for disk, reason in refused[:8]) or "it has no disk"


def make_chosen(disk: Disk) -> ChosenDisk:
    """A disk as a consent names it."""
    return ChosenDisk(disk.id, disk.wwn, disk.serial, disk.size_bytes, disk.holds_digest)
