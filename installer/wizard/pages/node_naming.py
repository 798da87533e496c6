"""Names for machines: one, or many by a pattern, in the order of the table. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count
from typing import Final

from installer.engine.node_changes import check_label
from installer.model.events import Event, Happened
from installer.model.problems import Problem, RackstrapError
from installer.site.check_names import RESERVED
from installer.wizard.nodes_file import Changes, Members, find_members
from installer.wizard.page import Field, Outcome, Refused, Selection, Told
from installer.wizard.pages.asking import ask_text, join_titles, make_problem
from installer.wizard.pages.node_actions import find_site, guarded, make_edited, pick_members
from installer.wizard.view import View
from installer.wizard.wishes import Append

PATTERN: Final = re.compile(r"([a-z0-9-]*)%(0[1-9])?d([a-z0-9-]*)(?: from ([0-9]{1,6}))?", re.ASCII)
DEFAULT: Final = "node%d"


@guarded
def name(view: View, selection: Selection) -> Outcome:
    """Name one machine; several by a pattern."""
    picked = pick_members(view, selection)
    keys = tuple(member.key for member in picked)
    taken = find_taken(view, keys)
    if len(picked) == 1:
        field = Field(
            "name", "Name", help="lower-case letters, digits and hyphens",
            check=lambda text: check_name(text.strip(), taken), start=picked[0].name,
        )  # fmt: skip
        return ask_text(field, lambda now, text: give_names_to(now, {keys[0]: text.strip()}))
    says = (
        f"Names for {len(picked)} machines, in the order of the table: by name, then by switch and port.",
        "node%d gives node1, node2 ...   rack1-%02d gives rack1-01, rack1-02 ...",
        "node%d from 20 begins with node20. Names that others have are passed over.",
    )
    field = Field("pattern", "Pattern", check=check_pattern, start=DEFAULT)
    return ask_text(field, lambda now, text: _follow_pattern(now, keys, text.strip()), says)


@guarded
def propose(view: View, _: Selection) -> Outcome:
    """node<N> for every machine that has no name."""
    unnamed = [member.key for member in find_members(view).all if not member.name]
    if not unnamed:
        return Told("every machine has a name already" if find_members(view).all else "no machine has been found yet")
    return _follow_pattern(view, tuple(unnamed), DEFAULT)


def _follow_pattern(view: View, keys: tuple[str, ...], pattern: str) -> Outcome:
    picked = find_members(view).pick(keys)
    names = make_names(pattern, len(picked), find_taken(view, keys))
    return give_names_to(view, {member.key: text for member, text in zip(picked, names, strict=True)})


def give_names_to(view: View, names: Mapping[str, str]) -> Outcome:
    """Write these names; a node that the ledger knows by another one is renamed there too."""
    members = find_members(view)
    for text in names.values():
        problem = check_name(text, ())
        if problem is not None:
            return Refused(problem.message, problem.hint)
    changed = {
        key: text for key, text in names.items() if members.by_key[key].name != text or not _is_written(view, members, key)
    }
    if not changed:
        return Told("they have these names already")
    wanted: dict[str, Changes] = {key: {"name": text} for key, text in changed.items()}
    events = make_renamings(members, changed)
    installed = any(members.by_key[event.host].entry.installed for event in events)
    says = f"named {join_titles(list(changed.values()))}"
    says += "; a running system keeps its old host name until it is installed anew" if installed else ""
    return make_edited(view, wanted, says, (Append(events, says),) if events else ())


def _is_written(view: View, members: Members, key: str) -> bool:
    site, rule = view.draft.site, members.by_key[key].rule
    return site is not None and rule >= 0 and bool(site.nodes[rule].name)


def make_renamings(members: Members, names: Mapping[str, str]) -> tuple[Event, ...]:
    """NODE_RENAMED for those that have another name in the ledger, in an order in which every name is free when it is given."""
    left = {key: text for key, text in names.items() if members.by_key[key].entry.name and members.by_key[key].entry.name != text}
    held = {members.by_key[key].entry.name: key for key in left}
    events: list[Event] = []
    while left:
        free = [key for key, text in left.items() if text not in held]
        if not free:  # they go round in a circle: one steps aside
            key = next(iter(left))
            aside = next(name for n in count(1) if (name := f"renamed-{n}") not in held)
            events.append(Event(Happened.NODE_RENAMED, key, {"name": aside}))
            held = {aside if holder == key else held_name: holder for held_name, holder in held.items()}
            continue
        gone = set(free)
        events += [Event(Happened.NODE_RENAMED, key, {"name": left.pop(key)}) for key in free]
        held = {held_name: holder for held_name, holder in held.items() if holder not in gone}
    return tuple(events)


def find_taken(view: View, keys: Collection[str]) -> frozenset[str]:
    """Names that are not to be given to these members: others have them, or the site keeps them."""
    site, members = find_site(view), find_members(view)
    own = {members.by_key[key].rule for key in keys if key in members.by_key}
    others = {member.name for member in members.all if member.key not in set(keys)}
    written = {rule.name for index, rule in enumerate(site.nodes) if index not in own}
    return frozenset({*others, *written, *RESERVED, site.admin.hostname} - {""})


def check_name(text: str, taken: Collection[str]) -> Problem | None:
    try:
        check_label(text, "name")
    except RackstrapError as error:
        return make_problem(f"{text[:40]!r} is no name", error.hint)
    return make_problem(f"the name {text} is taken", "choose another name") if text in taken else None


def check_pattern(text: str) -> Problem | None:
    if PATTERN.fullmatch(text.strip()) is None:
        return make_problem(f"{text[:40]!r} is no pattern", "write %d where the number goes: node%d, or rack1-%02d")
    return check_name(next(_number(text.strip())), ())


def make_names(pattern: str, many: int, taken: Collection[str]) -> Sequence[str]:
    """So many names that are not taken, by a pattern that check_pattern let pass."""
    names: list[str] = []
    for text in _number(pattern):
        if len(names) == many:
            break
        if text not in taken:
            names.append(text)
    return names


def _number(pattern: str) -> Iterator[str]:
    found = PATTERN.fullmatch(pattern)
    if found is None:
        return
    before, width, after, first = found.groups()
    for number in count(int(first or 1)):
        yield f"{before}{number:{width or ''}d}{after}"
