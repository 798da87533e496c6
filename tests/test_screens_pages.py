"""The generic screen, driven by Pilot on pages made up for it: every kind of part, every outcome, hostile text, any size."""

from __future__ import annotations

import time

import pytest

from installer.wizard.page import Action, Row, Selection, Told
from tests.made_up_pages import CALM, DONE, SHOWN, make_page, make_rows, note, sit
from tests.shelf_desk import ShelfDesk
from tests.wizard_views import HOSTILE


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
    desk = ShelfDesk(CALM, "welcome")
    async with sit(make_page(), desk=desk) as seat:
        await seat.press("down", "down", "space", "/", "n", "o", "d", "e", "enter")
        SHOWN["first"] = make_page((Row("new", ("node9", "found", "9")), *make_rows(5)[2:]))
        desk.show(now=CALM.now + 1)
        await seat.wait_for("node9")
        assert seat.cursor().startswith(">* node2")
        assert "node0" not in seat.text


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
