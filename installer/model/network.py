"""How a node is attached: its links and addresses, decided, ready to be rendered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class NamedAddress:
    """A node on the admin network: what DNS and DHCP need to know of it.

    `address` is without its prefix length; `mac` is lower case with colons, "" while no machine is bound.
    """

    name: str
    address: str
    mac: str


@dataclass(frozen=True, slots=True)
class Link:
    """One interface of a node: a NIC, a bond over NICs, or a VLAN on either.

    A `nic` is recognised by its permanent `mac`, never by its name. A `bond` has its `members` (names of NIC links) and
    `bond_mode`. A `vlan` has its `vlan_id` and the link that it lies on, `parent`. Every link may carry addresses.
    """

    name: str  # interface name, at most 15 characters: enp1s0, intf0, intf0.200
    kind: Literal["nic", "bond", "vlan"]
    mac: str = ""  # nic only
    members: tuple[str, ...] = ()  # bond only
    bond_mode: Literal["active-backup", "802.3ad", ""] = ""  # bond only
    vlan_id: int = 0  # vlan only
    parent: str = ""  # vlan only
    networks: tuple[str, ...] = ()  # names of the networks whose addresses it carries
    addresses: tuple[str, ...] = ()  # CIDR: 192.168.124.81/24
    router: str = ""  # default route, on at most one link of a node
    dns: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()  # search domains
    mtu: int = 1500


@dataclass(frozen=True, slots=True)
class NodeNetwork:
    """All links of one node: NICs first, then bonds, then VLANs. A NIC of a bond carries no address of its own.

    `hostname` is the node's name without the domain; `address` its address on the admin network, without prefix length.
    """

    hostname: str
    domain: str
    address: str
    links: tuple[Link, ...]

    @property
    def fqdn(self) -> str:
        return f"{self.hostname}.{self.domain}"

    def link(self, name: str) -> Link | None:
        """The link of this name."""
        return next((link for link in self.links if link.name == name), None)
