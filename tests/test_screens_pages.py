"""The generic screen, driven by Pilot on pages made up for it: every kind of part, every outcome, hostile text, any size."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import pytest
from textual.pilot import Pilot

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
from screens.app import RackstrapApp
from screens.lines import find_text
from tests.wizard_views import HOSTILE, ShelfDesk, make_view

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


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The welcome stage shows the page of the test."""
    monkeypatch.setitem(PAGES, "welcome", "tests.test_screens_pages:make_shown_page")
    monkeypatch.setitem(PAGES, "shown", "tests.test_screens_pages:make_shown_page")
    SHOWN.clear()
    DONE.clear()
    SHOWN["second"] = Page("shown", "Deeper", "Where?", (Lines("text", (Line("down here", "ok", "label", ("a remedy",)),)),))
    SHOWN["broken"] = Page("broken", "", "", ())


class Seat:
    """A person before the app: keys, and what the screen says then."""

    def __init__(self, app: RackstrapApp, pilot: Pilot[str], desk: ShelfDesk) -> None:
        self.app, self.pilot, self.desk = app, pilot, desk

    @property
    def text(self) -> str:
        return "\n".join(find_text(line).rstrip() for line in self.app.canvas.lines)

    async def wait_for(self, *words: str) -> str:
        ends_at = time.monotonic() + 5
        while not all(word in self.text for word in words):
            assert time.monotonic() < ends_at, f"{words} not on the screen:\n{self.text}"
            await asyncio.sleep(0.01)
        return self.text

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    def cursor(self) -> str:
        return next(line for line in self.text.splitlines() if line.startswith(">"))


@asynccontextmanager
async def sit(page: Page, size: tuple[int, int] = (80, 24), *, is_ascii: bool = False) -> AsyncIterator[Seat]:
    SHOWN["first"] = page
    desk = ShelfDesk(CALM, "welcome")
    app = RackstrapApp(lambda: Guide(desk), is_ascii=is_ascii)
    async with app.run_test(size=size) as pilot:
        seat = Seat(app, pilot, desk)
        await seat.wait_for("Made up")
        yield seat


async def test_every_part_is_there() -> None:
    async with sit(make_page()) as seat:
        text = seat.text
        for words in (
            "What is it?",
            "name",
            "node4",
            "Even",
            "(file)",
            "is odd",
            "not set",
            "50 %",
            "half",
            "Enter Open",
            "? help",
        ):
            assert words in text
        assert len(text.splitlines()) <= 24
        assert max(map(len, text.splitlines())) <= 80


async def test_the_cursor_moves_through_rows_and_on_into_the_next_part() -> None:
    async with sit(make_page()) as seat:
        await seat.press("down", "down")
        assert "node2" in seat.cursor()
        await seat.press("end", "down")
        assert "Even" in seat.cursor()
        await seat.press("tab")
        assert "node4" in seat.cursor()


async def test_an_action_gets_the_row_and_the_marks() -> None:
    async with sit(make_page()) as seat:
        await seat.press("space", "down", "space", "enter")
        await seat.wait_for("opened")
        assert [("enter", Selection("k1", ("k0", "k1")))] == DONE
        assert ">*" in seat.cursor()


async def test_a_refusal_brings_its_remedy_and_an_unknown_key_says_so() -> None:
    async with sit(make_page()) as seat:
        await seat.press("r")
        await seat.wait_for("it is bolted down", "unscrew it")
        await seat.press("z")
        await seat.wait_for("z does nothing here")


async def test_a_row_that_is_not_offered_is_not_opened() -> None:
    rows = (Row("h", ("not offered",), heading=True), Row("k", ("stick",), ("it is the installer",), offered=False))
    async with sit(make_page(rows)) as seat:
        await seat.press("enter")
        await seat.wait_for("this one is not offered")
        assert DONE == []


async def test_deeper_and_back_keeps_the_cursor() -> None:
    async with sit(make_page()) as seat:
        await seat.press("down", "down", "g")
        await seat.wait_for("down here", "a remedy")
        await seat.press("escape")
        await seat.wait_for("What is it?")
        assert "node2" in seat.cursor()


async def test_keys_typed_ahead_are_for_the_page_that_comes() -> None:
    async with sit(make_page()) as seat:
        SHOWN["second"] = make_page(title="Deeper", subject="second", actions=(Action("x", "Own", note("x", Told("deep"))),))
        await seat.press("g", "x")
        await seat.wait_for("Deeper", "deep")
        assert [name for name, _ in DONE] == ["g", "x"]


async def test_news_keep_cursor_marks_and_filter() -> None:
    async with sit(make_page()) as seat:
        await seat.press("down", "down", "space", "/", "n", "o", "d", "e", "enter")
        SHOWN["first"] = make_page((Row("new", ("node9", "found", "9")), *make_rows(5)[2:]))
        seat.desk.show(now=CALM.now + 1)
        await seat.wait_for("node9")
        assert seat.cursor().startswith(">* node2")
        assert "node0" not in seat.text


