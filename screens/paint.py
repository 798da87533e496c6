"""What has to be written to a terminal to turn one screen into another: the cells that differ, and no others. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from screens.lines import EMPTY, Line, find_cells, find_text

# ECMA-48 SGR parameters: the console's own sixteen colours on its own background.
CODES: Final[Mapping[str, str]] = {"bold": "1", "ok": "32", "warn": "33", "FAIL": "1;31", "wait": "36"}
COLOURLESS: Final[Mapping[str, str]] = {"bold": "1", "FAIL": "1"}
_GAP: Final = 6  # cells: to write as many again takes no more than to move the cursor over them


def render_update(
    old: Sequence[Line] | None, new: Sequence[Line], width: int, cursor: tuple[int, int], codes: Mapping[str, str] = CODES
) -> str:
    """The sequences that make `new` of a terminal that shows `old`; None: what it shows is not known. `cursor`: (x, y), last."""
    written = ["\x1b[0m\x1b[2J"] if old is None else []
    before = [EMPTY] * len(new) if old is None else old
    for y, line in enumerate(new):
        was = before[y] if y < len(before) else EMPTY
        if was != line:
            written.append(_render_line(was, line, y, width, codes))
    return "".join([*written, _move(*cursor)])


def _render_line(old: Line, new: Line, y: int, width: int, codes: Mapping[str, str]) -> str:
    was, now = find_cells(old, width), find_cells(new, width)
    old_end, end = (min(len(find_text(line).rstrip(" ")), width) for line in (old, new))
    # Where the line was empty, blanks are written too: tmux sends one that was written as one byte, one that was jumped over
    # as a sequence of eight.
    changed = [x for x in range(end) if x >= old_end or was[x] != now[x]]
    written = [_move(start, y) + _render_cells(now[start:stop], codes) for start, stop in _join(changed)]
    if old_end > end:
        written.append(f"{_move(end, y)}\x1b[K")
    return "".join(written)


def _join(changed: Sequence[int]) -> list[tuple[int, int]]:
    """Ranges that cover these columns, those close together as one."""
    ranges: list[tuple[int, int]] = []
    for x in changed:
        if ranges and x - ranges[-1][1] <= _GAP:
            ranges[-1] = (ranges[-1][0], x + 1)
        else:
            ranges.append((x, x + 1))
    return ranges


def _render_cells(cells: Sequence[tuple[str, str]], codes: Mapping[str, str]) -> str:
    written, current = [], ""
    for char, style in cells:
        code = codes.get(style, "")
        if code != current:
            written.append(f"\x1b[0;{code}m" if code and current else f"\x1b[{code}m")
            current = code
        written.append(char)
    return "".join([*written, "\x1b[m"] if current else written)


def _move(x: int, y: int) -> str:
    return f"\x1b[{y + 1};{x + 1}H"
