"""What the operator decided, and nothing derived: the site file as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

Address = IPv4Address | IPv6Address
Subnet = IPv4Network | IPv6Network
Value = str | int | float | bool | None | list["Value"] | dict[str, "Value"]
Handover = Literal["soft-reboot", "kexec", "reboot"]


@dataclass(frozen=True, slots=True)
class Access:
    """Who may log in. Keys are whole authorized_keys lines; the hash is crypt(5)'s. Both belong to root."""

    ssh_keys: tuple[str, ...] = field(default=(), repr=False)  # what was pasted may be a private one
    password_hash: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class DiskChoice:
    """Which disk(s) of a machine. Exactly one way of choosing; `mirror` takes two by the same rule."""

    by_id: tuple[str, ...] = ()  # /dev/disk/by-id names without the folder; two for a mirror
    serial: tuple[str, ...] = ()
    wwn: tuple[str, ...] = ()
    path: tuple[str, ...] = ()  # by-path names
    smallest: bool = True
    largest: bool = False
    min_gb: int = 0
    mirror: bool = False


@dataclass(frozen=True, slots=True)
class Admin:
    """`nics`: what faces the rack, by MAC or name; two or more make a bond; none: whichever has the address already.

    `method` dhcp: `address` is what a DHCP server gives, and has to be the one written here.
    """

    hostname: str
    address: Address
    disk: DiskChoice = DiskChoice()
    nics: tuple[str, ...] = ()
    bond_mode: Literal["active-backup", "802.3ad"] = "active-backup"
    vlan: int | None = None  # None: untagged
    method: Literal["static", "dhcp"] = "static"


@dataclass(frozen=True, slots=True)
class Range:
    """Addresses first..last, both ends included. Names in use: admin, dhcp, host, switch."""

    name: str
    first: Address
    last: Address


@dataclass(frozen=True, slots=True)
class Network:
    name: str
    subnet: Subnet
    conduit: str = "intf0"
    vlan: int | None = None  # None: untagged
    router: Address | None = None
    ranges: tuple[Range, ...] = ()
    mtu: int = 1500

    def range(self, name: str) -> Range | None:
        return next((r for r in self.ranges if r.name == name), None)


@dataclass(frozen=True, slots=True)
class Conduit:
    """Which NICs of a node carry a network.

    Each member is Crowbar's `1g1` (speed and index; `?` any, `+` or faster, `-` or slower), or
    `mac=…`, `pci=…`, `lldp=SWITCH/PORT`. Two or more members make a bond of `bond_mode`.
    """

    name: str
    nics: tuple[str, ...] = ("?1g1",)
    bond_mode: Literal["active-backup", "802.3ad"] = "active-backup"


@dataclass(frozen=True, slots=True)
class Services:
    dhcp: Literal["own", "proxy", "external"] = "own"
    dns_forwarders: tuple[Address, ...] = ()
    ntp: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Discovery:
    """`bmc` are address ranges to scan; `credentials` a CSV file of BMCs, relative to the site file."""

    bmc: tuple[tuple[Address, Address], ...] = ()
    credentials: str = ""
    admit: Literal["ask", "matched"] = "ask"


@dataclass(frozen=True, slots=True)
class Match:
    """Every given field must fit. `any` fits every machine."""

    any: bool = False
    serial: str = ""
    uuid: str = ""
    mac: str = ""
    product: str = ""
    bmc: str = ""
    min_memory_gb: int = 0
    min_disks: int = 0
    switch: str = ""


@dataclass(frozen=True, slots=True)
class NodeRule:
    """One entry of `nodes:`. Without `name` it may fit several machines, and `expect` says how many."""

    match: Match
    name: str = ""
    expect: int = 1
    roles: tuple[str, ...] = ()
    group: str = ""
    disk: DiskChoice = DiskChoice()
    handover: Handover | None = None
    address: Address | None = None


@dataclass(frozen=True, slots=True)
class EraseEntry:
    """Consent in the file: this machine (serial, uuid or MAC), these disks (stable ids)."""

    machine: str
    disks: tuple[str, ...]


Erase = Literal["no", "blank"] | tuple[EraseEntry, ...]


@dataclass(frozen=True, slots=True)
class Site:
    name: str
    domain: str
    admin: Admin
    networks: tuple[Network, ...]
    conduits: tuple[Conduit, ...]
    access: Access = Access()
    services: Services = Services()
    discovery: Discovery = Discovery()
    erase: Erase = "no"
    nodes: tuple[NodeRule, ...] = ()
    roles: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    interactive: tuple[str, ...] = ()
    handover: Handover = "soft-reboot"
    timezone: str = "UTC"
    keyboard: str = ""  # XKB layout of consoles: us, de; "": Debian's default
    version: int = 1

    def network(self, name: str) -> Network:
        """The network of this name; a site that passed its checks always has `admin`."""
        return next(n for n in self.networks if n.name == name)

    def conduit(self, name: str) -> Conduit:
        return next(c for c in self.conduits if c.name == name)
