"""The sections of the site file as forms: which there are, their values with origin, and what typing one does. Pure.

Sections come from the models that shape the file (installer.site.document): one that is added there appears by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydantic import BaseModel

from installer.model.problems import Problem
from installer.model.site import Value
from installer.site.document import SiteDocument
from installer.site.password import check_password
from installer.site.save import Edit
from installer.site.spelled import find_default, find_written, spell_all_conduits
from installer.site.tree import Path
from installer.wizard.draft import Draft, check_edit, find_value
from installer.wizard.page import (
    Ask,
    Edited,
    Field,
    FieldRow,
    Fields,
    Go,
    Mood,
    Origin,
    Outcome,
    Refused,
    Selection,
    Told,
    Wished,
)
from installer.wizard.renumber import find_renumber_edits
from installer.wizard.section_fields import Entries, Leaf, find_parts, parse_typed, show, spell, spell_typed
from installer.wizard.view import View
from installer.wizard.wishes import SetPassword

GENERAL: Final = "general"
PASSWORD: Final[Path] = ("access", "password_hash")  # the one secret that a wish turns into what the file holds
UNASKED: Final = frozenset({"rackstrap", "interactive"})  # the format's number, and what decides which sections are asked


@dataclass(frozen=True, slots=True)
class Section:
    """One section: `keys` are its top-level keys of the file, one but for `general`."""

    name: str
    keys: tuple[str, ...]
    label: str
    help: str
    parts: tuple[Leaf | Entries, ...]


def find_sections(model: type[BaseModel] = SiteDocument) -> tuple[Section, ...]:
    """Every section that can be asked for, in the order of the file; single values together as `general`, first."""
    general: list[Leaf | Entries] = []
    sections: list[Section] = []
    for name, info in model.model_fields.items():
        parts = find_parts(info, (name,))
        match parts:
            case _ if name in UNASKED:
                continue
            case [Leaf(path=path, form=form)] if path == (name,) and form != "yaml":
                general += parts
            case _:
                sections.append(Section(name, (name,), name.replace("_", " ").capitalize(), info.description or "", tuple(parts)))
    keys = tuple(str(part.path[0]) for part in general)
    return (Section(GENERAL, keys, "General", "Names, time zone, keyboard.", tuple(general)), *sections)


def is_asked(draft: Draft, key: str) -> bool:
    """Whether the site file leaves this key to be asked for: its `interactive` names it, or names nothing."""
    value, _ = find_value(draft, ("interactive",))
    return key in value if isinstance(value, list) and value else True


def find_problems(draft: Draft, path: Path) -> tuple[Problem, ...]:
    """What is wrong at this key path and below, errors first."""
    found = [problem for problem in draft.problems if problem.place.path[: len(path)] == path]
    return tuple(sorted(found, key=lambda problem: problem.severity != "error"))


def find_mood(problems: Sequence[Problem]) -> Mood:
    """The word for a row with these problems; "" where there are none."""
    return "FAIL" if any(problem.severity == "error" for problem in problems) else "warn" if problems else ""


def find_entry_keys(draft: Draft, entries: Entries) -> tuple[str | int, ...]:
    """The names, or positions, of the entries in force: those that are there by default, then those of the file."""
    _, written = find_written(draft.loaded.document, entries.path)
    if entries.is_list:
        return tuple(range(len(written))) if isinstance(written, list) else ()
    default = find_default(draft.loaded, entries.path)
    names = [*(default if isinstance(default, dict) else ()), *(written if isinstance(written, dict) else ())]
    return tuple(dict.fromkeys(names))


def find_origin(draft: Draft, path: Path) -> Origin:
    """Where the value came from; for a list or section, whether any part of it was typed or discovered."""
    _, origin = find_value(draft, path)
    inner = {found for deep, found in draft.origins.items() if deep[: len(path)] == path}
    later: Origin = "typed" if "typed" in inner else "discovered" if "discovered" in inner else origin
    return later if origin in ("default", "file") else origin


def make_fields(view: View, name: str, leaves: Iterable[Leaf], title: str = "") -> Fields:
    """These values as fields to edit."""
    shown = tuple(leaves)
    by_name = {leaf.name: leaf for leaf in shown}

    def set_field(now: View, field: str, text: str) -> Outcome:
        leaf = by_name.get(field)
        return Told("This value is not here any more.") if leaf is None else set_leaf(now, leaf, text)

    return Fields(name, tuple(make_row(view, leaf) for leaf in shown), set_field, title)


def make_row(view: View, leaf: Leaf) -> FieldRow:
    """One value with its origin, and the first thing that is wrong with it."""
    value, origin = find_leaf_value(view.draft, leaf)
    problems = find_problems(view.draft, leaf.path)
    said = f"{problems[0].message}: {problems[0].hint}" if problems else ""
    return FieldRow(make_field(view, leaf), show(leaf, value), origin, said)


def find_leaf_value(draft: Draft, leaf: Leaf) -> tuple[Value, Origin]:
    """The value in force and its origin."""
    value, origin = find_value(draft, leaf.path)
    if value is None and leaf.default is not None:
        return leaf.default, "default"
    return value, find_origin(draft, leaf.path) if origin else ""  # type: ignore[return-value]


def make_field(view: View, leaf: Leaf) -> Field:
    """The field that asks for this value, checked against the whole draft as it is typed."""
    value, _ = find_leaf_value(view.draft, leaf)
    choices = tuple((spell(choice), "") for choice in leaf.choices) or find_choices(view, leaf)
    start = spell_typed(leaf, value)

    def check(text: str) -> Problem | None:
        return check_leaf(view, leaf, text)

    label = "Password" if leaf.form == "secret" else leaf.label
    text = "Of root, on every node. Only its hash goes into the file." if leaf.form == "secret" else leaf.help
    kind = "choice" if leaf.path == ("keyboard",) and choices else leaf.kind
    return Field(leaf.name, label, kind, text, choices, check, start)


def find_choices(view: View, leaf: Leaf) -> tuple[tuple[str, str], ...]:
    """Values to pick from that this site or this machine knows; others may be typed where the field's kind allows it."""
    if leaf.path[:1] == ("networks",) and leaf.path[2:] == ("conduit",):
        conduits = spell_all_conduits(view.draft.loaded)
        return tuple((name, spell_typed(leaf, spelled.get("nics"))) for name, spelled in conduits.items())
    if leaf.path == ("keyboard",):
        return tuple((layout, "") for layout in view.here.keyboards)
    if leaf.path == ("admin", "nics"):
        return tuple((nic.mac, f"{nic.name}, {'up' if nic.has_link else 'no link'}") for nic in view.here.machine.nics)
    return ()


