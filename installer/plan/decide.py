"""From site, machines and ledger to nodes with everything decided. Pure and linear in machines and rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from installer.model.facts import Disk, Machine
from installer.model.ledger import Consent, Ledger, MachineEntry
from installer.model.network import NodeNetwork
from installer.model.orders import ChosenDisk, Layout, NodeFile
from installer.model.plan import AdminPlace, StepKey
from installer.model.problems import Place, Problem
from installer.model.site import DiskChoice, NodeRule, Site
from installer.plan.addresses import Wish, give_addresses
from installer.plan.consent import (
    FileConsents,
    check_consent,
    make_file_consents,
    make_reinstall_consent,
    parse_consent,
)
from installer.plan.decided import Decided, has_begun
from installer.plan.files import BaseFiles
from installer.plan.layout import check_layout
from installer.plan.links import make_node_network
from installer.plan.match import Matches, check_matches, find_bmcs, find_matches, identity_keys
from installer.plan.names import give_names
from installer.plan.options import find_given
from installer.plan.placement import place_roles
from installer.plan.roles import Role
from installer.plan.steps import make_rediscover_id
from installer.plan.storage import choose_disks, find_shared_wwns, make_chosen, make_least_bytes
from installer.render.refused import RenderRefused

ADMIN: Final = "admin"


@dataclass(frozen=True, slots=True)
class Decision:
    """All nodes in the order of their rules, what rules still lack, gifts of consent by machine id, and all problems."""

    nodes: tuple[Decided, ...]
    lacking: Mapping[int, int]
    consents: Mapping[str, Mapping[str, Any]]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Draft:
    """A node before its roles, addresses and disks."""

    name: str
    rule: int
    machine_id: str
    machine: Machine | None
    entry: MachineEntry
    bmc: str = ""


def decide(site: Site, machines: Mapping[str, Machine], ledger: Ledger, roles: Mapping[str, Role], place: AdminPlace) -> Decision:
    """Decide everything. The result does not depend on the order of `machines`."""
    bmcs = find_bmcs(machines, ledger)
    matches = find_matches(site, machines, ledger, bmcs)
    names, problems = give_names(site, ledger, matches)
    problems = [*matches.problems, *check_matches(site, matches), *problems]
    drafts = _make_drafts(site, machines, ledger, matches, names=names, bmcs=bmcs)
    problems += _check_unruled(drafts)
    placed, why, placement_problems = place_roles(
        site, roles, [(d.name, _rule(site, d.rule), d.entry, d.machine) for d in drafts]
    )
    problems += placement_problems
    wishes = [_make_wish(site, draft, placed[draft.name], roles) for draft in drafts]
    addresses, address_problems = give_addresses(site, wishes, ledger.machines.values())
    problems += address_problems
    work = _Deciding(site, machines, ledger, matches, roles, place)
    nodes = [work.finish(draft, placed[draft.name], why[draft.name], addresses[draft.name]) for draft in drafts]
    lacking = {
        i: rule.expect - len(matches.found.get(i, ())) for i, rule in enumerate(site.nodes) if is_waiting(i, rule, matches)
    }
    return Decision(tuple(nodes), lacking, work.consents, (*problems, *work.problems))


def is_waiting(index: int, rule: NodeRule, matches: Matches) -> bool:
    """Whether more machines could still help this rule: not where too many fit already."""
    return len(matches.found.get(index, ())) < rule.expect and matches.fitting.get(index, 0) <= rule.expect


def _rule(site: Site, index: int) -> NodeRule | None:
    return site.nodes[index] if 0 <= index < len(site.nodes) else None


def _make_drafts(
    site: Site,
    machines: Mapping[str, Machine],
    ledger: Ledger,
    matches: Matches,
    *,
    names: Mapping[str, str],
    bmcs: Mapping[str, str],
) -> list[_Draft]:
    """One per named machine, one per named rule whose machine is to come, then the nodes that no rule fits any more."""
    drafts: list[_Draft] = []
    held = {entry.name for entry in ledger.machines.values() if entry.name}
    for index, rule in enumerate(site.nodes):
        found = [key for key in matches.found.get(index, ()) if key in names]
        for key in found:
            entry = ledger.machines.get(key, MachineEntry(key))
            drafts.append(_Draft(names[key], index, key, machines[key], entry, bmcs.get(key, "")))
        if rule.name and not found and rule.name not in held:
            drafts.append(_Draft(rule.name, index, "", None, MachineEntry("")))
    for key in sorted(ledger.machines):
        entry = ledger.machines[key]
        if entry.name and key not in names:
            drafts.append(_Draft(entry.name, -1, key, machines.get(key), entry, bmcs.get(key, "")))
    return drafts


def _check_unruled(drafts: Sequence[_Draft]) -> list[Problem]:
    hint = "write a rule whose match fits it, or `rackstrap node delete NAME`"
    return [
        Problem(Place(("nodes",)), f"no rule fits {draft.name} (machine {draft.machine_id}) any more", hint, severity="warning")
        for draft in drafts
        if draft.rule < 0
    ]


def _make_wish(site: Site, draft: _Draft, placed: Sequence[str], roles: Mapping[str, Role]) -> Wish:
    wanted = {ADMIN, *(network for role in placed if role in roles for network in find_networks(roles[role], site))}
    networks = tuple(network.name for network in site.networks if network.name in wanted)
    rule = _rule(site, draft.rule)
    return Wish(draft.name, draft.rule, rule.address if rule is not None else None, draft.entry, networks)


def find_networks(role: Role, site: Site) -> tuple[str, ...]:
    """The networks that a node joins for this role: those it names, and those of its option `networks`."""
    extra = role.settings(find_given(role.name, site.roles)).get("networks")
    return (*role.networks, *(str(name) for name in extra if isinstance(name, str))) if isinstance(extra, list) else role.networks


@dataclass(slots=True)
class _Deciding:
    """What every node is decided with; built once."""

    site: Site
    machines: Mapping[str, Machine]
    ledger: Ledger
    matches: Matches
    roles: Mapping[str, Role]
    place: AdminPlace
    consents: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    shared: frozenset[str] = frozenset()
    least_bytes: int = 0
    file_consents: FileConsents = field(init=False)
    base: BaseFiles | None = None

    def __post_init__(self) -> None:
        self.shared = find_shared_wwns(self.machines.values())
        self.least_bytes = make_least_bytes(self.place.image, Layout())
        self.file_consents = make_file_consents(self.site, self.machines)
        if "base" not in self.roles:
            return
        try:
            self.base = BaseFiles(self.site, self.roles["base"])
        except RenderRefused as error:
            self.problems.append(Problem(Place(("roles", "base")), error.message, error.hint))

    def finish(self, draft: _Draft, placed: tuple[str, ...], why: Mapping[str, str], addresses: Mapping[str, str]) -> Decided:
        before = len(self.problems)
        rule = _rule(self.site, draft.rule)
        choice = rule.disk if rule is not None else DiskChoice()
        network = self._wire(draft, addresses)
        disks, refused = self._choose(draft, choice)
        consent = self._find_consent(draft, disks)
        chosen = self._allow(draft, consent, disks)
        files = self._render(draft, network)
        blocked = any(problem.severity == "error" for problem in self.problems[before:]) or rule is None or not files
        return Decided(
            name=draft.name,
            rule=draft.rule,
            site_rule=rule,
            machine_id=draft.machine_id,
            machine=draft.machine,
            entry=draft.entry,
            bmc=draft.bmc,
            roles=placed,
            why=why,
            addresses=addresses,
            network=network,
            disks=disks,
            chosen=chosen,
            consent=consent,
            mirror=len(disks) == 2,
            handover=(rule.handover if rule is not None else None) or self.site.handover,
            files=files,
            users=tuple(dict.fromkeys(account.name for account in self.base.accounts)) if self.base is not None else ("root",),
            refused=refused,
            blocked=blocked,
        )

    def _wire(self, draft: _Draft, addresses: Mapping[str, str]) -> NodeNetwork | None:
        if draft.machine is None or ADMIN not in addresses:
            return None
        network, problems = make_node_network(draft.name, self.site, draft.machine, addresses)
        self.problems += problems
        return network

    def _render(self, draft: _Draft, network: NodeNetwork | None) -> tuple[NodeFile, ...]:
        """The node's files. A value that may not be written, from a file or from a machine, stops this node alone."""
        if self.base is None or network is None:
            return ()
        try:
            return self.base.render(network)
        except RenderRefused as error:
            self.problems.append(Problem(Place(("nodes", draft.rule)), f"{draft.name}: {error.message}", error.hint))
            return ()

    def _choose(self, draft: _Draft, choice: DiskChoice) -> tuple[tuple[Disk, ...], tuple[tuple[Disk, str], ...]]:
        """The disks of this node, and those that were not offered.

        Once its installation has begun they are the consent's, whatever the file has come to say.
        """
        if draft.machine is None or draft.rule < 0:
            return (), ()
        place = Place(("nodes", draft.rule, "disk"))
        consent = draft.entry.consent
        if has_begun(draft.entry) and consent is not None:
            ids = [disk.id for disk in consent.disks]
            self.problems += check_layout(draft.name, place, choice, draft.machine, ids)
            return tuple(disk for disk in draft.machine.disks if disk.id in ids), ()
        found = choose_disks(choice, draft.machine, self.shared, self.least_bytes)
        if found.problem:
            self.problems.append(Problem(place, f"{draft.name}: {found.problem}", found.hint))
        return found.disks, found.refused

    def _find_consent(self, draft: _Draft, disks: Sequence[Disk]) -> Consent | None:
        """The ledger's consent for this epoch, else the one that file or reinstallation give now."""
        entry, machine = draft.entry, draft.machine
        if machine is None or (entry.consent is not None and entry.consent.epoch == entry.epoch):
            return entry.consent
        if entry.epoch > 1 and not self._is_rediscovered(draft):
            return None
        data = make_reinstall_consent(machine, entry, disks)
        if data is None and (entry.admitted or is_admitted_by_file(self.site, _rule(self.site, draft.rule))):
            rule = _rule(self.site, draft.rule)
            exact = rule is not None and self.matches.fitting.get(draft.rule) == rule.expect
            data = self.file_consents.find(draft.machine_id, machine, entry, disks, exact=exact)
        if data is None:
            return None
        self.consents[draft.machine_id] = data
        return parse_consent(data)

    def _is_rediscovered(self, draft: _Draft) -> bool:
        step = self.ledger.steps.get(StepKey(draft.name, "rediscover"))
        return step is not None and step.done_id == make_rediscover_id(draft.name, draft.entry.epoch)

    def _allow(self, draft: _Draft, consent: Consent | None, disks: Sequence[Disk]) -> tuple[ChosenDisk, ...]:
        """What an order may erase: the consent's disks, when it holds and names exactly those that are chosen."""
        if consent is None or draft.machine is None:
            return ()
        if has_begun(draft.entry):
            return consent.disks if consent.epoch == draft.entry.epoch else ()
        place = Place(("nodes", draft.rule))
        problems = check_consent(consent, draft.machine, draft.entry.epoch, resumes=False)
        if not problems and {disk.id for disk in consent.disks} != {disk.id for disk in disks}:
            named, wanted = (", ".join(sorted(d.id for d in some)) for some in (consent.disks, disks))
            problems = [Problem(place, f"consent was given for {named}, but the file chooses {wanted}", "allocate it again")]
        self.problems += [Problem(place, f"{draft.name}: {p.message}", p.hint) for p in problems]
        if problems:
            return ()
        return tuple(make_chosen(disk) for disk in disks)


def is_admitted_by_file(site: Site, rule: NodeRule | None) -> bool:
    """Whether the file admits the machines of this rule: `admit: matched`, and the rule identifies its machine."""
    return site.discovery.admit == "matched" and rule is not None and bool(identity_keys(rule.match))
