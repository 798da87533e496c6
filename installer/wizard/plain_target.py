"""What a typed number or letter is aimed at. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from installer.wizard.page import Action, Fields, Refused, Selection, Table
from installer.wizard.plain_sheet import Spot, find_matching
from installer.wizard.plain_state import Told
from installer.wizard.plain_words import Command

Aim = tuple[Action, Selection]


def find_action(told: Told, command: Command) -> Aim | Refused:
    """The action that is meant, and what it is done to."""
    candidates = [action for action in told.page.actions if action.key == (command.key or "enter")]
    spots = _find_all(told, candidates) if command.is_all else _find_spots(told, command.numbers)
    parts = {part for part, _ in spots}
    if len(parts) > 1:
        return Refused("those numbers belong to different tables", "name rows of one table")
    fitting = [a for a in candidates if a.part in parts] or [a for a in candidates if not a.part or not parts]
    if command.is_all and not spots:
        return Refused("there is no row in sight that this could be done to", "/ alone shows all rows")
    if not fitting:
        return Refused("that does nothing with this number", "type ? for what can be typed here")
    return _make_aim(told, fitting[0], [row for _, row in spots])


def find_field(told: Told, number: int) -> tuple[Fields, str] | None:
    """The field that has this number."""
    for part, name in _find_spots(told, (number,)):
        for fields in told.page.parts:
            if isinstance(fields, Fields) and fields.name == part and any(row.field.name == name for row in fields.rows):
                return fields, name
    return None


def find_reason(told: Told, action: Action, selection: Selection) -> Refused | None:
    """Why the row cannot be chosen, where it is not offered."""
    if action.key != "enter":
        return None
    tables = (part for part in told.page.parts if isinstance(part, Table) and action.part in ("", part.name))
    row = next((row for table in tables for row in table.rows if row.key == selection.row and not row.offered), None)
    return Refused("this one is not offered", "; ".join(row.notes) or "choose another one") if row else None


def _find_spots(told: Told, numbers: Sequence[int]) -> list[Spot]:
    by_number = {number: spot for spot, number in told.numbers.items()}
    return [by_number[number] for number in numbers if number in by_number]


def _find_all(told: Told, actions: Sequence[Action]) -> list[Spot]:
    parts = {action.part for action in actions}
    offered = {(p.name, row.key) for p in told.page.parts if isinstance(p, Table) for row in p.rows if row.offered}
    blocks = [block for block in told.sheet.blocks if block.name in parts or "" in parts]
    return [entry.spot for block in blocks for entry in find_matching(block, told.filter) if entry.spot in offered]


def _make_aim(told: Told, action: Action, rows: list[str]) -> Aim | Refused:
    here = [e.spot for e in told.sheet.entries if e.can_number and action.part in ("", e.spot[0])]
    if not rows and action.part:
        if len(here) != 1:
            first = next((number for (part, _), number in told.numbers.items() if part == action.part), 1)
            how = f"type its number after it, as {action.key} {first}" if action.key != "enter" else "type its number"
            return Refused(f"{action.label}: which one?" if here else "there is nothing to do that to", how if here else "")
        rows = [here[0][1]]
    if any(row not in {key for _, key in here} for row in rows):
        return Refused("that row is gone", "type = for the page as it is now")
    tables = [p for p in told.page.parts if isinstance(p, Table) and action.part in ("", p.name)]
    if len(rows) > 1 and not any(table.marks for table in tables):
        return Refused(f"{action.label} takes one at a time", "name one number")
    return action, Selection(rows[0] if rows else "", tuple(rows) if len(rows) > 1 else ())
