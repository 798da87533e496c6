"""The site file's shape, as pydantic models: every key, its type and its description. Nothing here is derived.

Meaning that spans several keys is checked later, on the Site; what is refused here cannot be read at all.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from installer.site.scalars import (
    AddressText,
    EmptyMapping,
    Mac,
    OneOrMoreMembers,
    OneOrMoreWords,
    Secret,
    SubnetText,
    Word,
)


class Section(BaseModel):
    """What every part of the file shares: unknown keys are errors, values never show up in messages."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Flag = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=1, le=100_000)]
Gigabytes = Annotated[int, Field(strict=True, ge=0, le=10_000_000)]
HandoverWord = Literal["soft-reboot", "kexec", "reboot"]


class AccessSection(Section):
    """Who may log in to the admin node and to every node, as root."""

    ssh_keys: Annotated[
        list[Secret], Field(max_length=1000, description="Whole authorized_keys lines: ssh-ed25519 AAAA… comment.")
    ] = []
    password_hash: Annotated[Secret | None, Field(description="crypt(5) hash of root's password, as `mkpasswd` prints it.")] = (
        None
    )


class DiskSection(Section):
    """Which disk of a machine. Choose in one way only; `mirror` takes two disks by the same rule."""

    by_id: Annotated[OneOrMoreWords, Field(description="Names in /dev/disk/by-id; two for a mirror.")] = []
    serial: Annotated[OneOrMoreWords, Field(description="The disk's serial number; two for a mirror.")] = []
    wwn: Annotated[OneOrMoreWords, Field(description="The disk's World Wide Name; two for a mirror.")] = []
    path: Annotated[OneOrMoreWords, Field(description="Names in /dev/disk/by-path; two for a mirror.")] = []
    smallest: Annotated[Flag | None, Field(description="The smallest disk that is large enough (the default).")] = None
    largest: Annotated[Flag, Field(description="The largest disk.")] = False
    min_gb: Annotated[Gigabytes, Field(description="Smallest size that is large enough, in GB (10^9 bytes).")] = 0
    mirror: Annotated[Flag, Field(description="Take two disks as RAID 1, bootable from either.")] = False


class AdminSection(Section):
    """The admin node itself."""

    hostname: Annotated[Word, Field(description="Its host name, without the domain.")] = "admin"
    address: Annotated[AddressText, Field(description="Its address in the admin network.")]
    disk: Annotated[DiskSection, EmptyMapping, Field(description="Where the admin ISO installs itself.")] = DiskSection()
    nics: Annotated[
        OneOrMoreWords, Field(max_length=8, description="What faces the rack, by MAC or name; two or more make a bond.")
    ] = []
    bond_mode: Annotated[Literal["active-backup", "802.3ad"], Field(description="How two or more cards share the work.")] = (
        "active-backup"
    )
    vlan: Annotated[int | None, Field(strict=True, ge=1, le=4094, description="VLAN id (IEEE 802.1Q); left out: untagged.")] = (
        None
    )
    method: Annotated[
        Literal["static", "dhcp"], Field(description="static: `address` is set. dhcp: a server gives it, always the same.")
    ] = "static"


class NetworkSection(Section):
    """One network. Without `subnet`, the white paper's network of this name, with the keys given here changed."""

    subnet: Annotated[SubnetText | None, Field(description="In CIDR form: 192.168.124.0/24.")] = None
    conduit: Annotated[Word | None, Field(description="Which network cards carry it: a key of `conduits`.")] = None
    vlan: Annotated[int | None, Field(strict=True, ge=1, le=4094, description="VLAN id (IEEE 802.1Q); left out: untagged.")] = (
        None
    )
    router: Annotated[AddressText | None, Field(description="The gateway's address; left out: no way out.")] = None
    ranges: Annotated[
        dict[Literal["admin", "dhcp", "host", "switch"], Word],
        EmptyMapping,
        Field(description="Ranges of addresses by use: .21-.80, or both addresses written out."),
    ] = {}
    mtu: Annotated[int, Field(strict=True, ge=576, le=9216, description="Largest packet in bytes.")] = 1500


class ConduitSection(Section):
    """Which network cards of a node carry the networks of this conduit; two or more make a bond."""

    nics: Annotated[OneOrMoreMembers, Field(min_length=1, max_length=8, description="1g1, ?1g2, mac=…, pci=…, lldp=SWITCH/PORT.")]
    bond_mode: Annotated[Literal["active-backup", "802.3ad"], Field(description="How two or more cards share the work.")] = (
        "active-backup"
    )


class ServicesSection(Section):
    """The services that nodes need, and who offers them."""

    dhcp: Annotated[
        Literal["own", "proxy", "external"],
        Field(description="own: Rackstrap gives addresses. proxy: it only adds the boot file. external: type it in there."),
    ] = "own"
    dns_forwarders: Annotated[list[AddressText], Field(max_length=32, description="Resolvers that the admin node asks.")] = []
    ntp: Annotated[
        list[Word], Field(max_length=32, description="Time servers that the admin node follows: names or addresses.")
    ] = []


class DiscoverySection(Section):
    """How machines are found and let in."""

    bmc: Annotated[
        list[Word], Field(max_length=1000, description="Ranges to scan for BMCs: 192.168.124.162-192.168.124.240.")
    ] = []
    credentials: Annotated[
        Word | None, Field(description="CSV file of BMCs (serial,address,user,secret), relative to this file.")
    ] = None
    admit: Annotated[
        Literal["ask", "matched"], Field(description="ask: a person admits each machine. matched: those that a node entry names.")
    ] = "ask"


