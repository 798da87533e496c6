"""Networks among themselves: subnets, ranges, VLANs, conduits. Crowbar's validator rules and more."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

from installer.model.site import Network, Range, Site, Subnet
from installer.site.addresses import shown
from installer.site.findings import Findings, make_suggestion
from installer.site.tree import Path


def check_networks(site: Site, findings: Findings) -> None:
    by_name = {network.name: network for network in site.networks}
    for network in site.networks:
        _check_subnet(network, findings)
        _check_ranges(network, findings)
        _check_router(network, findings)
    _check_overlaps(site, findings)
    _check_range_overlaps(site, findings)
    _check_floating(by_name, findings)
    _check_bmc(by_name, findings)
    _check_conduits(site, findings)
    _check_vlans(site, findings)


def is_overlap(one: Subnet, other: Subnet) -> bool:
    """Whether two subnets share an address; of two versions never."""
    return one.version == other.version and one.overlaps(other)


def is_inside(one: Subnet, other: Subnet) -> bool:
    """Whether `one` lies within `other`."""
    return one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type]


def _check_subnet(network: Network, findings: Findings) -> None:
    path: Path = ("networks", network.name, "subnet")
    subnet = network.subnet
    if subnet.is_multicast or subnet.is_loopback or subnet.is_unspecified or subnet.network_address.is_unspecified:
        findings.error(path, f"{subnet} is not a subnet for hosts", "write a private one, like 192.168.124.0/24")
    elif subnet.num_addresses < 8:
        findings.error(path, f"{subnet} has no room for a rack", "write one with a shorter prefix, like /24")
    if network.name == "admin" and subnet.version == 6:
        hint = "write an IPv4 subnet here; other networks may be IPv6"
        findings.error(path, "the admin network is IPv6, over which this release cannot boot machines", hint)


def find_reserved(network: Network, address: object) -> str:
    """Which reserved address of its subnet this is (RFC 919, RFC 4291 2.6.1): in words, or ""."""
    if network.subnet.prefixlen >= network.subnet.max_prefixlen - 1:
        return ""
    if address == network.subnet.network_address:
        return "the network address"
    if network.subnet.version == 4 and address == network.subnet.broadcast_address:
        return "the broadcast address"
    return ""


def _check_ranges(network: Network, findings: Findings) -> None:
    for given in network.ranges:
        path: Path = ("networks", network.name, "ranges", given.name)
        if given.first not in network.subnet or given.last not in network.subnet:
            hint = (
                f"write addresses between {network.subnet[1]} and {network.subnet[-2]}"
                if network.subnet.num_addresses > 2
                else ""
            )
            findings.error(path, f"range {given.name} ({given.first}-{given.last}) leaves the subnet {network.subnet}", hint)
            continue
        for end in (given.first, given.last):
            reserved = find_reserved(network, end)
            if reserved:
                findings.error(path, f"range {given.name} includes {end}, {reserved}", f"leave {end} out")


def _check_router(network: Network, findings: Findings) -> None:
    router = network.router
    path: Path = ("networks", network.name, "router")
    if router is None:
        return
    if router not in network.subnet:
        findings.error(path, f"router {router} is outside {network.subnet}", f"write an address of {network.subnet}")
        return
    reserved = find_reserved(network, router)
    if reserved:
        findings.error(path, f"router {router} is {reserved} of {network.subnet}", "write the router's own address")
    for given in network.ranges:
        if given.first <= router <= given.last:  # type: ignore[operator]
            findings.error(
                path,
                f"router {router} lies in the range {given.name}",
                "move the range, so that nobody is given the router's address",
            )


def _may_share(one: Network, other: Network) -> bool:
    """The BMCs may live on the admin network, and floating addresses within the public one."""
    names = {one.name, other.name}
    if names == {"admin", "bmc"}:
        return one.subnet == other.subnet
    if names == {"public", "floating"}:
        public, floating = (one, other) if one.name == "public" else (other, one)
        return is_inside(floating.subnet, public.subnet)
    return False


def _check_overlaps(site: Site, findings: Findings) -> None:
    for one, other in combinations(site.networks, 2):
        if is_overlap(one.subnet, other.subnet) and not _may_share(one, other):
            message = f"{other.name} ({other.subnet}) overlaps {one.name} ({one.subnet})"
            findings.error(("networks", other.name, "subnet"), message, "give each network addresses of its own")


def _all_ranges(site: Site) -> Iterator[tuple[int, int, int, str, Range]]:
    """Every range as sortable ends: version, first, last, its network's name, itself."""
    for network in site.networks:
        for given in network.ranges:
            yield given.first.version, int(given.first), int(given.last), network.name, given


