"""What is the reader's own on a page: where the cursor is, what is marked, what is filtered for, how far it is scrolled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from installer.wizard.page import Bar, Fields, Lines, Page, Part, Row, Selection, Table

LONG: Final = 8  # lines: a page that begins with more text than this is read from its top


@dataclass(slots=True)
class PartState:
    """`cursor`: a row's key or a field's name. `offset`: the first line shown. `is_read`: scrolled away from a log's end.

    As last rendered: `last`, the highest offset of text; `count`, which of its rows are in sight, "" where all are.
    """

    cursor: str = ""
    offset: int = 0
    marked: set[str] = field(default_factory=set)
    is_read: bool = False
    last: int = 0
    count: str = ""


@dataclass(slots=True)
class PageState:
    """One page's. `focus`: the part that the keys move in. `offset`: the first line in sight where all parts scroll as one."""

    focus: str = ""
    offset: int = 0
    filter: str = ""
    parts: dict[str, PartState] = field(default_factory=dict)

    def part(self, name: str) -> PartState:
        return self.parts.setdefault(name, PartState())

    def take(self, page: Page) -> None:
        """Hold on to what is still there: a row that vanished hands the cursor to the one in its place."""
        names = [part.name for part in page.parts if can_focus(part)]
        if self.focus not in names:
            chosen = [part.name for part in page.parts if can_focus(part) and not isinstance(part, Lines)]
            is_text = any(isinstance(part, Lines) and len(part.lines) > LONG for part in page.parts[:1])
            self.focus = ((not is_text and chosen) or names or [""])[0]
        for part in page.parts:
            if isinstance(part, Table):
                state = self.part(part.name)
                keys = {row.key for row in part.rows}
                state.marked &= keys
                if state.cursor not in keys:
                    state.cursor = part.start if part.start in keys else ""
            if can_focus(part) and not isinstance(part, Lines):
                self._place_cursor(part)

    def _place_cursor(self, part: Part) -> None:
        keys = self.find_keys(part)
        state = self.part(part.name)
        if state.cursor not in keys:
            state.cursor = keys[0] if keys else ""

    def find_rows(self, part: Table) -> Sequence[Row]:
        """The rows that the filter lets through; headings only where no filter is set."""
        if not self.filter:
            return part.rows
        words = self.filter.lower().split()
        return [
            row
            for row in part.rows
            if not row.heading and all(word in " ".join((*row.cells, *row.notes)).lower() for word in words)
        ]

    def find_keys(self, part: Part) -> list[str]:
        """What the cursor can be on, in order."""
        match part:
            case Table():
                return [row.key for row in self.find_rows(part) if not row.heading]
            case Fields():
                return [row.field.name for row in part.rows]
            case _:
                return []

    def move(self, page: Page, by: int) -> bool:
        """Move the cursor of the focused part by so many rows, or scroll its lines. Whether anything changed."""
        part = find_part(page, self.focus)
        if part is None:
            return False
        state = self.part(part.name)
        if isinstance(part, Lines):
            before = state.offset
            state.offset = max(0, min(state.offset + by, state.last))
            state.is_read = by < 0 or (state.is_read and by >= 0)
            return state.offset != before
        keys = self.find_keys(part)
        if not keys:
            return False
        at = keys.index(state.cursor) if state.cursor in keys else 0
        after = keys[min(max(at + by, 0), len(keys) - 1)]
        changed, state.cursor = after != state.cursor, after
        return changed

    def select(self, page: Page, text: str = "") -> Selection:
        """The selection in the focused part."""
        state = self.part(self.focus)
        part = find_part(page, self.focus)
        order = [row.key for row in part.rows if row.key in state.marked] if isinstance(part, Table) else []
        return Selection(state.cursor, tuple(order), text)

    def turn(self, page: Page, by: int) -> bool:
        """To the next part that can have the cursor."""
        names = [part.name for part in page.parts if can_focus(part)]
        if len(names) < 2:
            return False
        self.focus = names[(names.index(self.focus) + by) % len(names)]
        return True

    def flow(self, page: Page, by: int) -> bool:
        """From the last row of a part down into the next part that can have the cursor, and from the first one up."""
        parts = [part for part in page.parts if can_focus(part)]
        at = next((number for number, part in enumerate(parts) if part.name == self.focus), 0) + by
        if not 0 <= at < len(parts):
            return False
        self.focus = parts[at].name
        keys = self.find_keys(parts[at])
        if keys:
            self.part(self.focus).cursor = keys[0 if by > 0 else -1]
        return True


def can_focus(part: Part) -> bool:
    match part:
        case Table():
            return any(not row.heading for row in part.rows)
        case Fields():
            return bool(part.rows)
        case Lines():
            return len(part.lines) > 3
        case Bar():
            return False


def find_part(page: Page, name: str) -> Part | None:
    return next((part for part in page.parts if part.name == name), None)
