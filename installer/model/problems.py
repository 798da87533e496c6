"""A problem is returned, never raised: where it is, what is wrong, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


class RackstrapError(Exception):
    """Something that the operator can act on. `exit_code` follows design.md."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "", *, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Place:
    """Where a problem is: a key path in the site file, with file, line and column (from 1) once known."""

    path: tuple[str | int, ...] = ()
    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if self.line:
            return f"{self.file}:{self.line}:{self.column}"
        return ".".join(str(part) for part in self.path) or self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with what the operator decided, against what was found."""

    place: Place
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}"
        return f"{text}; {self.hint}" if self.hint else text