def _check_range_overlaps(site: Site, findings: Findings) -> None:
    """Only neighbours in order are compared: a range that reaches past several is named once, with the first."""
    shared = {frozenset((a.name, b.name)) for a, b in combinations(site.networks, 2) if _may_share(a, b)}
    order = sorted(_all_ranges(site), key=lambda entry: entry[:4])
    for before, after in pairwise(order):
        is_same = before[3] == after[3] or frozenset((before[3], after[3])) in shared
        if is_same and before[0] == after[0] and after[1] <= before[2]:
            one, other = f"{before[3]}.{before[4].name}", f"{after[3]}.{after[4].name}"
            spans = f"{before[4].first}-{before[4].last}"
            message = f"range {other} ({after[4].first}-{after[4].last}) overlaps {one} ({spans})"
            findings.error(("networks", after[3], "ranges", after[4].name), message, "let one end before the other begins")


def _check_floating(networks: dict[str, Network], findings: Findings) -> None:
    floating, public = networks.get("floating"), networks.get("public")
    if floating is None or floating.router is not None:
        return
    if public is None or not is_inside(floating.subnet, public.subnet):
        where = f"outside public ({public.subnet})" if public else "without a network `public`"
        hint = "take its subnet from public's, or write its router"
        findings.error(("networks", "floating", "subnet"), f"floating ({floating.subnet}) is {where} and has no router", hint)


def _check_bmc(networks: dict[str, Network], findings: Findings) -> None:
    bmc, admin = networks.get("bmc"), networks.get("admin")
    if bmc and admin and bmc.subnet != admin.subnet and bmc.vlan is None:
        message = f"the bmc network ({bmc.subnet}) is apart from admin ({admin.subnet}) and has no VLAN"
        findings.error(("networks", "bmc"), message, "write its vlan, or take admin's subnet")


def _check_conduits(site: Site, findings: Findings) -> None:
    names = [conduit.name for conduit in site.conduits]
    for network in site.networks:
        if network.conduit not in names:
            path: Path = ("networks", network.name, "conduit")
            hint = make_suggestion(network.conduit, names, f"write one of {', '.join(names)}, or add it to conduits")
            findings.error(path, f"network {network.name} uses the conduit {shown(network.conduit)}, which is not defined", hint)
    for conduit in site.conduits:
        path = ("conduits", conduit.name, "nics")
        if len(set(conduit.nics)) != len(conduit.nics):
            findings.error(path, f"conduit {conduit.name} names a network card twice", "name each card once")
        elif conduit.bond_mode == "802.3ad" and len(conduit.nics) < 2:
            message = f"conduit {conduit.name} bonds a single network card by 802.3ad"
            findings.error(path, message, "name two or more cards, or leave bond_mode out")


def _check_vlans(site: Site, findings: Findings) -> None:
    """On the same cards, each VLAN id, and no VLAN, is one network's only; floating is a part of public, bmc may be of admin."""
    nics = {conduit.name: conduit.nics for conduit in site.conduits}
    seen: dict[tuple[tuple[str, ...], int | None], Network] = {}
    for network in site.networks:
        wire = (nics.get(network.conduit, (network.conduit,)), network.vlan)
        other = seen.setdefault(wire, network)
        if other is network or {other.name, network.name} in ({"admin", "bmc"}, {"public", "floating"}):
            continue
        if network.vlan is None:
            message = f"{network.name} and {other.name} are both untagged on the same network cards"
            findings.error(("networks", network.name), message, "give one of them a vlan, or another conduit")
        else:
            message = f"VLAN {network.vlan} is {other.name}'s already, on the same network cards"
            findings.error(("networks", network.name, "vlan"), message, "give each network a VLAN of its own")
