"""Which node gets which roles, and why: the operator's own word first, then needs, then what the hardware suits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from installer.model.facts import Machine
from installer.model.ledger import MachineEntry
from installer.model.problems import Place, Problem
from installer.model.site import NodeRule, Site
from installer.plan.options import check_options, find_family
from installer.plan.roles import Hardware, Role, sort_roles

Candidate = tuple[str, NodeRule | None, MachineEntry, Machine | None]
Placed = tuple[dict[str, tuple[str, ...]], dict[str, dict[str, str]], list[Problem]]


def place_roles(site: Site, roles: Mapping[str, Role], nodes: Sequence[Candidate]) -> Placed:
    """Node -> roles in the order in which they are applied, node -> role -> why, and constraints that are not met.

    A role is wanted when a node was given it, when it is everywhere, when the file sets its options, or when a wanted
    role needs it. Wanted roles that no one was given are proposed for the nodes that suit them best.
    """
    work = _Placing(site, roles, nodes)
    work.take_given()
    for role in reversed(work.order):  # what needs a role comes before it
        work.propose(roles[role])
    rank = {name: index for index, name in enumerate(work.order)}
    placed = {name: tuple(sorted(why, key=lambda r: (rank.get(r, len(rank)), r))) for name, why in work.why.items()}
    problems = [*check_options(site.roles, roles), *work.problems, *check_placement(roles, placed)]
    return placed, work.why, problems


@dataclass(slots=True)
class _Placing:
    site: Site
    roles: Mapping[str, Role]
    nodes: Sequence[Candidate]
    why: dict[str, dict[str, str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    order: tuple[str, ...] = ()
    holders: dict[str, int] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.order = sort_roles(self.roles)

    def take_given(self) -> None:
        """Roles from the ledger (the operator's latest word), else from the file."""
        for name, rule, entry, _ in self.nodes:
            self.why[name] = {}
            given, source = (entry.roles, "chosen by the operator") if entry.roles is not None else (None, "")
            if given is None and rule is not None:
                given, source = rule.roles, "named in the site file"
            for role in given or ():
                if role in self.roles:
                    self._give(name, role, source)
                elif role not in self.unknown:
                    self.unknown.add(role)
                    known = ", ".join(sorted(self.roles)) or "none"
                    self.problems.append(Problem(Place(("nodes",)), f"there is no role {role}", f"known roles: {known}"))

    def propose(self, role: Role) -> None:
        if role.everywhere:
            for name, *_ in self.nodes:
                if role.name not in self.why[name]:
                    self._give(name, role.name, "every node has it")
            return
        why = self._find_reason(role)
        lacking = max(role.count.min, 1) - self.holders.get(role.name, 0) if why else 0
        if lacking <= 0:
            return
        best = sorted((c for c in self.nodes if self._is_free(c, role)), key=lambda c: _rank(c, role, len(self.why[c[0]])))
        for name, _, _, machine in best[:lacking]:
            self._give(name, role.name, f"{why}; {explain_fit(role.hardware, machine)}")

    def _find_reason(self, role: Role) -> str:
        """Why this role is wanted; "" when it is not."""
        if role.name in self.site.roles or find_family(role.name) in self.site.roles:
            return "the site file sets its options"
        needing = sorted(other for other in self.holders if role.name in self.roles[other].needs)
        return f"{needing[0]} needs it" if needing else ""

    def _is_free(self, candidate: Candidate, role: Role) -> bool:
        """Only machines that are there, suit the role, have no conflict and no roles of the operator's own choice."""
        name, _, entry, machine = candidate
        held = self.why[name]
        clash = any(other in role.conflicts or role.name in self.roles[other].conflicts for other in held)
        return entry.roles is None and machine is not None and not clash and not find_misfit(role.hardware, machine)

    def _give(self, name: str, role: str, why: str) -> None:
        if role not in self.why[name]:
            self.why[name][role] = why
            self.holders[role] = self.holders.get(role, 0) + 1


def _rank(candidate: Candidate, role: Role, load: int) -> tuple[float, int, str]:
    """Best first: what the role prefers, then the node with the fewest roles, then by name."""
    name, _, _, machine = candidate
    return (-_score(role.hardware, machine) if machine is not None else 0.0, load, name)


def _score(hardware: Hardware, machine: Machine) -> float:
    match hardware.prefers:
        case "memory":
            return machine.memory_bytes
        case "small":
            return -machine.memory_bytes
        case "disks":
            return len(machine.disks)
        case "cores":
            return machine.cpu.cores
        case _:
            return 0


def find_misfit(hardware: Hardware, machine: Machine) -> str:
    """What the machine lacks for a role; "" when it suits it."""
    for have, need, what in (
        (machine.memory_bytes // 10**9, hardware.min_memory_gb, "GB of memory"),
        (len(machine.disks), hardware.min_disks, "disks"),
        (machine.cpu.cores, hardware.min_cores, "cores"),
        (len(machine.nics), hardware.min_nics, "NICs"),
    ):
        if have < need:
            return f"{have} {what} where {need} are needed"
    return ""


def explain_fit(hardware: Hardware, machine: Machine | None) -> str:
    """Why this machine, in words."""
    if machine is None:
        return "its machine is not known yet"
    words = {
        "memory": f"most memory ({machine.memory_bytes // 10**9} GB)",
        "small": f"least memory ({machine.memory_bytes // 10**9} GB)",
        "disks": f"most disks ({len(machine.disks)})",
        "cores": f"most cores ({machine.cpu.cores})",
    }
    return words.get(hardware.prefers, "fewest roles so far")


def check_placement(roles: Mapping[str, Role], placed: Mapping[str, Sequence[str]]) -> list[Problem]:
    """Counts, odd counts, uniqueness, conflicts and needs that this placement does not meet."""
    holders: dict[str, list[str]] = {}
    for node, held in placed.items():
        for role in held:
            holders.setdefault(role, []).append(node)
    problems = []
    for name, nodes in holders.items():
        if name in roles:
            problems += [Problem(Place(("nodes",)), message, hint) for message, hint in _check_role(roles[name], nodes, holders)]
    return [*problems, *_check_conflicts(roles, placed)]


def _check_role(role: Role, nodes: Sequence[str], holders: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    wrong = []
    count, have = role.count, len(nodes)
    if role.everywhere:
        return []
    if have < count.min:
        wrong.append((f"role {role.name} is on {have} nodes, it needs {count.min}", "give it to more nodes"))
    most = 1 if role.unique else count.max
    if most and have > most:
        wrong.append(
            (f"role {role.name} is on {have} nodes ({', '.join(nodes[:8])}), at most {most} may have it", "take it from some")
        )
    if count.odd and have % 2 == 0:
        wrong.append((f"role {role.name} is on {have} nodes, a quorum needs an odd number", "add or remove one"))
    wrong += [
        (f"role {role.name} needs role {need}, which no node has", f"give {need} to a node")
        for need in role.needs
        if need not in holders
    ]
    return wrong


def _check_conflicts(roles: Mapping[str, Role], placed: Mapping[str, Sequence[str]]) -> list[Problem]:
    problems = []
    for node, held in placed.items():
        for role in held:
            for other in roles[role].conflicts if role in roles else ():
                if other in held:
                    message = f"{node} has the roles {role} and {other}, which do not go together"
                    problems.append(Problem(Place(("nodes",)), message, "move one of them to another node"))
    return problems
