"""Where the checks put what they find: each problem gets its line and column at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from installer.model.problems import Problem
from installer.site.tree import Document, Path

MOST_SHOWN: Final = 500  # characters of one message


@dataclass(slots=True)
class Findings:
    """The problems of one file, as they come."""

    document: Document
    problems: list[Problem] = field(default_factory=list)

    def error(self, path: Path, message: str, hint: str, *, key: bool = False) -> None:
        """Something that must be put right. `key`: point at the key, not at its value."""
        self.problems.append(Problem(self.document.place(path, key=key), message, hint))

    def warn(self, path: Path, message: str, hint: str) -> None:
        """Something that the operator should know; it stops nothing."""
        self.problems.append(Problem(self.document.place(path), message, hint, "warning"))


def sort_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """In the order of the file, and fit to be shown: what a file's own words bring along cannot move a terminal's cursor."""
    shown = (replace(p, message=_printable(p.message), hint=_printable(p.hint)) for p in problems)
    return tuple(sorted(shown, key=lambda p: (p.place.line, p.place.column)))


def _printable(text: str) -> str:
    clean = "".join(c if c.isprintable() else "�" for c in text)
    return clean if len(clean) <= MOST_SHOWN else clean[:MOST_SHOWN] + "…"


def make_suggestion(word: str, known: Iterable[str], otherwise: str) -> str:
    """`did you mean X?` where a known word is near, else the given hint."""
    near = difflib.get_close_matches(word, list(known), 1, 0.6)
    return f"did you mean {near[0]}?" if near else otherwise
