"""A page as numbered lines of ASCII: no columns, no drawing, each thing said in words. Pure."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from installer.wizard.guide import make_safe
from installer.wizard.page import Bar, FieldRow, Fields, Line, Lines, Page, Part, Row, Table

WIDTH: Final = 78
AT_ONCE: Final = 20  # rows of one table that are printed before M is asked for
_CELL: Final = 120  # characters of one cell that are said
Spot = tuple[str, str]  # a part's name, and a row's key or a field's name

_GLYPHS: Final = str.maketrans(
    {
        **dict.fromkeys("–—―−─━", "-"),
        **dict.fromkeys("‘’‚′", "'"),
        **dict.fromkeys("“”„″", '"'),
        **dict.fromkeys("•■●", "*"),
        **dict.fromkeys("│┃║", "|"),
        **{"→": "->", "←": "<-", "↑": "up", "↓": "down", "▲": "^", "▼": "v", "…": "...", "×": "x", "·": ".", "µ": "u", "ß": "ss"},
    }
)


def make_ascii(text: str) -> str:
    """The text in printable ASCII: accents fall off, what has no likeness becomes a question mark."""
    text = make_safe(text)
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKD", text.translate(_GLYPHS))
    return "".join(c if c.isascii() else "?" for c in plain if not unicodedata.combining(c)).translate(_GLYPHS)


def wrap(text: str, indent: str = "", hang: str | None = None) -> list[str]:
    """The text in lines of at most 78 characters; `indent` before the first, `hang` (the same unless given) before the others."""
    hang = indent if hang is None else hang
    return textwrap.wrap(make_ascii(text), WIDTH, initial_indent=indent, subsequent_indent=hang, break_on_hyphens=False) or [""]


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is said. `can_number`: it is a row or field, with a number. `gist`: what has to differ to be news."""

    spot: Spot
    text: str
    notes: tuple[str, ...] = ()
    can_number: bool = False
    gist: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """One part of a page. `follows`: its end matters, not its beginning."""

    name: str
    title: str
    entries: tuple[Entry, ...]
    empty: str = ""
    follows: bool = False
    can_filter: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page in words."""

    title: str
    question: Entry
    blocks: tuple[Block, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        return (self.question, *(entry for block in self.blocks for entry in block.entries))


def make_sheet(page: Page) -> Sheet:
    """The page in words, without wrapping, numbers or a limit."""
    return Sheet(page.title, _make_entry(("", "question"), page.question), tuple(_make_block(part) for part in page.parts))


def _make_block(part: Part) -> Block:
    match part:
        case Table():
            rows = tuple(_make_row(part, row) for row in part.rows)
            return Block(part.name, part.title, rows, part.empty or "nothing", can_filter=True)
        case Fields():
            return Block(part.name, part.title, tuple(_make_field(part.name, row) for row in part.rows))
        case Lines():
            lines = tuple(_make_line(part.name, at, line) for at, line in enumerate(part.lines))
            return Block(part.name, part.title, lines, follows=part.follows)
        case Bar():
            text = f"{part.label}: {part.percent} %{', ' if part.text else ''}{part.text}"
            return Block(part.name, "", (Entry((part.name, ""), make_ascii(text), gist=str(part.percent // 10)),))


def _make_entry(spot: Spot, text: str, notes: Iterable[str] = (), *, can_number: bool = False) -> Entry:
    said, more = make_ascii(text), tuple(make_ascii(note) for note in notes if note)
    return Entry(spot, said, more, can_number, re.sub(r"\d+", "0", " ".join((said, *more))))


def _make_row(table: Table, row: Row) -> Entry:
    if row.heading:
        return _make_entry((table.name, row.key), f"{row.cells[0] if row.cells else ''}:", row.notes)
    cells = [cell if len(cell) <= _CELL else f"{cell[:_CELL]}..." for cell in row.cells]
    pairs = [
        f"{column.title} {cell}".strip() if any(map(str.isalpha, column.title)) else f"{cell} {column.title}".strip()
        for column, cell in list(zip(table.columns, cells, strict=False))[1:]
        if cell.strip() not in ("", "-")
    ]
    name = cells[0] if cells else ""
    text = f"{row.mood}{' ' if row.mood else ''}{name or 'no name'}{': ' if pairs else ''}{', '.join(pairs)}"
    return _make_entry((table.name, row.key), text if row.offered else f"{text} (not offered)", row.notes, can_number=True)


def _make_field(name: str, row: FieldRow) -> Entry:
    origin = f" ({row.origin})" if row.origin else ""
    value = row.shown.strip() or ("" if row.field.kind == "action" else "empty")
    text = f"{row.field.label}{': ' if value else ''}{value}{origin}"
    return _make_entry((name, row.field.name), text, (f"wrong: {row.problem}",) if row.problem else (), can_number=True)


def _make_line(name: str, at: int, line: Line) -> Entry:
    text = f"{line.mood}{' ' if line.mood else ''}{line.label}{': ' if line.label else ''}{line.text}"
    return _make_entry((name, str(at)), text, line.notes)


def number_entries(sheet: Sheet, known: Mapping[Spot, int]) -> dict[Spot, int]:
    """A number for each row and field: what had one keeps it, and what is new gets the next, so that none means another thing."""
    numbers = dict(known)
    for entry in sheet.entries:
        if entry.can_number and entry.spot not in numbers:
            numbers[entry.spot] = len(numbers) + 1
    return numbers


def render_entry(entry: Entry, numbers: Mapping[Spot, int]) -> list[str]:
    """An entry's lines: its number, what it is, and its notes below."""
    number = numbers.get(entry.spot)
    indent = f"{number:3}. " if number else "" if entry.text.endswith(":") else "  "
    return [
        *wrap(entry.text, indent, " " * (len(indent) + 2)),
        *(line for note in entry.notes for line in wrap(note, "       ", "         ")),
    ]


def find_matching(block: Block, text: str) -> tuple[Entry, ...]:
    """The block's entries that hold this text, in any case of letters; all, where it is no table or there is no text."""
    if not text or not block.can_filter:
        return block.entries
    wanted = make_ascii(text).casefold()
    return tuple(e for e in block.entries if e.can_number and wanted in " ".join((e.text, *e.notes)).casefold())


def find_changes(old: Sheet, new: Sheet) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """What is new or different, and what is gone. Of a log: the lines that were added."""
    logs = {block.name for block in new.blocks if block.follows}
    before = {entry.spot: entry for entry in old.entries}
    after = {entry.spot for entry in new.entries}
    changed = [e for e in new.entries if e.spot[0] not in logs and before.get(e.spot) != e]
    gone = tuple(e for e in old.entries if e.spot[0] not in logs and e.spot not in after)
    for block in new.blocks:
        if block.follows:
            earlier = next((b.entries for b in old.blocks if b.name == block.name), ())
            changed += block.entries[count_kept(earlier, block.entries) :]
    return tuple(changed), gone


def count_kept(old: Sequence[Entry], new: Sequence[Entry]) -> int:
    """How many of the new lines, from the first, are the end of the old ones: a log that was read on, its beginning cut off."""
    was, now = [e.text for e in old], [e.text for e in new]
    return next((n for n in range(min(len(was), len(now)), 0, -1) if was[-n:] == now[:n]), 0)
