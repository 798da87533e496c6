"""Disks in words: how large they are, and what they hold and would lose."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from installer.model.facts import Disk, Signature

_NUMBER: Final = re.compile(r"p?(\d+)")
_TYPES: Final = {
    "linux_raid_member": "half of a RAID array",
    "LVM2_member": "LVM volume",
    "zfs_member": "ZFS pool",
    "swap": "swap",
}
OWN_INSTALLATION: Final = "an installation of Rackstrap"


def describe_holds(disk: Disk) -> tuple[str, ...]:
    """What is lost when this disk is erased, one phrase each: 'ext4 "backup" on partition 1'. Empty for a blank disk."""
    inner = [s for s in disk.holds if s.kind not in ("table", "partition")]
    named = {s.where for s in inner}
    bare = [s for s in disk.holds if s.kind == "partition" and s.where not in named]
    phrases = [_describe(s, disk) for s in (*inner, *bare)]
    if not phrases:
        phrases = [f"an empty {s.type} partition table" for s in disk.holds]
    if disk.has_own_mark:
        phrases.insert(0, OWN_INSTALLATION)
    return tuple(dict.fromkeys(phrases))


def _describe(signature: Signature, disk: Disk) -> str:
    """`signature` in words. Labels are someone else's text: only printable ASCII of them is shown."""
    label = "".join(c for c in signature.label if c.isascii() and c.isprintable())[:40]
    quoted = f' "{label}"' if label else ""
    where = _NUMBER.fullmatch(signature.where.removeprefix(disk.name))
    if signature.kind == "partition":
        return f"partition {where[1] if where else '?'}{quoted}"
    return f"{_TYPES.get(signature.type, signature.type)}{quoted}{f' on partition {where[1]}' if where else ''}"


def describe_bytes(size_bytes: int) -> str:
    """Decimal, as disks are sold: 480 GB, 1.92 TB, 512 MB."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.3g} {unit}" if size_bytes < 1000 * factor else f"{size_bytes // factor} {unit}"
    return f"{size_bytes} bytes"


def join_words(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *head, last = list(words) or [""]
    return f"{', '.join(head)} and {last}" if head else last
