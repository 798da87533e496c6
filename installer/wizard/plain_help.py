"""What can be typed on a page in plain mode: in short below the page, at length behind `?`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from installer.wizard.page import Action, Fields, Page, Table
from installer.wizard.plain_sheet import wrap

_ALWAYS: Final = "n next, B back, / filter, ? help, S save, Q quit, Enter what is new."
_CURSOR: Final = "What is said of a cursor or of Enter is done here by a row's number, of marked rows by several: 1-3,7."
_OWN: Final = (
    ("Enter", "tells what changed since you were told; = prints the page again, M reads on"),
    ("n", "goes to the next page, B back; nothing is lost by either"),
    ("/text", "shows only the rows that hold this text, / alone shows all again"),
    ("S", "saves the site file, Q quits; `rackstrap tui` goes on from there"),
    ("Ctrl-C", "leaves a question and comes back to the prompt"),
)


def render_keys(page: Page) -> list[str]:
    """The lines below a page."""
    return ["", *(line for text in (*_find_words(page), _ALWAYS) for line in wrap(text, "", "  "))]


def render_help(page: Page) -> list[str]:
    """The page's own help, then what each command does."""
    lines = ["", *(line for sentence in page.help for line in wrap(sentence))]
    said = [
        *_find_words(page),
        *(f"{_name(a)}: {a.help}" for a in page.actions if a.help),
        *(f"{key}: {does}." for key, does in _OWN),
    ]
    lines += wrap(_CURSOR) if any(isinstance(part, Table) for part in page.parts) else []
    return [*lines, *(line for text in said for line in wrap(text, "  ", "    "))]


def _find_words(page: Page) -> Iterator[str]:
    """What the page's own numbers and letters do, a few words each."""
    marking = {part.name for part in page.parts if isinstance(part, Table) and part.marks}
    has_fields = any(isinstance(part, Fields) and part.rows for part in page.parts)
    opening = list(dict.fromkeys(_lower(a) for a in page.actions if a.key == "enter" and a.part))
    if opening or has_fields:
        yield f"A number: {', '.join([*opening, *(['change that value'] if has_fields else [])])}."
    lettered = [a for a in page.actions if a.key != "enter"]
    several = [a for a in lettered if a.part in marking]
    single = [a for a in lettered if a.part and a.part not in marking]
    rest = [a for a in page.actions if not a.part]
    if several:
        yield f"A letter and numbers, as {several[0].key} 1-3,7 or {several[0].key} all: {_list(several)}."
    if single:
        yield f"A letter and a number, as {single[0].key} 2: {_list(single)}."
    if rest and marking:
        yield f"A letter, with numbers where they matter, as {rest[0].key} 1-3,7 or {rest[0].key} all: {_list(rest)}."
    elif rest:
        has_rows = any(isinstance(part, Table) for part in page.parts)
        yield f"A letter{', with a number where it matters' if has_rows else ''}: {_list(rest)}."


def _list(actions: Sequence[Action]) -> str:
    return ", ".join(f"{_name(action)} {_lower(action)}" for action in actions)


def _name(action: Action) -> str:
    return action.key if action.key != "enter" else "number" if action.part else "0"


def _lower(action: Action) -> str:
    """Its label within a sentence; capitals that are more than the first letter's stay."""
    return action.label if action.label[1:2].isupper() else action.label[:1].lower() + action.label[1:]
