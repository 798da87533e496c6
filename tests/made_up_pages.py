"""Pages made up for the generic screen's tests, and a person before it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any, Final

import pytest

from installer.model.problems import Place, Problem
from installer.wizard.guide import Guide
from installer.wizard.page import (
    Action,
    Ask,
    Bar,
    Column,
    Field,
    FieldRow,
    Fields,
    Go,
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
from installer.wizard.stages import PAGES
from installer.wizard.view import View
from tests import tui_seat
from tests.shelf_desk import ShelfDesk
from tests.tui_seat import Seat
from tests.wizard_views import make_view

CALM: Final = make_view(planned=False)
SHOWN: dict[str, Page] = {}
DONE: list[tuple[str, Selection]] = []


def make_shown_page(view: View, subject: str) -> Page:
    """What a test put there; `broken` is a page that cannot be made."""
    del view
    page = SHOWN[subject or "first"]
    if page.name == "broken":
        raise ZeroDivisionError("no such rack")
    return page


def note(name: str, outcome: Outcome) -> Callable[[View, Selection], Outcome]:
    def does(_: View, chosen: Selection) -> Outcome:
        DONE.append((name, chosen))
        return outcome

    return does


def check_even(text: str) -> Problem | None:
    return None if text.isdigit() and int(text) % 2 == 0 else Problem(Place(), "this is not even", "type 2, 4 or 6")


def make_rows(count: int) -> tuple[Row, ...]:
    return tuple(Row(f"k{n}", (f"node{n}", "ready", str(n))) for n in range(count))


def make_page(rows: tuple[Row, ...] = make_rows(5), **changes: Any) -> Page:
    columns = (Column("name", 10), Column("state", 8, drop=1), Column("number", 6, right=True))
    table = Table("nodes", columns, rows, "no node yet: switch one on", marks=True)
    secret = FieldRow(Field("secret", "Password", "secret"), "not set")
    even = FieldRow(Field("even", "Even", "number", "any even number", check=check_even, start="2"), "2", "file", "is odd")
    fields = Fields("values", (even, secret), lambda _, name, text: note(f"{name}={text}", Told("taken"))(CALM, Selection()))
    actions = (
        Action("enter", "Open", note("enter", Told("opened")), "nodes", "Opens it."),
        Action("r", "Refuse", note("r", Refused("it is bolted down", "unscrew it"))),
        Action("g", "Go deeper", note("g", Go("shown", "second"))),
        Action("b", "Break", note("b", Go("shown", "broken"))),
        Action(
            "a",
            "Ask",
            note("a", Ask(Field("word", "Word", "choice", choices=(("up", ""), ("down", ""))), note("word", Told("ok")))),
        ),
    )
    page = Page("shown", "Made up", "What is it?", (table, fields, Bar("bar", "install", 50, "half")), actions, ("See this.",))
    return replace(page, **changes)


@contextmanager
def made_up(page: Page) -> Iterator[None]:
    """The welcome stage shows this page."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("welcome", "shown"):
            patch.setitem(PAGES, name, "tests.made_up_pages:make_shown_page")
        SHOWN.clear()
        DONE.clear()
        SHOWN["first"] = page
        SHOWN["second"] = Page("shown", "Deeper", "Where?", (Lines("text", (Line("down here", "ok", "label", ("a remedy",)),)),))
        SHOWN["broken"] = Page("broken", "", "", ())
        yield


@asynccontextmanager
async def sit(
    page: Page, size: tuple[int, int] = (80, 24), *, is_ascii: bool = False, desk: ShelfDesk | None = None
) -> AsyncIterator[Seat]:
    shelf = desk or ShelfDesk(CALM, "welcome")
    with made_up(page):
        async with tui_seat.sit(lambda: Guide(shelf), size, "Made up", is_ascii=is_ascii) as seat:
            yield seat
