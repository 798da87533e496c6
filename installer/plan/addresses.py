"""Which address a node gets on each network: the file's, else the one it was given before, else the lowest free one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from installer.model.ledger import MachineEntry
from installer.model.problems import Place, Problem
from installer.model.site import Address, Network, Range, Site


@dataclass(frozen=True, slots=True)
class Wish:
    """A node that wants an address: its name, its rule (-1: none), its explicit address, what the ledger knows of it."""

    name: str
    rule: int
    explicit: Address | None
    entry: MachineEntry | None
    networks: tuple[str, ...]


def give_addresses(
    site: Site, wishes: Sequence[Wish], known: Iterable[MachineEntry]
) -> tuple[dict[str, dict[str, str]], list[Problem]]:
    """Node -> network -> address in CIDR, and what stands in the way.

    `known` are all machines of the ledger: an address that one of them holds is given to no one else. The result
    depends on the order of `wishes` only for nodes that have no address yet.
    """
    given: dict[str, dict[str, str]] = {wish.name: {} for wish in wishes}
    problems: list[Problem] = []
    held: dict[str, dict[int, str]] = {}
    for entry in known:
        for name, address in entry.addresses.items():
            held.setdefault(name, {})[int(ip_address(address.partition("/")[0]))] = entry.name
    for network in site.networks:
        wanting = [wish for wish in wishes if network.name in wish.networks]
        if wanting:
            pool = _Pool(site, network, held.get(network.name, {}))
            problems += pool.give(wanting, given)
    return given, problems


@dataclass(slots=True)
class _Pool:
    site: Site
    network: Network
    taken: dict[int, str]  # address -> who has it
    problems: list[Problem] = field(default_factory=list)
    next_free: int = 0
    promised: frozenset[int] = frozenset()  # explicit addresses of rules whose machines are still to come

    def __post_init__(self) -> None:
        subnet = self.network.subnet
        reserved = {int(subnet.network_address): "the network", int(subnet.broadcast_address): "broadcast"}
        if self.network.router is not None:
            reserved[int(self.network.router)] = "the router"
        if self.network.name == "admin":
            reserved[int(self.site.admin.address)] = self.site.admin.hostname
            self.promised = frozenset(int(rule.address) for rule in self.site.nodes if rule.address is not None)
        self.taken = {**reserved, **self.taken}

    def give(self, wishes: Sequence[Wish], given: dict[str, dict[str, str]]) -> list[Problem]:
        host = self.network.range("host")
        late: list[Wish] = []
        for wish in wishes:  # what is fixed comes first, so that nothing new can take it
            fixed = self._fixed(wish)
            if fixed is None:
                late.append(wish)
            elif self.taken.setdefault(fixed, wish.name) == wish.name:
                given[wish.name][self.network.name] = self._cidr(fixed)
            else:
                self.problems.append(self._clash(wish, fixed))
        if late and host is None:
            place = Place(("networks", self.network.name, "ranges"))
            self.problems.append(Problem(place, f"no range for {len(late)} nodes", "add `host: FIRST-LAST` to its ranges"))
            return self.problems
        for wish in late:
            if host is not None:
                self._lowest(wish, host, given)
        return self.problems

    def _fixed(self, wish: Wish) -> int | None:
        kept = wish.entry.addresses.get(self.network.name, "") if wish.entry is not None else ""
        old = int(ip_address(kept.partition("/")[0])) if kept else None
        if wish.explicit is None or self.network.name != "admin":
            return old if old is not None and self._is_inside(old) else None
        new = int(wish.explicit)
        if old is not None and old != new and wish.entry is not None and wish.entry.installed is not None:
            message = f"{wish.name} is installed with {kept} and keeps it"
            hint = f"`rackstrap node reinstall {wish.name}` to change it"
            self.problems.append(Problem(Place(("nodes", wish.rule, "address")), message, hint, severity="warning"))
            return old
        return new

    def _is_inside(self, number: int) -> bool:
        subnet = self.network.subnet
        return int(subnet.network_address) < number < int(subnet.broadcast_address)

    def _lowest(self, wish: Wish, host: Range, given: dict[str, dict[str, str]]) -> None:
        number = max(self.next_free, int(host.first))
        while number in self.taken or number in self.promised:
            number += 1
        self.next_free = number
        if number > int(host.last):
            place = Place(("networks", self.network.name, "ranges", "host"))
            full = f"no address is left for {wish.name} in {host.first}-{host.last}"
            self.problems.append(Problem(place, full, "widen the range, or delete nodes that are gone"))
            return
        self.taken[number] = wish.name
        given[wish.name][self.network.name] = self._cidr(number)

    def _cidr(self, number: int) -> str:
        address = IPv6Address(number) if self.network.subnet.version == 6 else ip_address(number)
        return f"{address}/{self.network.subnet.prefixlen}"

    def _clash(self, wish: Wish, number: int) -> Problem:
        who = self.taken[number] or "a machine without a name"
        message = f"{self._cidr(number).partition('/')[0]} for {wish.name} on {self.network.name} belongs to {who}"
        return Problem(Place(("nodes", wish.rule, "address")), message, "choose an address that nothing else has")


def make_gift_pairs(given: Mapping[str, str], entry: MachineEntry | None) -> tuple[tuple[str, str], ...]:
    """The (network, address without prefix length) pairs that the ledger does not know yet."""
    known = {network: a.partition("/")[0] for network, a in (entry.addresses if entry is not None else {}).items()}
    bare = {network: address.partition("/")[0] for network, address in given.items()}
    return tuple((network, address) for network, address in sorted(bare.items()) if known.get(network) != address)
