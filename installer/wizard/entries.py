"""Parts of the site file that hold several of a kind: networks, conduits, SSH keys. Tables to add to and to remove from. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from installer.model.problems import Place, Problem
from installer.model.site import Value
from installer.site.defaults import CONDUITS, NETWORKS
from installer.site.save import REMOVED, Removed
from installer.site.spelled import find_default, find_written
from installer.site.tree import Path
from installer.wizard.draft import check_edit, find_value
from installer.wizard.page import Action, Ask, Column, Edited, Field, Go, Outcome, Refused, Row, Selection, Table, Told
from installer.wizard.section_fields import Entries, Leaf, find_leaves, find_parts, parse_typed, spell
from installer.wizard.sections import find_entry_keys, find_mood, find_problems, make_field, make_notes
from installer.wizard.view import View

Given = Mapping[Path, object]  # values of a new entry by key path

# What a new entry is asked for besides its required values, so that the site with it is whole.
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {"networks": ("subnet", "conduit", "vlan")}
_NETWORK_COLUMNS: Final = (
    Column("network", 9), Column("subnet", 18), Column("VLAN", 4, right=True), Column("router", 15, drop=2),
    Column("conduit", 7, drop=1), Column("ranges", 18, drop=3, grow=True),
)  # fmt: skip


def find_entry_leaves(entries: Entries, key: str | int) -> tuple[Leaf, ...]:
    """The values of one entry."""
    fields = entries.model.model_fields.items()
    return tuple(leaf for name, info in fields for leaf in find_leaves(find_parts(info, (*entries.path, key, name))))


def make_entries_table(view: View, entries: Entries) -> Table:
    """The entries, each with what is wrong with it. Networks have columns of their own; others say their values in a line."""
    name = ".".join(map(str, entries.path))
    rows = [_make_row(view, entries, key) for key in find_entry_keys(view.draft, entries)]
    columns = _NETWORK_COLUMNS if entries.path == ("networks",) else (Column("name", 12), Column("", 40, grow=True))
    return Table(name, columns, tuple(rows), f"There are no {entries.label.lower()}: press a to add one.", title=entries.label)


def _make_row(view: View, entries: Entries, key: str | int) -> Row:
    path = (*entries.path, key)
    found = (find_default(view.draft.loaded, path), find_value(view.draft, path)[0])
    given = {name: value for values in found if isinstance(values, dict) for name, value in values.items()}
    problems = find_problems(view.draft, path)
    name = str(key + 1) if isinstance(key, int) else key
    cells = _make_network_cells(name, given) if entries.path == ("networks",) else (name, _say(given))
    return Row(str(key), cells, make_notes(problems), find_mood(problems))


def _make_network_cells(name: str, given: Mapping[str, Value]) -> tuple[str, ...]:
    ranges = given.get("ranges")
    spelled = ", ".join(f"{use} {spell(text)}" for use, text in ranges.items()) if isinstance(ranges, dict) else ""
    words = [spell(given.get(key)) or "-" for key in ("subnet", "vlan", "router", "conduit")]
    return (name, *words, spelled or "-")


def _say(given: Mapping[str, Value]) -> str:
    told = {name: value for name, value in given.items() if value not in (None, [], {}, False, 0)}
    return ", ".join(f"{name.replace('_', ' ')} {_say_value(value)}" for name, value in told.items()) or "-"


def _say_value(value: Value) -> str:
    return " ".join(map(spell, value)) if isinstance(value, list) else _say(value) if isinstance(value, dict) else spell(value)


def make_entry_actions(entries: Entries) -> tuple[Action, ...]:
    """Open, add and remove."""
    part = ".".join(map(str, entries.path))

    def open_entry(_: View, chosen: Selection) -> Outcome:
        return Go("section", f"{part}.{chosen.row}") if chosen.row else Told("There is nothing to open yet: press a to add one.")

    def add(view: View, _: Selection) -> Outcome:
        return add_entry(view, entries)

    def remove(view: View, chosen: Selection) -> Outcome:
        return remove_entry(view, entries, chosen.row)

    return (
        Action("enter", "open", open_entry, part, "Opens the entry under the cursor."),
        Action("a", "add", add, part, "Adds an entry: asks for its name and what it needs."),
        Action("x", "remove", remove, part, "Takes the entry under the cursor out of the site."),
    )


def add_entry(view: View, entries: Entries) -> Outcome:
    """Ask for the new entry's name, then for what it needs."""
    keys = find_entry_keys(view.draft, entries)
    if entries.is_list:
        return _ask_needs(view, entries, len(keys), _find_needs(entries, len(keys)), {})

    def check(text: str) -> Problem | None:
        word = text.strip()
        if not word or not word.isprintable() or len(word) > 63:
            return Problem(Place(entries.path), "this is no name", "type a letter, then letters, digits and hyphens")
        if word in keys:
            return Problem(Place(entries.path), f"there is one called {word}", "type another name, or open that one")
        return None

    def take(now: View, chosen: Selection) -> Outcome:
        problem = check(chosen.text)
        if problem is not None:
            return Refused(problem.message, problem.hint)
        key = chosen.text.strip()
        return _ask_needs(now, entries, key, _find_needs(entries, key), {})

    return Ask(Field("name", f"Name of the new {entries.label.lower().removesuffix('s')}", check=check), take)


