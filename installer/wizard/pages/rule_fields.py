"""The keys of one entry under `nodes:` as fields: how they are shown, read and refused."""

from __future__ import annotations

import json
from functools import partial
from typing import Final

from installer.model.problems import Problem, RackstrapError
from installer.site.explain import find_model
from installer.site.save import REMOVED
from installer.site.tree import Path
from installer.wizard.draft import check_edit, find_value
from installer.wizard.page import Edited, Field, FieldRow, Kind, Outcome, Refused
from installer.wizard.pages.asking import make_problem
from installer.wizard.view import View

# The keys of an entry: the field's name (its key path below the entry, joined by dots), its label and kind.
KEYS: Final[tuple[tuple[str, str, Kind], ...]] = (
    ("name", "Name", "text"), ("match.serial", "Serial number", "text"), ("match.uuid", "UUID", "text"),
    ("match.mac", "MAC", "text"), ("match.bmc", "BMC address", "text"),
    ("match.product", "Product", "text"), ("match.switch", "Switch", "text"),
    ("match.min_memory_gb", "Least memory, GB", "number"), ("match.min_disks", "Least disks", "number"),
    ("match.any", "Any machine", "flag"), ("expect", "How many", "number"),
    ("group", "Group", "text"), ("roles", "Roles", "list"),
    ("handover", "Hand-over", "text"), ("address", "Address", "text"),
)  # fmt: skip
NUMBERS: Final = frozenset({"match.min_memory_gb", "match.min_disks", "expect", "min_memory_gb", "min_disks"})


def make_field_row(view: View, index: int, name: str, label: str, kind: Kind) -> FieldRow:
    path = make_path(index, name)
    value, origin = find_value(view.draft, path)
    shown = spell(value) if origin not in ("", "default") or value not in (0, False, None) else ""
    problem = next((p.message for p in view.draft.problems if p.place.path[: len(path)] == path), "")
    choices = tuple((role.name, role.title) for role in view.roles.values()) if name == "roles" else ()
    check = partial(check_value, view, index, name)
    return FieldRow(Field(name, label, kind, find_help(path), choices, check, shown), shown, origin, problem)


def make_path(index: int, name: str) -> Path:
    return ("nodes", index, *name.split("."))


def find_help(path: Path) -> str:
    """What the site file's schema says of this key."""
    model = find_model(path[:-1])
    info = model.model_fields.get(str(path[-1])) if model is not None else None
    return (info.description or "") if info is not None else ""


def spell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value))
        case dict():
            return json.dumps(value)
    return str(value)


def parse_value(name: str, text: str) -> object:
    """What is written into the file for what was typed; REMOVED for nothing. Raises RackstrapError for no number."""
    words = text.strip()
    if not words or (name == "match.any" and words == "no"):
        return REMOVED
    if name == "match.any":
        return words == "yes"
    if name == "roles":
        return words.replace(",", " ").split()
    if name in NUMBERS:
        if not (words.isascii() and words.isdigit() and len(words) < 10):
            raise RackstrapError(f"{words[:40]!r} is no whole number", "write digits alone")
        return int(words)
    return words


def check_value(view: View, index: int, name: str, text: str) -> Problem | None:
    """What the site file would be refused for with this value."""
    try:
        value = parse_value(name, text)
    except RackstrapError as error:
        return make_problem(error.message, error.hint)
    return next(iter(check_edit(view.draft, ((make_path(index, name), value),), view.roles)), None)


def set_value(index: int, _: View, name: str, text: str) -> Outcome:
    try:
        return Edited(((make_path(index, name), parse_value(name, text)),))
    except RackstrapError as error:
        return Refused(error.message, error.hint)
