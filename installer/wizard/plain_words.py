"""What an operator types in plain mode, as commands. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

from installer.wizard.page import Refused

Name = Literal["changes", "page", "next", "back", "more", "help", "save", "quit", "filter", "open", "action"]

# Words that mean the same on every page. The letters b and m are these too, where no action of the page has them.
_WORDS: Final[dict[str, Name]] = {
    "": "changes",
    "=": "page",
    "n": "next",
    "N": "next",
    "B": "back",
    "b": "back",
    "M": "more",
    "m": "more",
    "?": "help",
    "S": "save",
    "Q": "quit",
    "page": "page",
    "next": "next",
    "back": "back",
    "more": "more",
    "help": "help",
    "save": "save",
    "quit": "quit",
}
_GIVEN_UP: Final = ("b", "m")  # to an action that has this letter
_COMMAND: Final = re.compile(r"([a-z])\s*([0-9\s,-]*|\*|\s+all)")
_NUMBERS: Final = re.compile(r"[0-9][0-9\s,-]*")
_RANGE: Final = re.compile(r"([0-9]{1,6})(?:\s*-\s*([0-9]{1,6}))?")
_HOW: Final = "type ? for what can be typed here"


@dataclass(frozen=True, slots=True)
class Command:
    """`key`: an action's letter. `numbers`: of rows and fields, as typed. `is_all`: every row in sight. `text`: a filter."""

    name: Name
    key: str = ""
    numbers: tuple[int, ...] = ()
    is_all: bool = False
    text: str = ""


def parse_command(typed: str, letters: Collection[str], highest: int) -> Command | Refused:
    """The command that this line is, on a page whose actions have these letters and whose numbers go up to `highest`."""
    words = typed.strip()
    if words.startswith("/"):
        return Command("filter", text=words[1:].strip())
    if words in _WORDS and not (words in _GIVEN_UP and words in letters):
        return Command(_WORDS[words])
    if _NUMBERS.fullmatch(words):
        return _make_open(words, highest)
    found = _COMMAND.fullmatch(words)
    if not found or found[1] not in letters:
        return Refused("that is no command here", _HOW)
    rest = found[2].strip()
    if rest in ("all", "*"):
        return Command("action", found[1], is_all=True)
    numbers = parse_numbers(rest, highest)
    return numbers if isinstance(numbers, Refused) else Command("action", found[1], numbers)


def _make_open(words: str, highest: int) -> Command | Refused:
    numbers = parse_numbers(words, highest) if words.strip("0") else (0,)
    return numbers if isinstance(numbers, Refused) else Command("open", numbers=numbers)


def parse_numbers(text: str, highest: int) -> tuple[int, ...] | Refused:
    """`1-3,7` as numbers, each once, as typed. Refused where one is none, or above `highest`, or a range is upside down."""
    numbers: dict[int, None] = {}
    for piece in (piece.strip() for piece in text.replace(",", " , ").split(",") if text.strip()):
        found = _RANGE.fullmatch(piece)
        if not found:
            return Refused("that is no list of numbers", "write them as 1-3,7")
        first, last = int(found[1]), int(found[2] or found[1])
        if not 1 <= first <= last <= highest:
            return Refused(
                f"there is no {piece} here", f"numbers go from 1 to {highest}" if highest else "nothing is numbered here"
            )
        numbers.update(dict.fromkeys(range(first, last + 1)))
    return tuple(numbers)
