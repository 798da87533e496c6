"""What can be typed on a page in plain mode: in short below the page, at length behind `?`. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from installer.wizard.page import Action, Fields, Page, Table
from installer.wizard.plain_sheet import wrap

_OWN: Final = (
    ("Enter", "tells what changed since you were told; = prints the page again, M reads on"),
    ("n", "goes to the next page, B back; nothing is lost by either"),
    ("/text", "shows only the rows that hold this text, / alone shows all again"),
    ("S", "saves the site file, Q quits; `rackstrap tui` goes on from there"),
    ("Ctrl-C", "leaves a question and comes back to the prompt"),
)


def render_keys(page: Page) -> list[str]:
    """The lines below a page."""
    said = list(_find_words(page))
    own = "n next, B back, / filter, ? help, S save, Q quit, Enter what is new."
    return ["", *(wrap(f"Type {'; '.join(said)}.", "", "  ") if said else []), *wrap(own, "", "  ")]


def render_help(page: Page) -> list[str]:
    """The page's own help, then what each command does."""
    lines = ["", *(line for sentence in page.help for line in wrap(sentence))]
    lines += [line for word in _find_words(page) for line in wrap(word, "  ", "    ")]
    for action in page.actions:
        if action.help:
            lines += wrap(f"{'number' if action.key == 'enter' else action.key}: {action.help}", "  ", "    ")
    return [*lines, *(line for key, does in _OWN for line in wrap(f"{key} {does}.", "  ", "    "))]


def _find_words(page: Page) -> Iterator[str]:
    """What the page's own numbers and letters do, a few words each."""
    if any(isinstance(part, Fields) and part.rows for part in page.parts):
        yield "a field's number to change it"
    marking = {part.name for part in page.parts if isinstance(part, Table) and part.marks}
    for action in page.actions:
        if action.key == "enter":
            yield f"a row's number to {_lower(action)}" if action.part else f"0 to {_lower(action)}"
        elif not action.part:
            yield f"{action.key} {action.label}"
        elif action.part in marking:
            yield f"{action.key} and numbers: {action.label}, as {action.key} 1-3,7 or {action.key} all"
        else:
            yield f"{action.key} and a number: {action.label}"


def _lower(action: Action) -> str:
    return action.label[:1].lower() + action.label[1:]
