"""A network that moves to another subnet: what moves along with it, so that the site stays whole in one edit. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from installer.model.site import Address, Network, Site, Subnet
from installer.site.addresses import UnreadableError, parse_subnet
from installer.site.save import Edit
from installer.site.tree import Path


def find_renumber_edits(site: Site | None, name: str, typed: str) -> dict[Path, Edit]:
    """Edits for a network's new subnet: also its router and ranges, the networks that lie in it, the nodes' and BMCs' addresses.

    Each keeps its place within the subnet. What does not fit into a smaller one stays as it was: its own check then tells.
    """
    edits: dict[Path, Edit] = {("networks", name, "subnet"): typed}
    old = next((network for network in site.networks if network.name == name), None) if site is not None else None
    try:
        new = parse_subnet(typed)
    except UnreadableError:
        return edits
    if site is None or old is None or new.version != old.subnet.version or new == old.subnet:
        return edits
    for network in site.networks:
        if network.name == name:
            edits |= dict(_move_network(network, old.subnet, new))
        elif network.subnet.version == new.version and network.subnet.subnet_of(old.subnet):  # type: ignore[arg-type]
            first = move_address(network.subnet.network_address, old.subnet, new)
            inner = f"{first}/{network.subnet.prefixlen}" if network.subnet != old.subnet else str(new)
            edits[("networks", network.name, "subnet")] = inner
            edits |= dict(_move_network(network, old.subnet, new))
    if name == "admin":
        edits |= dict(_move_machines(site, old.subnet, new))
    return edits


def move_address(address: Address, old: Subnet, new: Subnet) -> Address:
    """The address in the same place of the new subnet; itself where it was outside or has no place there."""
    offset = int(address) - int(old.network_address)
    return new[offset] if address in old and offset < new.num_addresses else address


def _move_network(network: Network, old: Subnet, new: Subnet) -> Iterator[tuple[Path, Edit]]:
    path: Path = ("networks", network.name)
    if network.router is not None:
        yield (*path, "router"), str(move_address(network.router, old, new))
    for given in network.ranges:
        ends = (str(move_address(given.first, old, new)), str(move_address(given.last, old, new)))
        if new.version == 4 and new.prefixlen >= 24 and network.subnet.prefixlen >= 24:
            ends = (f".{ends[0].rpartition('.')[2]}", f".{ends[1].rpartition('.')[2]}")
        yield (*path, "ranges", given.name), ends[0] if ends[0] == ends[1] else "-".join(ends)


def _move_machines(site: Site, old: Subnet, new: Subnet) -> Iterator[tuple[Path, Edit]]:
    yield ("admin", "address"), str(move_address(site.admin.address, old, new))
    for index, rule in enumerate(site.nodes):
        if rule.address is not None:
            yield ("nodes", index, "address"), str(move_address(rule.address, old, new))
    for index, (first, last) in enumerate(site.discovery.bmc):
        yield ("discovery", "bmc", index), f"{move_address(first, old, new)}-{move_address(last, old, new)}"