def _find_needs(entries: Entries, key: str | int) -> tuple[Leaf, ...]:
    wanted = _NEEDS.get(str(entries.path[0]), ()) if len(entries.path) == 1 else ()
    return tuple(leaf for leaf in find_entry_leaves(entries, key) if leaf.is_required or leaf.path[-1] in wanted)


def _ask_needs(view: View, entries: Entries, key: str | int, needs: Sequence[Leaf], given: Given) -> Outcome:
    """Ask for the first need, then for the others; then the entry is made in one edit."""
    if not needs:
        subject = ".".join(map(str, (*entries.path, key)))
        return Edited(_make_entry(entries, key, given), f"{entries.label}: {key} is added.", then=Go("section", subject))
    leaf = needs[0]

    def check(text: str) -> Problem | None:
        return _check_need(view, entries, key, needs, given, text)

    def take(now: View, chosen: Selection) -> Outcome:
        problem = _check_need(now, entries, key, needs, given, chosen.text)
        if problem is not None:
            return Refused(problem.message, problem.hint)
        return _ask_needs(now, entries, key, needs[1:], {**given, leaf.path: parse_typed(leaf, chosen.text)})

    start = _find_start(entries, key, leaf)
    return Ask(replace(make_field(view, leaf), check=check, start=start), take, (f"New in {entries.label.lower()}: {key}",))


def _check_need(view: View, entries: Entries, key: str | int, needs: Sequence[Leaf], given: Given, text: str) -> Problem | None:
    """What is wrong with this answer; with the last one, what is wrong with the whole entry."""
    leaf = needs[0]
    value = parse_typed(leaf, text)
    if isinstance(value, Problem):
        return value
    problems = check_edit(view.draft, _make_entry(entries, key, {**given, leaf.path: value}), view.roles)
    near = [problem for problem in problems if problem.place.path[: len(leaf.path)] == leaf.path]
    return next(iter(near or (problems if len(needs) == 1 else ())), None)


def _find_start(entries: Entries, key: str | int, leaf: Leaf) -> str:
    """The white paper's value, where it knows one of this name."""
    default = NETWORKS.get(str(key)) if entries.path == ("networks",) else None
    return spell(getattr(default, str(leaf.path[-1]), None)) if default else ""


def _make_entry(entries: Entries, key: str | int, given: Given) -> tuple[tuple[Path, object], ...]:
    """One edit that sets the whole entry, from the values by key path."""
    entry: dict[str, Any] = {}
    start = len(entries.path) + 1
    for path, value in given.items():
        inner = entry
        for part in path[start:-1]:
            inner = inner.setdefault(str(part), {})
        if not isinstance(value, Removed):
            inner[str(path[-1])] = value
    return (((*entries.path, key), entry),)


def remove_entry(view: View, entries: Entries, row: str) -> Outcome:
    """Take an entry out, unless the site has it in any case."""
    key: str | int = int(row) if entries.is_list and row.isdecimal() else row
    if key not in find_entry_keys(view.draft, entries):
        return Told("There is nothing to remove.")
    if entries.path == ("networks",) and key == "admin":
        return Refused("the admin network cannot be removed: machines boot from it", "open it and change its values")
    is_written, _ = find_written(view.draft.loaded.document, (*entries.path, key))
    if entries.path == ("conduits",) and key in CONDUITS and not is_written:
        return Refused(f"{key} is there by default", "leave it: a conduit that no network names does nothing")
    return Edited((((*entries.path, key), REMOVED),), f"{entries.label}: {row} is removed.")


def make_keys_table(view: View, leaf: Leaf) -> Table:
    """SSH keys by type, end and comment: enough to know them by."""
    value, _ = find_value(view.draft, leaf.path)
    lines = value if isinstance(value, list) else []
    rows = []
    for index, line in enumerate(lines):
        problems = find_problems(view.draft, (*leaf.path, index))
        rows.append(Row(str(index), make_key_cells(spell(line)), make_notes(problems), find_mood(problems)))
    columns = (Column("type", 20), Column("ends in", 12, drop=1), Column("comment", 24, grow=True))
    empty = "No key yet: put one whole line of a .pub file into SSH keys above."
    return Table(leaf.name, columns, tuple(rows), empty, title=leaf.label)


def make_key_cells(line: str) -> tuple[str, str, str]:
    """Type, the last characters of the key itself, and comment of an authorized_keys line; never a private one's words."""
    words = line.split() if "PRIVATE" not in line else []
    at = next((i for i, word in enumerate(words) if word.startswith("AAAA")), -1)
    if at < 1:
        return "no public key", "-", "-"
    return words[at - 1], f"..{words[at][-8:]}", " ".join(words[at + 1 :]) or "-"


def make_keys_action(leaf: Leaf) -> Action:
    """Removes the key under the cursor."""

    def remove(view: View, chosen: Selection) -> Outcome:
        value, _ = find_value(view.draft, leaf.path)
        if not chosen.row.isdecimal() or not isinstance(value, list) or int(chosen.row) >= len(value):
            return Told("There is no key to remove.")
        edit: tuple[Path, object] = (leaf.path, REMOVED) if len(value) == 1 else ((*leaf.path, int(chosen.row)), REMOVED)
        return Edited((edit,), "The key is removed.")

    return Action("x", "remove", remove, leaf.name, "Takes the SSH key under the cursor out of the site.")