class MatchSection(Section):
    """Which machine(s) a node entry is for. Every key given must fit."""

    any: Annotated[Flag, Field(description="Any machine that no other entry takes; needs `expect`.")] = False
    serial: Annotated[Word | None, Field(description="The machine's serial number (SMBIOS).")] = None
    uuid: Annotated[Word | None, Field(description="The machine's UUID (SMBIOS).")] = None
    mac: Annotated[Mac | None, Field(description="MAC address of any of its network cards.")] = None
    product: Annotated[Word | None, Field(description="Product name (SMBIOS), as `rackstrap probe` shows it.")] = None
    bmc: Annotated[AddressText | None, Field(description="Address of its BMC.")] = None
    min_memory_gb: Annotated[Gigabytes, Field(description="At least this much memory, in GB (10^9 bytes).")] = 0
    min_disks: Annotated[int, Field(strict=True, ge=0, le=1000, description="At least this many disks.")] = 0
    switch: Annotated[Word | None, Field(description="Name of a switch that LLDP shows on any of its cards.")] = None


class NodeSection(Section):
    """One node, or several of a kind when it has no name."""

    match: Annotated[MatchSection, Field(description="Which machine(s).")]
    name: Annotated[Word | None, Field(description="Host name, without the domain; for one machine only.")] = None
    expect: Annotated[Count | None, Field(description="How many machines this entry is for.")] = None
    roles: Annotated[list[Word], Field(max_length=100, description="Roles it must have; others may be proposed.")] = []
    group: Annotated[Word | None, Field(description="A name that puts nodes together.")] = None
    disk: Annotated[DiskSection, EmptyMapping, Field(description="Where its operating system goes.")] = DiskSection()
    handover: Annotated[HandoverWord | None, Field(description="How the installed system is entered.")] = None
    address: Annotated[AddressText | None, Field(description="Its address in the admin network.")] = None


class EraseSection(Section):
    """Consent to erase, for one machine and these disks alone."""

    machine: Annotated[Word, Field(description="The machine: serial number, UUID or MAC address.")]
    disks: Annotated[OneOrMoreWords, Field(min_length=1, description="Its disks, by their names in /dev/disk/by-id.")]


def _erase_kind(value: Any) -> str:
    return "list" if isinstance(value, list) else "word"


def _erase_word(value: Any) -> Any:
    return "no" if value is False else value


ERASE_WORDS = WithJsonSchema({"enum": ["no", "blank", False]})
EraseValue = Annotated[
    Annotated[Literal["no", "blank"], BeforeValidator(_erase_word), ERASE_WORDS, Tag("word")]
    | Annotated[list[EraseSection], Tag("list")],
    Discriminator(_erase_kind),
]


def _format_number(value: Any) -> Any:
    """True and 1.0 equal 1 to Python, and would pass for it."""
    return value if isinstance(value, int) and not isinstance(value, bool) else str(value)


InteractiveWord = Literal[
    "access", "admin", "networks", "conduits", "services", "discovery", "erase", "nodes", "roles", "timezone", "keyboard"
]


class SiteDocument(Section):
    """A Rackstrap site file: everything that the operator decided."""

    rackstrap: Annotated[Literal[1], BeforeValidator(_format_number), Field(description="Version of this format: 1.")]
    name: Annotated[Word, Field(description="The site's name; typed to consent to erasing.")]
    domain: Annotated[Word, Field(description="DNS domain of the nodes: lab.example.")]
    access: Annotated[AccessSection, EmptyMapping, Field(description="Who may log in.")] = AccessSection()
    admin: Annotated[AdminSection, Field(description="The admin node.")]
    networks: Annotated[
        dict[str, Annotated[NetworkSection, EmptyMapping]] | None,
        Field(max_length=200, description="Networks by name; left out: the seven of the white paper."),
    ] = None
    conduits: Annotated[
        dict[str, ConduitSection],
        EmptyMapping,
        Field(max_length=64, description="Network cards by conduit name; default: intf0 ?1g1, intf1 ?1g2, intf2 ?1g1."),
    ] = {}
    services: Annotated[ServicesSection, EmptyMapping, Field(description="DHCP, DNS and time.")] = ServicesSection()
    discovery: Annotated[DiscoverySection, EmptyMapping, Field(description="How machines are found.")] = DiscoverySection()
    erase: Annotated[
        EraseValue, Field(description="no, blank (disks without any signature), or a list of machines and disks.")
    ] = "no"
    nodes: Annotated[list[NodeSection], Field(description="Which machine becomes what.")] = []
    roles: Annotated[dict[str, Annotated[dict[str, Any], EmptyMapping]], EmptyMapping, Field(description="Options by role.")] = {}
    interactive: Annotated[list[InteractiveWord], Field(description="Sections that the TUI still asks for.")] = []
    handover: Annotated[
        HandoverWord, Field(description="How installed systems are entered: by soft-reboot, kexec or reboot.")
    ] = "soft-reboot"
    timezone: Annotated[Word, Field(description="Time zone of every node: Europe/Berlin.")] = "UTC"
    keyboard: Annotated[Word | None, Field(description="Keyboard layout of consoles: us, de, fr, gb.")] = None
