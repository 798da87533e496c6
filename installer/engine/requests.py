"""Wishes that the running service carries out: asked and answered in the journal."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from installer.engine.journal import Journal
from installer.model.events import Event, Happened
from installer.model.problems import RackstrapError
from installer.serve.verbs import find_serving

ANSWER_WITHIN_S: Final = 240.0  # a BMC is tried three times, a minute each
LOOK_EVERY_S: Final = 0.05


def ask(journal: Journal, state: Path, host: str, wish: Mapping[str, Any], within_s: float = ANSWER_WITHIN_S) -> tuple[bool, str]:
    """Ask and wait for the answer. Raises RackstrapError when nobody serves, or no answer comes in time."""
    if not find_serving(state):
        raise RackstrapError("nobody carries requests out: `rackstrap serve` does not run", "rackstrap serve --detach")
    request = uuid.uuid4().hex
    journal.append(Event(Happened.ASKED, host, {"request": request, **wish}), durable=True)
    ends_at = time.monotonic() + within_s
    while time.monotonic() < ends_at:
        time.sleep(LOOK_EVERY_S)
        for event in journal.take_new():
            if event.kind is Happened.ANSWERED and event.data.get("request") == request:
                return bool(event.data.get("ok")), str(event.data.get("message", ""))
    raise RackstrapError(f"no answer within {within_s:g} s", "look at the service's log: run/serve.log in the state directory")
