"""The admin node's links as the site decides them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address

from installer.model.facts import Nic
from installer.model.network import Link, NodeNetwork
from installer.model.problems import RackstrapError
from installer.model.site import Site

NAME_LIMIT = 15  # IFNAMSIZ - 1, linux/if.h


def find_admin_nics(site: Site, nics: Sequence[Nic]) -> tuple[tuple[Nic, ...], tuple[str, ...]]:
    """The NICs of `admin.nics` in its order, and those of its entries that no NIC fits. An entry is a MAC or a name.

    Where the site names none: the NIC that holds the admin address now, if there is one.
    """
    if not site.admin.nics:
        holds = (nic for nic in nics if str(site.admin.address) in (cidr.partition("/")[0] for cidr in nic.addresses))
        return tuple(holds)[:1], ()
    found: list[Nic] = []
    missing: list[str] = []
    for entry in site.admin.nics:
        nic = next((nic for nic in nics if entry.lower() == nic.mac or entry == nic.name), None)
        if nic is None:
            missing.append(entry)
        elif nic not in found:
            found.append(nic)
    return tuple(found), tuple(missing)


def name_port(site: Site, nics: Sequence[Nic]) -> Site:
    """The site with the port that faces the rack, where it names none and this machine leaves no choice.

    That is the only one with an address of the admin network; else the only one with a link; else the only one.
    """
    if site.admin.nics or any(str(site.admin.address) in _list_addresses(nic) for nic in nics):
        return site
    subnet = site.network("admin").subnet
    inside = [nic for nic in nics if any(ip_address(one) in subnet for one in _list_addresses(nic))]
    for fitting in (inside, [nic for nic in nics if nic.has_link], nics):
        if fitting:
            return replace(site, admin=replace(site.admin, nics=(fitting[0].mac,))) if len(fitting) == 1 else site
    return site


def _list_addresses(nic: Nic) -> list[str]:
    return [cidr.partition("/")[0] for cidr in nic.addresses]


def find_link_names(site: Site, nics: Sequence[Nic]) -> tuple[str, str]:
    """The interface that untagged frames leave by (the NIC, or the bond over all) and the one that has the address; "" for none.

    A bond is named as the admin network's conduit, as on nodes.
    """
    if not nics:
        return "", ""
    base = nics[0].name if len(nics) == 1 else site.network("admin").conduit[:NAME_LIMIT]
    if site.admin.vlan is None:
        return base, base
    tagged = f"{base}.{site.admin.vlan}"
    return base, tagged if len(tagged) <= NAME_LIMIT else f"vlan{site.admin.vlan}"


def make_admin_network(site: Site, nics: Sequence[Nic]) -> NodeNetwork:
    """This machine's links: NICs, then a bond, then a VLAN; the last one has the address, none where DHCP gives it.

    Raises RackstrapError where the site names no NIC, or one that this machine does not have.
    """
    chosen, missing = find_admin_nics(site, nics)
    have = ", ".join(f"{nic.name} ({nic.mac})" for nic in nics) or "none"
    if missing:
        raise RackstrapError(f"this machine has no port {', '.join(missing)}", f"correct admin.nics; it has {have}")
    if not site.admin.nics:
        raise RackstrapError("the site does not say which port faces the rack", f"write admin.nics; this machine has {have}")
    network, admin = site.network("admin"), site.admin
    base, top = find_link_names(site, chosen)
    bonded = len(chosen) > 1
    links = [Link(nic.name, "nic", mac=nic.mac, mtu=network.mtu) for nic in chosen]
    if bonded:
        members = tuple(nic.name for nic in chosen)
        links.append(Link(base, "bond", members=members, bond_mode=admin.bond_mode, mtu=network.mtu))
    if top != base:
        links.append(Link(top, "vlan", vlan_id=admin.vlan or 0, parent=base, mtu=network.mtu))
    own = links.pop()
    links.append(_address(site, own))
    return NodeNetwork(admin.hostname, site.domain, str(admin.address), tuple(links))


def _address(site: Site, link: Link) -> Link:
    network, admin = site.network("admin"), site.admin
    by_dhcp = admin.method == "dhcp"
    return replace(
        link,
        networks=("admin",),
        addresses=() if by_dhcp else (f"{admin.address}/{network.subnet.prefixlen}",),
        router="" if by_dhcp or network.router is None else str(network.router),
        dns=tuple(map(str, site.services.dns_forwarders)),
        domains=(site.domain,),
    )
