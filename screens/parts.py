"""The parts of a page as lines: each renders itself into a width and at most a height."""

from __future__ import annotations

from typing import Final

from installer.wizard.page import Bar, Fields, Lines, Part, Table
from installer.wizard.page import Line as Said
from screens.lines import Line, cut_line, fit, make_line, wrap
from screens.state import PageState
from screens.table import Clean, add_count, measure_table, render_table

MOOD: Final = 6  # cells for a mood's word
BAR: Final = 30


def render_part(part: Part, page: PageState, width: int, height: int, clean: Clean) -> list[Line]:
    """At most `height` lines; a log shows its end unless the reader scrolled away."""
    match part:
        case Table():
            return render_table(part, page, width, height, clean, is_focus=page.focus == part.name)
        case Fields():
            return _scroll_fields(part, page, width, height, clean)
        case Lines():
            return _scroll_lines(part, page, width, height, clean)
        case Bar():
            return [cut_line(render_bar(part, width, clean), width)]


def measure_part(part: Part, page: PageState, width: int, clean: Clean, most: int) -> int:
    """Lines that the part would like to have, counted no further than about `most`."""
    match part:
        case Table():
            return measure_table(part, page, width, clean, most)
        case Fields():
            return len(render_fields(part, page, width, clean)[0])
        case Lines():
            return len(render_lines(part, width, clean)) + bool(part.title)
        case Bar():
            return 1


def render_bar(part: Bar, width: int, clean: Clean) -> Line:
    room = min(BAR, max(width - len(part.label) - 40, 8))
    full = max(0, min(part.percent, 100)) * room // 100
    bar = clean("█" * full + "░" * (room - full))
    return make_line(f"{clean(part.label)}  {bar}  {part.percent:>3} %  {clean(part.text)}")


def render_lines(part: Lines, width: int, clean: Clean) -> list[Line]:
    labels = max((len(line.label) for line in part.lines), default=0)
    has_mood = any(line.mood for line in part.lines)
    lines: list[Line] = []
    for line in part.lines:
        lines += render_said(line, width, clean, labels, has_mood=has_mood)
    return lines


def render_said(line: Said, width: int, clean: Clean, labels: int, *, has_mood: bool) -> list[Line]:
    """`  ok    link   what it is`, the rest of it below, then the remedy."""
    mood = fit(line.mood, MOOD) if has_mood else ""
    label = fit(clean(line.label), min(labels, 20) + 2) if labels and (line.label or has_mood) else ""
    lead = "  " if has_mood or label else ""
    indent = len(lead) + len(mood) + len(label)
    first, *rest = wrap(clean(line.text), width - indent) if line.text else [""]
    lines: list[Line] = [((lead, ""), (mood, line.mood), (label + first, ""))]
    lines += [make_line(" " * indent + text) for text in rest]
    return lines + [make_line(text) for note in line.notes for text in wrap(clean(note), width, " " * (len(lead) + len(mood)))]


def _scroll_lines(part: Lines, page: PageState, width: int, height: int, clean: Clean) -> list[Line]:
    lines = render_lines(part, width, clean)
    head = [make_line(clean(part.title), "bold")] if part.title and height > 1 else []
    room = max(height - len(head), 1)
    state = page.part(part.name)
    last = max(len(lines) - room, 0)
    if part.follows and not state.is_read:
        state.offset = last
    state.offset, state.last = min(state.offset, last), last
    state.is_read = state.is_read and state.offset < last
    state.count = f"{state.offset + 1}-{state.offset + room} of {len(lines)}" if last else ""
    head = [add_count(line, state.count, width) for line in head]
    return [*head, *(cut_line(line, width) for line in lines[state.offset : state.offset + room])]


def render_fields(part: Fields, page: PageState, width: int, clean: Clean) -> tuple[list[Line], int]:
    """Lines, and which of them has the cursor."""
    state, at = page.part(part.name), 0
    lines: list[Line] = [make_line(clean(part.title), "bold")] if part.title else []
    label = min(max((len(row.field.label) for row in part.rows if row.shown or row.origin), default=0), max(width // 2 - 4, 8))
    for row in part.rows:
        is_here = page.focus == part.name and row.field.name == state.cursor
        if is_here:
            at = len(lines)
        origin = f"({row.origin})" if row.origin else ""
        value = fit(clean(row.shown), max(width - label - len(origin) - 6, 4)).rstrip()
        has_value = bool(row.shown or row.origin)
        text = f"{fit(clean(row.field.label), label)}  {value}" if has_value else clean(row.field.label)
        gap = " " * max(width - 2 - len(text) - len(origin), 1) if origin else ""
        lines.append(((("> " if is_here else "  "), ""), (f"{text}{gap}{origin}".rstrip(), "")))
        lines += [make_line(note, "warn") for note in wrap(clean(row.problem), width, "      ", 3) if row.problem]
    return [cut_line(line, width) for line in lines], at


def _scroll_fields(part: Fields, page: PageState, width: int, height: int, clean: Clean) -> list[Line]:
    lines, at = render_fields(part, page, width, clean)
    state = page.part(part.name)
    state.offset = min(state.offset, at)
    if at >= state.offset + height - 1:
        state.offset = at - height + 2
    state.offset = max(0, min(state.offset, len(lines) - height))
    return lines[state.offset : state.offset + height]
