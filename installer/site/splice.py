"""Change YAML text where it changes: only the section or list item that an edit touches is written anew.

Quicker than writing a file of thousands of lines anew, and what is not touched stays as it was, byte for byte. Whoever
calls this reads the result again and compares values: text that these rules do not foresee is then written as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from installer.site.tree import Document, Path

MOST_ITEMS: Final = 30  # list items written one by one; more are quicker as one section
_OTHER_BREAKS: Final = re.compile("[\r\x85\u2028\u2029]")  # at which the parser counts lines too

Indents = tuple[int, int]  # spaces before an inner key, and before the dash below its key
Span = tuple[int, int]  # lines from 0; the second is not included
Edits = Mapping[Path, Any]
Render = Callable[[str, Edits, Indents], str]


def splice_edits(document: Document, edits: Edits, removed: object, render: Render) -> str | None:
    """The text with these edits; None where this cannot be done piece by piece.

    `render` changes a small text; `removed` is the value that takes a key out.
    """
    lines = document.text.split("\n")
    sections = _find_sections(document, lines)
    if sections is None or not document.text.endswith("\n"):
        return None
    indents = guess_indents(lines, (2, 2))
    groups: dict[str, dict[Path, Any]] = {}
    for path, value in edits.items():
        groups.setdefault(str(path[0]), {})[path] = value
    fresh = [(name, group) for name, group in groups.items() if name not in sections]
    for name, group in sorted((g for g in groups.items() if g[0] in sections), key=lambda g: sections[g[0]], reverse=True):
        lines = _change_section(document, lines, sections[name], name, group, removed, render, indents)
    text = "\n".join(lines)
    for _, group in fresh:
        text += render("{}\n", group, indents)
    return text


def guess_indents(lines: Sequence[str], otherwise: Indents) -> Indents:
    """How these lines are indented, by the first key with keys below it and the first with a list below it."""
    mapping = dash = None
    told = (line for line in lines if line.strip() and not line.lstrip().startswith("#"))
    for above, below in pairwise(told):
        if above.partition(" #")[0].rstrip().endswith(":"):
            step = _depth(below) - _depth(above)
            if below.lstrip().startswith("- "):
                dash = step if dash is None else dash
            elif mapping is None and step > 0 and not above.lstrip().startswith("- "):
                mapping = step
    return mapping or otherwise[0], otherwise[1] if dash is None or dash < 0 else dash


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _find_sections(document: Document, lines: Sequence[str]) -> dict[str, Span] | None:
    """The lines of each top-level key, without the comments before the next one. None for a file in another style."""
    starts = sorted((place, str(path[0])) for path, place in document.keys.items() if len(path) == 1)
    if _OTHER_BREAKS.search(document.text) or any(column != 1 for (_, column), _ in starts):
        return None
    ends = [line - 1 for (line, _), _ in starts[1:]] + [len(lines) - 1]
    return {name: _trim(lines, (line - 1, end)) for ((line, _), name), end in zip(starts, ends, strict=True)}


def _trim(lines: Sequence[str], span: Span) -> Span:
    first, end = span
    while end > first + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return first, end


def _change_section(
    document: Document, lines: list[str], span: Span, name: str, edits: Edits, removed: object, render: Render, indents: Indents
) -> list[str]:
    if edits.get((name,)) is removed:
        return [*lines[: span[0]], *lines[span[1] :]] if len(edits) == 1 else _write(lines, span, edits, render, indents)
    items = _find_items(document, lines, span, name)
    if not items or any(len(path) < 2 or not isinstance(path[1], int) for path in edits):
        return _write(lines, span, edits, render, indents)
    gone = [path for path, value in edits.items() if len(path) == 2 and value is removed]
    if gone:
        only = items[int(gone[0][1])] if len(edits) == 1 and len(items) > 1 and int(gone[0][1]) < len(items) else None
        return [*lines[: only[0]], *lines[only[1] :]] if only else _write(lines, span, edits, render, indents)
    groups: dict[int, dict[Path, Any]] = {}
    for path, value in edits.items():
        index = min(int(path[1]), len(items) - 1)
        groups.setdefault(index, {})[("x", int(path[1]) - index, *path[2:])] = value
    if len(groups) > MOST_ITEMS or min(groups) < 0:
        return _write(lines, span, edits, render, indents)
    for index in sorted(groups, reverse=True):
        first, end = items[index]
        text = render("\n".join(["x:", *lines[first:end], ""]), groups[index], guess_indents(["x:", *lines[first:end]], indents))
        lines = [*lines[:first], *text.rstrip("\n").split("\n")[1:], *lines[end:]]
    return lines


def _write(lines: list[str], span: Span, edits: Edits, render: Render, indents: Indents) -> list[str]:
    first, end = span
    text = render("\n".join([*lines[first:end], ""]), edits, guess_indents(lines[first:end], indents))
    return [*lines[:first], *text.rstrip("\n").split("\n"), *lines[end:]]


def _find_items(document: Document, lines: Sequence[str], span: Span, name: str) -> list[Span]:
    """The lines of each item of a list in block style; none for anything else."""
    starts: list[int] = []
    while (place := document.values.get((name, len(starts)))) is not None:
        line, column = place[0] - 1, place[1] - 1
        if lines[line][:column].strip() != "-":
            return []
        starts.append(line)
    return [_trim(lines, (first, end)) for first, end in zip(starts, [*starts[1:], span[1]], strict=True)] if starts else []
