"""Where wishes are carried out and views come from. Chosen once: live, or a rehearsal on recorded machines."""

from __future__ import annotations

from typing import Protocol

from installer.wizard.draft import Draft
from installer.wizard.view import View
from installer.wizard.wishes import Wish


class Desk(Protocol):
    """Called from one worker thread at a time, never from a UI's own: each call may take a while."""

    def look(self, wants: frozenset[str]) -> View:
        """The present moment. Slow parts (checks, probe, plan) come from threads of its own: this never waits for a network."""
        ...

    def has_news(self) -> bool:
        """Whether `look` would show something else than last time. Cheap: called several times a second."""
        ...

    def find_page(self) -> str:
        """The stage that the operator was at when the last session ended; "" for none."""
        ...

    def keep(self, draft: Draft, page: str) -> None:
        """Make this the draft, and save it and where the operator is, so that a new session goes on from there."""
        ...

    def carry_out(self, wish: Wish) -> str:
        """Do it. Returns what was done, in a sentence. Raises RackstrapError with what to do instead."""
        ...

    def close(self) -> None: ...
