"""What a disk holds: every superblock that wipefs lists, every partition and partition table that udev knows."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, Literal

from installer.model.facts import Signature
from installer.probe import hostile

Kind = Literal["filesystem", "raid", "lvm", "zfs", "multipath", "swap", "encrypted", "table", "partition", "other"]

# libblkid's type names (util-linux, libblkid/src/superblocks and partitions) where its usage alone does not tell.
KINDS: Final[dict[str, Kind]] = {
    "LVM1_member": "lvm",
    "LVM2_member": "lvm",
    "lvm2_member": "lvm",
    "zfs_member": "zfs",
    "mpath_member": "multipath",
    "swap": "swap",
    "swsuspend": "swap",
    "crypto_LUKS": "encrypted",
    "BitLocker": "encrypted",
    "cs_fvault2": "encrypted",
    "LVM2_thinpool": "lvm",
    "DM_snapshot_cow": "lvm",
    "bcache": "raid",
    "drbd": "raid",
    "drbdmanage_control_volume": "raid",
    "ceph_bluestore": "other",
    "VMFS_volume_member": "other",
    "ubi": "other",
}
USAGES: Final[dict[str, Kind]] = {
    "filesystem": "filesystem",
    "raid": "raid",
    "crypto": "encrypted",
    "partition-table": "table",
    "other": "other",
}
UNREADABLE: Final = "unreadable"
ESCAPED: Final = re.compile(r"\\x([0-9a-fA-F]{2})")


def find_kind(type_name: str, usage: str) -> Kind:
    """What a superblock of this libblkid type and usage means; "other" for what nobody knows."""
    if type_name in KINDS:
        return KINDS[type_name]
    if type_name.endswith("_raid_member") or type_name == "linux_raid_member":
        return "raid"
    return USAGES.get(usage, "other")


def parse_superblocks(answers: object) -> dict[str, list[Signature]]:
    """wipefs' answers as superblocks by device name. A device that is no key here was not read: never take it for blank."""
    found: dict[str, list[Signature]] = {}
    for number, raw in enumerate(hostile.read_list(answers, "commands.wipefs")):
        where = f"commands.wipefs[{number}]"
        answer = hostile.read_mapping(raw, where)
        if answer.get("exit") != 0:
            continue
        devices = [
            a for a in hostile.read_list(answer.get("argv"), f"{where}.argv") if isinstance(a, str) and a.startswith("/dev/")
        ]
        found |= {device.removeprefix("/dev/").replace("/", "!"): [] for device in devices}
        document = hostile.read_json(hostile.read_text(answer, "out", where), f"{where}.out")
        rows = (
            []
            if document is None
            else hostile.read_list(hostile.read_mapping(document, where).get("signatures"), f"{where}.signatures")
        )
        for row in rows:
            signature = parse_superblock(hostile.read_mapping(row, where), where)
            if signature.where not in found:
                raise ValueError(f"{where}: it tells about {signature.where!r}, which was not asked for")
            found[signature.where].append(signature)
    return found


def parse_superblock(row: Mapping[str, Any], where: str) -> Signature:
    type_name = hostile.read_label(row, "type", where)
    return Signature(
        where=hostile.read_kernel_name(hostile.read_text(row, "device", where), f"{where}.device"),
        kind=find_kind(type_name, hostile.read_text(row, "usage", where)),
        type=type_name,
        offset_bytes=hostile.read_count(row, "offset", where, base=16),
        uuid=hostile.read_label(row, "uuid", where),
        label=hostile.read_label(row, "label", where),
    )


def decode_udev(text: str) -> str:
    r"""Undo udev's escapes, which stand for UTF-8 bytes: "EFI\x20System" is "EFI System"."""
    raw = ESCAPED.sub(lambda m: chr(int(m[1], 16)), text.encode().decode("latin-1"))
    return hostile.make_label(raw.encode("latin-1", errors="replace").decode(errors="replace"))


def parse_partition(name: str, device: Mapping[str, Any], where: str) -> Signature:
    """The partition itself: its type (GUID or 0x83), its own UUID, its name, and where it starts."""
    properties = hostile.read_mapping(device.get("properties"), f"{where}.properties")
    attributes = hostile.read_mapping(device.get("attributes"), f"{where}.attributes")
    label = properties.get("ID_PART_ENTRY_NAME") or properties.get("PARTNAME") or ""
    if not isinstance(label, str):
        raise ValueError(f"{where}.properties: the partition's name is no text")
    return Signature(
        where=name,
        kind="partition",
        type=hostile.read_label(properties, "ID_PART_ENTRY_TYPE", where).lower(),
        offset_bytes=hostile.read_count(attributes, "start", where) * 512,
        uuid=hostile.read_label(properties, "ID_PART_ENTRY_UUID", where) or hostile.read_label(properties, "PARTUUID", where),
        label=decode_udev(label[:1024]),
    )


def make_holds(
    disk: str, own: Mapping[str, Any], partitions: list[Signature], superblocks: Mapping[str, list[Signature]]
) -> tuple[Signature, ...]:
    """All that one disk holds, in a fixed order. What could not be read is held as "unreadable", so that it is never blank."""
    found = list(partitions)
    for name in [disk, *(p.where for p in partitions)]:
        if name not in superblocks:
            found.append(Signature(where=name, kind="other", type=UNREADABLE))
        found += superblocks.get(name, [])
    table_uuid = hostile.read_label(own, "ID_PART_TABLE_UUID", disk)
    found = [fill_uuid(s, table_uuid) if s.where == disk and s.type in {"gpt", "dos"} else s for s in found]
    table_type = hostile.read_label(own, "ID_PART_TABLE_TYPE", disk)
    if table_type and not any(s.where == disk and s.kind == "table" for s in found):
        found.append(Signature(where=disk, kind="table", type=table_type, uuid=table_uuid))
    if hostile.read_text(own, "ID_FS_TYPE", disk) == "mpath_member" or own.get("DM_MULTIPATH_DEVICE_PATH") == "1":
        found.append(Signature(where=disk, kind="multipath", type="mpath_member"))
    return tuple(sorted(found, key=lambda s: (len(s.where), s.where, s.kind != "partition", s.offset_bytes, s.type)))


def fill_uuid(signature: Signature, uuid: str) -> Signature:
    """A partition table with the UUID that udev knows; wipefs shows none."""
    return Signature(
        signature.where, signature.kind, signature.type, signature.offset_bytes, signature.uuid or uuid, signature.label
    )


def group_partitions(block: list[Mapping[str, Any]]) -> dict[str, list[Signature]]:
    """Partitions by the kernel name of their disk, which is the last but one part of their path."""
    found: dict[str, list[Signature]] = defaultdict(list)
    for number, device in enumerate(block):
        where = f"block[{number}]"
        parts = hostile.read_text(device, "path", where).split("/")
        if len(parts) > 2 and hostile.read_mapping(device.get("properties"), where).get("DEVTYPE") == "partition":
            name = hostile.read_kernel_name(parts[-1], where)
            found[hostile.read_kernel_name(parts[-2], where)].append(parse_partition(name, device, where))
    return found
