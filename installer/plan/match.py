"""Which machine is which rule's: decided once, then kept by the ledger."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from installer.model.facts import Machine
from installer.model.ledger import Ledger
from installer.model.problems import Place, Problem
from installer.model.site import Match, NodeRule, Site
from installer.plan.natural import make_natural_key


@dataclass(frozen=True, slots=True)
class Matches:
    """What fits: `rule_of` machine id -> index into site.nodes; `found` rule -> machine ids, those bound before first.

    A rule that more machines fit than it expects is in neither for its unbound machines; `fitting` counts all of them.
    """

    rule_of: Mapping[str, int]
    found: Mapping[int, tuple[str, ...]]
    fitting: Mapping[int, int]
    problems: tuple[Problem, ...] = ()


def identity_keys(match: Match) -> tuple[tuple[str, str], ...]:
    """The fields of a match that name one machine: serial, UUID, MAC, BMC address."""
    given = (("serial", match.serial), ("uuid", match.uuid.lower()), ("mac", match.mac.lower()), ("bmc", match.bmc))
    return tuple((kind, value) for kind, value in given if value)


def is_fit(match: Match, machine: Machine, bmc: str = "") -> bool:
    """Whether every given field fits; `bmc` is the address of the machine's BMC. A match without a field fits nothing."""
    checks = (
        (match.serial, match.serial == machine.serial),
        (match.uuid, match.uuid.lower() == machine.uuid),
        (match.mac, match.mac.lower() in machine.macs),
        (match.product, match.product == machine.product),
        (match.bmc, match.bmc == bmc),
        (match.min_memory_gb, machine.memory_bytes >= match.min_memory_gb * 10**9),
        (match.min_disks, len(machine.disks) >= match.min_disks),
        (match.switch, any(nic.lldp is not None and nic.lldp.switch == match.switch for nic in machine.nics)),
    )
    given = [fits for value, fits in checks if value]
    return all(given) and (match.any or bool(given))


def find_bmcs(machines: Mapping[str, Machine], ledger: Ledger) -> dict[str, str]:
    """Machine id -> address of its BMC, for those that have one.

    The address imported for its serial number comes first, then what the machine itself sees. A serial number that
    twins share names no BMC, nor does an address that another machine sees as its own or was imported with.
    """
    serials = Counter(machine.serial for machine in machines.values())
    by_serial = {e.serial: e.address for e in ledger.bmcs.values() if e.serial and serials[e.serial] == 1}
    imported = {key: by_serial[machine.serial] for key, machine in machines.items() if machine.serial in by_serial}
    seen = Counter(map(_in_band, machines.values()))
    taken = {address for address, count in seen.items() if count > 1} | set(imported.values())
    own = {key: _in_band(machine) for key, machine in machines.items() if _in_band(machine) not in taken}
    found = own | imported
    return {key: found[key] for key in machines if found.get(key)}


def _in_band(machine: Machine) -> str:
    return machine.bmc.address if machine.bmc is not None and machine.bmc.address != "0.0.0.0" else ""


def find_matches(site: Site, machines: Mapping[str, Machine], ledger: Ledger, bmcs: Mapping[str, str]) -> Matches:
    """Give machines to rules: bound ones stay; then rules that identify, then the others, then `any`; each in file order."""
    work = _Matching(site, machines, bmcs)
    work.keep_bound(ledger)
    for index in sorted(range(len(site.nodes)), key=lambda i: (_rank(site.nodes[i].match), i)):
        work.fill(index)
    rule_of = {machine: index for index, found in work.found.items() for machine in found}
    found = {index: tuple(ids) for index, ids in work.found.items()}
    return Matches(rule_of, found, work.fitting, tuple(work.problems))


def _rank(match: Match) -> int:
    if identity_keys(match):
        return 0
    return 2 if match.any else 1


@dataclass(slots=True)
class _Matching:
    """The working state of one matching. `by_key` keeps 10,000 rules from each looking at 10,000 machines."""

    site: Site
    machines: Mapping[str, Machine]
    bmcs: Mapping[str, str]
    by_key: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    free: dict[str, None] = field(default_factory=dict)  # ids in order, as a set that keeps its order
    found: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    fitting: dict[int, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        order = sorted(self.machines, key=lambda key: (make_natural_key(self.machines[key].serial), key))
        self.free = dict.fromkeys(order)
        for key in order:
            machine = self.machines[key]
            names = [("serial", machine.serial), ("uuid", machine.uuid), ("bmc", self.bmcs.get(key, ""))]
            for name in (*names, *(("mac", mac) for mac in sorted(machine.macs))):
                self.by_key[name].append(key)

    def keep_bound(self, ledger: Ledger) -> None:
        by_name = {rule.name: index for index, rule in enumerate(self.site.nodes) if rule.name}
        for key in [key for key in self.free if key in ledger.machines and ledger.machines[key].name]:
            entry = ledger.machines[key]
            for index in (by_name.get(entry.name, -1), entry.rule):
                if 0 <= index < len(self.site.nodes) and self._fits(index, key):
                    self._take(index, key)
                    break

    def fill(self, index: int) -> None:
        rule, bound = self.site.nodes[index], len(self.found[index])
        fitting = [key for key in self._candidates(rule.match) if key in self.free and self._fits(index, key)]
        self.fitting[index] = bound + len(fitting)
        if self.fitting[index] > rule.expect:
            self.problems.append(self._too_many(index, rule, fitting))
            return
        for key in fitting:
            self._take(index, key)

    def _candidates(self, match: Match) -> Iterable[str]:
        keys = identity_keys(match)
        return self.by_key.get(keys[0], ()) if keys else tuple(self.free)

    def _fits(self, index: int, key: str) -> bool:
        return is_fit(self.site.nodes[index].match, self.machines[key], self.bmcs.get(key, ""))

    def _take(self, index: int, key: str) -> None:
        self.found[index].append(key)
        del self.free[key]

    def _too_many(self, index: int, rule: NodeRule, fitting: list[str]) -> Problem:
        shown = ", ".join(f"{key} ({self.machines[key].serial or 'no serial'})" for key in fitting[:6])
        more = f" and {len(fitting) - 6} more" if len(fitting) > 6 else ""
        count = self.fitting[index]
        return Problem(
            Place(("nodes", index, "match")),
            f"{count} machines fit where {rule.expect} {'is' if rule.expect == 1 else 'are'} expected; not bound: {shown}{more}",
            f"narrow the match, or write `expect: {count}`" if not rule.name else "narrow the match: serial, uuid or mac",
            severity="error" if len(self.found[index]) < rule.expect else "warning",
        )


def check_matches(site: Site, matches: Matches) -> list[Problem]:
    """A warning for each rule that still lacks machines: they may be on their way."""
    problems = []
    for index, rule in enumerate(site.nodes):
        missing = rule.expect - len(matches.found.get(index, ()))
        if missing > 0 and matches.fitting.get(index, 0) <= rule.expect:
            what = f"no machine fits yet{'' if rule.expect == 1 else f' ({missing} of {rule.expect} missing)'}"
            hint = "power it on, or correct the match"
            problems.append(Problem(Place(("nodes", index, "match")), what, hint, severity="warning"))
    return problems