async def test_the_filter_narrows_while_one_types_and_esc_ends_it() -> None:
    async with sit(make_page()) as seat:
        await seat.press("/", "e", "3")
        assert "node3" in seat.text
        assert "node1" not in seat.text
        await seat.press("escape")
        assert "node1" in seat.text


async def test_a_wrong_answer_is_refused_where_it_is_typed() -> None:
    async with sit(make_page()) as seat:
        await seat.press("tab", "enter")
        await seat.wait_for("any even number")
        await seat.press("1")
        await seat.wait_for("Even: 21", "this is not even", "type 2, 4 or 6")
        await seat.press("enter")
        await seat.wait_for("this is not even")
        assert DONE == []
        await seat.press("backspace", "2", "enter")
        await seat.wait_for("taken")
        assert [name for name, _ in DONE] == ["even=22"]


async def test_esc_leaves_a_question_and_changes_nothing() -> None:
    async with sit(make_page()) as seat:
        await seat.press("tab", "enter")
        await seat.wait_for("any even number")
        await seat.press("4", "escape")
        assert "any even number" not in seat.text
        assert DONE == []


async def test_a_choice_is_made_by_letter_or_arrow() -> None:
    async with sit(make_page()) as seat:
        await seat.press("a")
        await seat.wait_for("> up")
        await seat.press("d", "enter")
        await seat.wait_for("ok")
        assert DONE[-1] == ("word", Selection("k0", (), "down"))


async def test_a_secret_is_never_on_the_screen() -> None:
    async with sit(make_page()) as seat:
        await seat.press("tab", "down", "enter")
        await seat.wait_for("Password:")
        await seat.press(*"hush")
        await seat.wait_for("****")
        assert "hush" not in seat.text
        await seat.press("enter")
        await seat.wait_for("taken")
        assert [name for name, _ in DONE] == ["secret=hush"]


async def test_a_large_hostile_paste_is_harmless() -> None:
    from textual import events

    async with sit(make_page()) as seat:
        await seat.press("tab", "enter")
        await seat.wait_for("any even number")
        seat.app.post_message(events.Paste(HOSTILE + "9" * 10_000))
        await seat.wait_for("this is not even")
        assert max(map(len, seat.text.splitlines())) <= 80
        assert seat.text.replace("\n", "").isprintable()


async def test_a_page_that_fails_leaves_the_way_back() -> None:
    async with sit(make_page()) as seat:
        await seat.press("b")
        await seat.wait_for("this page failed: ZeroDivisionError: no such rack", "the work goes on; Esc goes back")
        await seat.press("escape", "r")
        await seat.wait_for("it is bolted down")


async def test_help_tells_the_actions_and_any_key_leaves_it() -> None:
    async with sit(make_page()) as seat:
        await seat.press("question_mark")
        await seat.wait_for("See this.", "Opens it.", "save the site file")
        await seat.press("escape")
        await seat.wait_for("What is it?")


async def test_quit_asks_first() -> None:
    async with sit(make_page()) as seat:
        await seat.press("Q")
        await seat.wait_for("Leave?", "what runs goes on")
        await seat.press("enter")
        ends_at = time.monotonic() + 5
        while seat.app.is_running and time.monotonic() < ends_at:
            await asyncio.sleep(0.01)
        assert seat.app.return_value == ""


async def test_hostile_text_is_drawn_as_plain_cells() -> None:
    rows = (Row("k", (HOSTILE, HOSTILE, HOSTILE), (HOSTILE,), "FAIL"),)
    async with sit(make_page(rows, question=HOSTILE, help=(HOSTILE,))) as seat:
        await seat.press("question_mark", "escape")
        assert seat.text.replace("\n", "").isprintable()
        assert "[bold red]evil" in seat.text
        assert max(map(len, seat.text.splitlines())) <= 80


@pytest.mark.parametrize("size", [(60, 20), (200, 60), (20, 5), (2, 2), (1, 1)])
async def test_any_size_is_harmless_and_the_next_one_is_right(size: tuple[int, int]) -> None:
    async with sit(make_page()) as seat:
        await seat.pilot.resize_terminal(*size)
        await seat.press("down", "tab", "a", "d", "escape", "question_mark", "escape")
        await seat.pilot.resize_terminal(80, 24)
        await seat.wait_for("What is it?", "n next")
        assert len(seat.app.canvas.lines) == 24


async def test_ascii_mode_draws_ascii() -> None:
    async with sit(make_page(question="Größe 机 ─ …"), is_ascii=True) as seat:
        assert seat.text.isascii()
        assert "50 %" in seat.text


async def test_a_thousand_rows_move_quickly() -> None:
    async with sit(make_page(make_rows(1000))) as seat:
        began = time.perf_counter()
        await seat.press(*["down"] * 30)
        assert "node30" in seat.cursor()
        assert time.perf_counter() - began < 5
        await seat.press("end")
        assert "Even" not in seat.cursor()
        assert "node999" in seat.cursor()
