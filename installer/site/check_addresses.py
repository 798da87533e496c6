"""Addresses and room: the admin node's, the nodes', the BMCs', and whether the ranges are large enough."""

from __future__ import annotations

from typing import Final

from installer.model.site import Address, Network, Range, Site
from installer.site.check_networks import find_reserved
from installer.site.findings import Findings
from installer.site.tree import Path

MOST_BMCS: Final = 65_536
NOT_FOR_NODES: Final = frozenset({"floating", "fixed", "bmc"})  # their addresses go to virtual machines and BMCs


def check_addresses(site: Site, findings: Findings) -> None:
    admin = site.network("admin")
    _check_admin(site, admin, findings)
    _check_nodes(site, admin, findings)
    _check_room(site, findings)
    _check_bmc_ranges(site, admin, findings)


def size_of(given: Range) -> int:
    """How many addresses a range has."""
    return int(given.last) - int(given.first) + 1


def is_within(address: Address, given: Range) -> bool:
    return address.version == given.first.version and int(given.first) <= int(address) <= int(given.last)


def _check_admin(site: Site, network: Network, findings: Findings) -> None:
    path: Path = ("admin", "address")
    address = site.admin.address
    if address not in network.subnet:
        hint = f"write an address of {network.subnet}, or set networks.admin.subnet"
        findings.error(path, f"the admin node's address {address} is outside the admin network {network.subnet}", hint)
        return
    reserved = find_reserved(network, address)
    if reserved:
        findings.error(path, f"the admin node's address {address} is {reserved} of {network.subnet}", "write another address")
    if address == network.router:
        findings.error(
            path, f"the admin node's address {address} is the router's", "write another address, or correct the router"
        )
    own = network.range("admin")
    if own and not is_within(address, own):
        message = f"the admin node's address {address} is outside the range admin ({own.first}-{own.last})"
        findings.error(path, message, f"write {own.first}, or widen the range")
        return
    _check_foreign_ranges(site, address, path, findings, what="the admin node's address", own="admin")


def _check_foreign_ranges(site: Site, address: Address, path: Path, findings: Findings, *, what: str, own: str) -> None:
    """Whether the address lies in a range from which others are given theirs."""
    for network in site.networks:
        for given in network.ranges:
            if is_within(address, given) and not (network.name == "admin" and given.name == own):
                message = f"{what} {address} lies in the range {network.name}.{given.name} ({given.first}-{given.last})"
                findings.error(path, message, "write an address outside that range, or move the range")


def _check_nodes(site: Site, network: Network, findings: Findings) -> None:
    seen: dict[Address, int] = {}
    for index, rule in enumerate(site.nodes):
        address = rule.address
        if address is None:
            continue
        path: Path = ("nodes", index, "address")
        if address not in network.subnet:
            findings.error(
                path, f"address {address} is outside the admin network {network.subnet}", f"write one of {network.subnet}"
            )
        elif find_reserved(network, address):
            findings.error(
                path, f"address {address} is {find_reserved(network, address)} of {network.subnet}", "write another address"
            )
        elif address == site.admin.address:
            findings.error(path, f"address {address} is the admin node's", "write another address")
        elif address == network.router:
            findings.error(path, f"address {address} is the router's", "write another address")
        elif address in seen:
            first = findings.document.place(("nodes", seen[address], "address")).line
            findings.error(path, f"address {address} is on line {first} too", "give every node an address of its own")
        elif rule.expect > 1:
            findings.error(path, f"one address for {rule.expect} machines", "write an entry for each, or leave the address out")
        else:
            _check_foreign_ranges(site, address, path, findings, what="the node's address", own="host")
        seen.setdefault(address, index)


def _check_room(site: Site, findings: Findings) -> None:
    expected = sum(rule.expect for rule in site.nodes)
    admin = site.network("admin")
    dhcp, host = admin.range("dhcp"), admin.range("host")
    if site.services.dhcp == "own" and dhcp is None:
        hint = f"write networks.admin.ranges.dhcp, like {_example(admin, 21, 80)}"
        findings.error(("networks", "admin", "ranges"), "the admin network has no range dhcp: new machines get no address", hint)
    elif site.services.dhcp == "own" and dhcp and size_of(dhcp) < expected:
        message = f"range admin.dhcp has {size_of(dhcp)} addresses for {expected} expected nodes"
        findings.error(("networks", "admin", "ranges", "dhcp"), message, "widen it: every node boots from it first")
    if host is None and any(rule.address is None for rule in site.nodes):
        hint = f"write networks.admin.ranges.host, like {_example(admin, 81, 160)}, or an address for each node"
        findings.error(("networks", "admin", "ranges"), "the admin network has no range host: nodes get no address", hint)
    for network in site.networks:
        given = network.range("host")
        wanted = sum(r.expect for r in site.nodes if r.address is None) if network is admin else expected
        if given and network.name not in NOT_FOR_NODES and size_of(given) < wanted:
            message = f"range {network.name}.host has {size_of(given)} addresses for {wanted} expected nodes"
            findings.error(("networks", network.name, "ranges", "host"), message, "widen it, or expect fewer nodes")


def _example(network: Network, first: int, last: int) -> str:
    if network.subnet.num_addresses < 256 or network.subnet.version == 6:
        return f"{network.subnet[1]}-{network.subnet[6]}"
    return f"{network.subnet[first]}-{network.subnet[last]}"


def _check_bmc_ranges(site: Site, admin: Network, findings: Findings) -> None:
    for index, (first, last) in enumerate(site.discovery.bmc):
        path: Path = ("discovery", "bmc", index)
        count = int(last) - int(first) + 1
        if count > MOST_BMCS:
            findings.error(
                path, f"{first}-{last} has {count} addresses, too many to scan", f"write ranges of at most {MOST_BMCS}"
            )
        elif not any(first in network.subnet and last in network.subnet for network in site.networks):
            message = f"{first}-{last} lies in none of this site's networks"
            hint = "correct the range, or add the subnet as the network `bmc`"
            if admin.router is None:
                findings.error(path, message, hint)
            else:
                findings.warn(path, f"{message}: BMCs are asked through the router {admin.router}", hint)
