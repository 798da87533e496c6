"""Document → Site: defaults filled in, ranges resolved within their subnets. Pure."""

from __future__ import annotations

from installer.model.problems import Problem
from installer.model.site import (
    Access,
    Address,
    Admin,
    Conduit,
    Discovery,
    DiskChoice,
    Erase,
    EraseEntry,
    Match,
    Network,
    NodeRule,
    Range,
    Services,
    Site,
    Subnet,
)
from installer.site.addresses import UnreadableError, parse_address, parse_range, parse_subnet
from installer.site.core_schema import make_plain
from installer.site.defaults import CONDUITS, NETWORKS, NetworkDefault
from installer.site.document import (
    AdminSection,
    DiscoverySection,
    DiskSection,
    EraseSection,
    MatchSection,
    NetworkSection,
    NodeSection,
    SiteDocument,
)
from installer.site.tree import Document, Path


def make_site(parsed: SiteDocument, document: Document) -> tuple[Site | None, list[Problem]]:
    """The Site, or why there is none: ranges that cannot be read, networks without a subnet."""
    problems: list[Problem] = []
    networks = _make_networks(parsed, document, problems)
    by_name = {n.name: n for n in networks}
    bmc_network = by_name.get("bmc") or by_name.get("admin")
    discovery = _make_discovery(parsed.discovery, bmc_network.subnet if bmc_network else None, document, problems)
    if problems:
        return None, problems
    site = Site(
        name=parsed.name,
        domain=parsed.domain.lower(),
        admin=_make_admin(parsed.admin),
        networks=networks,
        conduits=_make_conduits(parsed),
        access=Access(tuple(parsed.access.ssh_keys), parsed.access.password_hash or ""),
        services=Services(parsed.services.dhcp, tuple(parsed.services.dns_forwarders), tuple(parsed.services.ntp)),
        discovery=discovery,
        erase=_make_erase(parsed.erase),
        nodes=tuple(_make_rule(node) for node in parsed.nodes),
        roles={name: make_plain(options) for name, options in parsed.roles.items()},
        interactive=tuple(parsed.interactive),
        handover=parsed.handover,
        timezone=parsed.timezone,
        keyboard=parsed.keyboard or "",
    )
    return site, []


def _make_networks(parsed: SiteDocument, document: Document, problems: list[Problem]) -> tuple[Network, ...]:
    sections = (
        dict.fromkeys(NETWORKS, NetworkSection()) if parsed.networks is None else {"admin": NetworkSection(), **parsed.networks}
    )
    networks = []
    for name, section in sections.items():
        path: Path = ("networks", name)
        if section.subnet is None and name not in NETWORKS:
            known = ", ".join(NETWORKS)
            hint = f"write subnet: 192.168.…/24 (only {known} have one by default)"
            problems.append(Problem(document.place(path, key=True), f"network {name} has no subnet", hint))
            continue
        networks.append(_make_network(name, section, document, problems))
    return tuple(networks)


def _make_network(name: str, section: NetworkSection, document: Document, problems: list[Problem]) -> Network:
    """Conduit and ranges left out are the white paper's where the subnet is; VLAN and router only where no subnet is given."""
    default = NETWORKS.get(name) or NetworkDefault("", "intf0")
    given = section.model_fields_set
    whole = section.subnet is None or str(section.subnet) == default.subnet
    subnet = section.subnet or parse_subnet(default.subnet)
    spelled = section.ranges if "ranges" in given or not whole else default.ranges
    router = section.router
    if "router" not in given and section.subnet is None and default.router:
        router = parse_address(default.router)
    ranges = _make_ranges(name, {str(k): v for k, v in spelled.items()}, subnet, document, problems)
    vlan = section.vlan if "vlan" in given or section.subnet is not None else default.vlan
    return Network(name, subnet, section.conduit or default.conduit, vlan, router, ranges, section.mtu)


def _make_ranges(
    network: str, spelled: dict[str, str], subnet: Subnet, document: Document, problems: list[Problem]
) -> tuple[Range, ...]:
    ranges = []
    for name, text in spelled.items():
        try:
            ranges.append(Range(name, *parse_range(text, subnet)))
        except UnreadableError as error:
            problems.append(Problem(document.place(("networks", network, "ranges", name)), error.message, error.hint))
    return tuple(ranges)


def _make_discovery(section: DiscoverySection, subnet: Subnet | None, document: Document, problems: list[Problem]) -> Discovery:
    ranges: list[tuple[Address, Address]] = []
    for index, text in enumerate(section.bmc):
        try:
            ranges.append(parse_range(text, subnet))
        except UnreadableError as error:
            problems.append(Problem(document.place(("discovery", "bmc", index)), error.message, error.hint))
    return Discovery(tuple(ranges), section.credentials or "", section.admit)


def _make_conduits(parsed: SiteDocument) -> tuple[Conduit, ...]:
    given = {name: Conduit(name, tuple(c.nics), c.bond_mode) for name, c in parsed.conduits.items()}
    defaults = {name: Conduit(name, nics) for name, nics in CONDUITS.items()}
    return tuple({**defaults, **given}.values())


def _make_admin(section: AdminSection) -> Admin:
    nics = tuple(name.lower() if ":" in name else name for name in section.nics)
    disk = _make_disk(section.disk)
    return Admin(section.hostname.lower(), section.address, disk, nics, section.bond_mode, section.vlan, section.method)


def _make_disk(section: DiskSection) -> DiskChoice:
    """`smallest` is how a disk is chosen when nothing else is said."""
    otherwise = bool(section.by_id or section.serial or section.wwn or section.path or section.largest)
    smallest = not otherwise if section.smallest is None else section.smallest
    return DiskChoice(
        by_id=tuple(name.removeprefix("/dev/disk/by-id/") for name in section.by_id),
        serial=tuple(section.serial),
        wwn=tuple(name.lower() for name in section.wwn),
        path=tuple(name.removeprefix("/dev/disk/by-path/") for name in section.path),
        smallest=smallest,
        largest=section.largest,
        min_gb=section.min_gb,
        mirror=section.mirror,
    )


def _make_match(section: MatchSection) -> Match:
    return Match(
        any=section.any,
        serial=section.serial or "",
        uuid=(section.uuid or "").lower(),
        mac=section.mac or "",
        product=section.product or "",
        bmc=str(section.bmc) if section.bmc else "",
        min_memory_gb=section.min_memory_gb,
        min_disks=section.min_disks,
        switch=section.switch or "",
    )


def _make_rule(section: NodeSection) -> NodeRule:
    return NodeRule(
        match=_make_match(section.match),
        name=(section.name or "").lower(),
        expect=section.expect or 1,
        roles=tuple(section.roles),
        group=section.group or "",
        disk=_make_disk(section.disk),
        handover=section.handover,
        address=section.address,
    )


def _make_erase(value: str | list[EraseSection]) -> Erase:
    if isinstance(value, str):
        return "blank" if value == "blank" else "no"
    return tuple(EraseEntry(e.machine, tuple(d.removeprefix("/dev/disk/by-id/") for d in e.disks)) for e in value)
