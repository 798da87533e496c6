"""A whole screen as lines: title, question, parts, message, keys. Pure: the same in the same room is the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from installer.wizard.page import Action, Bar, Fields, Page, Part, Table
from screens.lines import EMPTY, Line, cut_line, find_text, fit, join_words, make_line, pad, wrap
from screens.parts import measure_part, render_part
from screens.prompt import Prompt, render_prompt
from screens.state import PageState, can_focus, find_part
from screens.table import add_count

MANY: Final = 4  # parts that would get too little of the room each
LEAST: Final = 3  # lines that a part keeps when room is short
ENOUGH: Final = 6  # lines of each of many parts, at which they share the room rather than scroll as one
KEY_NAMES: Final = {"enter": "Enter", "space": "Space"}


@dataclass(frozen=True, slots=True)
class Shown:
    """All that a frame is made from. `said`: lines for the message area, `style` theirs."""

    page: Page | None
    state: PageState
    site: str = ""
    position: tuple[int, int] = (1, 1)
    depth: int = 1
    said: tuple[str, ...] = ()
    style: str = ""
    prompt: Prompt | None = None
    is_filtering: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """Lines, and the cell where the hardware cursor belongs."""

    lines: list[Line]
    cursor: tuple[int, int] = (0, 0)


def make_frame(shown: Shown, width: int, height: int, clean: Callable[[str], str]) -> Frame:
    """The frame of exactly `height` lines."""
    page = shown.page
    if page is None:
        lines = [*_make_head(shown, width, clean), *(make_line(line) for line in wrap(clean(_first(shown.said)), width))]
        return Frame(pad(lines, height))
    is_low = height < 12
    head = _make_head(shown, width, clean)[: 1 if is_low else 2]
    question = [make_line(line, "bold") for line in wrap(clean(page.question), width, "", 2)] if page.question else []
    rule = [] if is_low else [make_line(clean("─" * width))]
    foot, at = _make_foot(shown, width, max(height - len(head) - 5, 4), clean)
    room = max(height - len(head) - len(question) - len(rule) - len(foot), 0)
    if room < LEAST and question:
        room, question = room + len(question), []
    body, cursor = _make_body(page, shown.state, width, room, clean)
    if question:
        question[-1] = add_count(question[-1], find_count(page, shown.state), width)
    above = len(head) + len(question)
    is_typing = shown.prompt is not None or shown.is_filtering
    place = (at[0], above + room + len(rule) + at[1]) if is_typing else (0, above + cursor)
    lines = [*head, *question, *pad(body, room), *rule, *foot]
    return Frame(pad([cut_line(line, width) for line in lines], height), place)


def _first(said: tuple[str, ...]) -> str:
    return said[0] if said else ""


def _make_head(shown: Shown, width: int, clean: Callable[[str], str]) -> list[Line]:
    page = shown.page
    name = clean(page.title) if page is not None else ""
    number = f" {shown.position[0]}/{shown.position[1]}" if page is not None and shown.depth == 1 else ""
    right = f"{name}{number}   ? help" if page is not None else ""
    left = f" Rackstrap  {clean(shown.site)}"
    line = fit(left, max(width - len(right) - 2, 10)) + "  " + right
    return [make_line(line[:width], "bold"), make_line(clean("─" * width))]


def _make_foot(shown: Shown, width: int, most: int, clean: Callable[[str], str]) -> tuple[list[Line], tuple[int, int]]:
    """What stands below the rule, and where the cursor is in it when something is typed."""
    if shown.prompt is not None:
        lines, at = render_prompt(shown.prompt, width, most - 1, clean)
        words = ["Enter choose" if shown.prompt.is_choice else "Enter take it", "Esc leave as it was"]
        return [*lines, *(make_line(line) for line in join_words(words, width))], at
    if shown.is_filtering:
        text = f"Only rows that hold: {clean(shown.state.filter)}"
        return [make_line(text), make_line("type to filter   Enter keep it   Esc show all")], (min(len(text), width - 1), 0)
    said = [make_line(line, shown.style) for text in shown.said for line in wrap(clean(text), width, "", 3)]
    words = list_keys(shown.page, shown.state, shown.depth, shown.position) if shown.page is not None else []
    keys = join_words(words, width)[:3]
    return [*said, *(make_line(line) for line in keys)], (0, 0)


def find_actions(page: Page, state: PageState) -> list[Action]:
    """The actions that work where the cursor is."""
    return [action for action in page.actions if action.part in {"", state.focus}]


def list_keys(page: Page, state: PageState, depth: int, position: tuple[int, int]) -> list[str]:
    """The words of the line of keys."""
    part = find_part(page, state.focus)
    actions = find_actions(page, state)
    words = [f"{KEY_NAMES.get(action.key, action.key)} {action.label}" for action in actions]
    if isinstance(part, Fields) and not any(action.key == "enter" for action in actions):
        at = next((row.field for row in part.rows if row.field.name == state.part(part.name).cursor), part.rows[0].field)
        words.insert(0, "Enter do it" if at.kind == "action" else "Enter change")
    if isinstance(part, Table) and part.marks:
        words.append("Space mark")
    if isinstance(part, Table) and len(part.rows) > 8:
        words.append("/ filter")
    if sum(can_focus(part) for part in page.parts) > 1:
        words.append("Tab other part")
    if depth > 1:
        return [*words, "Esc back"]
    stage, last = position
    words += ["n next"] if stage < last else []
    words += ["Esc back"] if stage > 1 else []
    return [*words, *(["Q leave"] if stage in (1, last) else [])]


def _make_body(page: Page, state: PageState, width: int, room: int, clean: Callable[[str], str]) -> tuple[list[Line], int]:
    """The parts in this room, and the line of the cursor's row. Many parts that do not fit together scroll as one."""
    wanted = [measure_part(part, state, width, clean, room + 1) for part in page.parts]
    is_long = len(page.parts) >= MANY and sum(min(height, ENOUGH) for height in wanted) > room
    gap: list[Line] = [EMPTY] if sum(wanted) + len(wanted) - 1 <= room else []
    heights = [min(height, max(room - 2, 1)) for height in wanted] if is_long else share(wanted, room)
    lines: list[Line] = []
    cursor = end = 0
    for part, height in zip(page.parts, heights, strict=True):
        if height == 0:
            continue
        rendered = render_part(part, state, width, height, clean)[:height]
        lines += gap if lines else []
        if part.name == state.focus:
            here = (i for i, line in enumerate(rendered) if find_text(line).startswith(">"))
            cursor = len(lines) + next(here, 0)
            end = len(lines) + len(rendered)
        lines += rendered
    if not is_long:
        return lines, cursor
    state.offset = scroll(state.offset, cursor, end, room, len(lines))
    return lines[state.offset : state.offset + room], cursor - state.offset


