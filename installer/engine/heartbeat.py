"""The heartbeat of an apply: sees what any process has journalled, wakes what waited for it."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from installer.engine.effects import Facts
from installer.engine.waits import Waits
from installer.model.events import Event

LOOK_EVERY_S: Final = 0.1
MOST_OF_TIME: Final = 4  # looking may take a quarter of the time, however large the site


class Heartbeat:
    """One event loop's view of the journal: `beat` takes in the news."""

    def __init__(self, facts: Facts) -> None:
        self.facts: Final = facts
        self.waits: Final = Waits()
        self._cost_s = 0.0

    async def beat(self) -> list[Event]:
        """After a tenth of a second, or longer where looking itself takes long: what has happened, every wait asked again."""
        await asyncio.sleep(max(LOOK_EVERY_S, self._cost_s * MOST_OF_TIME))
        began = time.monotonic()
        new = self.facts.take_new()
        if new:
            self.waits.look(self.facts.known)
        self._cost_s = time.monotonic() - began
        return new
