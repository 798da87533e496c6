"""The disks that may be written: found by stable id, compared once more with the consent, held by device number.

A disk that the operator did not choose is never written. Everything that writes asks `Target.node()` each time, which
follows the stable id again and refuses when it leads to another device than the one that was checked.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from installer.model.facts import Disk, Machine
from installer.model.orders import ChosenDisk, InstallSpec, make_disk_guid
from installer.model.problems import RackstrapError

LINKS: Final = (Path("/dev/disk/by-id"), Path("/dev/disk/by-path"))
SYS_BLOCK: Final = Path("/sys/block")
BLKGETSIZE64: Final = 0x80081272  # linux/fs.h, on 64-bit machines


class RefusedDiskError(RackstrapError):
    """This disk is not, or no longer, the one that may be erased. Nothing was written to it."""


@dataclass(frozen=True, slots=True)
class Target:
    """One disk that passed every check. `number` is its (major, minor) at that moment."""

    id: str
    name: str
    number: tuple[int, int]
    size_bytes: int
    sector_bytes: int
    guid: str  # the GPT disk GUID that this installation gives it

    def node(self) -> str:
        """Its device node, now. Raises RefusedDiskError when the stable id leads elsewhere."""
        return find_node(self.id, self.number)

    def partitions(self) -> tuple[str, ...]:
        """The device nodes of its partitions, now, by number. Raises RefusedDiskError."""
        name = Path(self.node()).name
        found = sorted((int(p.read_text()), p.parent.name) for p in (SYS_BLOCK / name).glob("*/partition"))
        return tuple(check_node(Path("/dev", part), SYS_BLOCK / name / part) for _, part in found)


def find_node(disk_id: str, number: tuple[int, int]) -> str:
    """The node behind a stable id. Raises RefusedDiskError when it is gone or another device."""
    for folder in LINKS:
        link = folder / disk_id
        if link.exists():
            real = link.resolve()
            if find_number(real) == number:
                return str(real)
    raise RefusedDiskError(f"disk {disk_id} is not where it was checked", "look at its cabling, then retry this node")


def find_number(node: Path) -> tuple[int, int]:
    device = node.stat().st_rdev
    return os.major(device), os.minor(device)


def check_node(node: Path, sysfs: Path) -> str:
    """The node as text when its device number is the one that sysfs gives. Raises RefusedDiskError."""
    major, _, minor = (sysfs / "dev").read_text(encoding="ascii").strip().partition(":")
    if find_number(node) != (int(major), int(minor)):
        raise RefusedDiskError(f"{node} is not the device that the kernel calls {sysfs.name}")
    return str(node)


def check_chosen(chosen: ChosenDisk, disk: Disk | None, guid: str, *, resumes: bool) -> str:
    """Why this disk must not be written, or "" when it is exactly the one that the consent names.

    With `resumes`, this installation had begun before: then the disk may be blank or carry `guid`, our own mark.
    """
    if disk is None:
        return f"disk {chosen.id} is not in this machine"
    for what, was, now in (
        ("WWN", chosen.wwn, disk.wwn),
        ("serial number", chosen.serial, disk.serial),
        ("size", chosen.size_bytes, disk.size_bytes),
    ):
        if was != now:
            return f"disk {chosen.id}: its {what} is {now or 'unknown'}, the consent names {was or 'none'}"
    if disk.holds_digest == chosen.holds_digest or (resumes and (disk.is_blank or has_guid(disk, guid))):
        return ""
    return f"disk {chosen.id} does not hold what it held when it was allocated: {render_holds(disk)}"


def has_guid(disk: Disk, guid: str) -> bool:
    """Whether the disk's own GPT has this disk GUID."""
    return any(s.kind == "table" and s.type == "gpt" and s.uuid.upper() == guid and s.where == disk.name for s in disk.holds)


def render_holds(disk: Disk) -> str:
    return ", ".join(f"{s.type} on {s.where}" for s in disk.holds[:6]) or "nothing"


def find_targets(spec: InstallSpec, machine: Machine, *, resumes: bool) -> tuple[Target, ...]:
    """Every chosen disk, checked against facts read just now. Raises RefusedDiskError: then nothing may be written."""
    ids = [chosen.id for chosen in spec.disks]
    if len(ids) not in (1, 2) or len(set(ids)) != len(ids):
        raise RefusedDiskError(f"an installation takes one disk, or two different ones for a mirror, not {len(ids)}")
    targets: list[Target] = []
    for chosen in spec.disks:
        guid = make_disk_guid(spec.node, spec.epoch, chosen.id)
        disk = machine.disk(chosen.id)
        reason = check_chosen(chosen, disk, guid, resumes=resumes)
        if reason or disk is None:
            raise RefusedDiskError(reason, "look at the disk, then allocate this node again")
        number = find_number(Path("/dev", disk.name))
        targets.append(Target(chosen.id, disk.name, number, disk.size_bytes, disk.sector_bytes, guid))
    for target in targets:
        check_unused(target)
    return tuple(targets)


def find_mounted(mountinfo: str) -> frozenset[tuple[int, int]]:
    """The device numbers of all that is mounted (proc(5): the third word of a mountinfo line)."""
    words = (line.split() for line in mountinfo.splitlines())
    pairs = (row[2].partition(":") for row in words if len(row) > 2)
    return frozenset((int(major), int(minor)) for major, _, minor in pairs)


def find_swaps(swaps: str) -> frozenset[str]:
    """The device nodes in /proc/swaps text."""
    return frozenset(line.split()[0] for line in swaps.splitlines()[1:] if line.strip())


def find_holders(name: str) -> tuple[str, ...]:
    """What is built on this disk or its partitions: dm and md devices."""
    found = (SYS_BLOCK / name).glob("holders/*"), (SYS_BLOCK / name).glob("*/holders/*")
    return tuple(sorted(path.name for paths in found for path in paths))


def check_unused(target: Target) -> None:
    """Not mounted, no swap, nothing built on it, and the kernel gives it to us alone. Raises RefusedDiskError."""
    node = target.node()
    nodes = (node, *target.partitions())
    mounted = find_mounted(Path("/proc/self/mountinfo").read_text(encoding="utf-8"))
    swaps = find_swaps(Path("/proc/swaps").read_text(encoding="utf-8"))
    used = [part for part in nodes if part in swaps or find_number(Path(part)) in mounted]
    used += find_holders(Path(node).name)
    if used:
        raise RefusedDiskError(f"disk {target.id} is in use: {', '.join(used)}", "power-cycle this machine and retry")
    check_exclusive(nodes, target)


def check_exclusive(nodes: Iterable[str], target: Target) -> None:
    """Open each exclusively, reading: a mounted or assembled one answers EBUSY. Compares number and size on the open disk."""
    for node in nodes:
        try:
            fd = os.open(node, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC)
        except OSError as error:
            raise RefusedDiskError(f"disk {target.id} is in use: {node}: {error.strerror}") from error
        try:
            device = os.fstat(fd).st_rdev
            whole = (os.major(device), os.minor(device)) == target.number
            if whole and load_size(fd) != target.size_bytes:
                raise RefusedDiskError(f"disk {target.id} is not {target.size_bytes} bytes long")
        finally:
            os.close(fd)


def load_size(fd: int) -> int:
    """The size in bytes of an open block device."""
    answer = fcntl.ioctl(fd, BLKGETSIZE64, b"\0" * 8)
    return int(struct.unpack("=Q", answer)[0])


def make_unlock_commands(nodes: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Lift the read-only flag of these nodes and no other."""
    return tuple(("blockdev", "--setrw", node) for node in nodes)
