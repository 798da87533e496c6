"""A table in a given room: columns that fit, the rows in sight, the mark of the row that the cursor is on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from installer.wizard.page import Column, Row, Table
from screens.lines import Line, cut_line, find_text, fit, make_line, wrap
from screens.state import PageState, PartState

Clean = Callable[[str], str]
GAP = 2
NOTES = 3  # lines of notes below one row


def choose_columns(columns: Sequence[Column], room: int) -> list[tuple[int, int]]:
    """Index and width of the columns that fit, those with the highest `drop` left out first; growing ones take the rest."""
    kept = list(range(len(columns)))

    def need() -> int:
        return sum(max(columns[i].width, len(columns[i].title)) + GAP for i in kept) - GAP

    while need() > room and len(kept) > 1:
        worst = max(kept, key=lambda i: (columns[i].drop, i))
        if columns[worst].drop == 0:
            break
        kept.remove(worst)
    widths = {i: max(columns[i].width, len(columns[i].title)) for i in kept}
    growing = [i for i in kept if columns[i].grow]
    if (spare := room - need()) > 0 and growing:
        for number, index in enumerate(growing):
            widths[index] += spare // len(growing) + (number < spare % len(growing))
    return [(i, widths[i]) for i in kept]


def render_row(row: Row, columns: Sequence[Column], chosen: Sequence[tuple[int, int]], mark: str, clean: Clean) -> Line:
    """One row behind its mark: `> ` for the cursor, `*` for a marked one."""
    if row.heading:
        return make_line(" " * len(mark) + clean(row.cells[0] if row.cells else ""), "bold")
    cells = []
    for index, width in chosen:
        text = clean(row.cells[index]) if index < len(row.cells) else ""
        cells.append(fit(text, width, is_right=columns[index].right))
    text = (" " * GAP).join(cells).rstrip()
    word = clean(row.cells[chosen[0][0]]) if chosen and row.cells else ""
    if row.mood in {"FAIL", "warn"} and text.startswith(word) and word:
        return ((mark, "bold"), (text, row.mood))
    return ((mark, ""), (text, ""))


def find_notes(row: Row, width: int, clean: Clean) -> list[str]:
    return [line for note in row.notes for line in wrap(clean(note), width, "      ", NOTES)]


def render_table(part: Table, page: PageState, width: int, height: int, clean: Clean, *, is_focus: bool) -> list[Line]:
    """Title, heading and the rows in sight, in exactly as many lines as there are, at most `height`."""
    rows = page.find_rows(part)
    state = page.part(part.name)
    state.count = ""
    chosen = choose_columns(part.columns, width - (3 if part.marks else 2))
    lead = "   " if part.marks else "  "
    head: list[Line] = [make_line(clean(part.title), "bold")] if part.title else []
    if not rows:
        empty = f"nothing here holds {page.filter!r}" if page.filter and part.rows else part.empty
        return [*head, *(make_line(line) for line in wrap(clean(empty), width, "  "))][:height]
    titles = [fit(part.columns[i].title, w, is_right=part.columns[i].right) for i, w in chosen]
    if any(title.strip() for title in titles):
        head.append(make_line(lead + (" " * GAP).join(titles).rstrip()))
    room = max(height - len(head), 1)
    start, stop = find_window(rows, state, room, width, clean)
    state.count = f"{start + 1}-{stop} of {len(rows)}" if start > 0 or stop < len(rows) else ""
    if part.title:
        head[0] = add_count(head[0], state.count, width)
    lines = list(head)
    for row in rows[start:stop]:
        at_cursor = is_focus and row.key == state.cursor and not row.heading
        mark = (">" if at_cursor else " ") + (("*" if row.key in state.marked else " ") if part.marks else "") + " "
        lines.append(cut_line(render_row(row, part.columns, chosen, mark, clean), width))
        lines += [make_line(note) for note in find_notes(row, width, clean)]
    return lines[: max(height, len(head) + 1)]


def add_count(line: Line, count: str, width: int) -> Line:
    """Which rows are in sight, at the right end of a line that has room for it."""
    used = len(find_text(line))
    return (*line, (f"{count:>{width - used}}", "")) if count and used + 2 + len(count) <= width else line


def find_window(rows: Sequence[Row], state: PartState, room: int, width: int, clean: Clean) -> tuple[int, int]:
    """First and last+1 row in sight: the offset moves no further than it takes to show the cursor's row with its notes."""
    at = next((i for i, row in enumerate(rows) if row.key == state.cursor), 0)
    first = min(state.offset, at, max(len(rows) - 1, 0))
    if first == at and at > 0 and rows[at - 1].heading:
        first = at - 1
    while first < at and _count(rows[first : at + 1], width, clean, room) > room:
        first += max(1, (at - first) // 8 if at - first > room else 1)
    first = min(first, at)
    stop, used = first, 0
    while stop < len(rows):
        size = 1 + len(find_notes(rows[stop], width, clean))
        used += size
        if used > room and stop > at:
            stop += used - size < room  # its first lines: moving to it shows the rest
            break
        stop += 1
        if used >= room:
            break
    while first > 0 and used + 1 + len(find_notes(rows[first - 1], width, clean)) <= room and stop == len(rows):
        first -= 1
        used += 1 + len(find_notes(rows[first], width, clean))
    state.offset = first
    return first, stop


def _count(rows: Sequence[Row], width: int, clean: Clean, enough: int) -> int:
    if len(rows) > enough:
        return len(rows)
    return sum(1 + len(find_notes(row, width, clean)) for row in rows)


def measure_table(part: Table, page: PageState, width: int, clean: Clean, most: int) -> int:
    """Lines that the table would like to have, counted no further than `most`."""
    rows = page.find_rows(part)
    lines = 1 + bool(part.title)
    if not rows:
        return len(render_table(part, page, width, 99, clean, is_focus=False))
    for row in rows:
        lines += 1 + len(find_notes(row, width, clean))
        if lines > most:
            break
    return lines
