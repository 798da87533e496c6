"""Waiting without a thread: conditions over the ledger, asked again when it has changed."""

from __future__ import annotations

import asyncio
from typing import Final

from installer.engine.conditions import Known
from installer.engine.effects import Condition


class Waits:
    """The open waits of one event loop."""

    def __init__(self) -> None:
        self._open: Final[dict[asyncio.Future[None], Condition]] = {}

    async def until(self, condition: Condition, known: Known) -> None:
        """Return once the condition holds; at once when it holds already."""
        if condition(known):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open[future] = condition
        try:
            await future
        finally:
            self._open.pop(future, None)

    def look(self, known: Known) -> None:
        """Ask every open condition again."""
        for future, condition in list(self._open.items()):
            if not future.done() and condition(known):
                future.set_result(None)
