"""Disks: stable ids, transport, what they are and what they hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from installer.model.facts import Disk, Transport
from installer.probe import hostile
from installer.probe.health import parse_health
from installer.probe.signatures import decode_udev, group_partitions, make_holds, parse_superblocks

# The best name first. nvme-nvme.… is only the serial spelt in hex, so the readable one goes before it.
ID_RANKS: Final = ("wwn-", "nvme-eui.", "nvme-uuid.", "ata-", "nvme-", "scsi-S", "scsi-", "virtio-", "mmc-", "usb-", "")
# Links that come from what the disk holds, not from the disk: they go when it is wiped.
CONTENT_LINKS: Final = ("lvm-pv-uuid-", "md-", "dm-")
WORLD_WIDE: Final = re.compile(r"(?:0x[0-9a-f]{8,32}|(?:eui|naa|uuid)\.[0-9a-f-]{8,64})")


def parse_disks(block: list[Mapping[str, Any]], wipefs: object, smart: Mapping[str, Any]) -> tuple[Disk, ...]:
    """Every whole disk, by kernel name in the order that people expect (sda … sdz, sdaa). Raises ValueError, with where."""
    superblocks = parse_superblocks(wipefs)
    partitions = group_partitions(block)
    disks: list[tuple[Disk, str]] = []
    for number, device in enumerate(block):
        where = f"block[{number}]"
        properties = hostile.read_mapping(device.get("properties"), f"{where}.properties")
        if properties.get("DEVTYPE") != "disk":
            continue
        name = hostile.read_kernel_name(hostile.read_text(device, "path", where).rpartition("/")[2], where)
        disk = parse_disk(name, device, where)
        holds = make_holds(name, properties, partitions.get(name, []), superblocks)
        health = parse_health(smart.get(name), f"commands.smart.{name}")
        disks.append((replace(disk, holds=holds, health=health), hostile.read_label(device, "path", where)))
    return tuple(sorted(make_unique(disks), key=lambda d: (len(d.name), d.name)))


def parse_disk(name: str, device: Mapping[str, Any], where: str) -> Disk:
    """One disk as udev and sysfs show it; what it holds and its health come from elsewhere."""
    properties = hostile.read_mapping(device.get("properties"), f"{where}.properties")
    attributes = hostile.read_mapping(device.get("attributes"), f"{where}.attributes")
    links = hostile.read_text(properties, "DEVLINKS", where).split()
    by_id = [name for name in find_links(links, "/dev/disk/by-id/") if not name.startswith(CONTENT_LINKS)]
    path = hostile.read_label(device, "path", where)
    wwn = read_first(where, (properties, "ID_WWN_WITH_EXTENSION"), (properties, "ID_WWN"), (attributes, "wwid"))
    return Disk(
        id=min(by_id, key=rank_link) if by_id else "",
        name=name,
        size_bytes=hostile.read_count(attributes, "size", where) * 512,
        sector_bytes=hostile.read_count(attributes, "queue/logical_block_size", where) or 512,
        by_id=tuple(sorted(by_id, key=rank_link)),
        by_path=find_path(links),
        wwn=wwn.lower() if WORLD_WIDE.fullmatch(wwn.lower()) else "",
        serial=read_first(
            where,
            (properties, "ID_SCSI_SERIAL"),
            (properties, "ID_SERIAL_SHORT"),
            (attributes, "serial"),
            (attributes, "device/serial"),
        ),
        model=find_model(properties, attributes, where),
        rotational=attributes.get("queue/rotational") == "1",
        removable=attributes.get("removable") == "1",
        read_only=attributes.get("ro") == "1",
        transport=find_transport(name, path, properties),
    )


def read_first(where: str, *places: tuple[Mapping[str, Any], str]) -> str:
    """The first of these texts that is not empty."""
    return next((text for source, key in places if (text := hostile.read_label(source, key, where))), "")


def find_model(properties: Mapping[str, Any], attributes: Mapping[str, Any], where: str) -> str:
    encoded = decode_udev(hostile.read_text(properties, "ID_MODEL_ENC", where)[:1024])
    return encoded or read_first(where, (attributes, "device/model"), (properties, "ID_MODEL"))


def find_links(links: list[str], folder: str) -> list[str]:
    """The names of the links in one /dev/disk folder; a name that could leave it is left out."""
    names = [link.removeprefix(folder) for link in links if link.startswith(folder)]
    return sorted(name for name in names if hostile.LINK_NAME.fullmatch(name))


def find_path(links: list[str]) -> str:
    """The by-path name; of several (virtio-pci-… is an old alias, ata-1.0 one more), the shortest."""
    return min(find_links(links, "/dev/disk/by-path/"), key=lambda n: (n.startswith("virtio-"), len(n), n), default="")


def rank_link(name: str) -> tuple[int, int, str]:
    kind = next(number for number, prefix in enumerate(ID_RANKS) if name.startswith(prefix))
    placeholder = name.startswith("nvme-nvme.")
    return (ID_RANKS.index("") - 1 if placeholder else kind, len(name), name)


def find_transport(name: str, path: str, properties: Mapping[str, Any]) -> Transport:
    """How the disk is attached, from its name, its place in the device tree and udev's ID_BUS and ID_PATH."""
    bus, route = str(properties.get("ID_BUS", "")), str(properties.get("ID_PATH", ""))
    choices: tuple[tuple[bool, Transport], ...] = (
        (name.startswith("nvme"), "nvme"),
        (name.startswith("mmcblk"), "mmc"),
        (name.startswith("vd"), "virtio"),
        (bus == "usb" or "/usb" in path, "usb"),
        ("-iscsi-" in route or "/session" in path, "iscsi"),
        ("-fc-" in route or "/rport-" in path, "fc"),
        (bus == "ata" or "/ata" in path, "sata"),
        ("-sas-" in route or "/end_device-" in path, "sas"),
        (bus == "scsi" or "/target" in path, "scsi"),
    )
    return next((transport for fits, transport in choices if fits), "unknown")


def make_unique(disks: list[tuple[Disk, str]]) -> list[Disk]:
    """Disks, each given with its sysfs path, under the id that the model promises: a by-id name that two share is the id of
    neither. A disk for which udev made no link at all goes by "sys" and its path, which nothing that writes can open."""
    shared = Counter(name for disk, _ in disks for name in disk.by_id)
    paths = Counter(disk.by_path for disk, _ in disks)
    found: list[Disk] = []
    for disk, path in disks:
        by_path = disk.by_path if paths[disk.by_path] == 1 else ""
        by_id = disk.id if shared[disk.id] == 1 else ""
        found.append(replace(disk, id=by_id or by_path or f"sys{path}"))
    if len({disk.id for disk in found}) < len(found):
        raise ValueError("block: two disks have one path")
    return found
