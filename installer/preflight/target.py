"""What the checks look at: made from the site and this machine, and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from installer.model.facts import Machine, Nic
from installer.model.site import Address, Site, Subnet
from installer.network.links import find_admin_nics, find_link_names


@dataclass(frozen=True, slots=True)
class Port:
    """A NIC that the admin address is, or will be, reached through. `switch`: "leaf1 port 1/7", "" where LLDP shows none."""

    name: str
    mac: str
    switch: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Frozen: two equal targets need no new look.

    `interface`: the one that has, or will have, the admin address; "" where nothing says which. `ports`: the NICs below it,
    through which the segment is looked at as long as a bond does not exist. `missing`: entries of admin.nics that no NIC fits.
    """

    interface: str
    address: Address
    subnet: Subnet
    ports: tuple[Port, ...] = ()
    missing: tuple[str, ...] = ()
    vlan: int | None = None
    router: Address | None = None
    dhcp: Literal["own", "proxy", "external"] = "own"
    forwarders: tuple[Address, ...] = ()
    ntp: tuple[str, ...] = ()
    mtu: int = 1500
    own_macs: frozenset[str] = frozenset()


def make_target(site: Site, machine: Machine, interface: str = "") -> Target:
    """The target of this site on this machine. `interface`, where given, is looked at instead of what the site says."""
    return make_target_of(site, machine.nics, interface)


def make_target_of(site: Site, nics: Sequence[Nic], interface: str = "") -> Target:
    """The same where only the NICs are known; none at all are needed where the interface is given."""
    chosen, missing = find_admin_nics(site, nics)
    network = site.network("admin")
    if interface:
        chosen, missing = tuple(nic for nic in nics if nic.name == interface), ()
    return Target(
        interface=interface or find_link_names(site, chosen)[1],
        address=site.admin.address,
        subnet=network.subnet,
        ports=tuple(map(_make_port, chosen)),
        missing=missing,
        vlan=None if interface else site.admin.vlan,
        router=network.router,
        dhcp=site.services.dhcp,
        forwarders=site.services.dns_forwarders,
        ntp=site.services.ntp,
        mtu=network.mtu,
        own_macs=frozenset(nic.mac for nic in nics),
    )


def _make_port(nic: Nic) -> Port:
    return Port(nic.name, nic.mac, f"{nic.lldp.switch} port {nic.lldp.port}" if nic.lldp else "")