def find_count(page: Page, state: PageState) -> str:
    """Which rows are in sight of the part with the cursor, else of a table that is cut, where its own title does not say so."""
    parts = [part for part in page.parts if part.name == state.focus]
    parts += [part for part in page.parts if isinstance(part, Table)]
    return next((count for part in parts if (count := state.part(part.name).count) and not find_title(part)), "")


def find_title(part: Part) -> str:
    return "" if isinstance(part, Bar) else part.title


def scroll(offset: int, cursor: int, end: int, room: int, total: int) -> int:
    """The first line in sight, so that the cursor's line is, and the rest of its part where there is room for it."""
    offset = max(offset, min(end, cursor + room - 1) - room)
    offset = min(offset, max(cursor - 1, 0))
    return max(0, min(max(offset, cursor - room + 1), total - room))


def share(wanted: list[int], room: int) -> list[int]:
    """What each part gets: what it wants, unless that is too much; then the largest give, down to LEAST, later ones first."""
    heights = list(wanted)
    while sum(heights) > room:
        largest = max(range(len(heights)), key=lambda i: (heights[i], i))
        if heights[largest] <= LEAST:
            break
        heights[largest] -= 1
    while sum(heights) > room and any(heights):
        last = max(i for i, height in enumerate(heights) if height)
        heights[last] = max(0, heights[last] - 1)
    return heights
