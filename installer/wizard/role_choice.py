"""Which node has which role, by whom and why, as the draft stands; and edits that give a role or take it away. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from installer.model.events import Event, Happened
from installer.model.problems import Problem, RackstrapError
from installer.model.site import Match, NodeRule, Site
from installer.plan.placement import place_roles
from installer.plan.roles import Role, sort_roles
from installer.site.save import REMOVED
from installer.wizard.nodes_file import Changes, Edits, Member, Members, find_members, make_edits
from installer.wizard.view import View

EVERYWHERE: Final = "every node has it"


@dataclass(frozen=True)
class Placement:
    """`members`: the nodes, in natural order. `why`: node's name -> role -> reason. `given`: those that are not proposed."""

    members: tuple[Member, ...]
    why: Mapping[str, Mapping[str, str]] = field(repr=False)
    given: Mapping[str, Collection[str]] = field(repr=False)
    problems: tuple[Problem, ...] = ()

    def find_holders(self, role: str) -> tuple[Member, ...]:
        return tuple(member for member in self.members if role in self.why[member.name])


def find_placement(view: View) -> Placement:
    """As a plan of this draft would place them. Quick: nothing but the roles is decided."""
    if view.draft.site is None:
        return Placement((), {}, {})
    return _find_placement(_Same(view.draft.site, view.roles, find_members(view)))


class _Same:
    """What a placement is made of, compared by identity."""

    __slots__ = ("members", "roles", "site")

    def __init__(self, site: Site, roles: Mapping[str, Role], members: Members) -> None:
        self.site, self.roles, self.members = site, roles, members

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def _parts(self) -> tuple[int, ...]:
        return id(self.site), id(self.roles), id(self.members)


@lru_cache(maxsize=2)
def _find_placement(same: _Same) -> Placement:
    members = tuple(member for member in same.members.all if member.name)
    return place(same.site, same.roles, members)


def place(site: Site, roles: Mapping[str, Role], members: Sequence[Member]) -> Placement:
    """The placement of these nodes, by the same rules and in the same order as a plan's."""
    order = sorted(members, key=lambda m: (m.rule < 0, m.rule))  # a plan takes nodes in the order of their entries
    rules: list[NodeRule | None] = [site.nodes[m.rule] if m.rule >= 0 else None for m in order]
    nodes = [(m.name, rule, m.entry, m.machine) for m, rule in zip(order, rules, strict=True)]
    _, why, problems = place_roles(site, roles, nodes)
    given = {m.name: find_given(m, rule) for m, rule in zip(order, rules, strict=True)}
    return Placement(tuple(members), why, given, tuple(problems))


def find_given(member: Member, rule: NodeRule | None) -> tuple[str, ...]:
    """Roles by the operator's own word: the ledger's, else the site file's."""
    if member.entry.roles is not None:
        return member.entry.roles
    return rule.roles if rule is not None else ()


def sort_for_people(roles: Mapping[str, Role]) -> tuple[str, ...]:
    """In the order in which they are applied, those that every node has last: there is nothing to decide about them."""
    return tuple(sorted(sort_roles(roles), key=lambda name: roles[name].everywhere))


def toggle_role(view: View, names: Collection[str], role: str) -> tuple[Edits, tuple[Event, ...], str]:
    """Edits and events that give the role to these nodes, or take it from them where all of them have it; and what it means.

    What is shown stays as it is otherwise: nodes for which the role was only proposed keep it, by name from then on. A role
    that is wanted and that no node would have any more is refused: a plan would propose it anew. Raises RackstrapError.
    """
    site, found = view.draft.site, find_placement(view)
    chosen = [member for member in found.members if member.name in names]
    if site is None or role not in view.roles or not chosen:
        raise RackstrapError("no node or no role is chosen", "put the cursor on a node, or mark some with Space")
    if view.roles[role].everywhere:
        raise RackstrapError(f"every node has {role}", "it is what all other roles stand on")
    takes = all(role in found.why[member.name] for member in chosen)
    holders = {member.name for member in found.find_holders(role)}
    wanted_by = holders - set(names) if takes else holders | {member.name for member in chosen}
    changed = [member for member in found.members if (member.name in wanted_by) != (role in found.given[member.name])]
    roles = {m.key: _change(found.given[m.name], role, gives=m.name in wanted_by) for m in changed}
    if takes:
        _refuse_return(view, site, found, roles, role, {member.key for member in chosen})
    wanted: dict[str, Changes] = {key: {"roles": list(given) or REMOVED} for key, given in roles.items()}
    edits = make_edits(site, view.draft.loaded.document, find_members(view), wanted)
    stale = [m.entry for m in changed if m.entry.roles is not None]
    events = tuple(Event(Happened.ROLES_SET, entry.id, {"roles": list(roles[entry.id])}) for entry in stale)
    titles = [member.name for member in chosen]
    return edits, events, f"{role} {'taken from' if takes else 'given to'} {', '.join(titles[:3])}{_more(titles)}"


def _more(titles: Sequence[str]) -> str:
    return f" and {len(titles) - 3} more" if len(titles) > 3 else ""


def _change(given: Collection[str], role: str, *, gives: bool) -> tuple[str, ...]:
    kept = tuple(one for one in given if one != role)
    return (*kept, role) if gives else kept


def _refuse_return(
    view: View, site: Site, found: Placement, roles: Mapping[str, Sequence[str]], role: str, taken: Collection[str]
) -> None:
    """Place them as they would be then: refused where a node from which the role is taken would be proposed for it again."""
    rules = list(site.nodes)
    members = []
    for member in found.members:
        changed = tuple(roles.get(member.key, ()))
        if member.key not in roles:
            members.append(member)
        elif member.entry.roles is not None:
            members.append(replace(member, entry=replace(member.entry, roles=changed)))
        else:
            rules.append(replace(rules[member.rule] if member.rule >= 0 else NodeRule(Match()), roles=changed))
            members.append(replace(member, rule=len(rules) - 1))
    after = place(replace(site, nodes=tuple(rules)), view.roles, members)
    for member in after.members:
        reason = after.why[member.name].get(role, "")
        if reason and member.key in taken:
            raise RackstrapError(
                f"{role} would be proposed for {member.name} again: {reason}", f"give {role} to another node first"
            )
