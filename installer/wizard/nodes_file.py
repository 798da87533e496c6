"""Machines and their entries under `nodes:` of the site file: which belongs to which, and edits that change them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from installer.model.facts import Machine
from installer.model.ledger import MachineEntry
from installer.model.problems import RackstrapError
from installer.model.site import NodeRule, Site
from installer.plan.match import Matches, find_bmcs, find_matches, identity_keys
from installer.plan.names import give_names
from installer.plan.natural import make_natural_key
from installer.site.check_nodes import NO_SERIAL
from installer.site.save import REMOVED
from installer.site.spelled import find_written
from installer.site.tree import Document, Path
from installer.wizard.view import View

Edits = tuple[tuple[Path, object], ...]
Changes = Mapping[str, object]  # key of an entry (name, roles, group, disk, …) -> its value, or REMOVED
INHERITED: Final = ("roles", "group", "disk", "handover", "address")  # what an entry of its own takes along from a shared one


@dataclass(frozen=True, slots=True)
class Member:
    """A machine, or a named entry whose machine is still to come.

    `key`: the machine's id, or `rule N`. `name`: as a plan would call it, "" where no entry fits. `rule`: index into
    site.nodes, -1 where none fits. `bmc`: the BMC's address, "" unknown.
    """

    key: str
    name: str
    rule: int
    entry: MachineEntry
    machine: Machine | None = None
    bmc: str = ""

    @property
    def title(self) -> str:
        return self.name or self.entry.code or self.entry.id


@dataclass(frozen=True)
class Members:
    """All of them in natural order: by name, then by switch and port. `shared`: serials and UUIDs that several machines have."""

    all: tuple[Member, ...]
    by_key: Mapping[str, Member] = field(repr=False)
    matches: Matches = field(repr=False)
    shared: frozenset[str] = field(repr=False)

    def pick(self, keys: Collection[str]) -> tuple[Member, ...]:
        """Those with these keys, in natural order."""
        wanted = set(keys)
        return tuple(member for member in self.all if member.key in wanted)


def find_members(view: View) -> Members:
    """Every machine and every entry that waits for one. Made once per site, machines and ledger: a page asks often."""
    return _find_members(_Same(view))


class _Same:
    """A view by the identity of what members are made of: the parts themselves are kept, so that no id is given twice."""

    __slots__ = ("ledger", "machines", "site")

    def __init__(self, view: View) -> None:
        self.site, self.machines, self.ledger = view.draft.site, view.machines, view.ledger

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def _parts(self) -> tuple[int, ...]:
        return id(self.site), id(self.machines), id(self.ledger), self.ledger.seq


@lru_cache(maxsize=2)
def _find_members(same: _Same) -> Members:
    site, machines, ledger = same.site, same.machines, same.ledger
    bmcs = find_bmcs(machines, ledger)
    matches, names = Matches({}, {}, {}), {key: e.name for key, e in ledger.machines.items() if e.name}
    if site is not None:
        matches = find_matches(site, machines, ledger, bmcs)
        names = {**names, **give_names(site, ledger, matches)[0]}
    found = []
    for key in dict.fromkeys((*ledger.machines, *machines)):
        entry = ledger.machines.get(key, MachineEntry(key))
        found.append(Member(key, names.get(key, ""), matches.rule_of.get(key, -1), entry, machines.get(key), bmcs.get(key, "")))
    held = {member.name for member in found}
    for index, rule in enumerate(site.nodes if site is not None else ()):
        if rule.name and rule.name not in held and not matches.found.get(index):
            found.append(Member(f"rule {index}", rule.name, index, MachineEntry("")))
    found.sort(key=_make_order)
    counts = Counter(word for machine in machines.values() for word in {machine.serial, machine.uuid})
    shared = frozenset(word for word, count in counts.items() if count > 1)
    return Members(tuple(found), {member.key: member for member in found}, matches, shared)


def _make_order(member: Member) -> tuple[Any, ...]:
    return (not member.name, make_natural_key(member.name), *make_port_key(member.machine), member.key)


def make_port_key(machine: Machine | None) -> tuple[Any, ...]:
    """Sorts machines by switch, then by port; those without either come last."""
    switch, port = find_port(machine)
    return not switch, make_natural_key(switch), make_natural_key(port)


def find_port(machine: Machine | None) -> tuple[str, str]:
    """Switch and port that LLDP shows: on the card that it booted from, else on the first that shows one. ("", "") for none."""
    nics = machine.nics if machine is not None else ()
    seen = sorted((nic for nic in nics if nic.lldp is not None), key=lambda nic: machine is None or nic.mac != machine.boot_nic)
    return (seen[0].lldp.switch, seen[0].lldp.port) if seen and seen[0].lldp is not None else ("", "")


def make_match(machine: Machine, shared: Collection[str]) -> dict[str, object]:
    """What tells this machine from all others: its serial number, else its UUID, else a MAC. Raises RackstrapError."""
    if _is_serial(machine.serial) and machine.serial not in shared:
        return {"serial": machine.serial}
    if machine.uuid and machine.uuid not in shared:
        return {"uuid": machine.uuid}
    macs = [mac for mac in (machine.boot_nic, *(nic.mac for nic in machine.nics)) if mac in machine.macs and _is_own(mac)]
    if not macs:
        raise RackstrapError(
            f"nothing tells the machine {machine.serial or machine.product or 'without a serial number'} from others",
            "write its entry by hand: m shows the match rules",
        )
    return {"mac": macs[0]}


def _is_serial(text: str) -> bool:
    return 0 < len(text) <= 200 and text.isprintable() and text == text.strip() and text.lower() not in NO_SERIAL


def _is_own(mac: str) -> bool:
    return len(mac) == 17 and mac != "00:00:00:00:00:00" and not int(mac[:2], 16) & 1


def is_own(rule: NodeRule) -> bool:
    """Whether this entry is for one particular machine, so that it may be named and changed alone."""
    return rule.expect == 1 and bool(rule.name or identity_keys(rule.match))


def make_edits(site: Site, document: Document, members: Members, wanted: Mapping[str, Changes]) -> Edits:
    """Edits that give these members (by key) these values.

    A machine that shares its entry with others, or fits none, gets an entry of its own, which takes along what the shared
    one says; that one then expects one machine fewer. Where all machines of an entry change alike, and none is named, the
    entry itself is changed. Raises RackstrapError for a machine that nothing tells from others.
    """
    work = _Work(site, document, members)
    for index, changed in _find_whole(site, members, wanted).items():
        work.change(index, changed)
    whole = set(work.changed)
    for member in members.pick(wanted):
        if member.rule in whole:
            continue
        if member.rule >= 0 and (is_own(site.nodes[member.rule]) or member.machine is None):
            work.change(member.rule, wanted[member.key])
        elif member.machine is not None:
            work.part(member, member.machine, wanted[member.key])
        else:
            raise RackstrapError(f"the facts of {member.title} are not known", "discover it again: power it on to boot by PXE")
    return work.finish()


def _find_whole(site: Site, members: Members, wanted: Mapping[str, Changes]) -> dict[int, Changes]:
    """Shared entries all of whose machines are there and want the same, a name not among it."""
    whole = {}
    for index in {members.by_key[key].rule for key in wanted if key in members.by_key} - {-1}:
        found = members.matches.found.get(index, ())
        rule, given = site.nodes[index], [wanted.get(key) for key in found]
        if not found or is_own(rule) or len(found) != rule.expect:
            continue
        if given[0] and "name" not in given[0] and all(one == given[0] for one in given):
            whole[index] = given[0]
    return whole


def make_removal(site: Site, document: Document, members: Members, keys: Collection[str]) -> Edits:
    """Edits that take out the entries that are for these members alone; shared entries stay as they are."""
    work = _Work(site, document, members)
    for member in members.pick(keys):
        if member.rule >= 0 and is_own(site.nodes[member.rule]):
            work.gone.add(member.rule)
    return work.finish()


class _Work:
    """Collects edits: changes and new entries first, removals last and from the end, so that positions hold."""

    def __init__(self, site: Site, document: Document, members: Members) -> None:
        self.site, self.document, self.members = site, document, members
        self.changed: dict[int, Changes] = {}
        self.fresh: list[dict[str, object]] = []
        self.parted: Counter[int] = Counter()
        self.gone: set[int] = set()

    def change(self, index: int, changes: Changes) -> None:
        self.changed[index] = {**self.changed.get(index, {}), **changes}

    def part(self, member: Member, machine: Machine, changes: Changes) -> None:
        """An entry of its own. It keeps the name that a plan gives to it, or numbers after it would shift."""
        values: dict[str, object] = {"name": member.name} if member.name else {}
        for key in INHERITED if member.rule >= 0 else ():
            is_written, value = find_written(self.document, ("nodes", member.rule, key))
            values |= {key: value} if is_written else {}
        kept = {key: value for key, value in {**values, **changes}.items() if value is not REMOVED}
        name = {"name": kept.pop("name")} if "name" in kept else {}
        self.fresh.append({**name, "match": make_match(machine, self.members.shared), **kept})
        self.parted[member.rule] += member.rule >= 0

    def finish(self) -> Edits:
        edits: list[tuple[Path, object]] = []
        for index, changes in sorted(self.changed.items()):
            edits += [(("nodes", index, key), value) for key, value in changes.items()]
        for index, count in sorted(self.parted.items()):
            left = self.site.nodes[index].expect - count if count else 1
            if left > 0 and count:
                edits.append((("nodes", index, "expect"), left))
            elif count:
                self.gone.add(index)
        first = len(self.site.nodes)
        edits += [(("nodes", first + number), entry) for number, entry in enumerate(self.fresh)]
        edits += [(("nodes", index), REMOVED) for index in sorted(self.gone, reverse=True)]
        return tuple(edits)
