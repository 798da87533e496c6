"""A person before the terminal UI, as Textual's Pilot drives it: keys, and what the screen says then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from textual import events
from textual.pilot import Pilot

from installer.wizard.guide import Guide
from installer.wizard.stages import STAGES
from screens.app import RackstrapApp
from screens.lines import find_text


class Seat:
    """A person before the app: keys, and what the screen says then."""

    def __init__(self, app: RackstrapApp, pilot: Pilot[str]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def text(self) -> str:
        return "\n".join(find_text(line).rstrip() for line in self.app.canvas.lines)

    async def wait_for(self, *words: str, within_s: float = 10) -> str:
        ends_at = time.monotonic() + within_s
        while not all(word in self.text for word in words):
            assert time.monotonic() < ends_at, f"{words} not on the screen:\n{self.text}"
            await asyncio.sleep(0.01)
        return self.text

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    def cursor(self) -> str:
        return next(line for line in self.text.splitlines() if line.startswith(">"))

    async def answer(self, question: str, text: str, *said: str) -> None:
        """Wait for the question, put this in the place of what stands there, and wait for what is said then."""
        await self.wait_for(question)
        await self.press("ctrl+u")
        self.app.post_message(events.Paste(text))
        await self.press("enter")
        await self.wait_for(*said)

    async def go_to(self, title: str) -> None:
        """n, until the page's title is there."""
        for _ in STAGES:
            if f" {title} " in self.text.splitlines()[0]:
                return
            before = self.text.splitlines()[0]
            await self.press("n")
            ends_at = time.monotonic() + 10
            while self.text.splitlines()[0] == before:
                assert time.monotonic() < ends_at, self.text
                await asyncio.sleep(0.01)
        raise AssertionError(f"no stage {title}:\n{self.text}")


@asynccontextmanager
async def sit(
    make_guide: Callable[[], Guide], size: tuple[int, int] = (120, 40), says: str = "help", *, is_ascii: bool = False
) -> AsyncIterator[Seat]:
    """The app has started; its first page `says` this."""
    app = RackstrapApp(make_guide, is_ascii=is_ascii)
    async with app.run_test(size=size) as pilot:
        seat = Seat(app, pilot)
        await seat.wait_for(says)
        yield seat
