"""Lines of cells: spans of text with a style, and what differs between two of them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

Span = tuple[str, str]  # text, style: "", bold, ok, warn, FAIL, wait, reverse
Line = tuple[Span, ...]

EMPTY: Final[Line] = ()


def make_line(text: str, style: str = "") -> Line:
    return ((text, style),)


def find_text(line: Line) -> str:
    return "".join(text for text, _ in line)


def cut_line(line: Line, width: int) -> Line:
    """The line's first `width` cells; where something is lost, the last one is `~`."""
    if sum(len(text) for text, _ in line) <= width:
        return line
    if width <= 0:
        return EMPTY
    kept: list[Span] = []
    left = width - 1
    for text, style in line:
        kept.append((text[:left], style))
        left -= min(left, len(text))
    return (*kept, ("~", ""))


def fit(text: str, width: int, *, is_right: bool = False) -> str:
    """The text in exactly `width` cells."""
    if len(text) > width:
        return text[: max(width - 1, 0)] + "~"[:width]
    return text.rjust(width) if is_right else text.ljust(width)


def wrap(text: str, width: int, indent: str = "", most: int = 0) -> list[str]:
    """The text's lines; at most `most` of them where that is not 0."""
    lines = textwrap.wrap(text, max(width, 8), initial_indent=indent, subsequent_indent=indent) or [indent]
    if most and len(lines) > most:
        return [*lines[: most - 1], fit(" ".join([lines[most - 1], *(line.strip() for line in lines[most:])]), width)]
    return lines


def find_cells(line: Line, width: int) -> list[tuple[str, str]]:
    cells = [(char, style) for text, style in line for char in text][:width]
    return cells + [(" ", "")] * (width - len(cells))


def find_change(old: Line, new: Line, width: int) -> tuple[int, int] | None:
    """First and last column that differ; None where nothing does."""
    if old == new:
        return None
    before, after = find_cells(old, width), find_cells(new, width)
    columns = [x for x in range(width) if before[x] != after[x]]
    return (columns[0], columns[-1]) if columns else None


def join_words(words: Iterable[str], width: int) -> list[str]:
    """Words three spaces apart, on as few lines as they need."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + 3 + len(word) <= width:
            lines[-1] += "   " + word
        else:
            lines.append(word[:width])
    return lines


def pad(lines: Sequence[Line], height: int) -> list[Line]:
    return [*lines[:height], *([EMPTY] * (height - len(lines)))]
