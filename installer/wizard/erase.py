"""Consent to erase, as far as the site file gives it: never changed without reading what it means. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from installer.model.problems import Place, Problem
from installer.wizard.draft import find_value
from installer.wizard.page import (
    Action,
    Ask,
    Column,
    Edited,
    Field,
    Line,
    Lines,
    Outcome,
    Page,
    Refused,
    Row,
    Selection,
    Table,
    Told,
)
from installer.wizard.sections import find_problems, make_notes
from installer.wizard.view import View

NAME: Final = "erase"
_MEANS: Final = {
    "no": "A person consents, machine by machine, on the review screen",
    "blank": "Disks without any signature are written to without asking anyone",
    "list": "The machines and disks that the file lists are erased without asking",
}
_BLANK: Final = (
    "From then on this file alone lets Rackstrap install on every disk that looks",
    "blank, of every machine that an entry of nodes fits, each time it is applied.",
    "A disk whose data has no signature that is known (raw data, a lost partition",
    "table) looks blank too, and would be lost. Nobody is asked again.",
)


def say_erase(view: View) -> str:
    """What the file consents to, in a line."""
    value, _ = find_value(view.draft, (NAME,))
    if isinstance(value, list):
        return f"{len(value)} machines are listed: their disks are erased without asking"
    return f"{value}: {_MEANS.get(str(value), 'this word has no meaning here')}"


def make_erase_page(view: View) -> Page:
    """What each way means, and the one in force."""
    value, _ = find_value(view.draft, (NAME,))
    now = "list" if isinstance(value, list) else str(value)
    problems = find_problems(view.draft, (NAME,))
    rows = tuple(
        Row(
            word,
            (word, means, "in force" if word == now else ""),
            make_notes(problems) if word == now else (),
            "",
            word != "list",
        )
        for word, means in _MEANS.items()
    )
    columns = (Column("erase", 6), Column("", 62, grow=True), Column("", 8, drop=1))
    table = Table(NAME, columns, rows, start=now)
    note = Line("A list of machines and disks is written into the file by hand: see its example.")
    action = Action("enter", "choose", choose_erase, NAME, "Asks before anything changes.")
    help_text = ("This is what the file alone consents to.", "Disks that hold data need a person's consent, or to be listed.")
    return Page(
        "section", "Erase", "What may be erased without asking?", (table, Lines("note", (note,))), (action,), help_text, NAME
    )


def choose_erase(view: View, chosen: Selection) -> Outcome:
    """Less consent at once, with what it means; more only after typing the word below what it means."""
    value, _ = find_value(view.draft, (NAME,))
    if chosen.row not in ("no", "blank"):
        return Refused("a list is written by hand", "save the site file, and write machines and disks into it")
    if chosen.row == value:
        return Told(f"It is {value} already: nothing has changed.")
    lost = (f"The {len(value)} listed consents are taken out of the file.",) if isinstance(value, list) else ()
    says = (*lost, *((f"{_MEANS['no']}.",) if chosen.row == "no" else _BLANK))
    return Ask(_make_field(chosen.row), _make_answer(chosen.row), says)


def _make_field(word: str) -> Field:
    def check(text: str) -> Problem | None:
        wrong = Problem(Place((NAME,)), f"that is not the word {word}", f"type {word} to change it, or go back")
        return None if text.strip() == word else wrong

    return Field(NAME, f"Type {word} to change it", "text", "Going back changes nothing.", check=check)


def _make_answer(word: str) -> Callable[[View, Selection], Outcome]:
    def take(_: View, chosen: Selection) -> Outcome:
        if chosen.text.strip() != word:
            return Refused("nothing has changed", f"type {word} to change what may be erased")
        return Edited((((NAME,), word),), f"erase is {word} now. {_MEANS[word]}.")

    return take
