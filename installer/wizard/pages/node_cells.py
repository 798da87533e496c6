"""A machine in a few cells of a table: how large, where it hangs, how it is reached. Pure."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from installer.model.facts import Disk, Machine
from installer.model.ledger import Ledger
from installer.model.site import Site
from installer.plan.describe import describe_bytes
from installer.wizard.nodes_file import Member, find_port

_ETHERNET: Final = re.compile(r"^[A-Za-z-]*Ethernet", re.ASCII)
_SLOTS: Final = (r"phy(\d+)", r"slot(\d+)", r"ata-(\d+)", r"scsi-\d+:\d+:(\d+):\d+", r"nvme-(\d+)")


def describe_memory(machine: Machine) -> str:
    return f"{round(machine.memory_bytes / 2**30)} G" if machine.memory_bytes >= 2**30 else f"{machine.memory_bytes >> 20} M"


@lru_cache(maxsize=4096)
def describe_disks(disks: tuple[Disk, ...]) -> str:
    """`12x 600 G`, the kind that is there most often first: `12x 4 T + 2x 480 G`."""
    sizes = Counter(describe_bytes(disk.size_bytes).removesuffix("B") for disk in disks)
    return " + ".join(f"{count}x {size}" for size, count in sizes.most_common(3)) or "none"


def describe_port(machine: Machine | None) -> str:
    """`leaf1 Eth1/7`; "-" where LLDP shows no neighbour."""
    switch, port = find_port(machine)
    return f"{switch} {_ETHERNET.sub('Eth', port)}".strip() or "-"


def describe_bmc(member: Member, ledger: Ledger, site: Site | None) -> str:
    """Its address, short where it is in the network of the BMCs; with a question mark while its password is not known."""
    if not member.bmc:
        return "none"
    known = ledger.bmcs.get(member.bmc)
    mark = "" if known is not None and known.secret else " ?"
    return f"{shorten_address(member.bmc, site)}{mark}"


def shorten_address(text: str, site: Site | None) -> str:
    """`.162` for an address within the /24 (or smaller) that BMCs are in, else all of it."""
    networks = [network for network in site.networks if network.name in ("bmc", "admin")] if site is not None else []
    try:
        address = ip_address(text)
    except ValueError:
        return text
    is_near = any(n.subnet.version == 4 and n.subnet.prefixlen >= 24 and address in n.subnet for n in networks)
    return f".{text.rpartition('.')[2]}" if is_near else text


def describe_disk(disk: Disk) -> str:
    """As people find it: model, the end of its serial number, size."""
    serial = f"  ..{disk.serial[-4:]}" if disk.serial else ""
    return f"{disk.model.strip() or 'unknown model'}{serial}  {describe_bytes(disk.size_bytes)}"


def describe_slot(path: str) -> str:
    """`slot 7` from a by-path name, else the name itself."""
    for pattern in _SLOTS:
        found = re.findall(pattern, path)
        if found:
            return f"slot {found[-1]}"
    return path or "a slot without a name"