def check_leaf(view: View, leaf: Leaf, text: str) -> Problem | None:
    """Why this text cannot be that value, the nearest reason first; None where it can."""
    if leaf.form == "secret":
        return check_password(text) if text else None
    value = parse_typed(leaf, text)
    if isinstance(value, Problem):
        return value
    if leaf.form == "keys" and not text.strip():
        return None
    problems = check_edit(view.draft, make_edits(view, leaf, value), view.roles)
    near = [problem for problem in problems if problem.place.path[: len(leaf.path)] == leaf.path]
    return next((_name_shortly(leaf, problem) for problem in near or problems), None)


def _name_shortly(leaf: Leaf, problem: Problem) -> Problem:
    """The value by its label, where the message has its key path: the form shows no paths."""
    said = re.sub(rf"^{re.escape(leaf.name)}(\.[0-9]+)?(?=[: ])", leaf.label, problem.message)
    return replace(problem, message=said)


def make_edits(view: View, leaf: Leaf, value: Edit) -> tuple[tuple[Path, object], ...]:
    """The edits that give the draft this value: a key is appended, a subnet takes along what lies in it."""
    if leaf.form == "keys":
        _, written = find_written(view.draft.loaded.document, leaf.path)
        count = len(written) if isinstance(written, list) else 0
        return (((*leaf.path, count), value),)
    if leaf.path[:1] == ("networks",) and leaf.path[2:] == ("subnet",) and isinstance(value, str):
        return tuple(find_renumber_edits(view.draft.site, str(leaf.path[1]), value).items())
    return ((leaf.path, value),)


def set_leaf(view: View, leaf: Leaf, text: str, then: Go | None = None) -> Outcome:
    """What follows from this text: a new draft, or the reason why not."""
    problem = check_leaf(view, leaf, text)
    if problem is not None:
        return Refused(problem.message, problem.hint)
    if leaf.form == "secret" and text and leaf.path != PASSWORD:
        return Refused(f"{leaf.label} cannot be typed here", "write it into the site file, as its help says")
    if leaf.form == "secret":
        return _ask_again(text) if text else Edited(((leaf.path, parse_typed(leaf, "")),), "The password is taken out.")
    if leaf.form == "keys" and not text.strip():
        return Told("No key was added.")
    value = parse_typed(leaf, text)
    if isinstance(value, Problem):
        return Refused(value.message, value.hint)
    edits = make_edits(view, leaf, value)
    moved = [".".join(map(str, path)) for path, _ in edits[1:]]
    says = f"Moved along: {', '.join(moved[:3])}{f' and {len(moved) - 3} more' if len(moved) > 3 else ''}." if moved else ""
    return Edited(edits, says, then=then)


def _ask_again(password: str) -> Outcome:
    """The same password once more: what is typed blind is typed wrong."""

    def compare(_: View, chosen: Selection) -> Outcome:
        if chosen.text != password:
            return Refused("the two passwords differ; nothing has changed", "type the password anew")
        return Wished((SetPassword(password),))

    field = Field("again", "Password, once more", "secret", check=check_password)
    return Ask(field, compare, ("Type it once more: it is not shown.",))


def make_notes(problems: Sequence[Problem], most: int = 2) -> tuple[str, ...]:
    """Problems as a row's notes: each, then what to do about it."""
    notes = [note for problem in problems[:most] for note in (problem.message, problem.hint) if note]
    return (*notes, f"and {len(problems) - most} more: open it") if len(problems) > most else tuple(notes)


def summarise(view: View, section: Section) -> str:
    """A section in one line: what it needs, what was given, and the choices of a short one."""
    words = []
    for part in section.parts:
        if isinstance(part, Entries):
            keys = find_entry_keys(view.draft, part)
            words += [str(len(keys))] if part.is_list else [*map(str, keys[:6]), *(["…"] if len(keys) > 6 else [])]
        else:
            value, origin = find_leaf_value(view.draft, part)
            is_told = part.is_required or origin in ("file", "typed", "discovered") or part.form in ("secret", "keys")
            is_plain = value is not None and (section.name == GENERAL or (part.choices and len(section.parts) < 5))
            if is_told or is_plain:
                label = part.label if part.label[:2].isupper() else part.label[:1].lower() + part.label[1:]
                words.append(f"{'password' if part.form == 'secret' else label} {show(part, value)}")
    return ", ".join(words) or "defaults"
