"""Questions on the generic screen, driven by Pilot: wrong answers, choices, secrets, pastes, the filter, and leaving."""

from __future__ import annotations

import asyncio
import time

from installer.wizard.page import Selection
from tests.made_up_pages import DONE, make_page, sit
from tests.wizard_views import HOSTILE


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


async def test_quit_asks_first() -> None:
    async with sit(make_page()) as seat:
        await seat.press("Q")
        await seat.wait_for("Leave?", "what runs goes on")
        await seat.press("enter")
        ends_at = time.monotonic() + 5
        while seat.app.is_running and time.monotonic() < ends_at:
            await asyncio.sleep(0.01)
        assert seat.app.return_value == ""
