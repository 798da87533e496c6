"""The desk of a console on which nobody has logged in: it shows, and carries out nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from installer.model.problems import RackstrapError
from installer.wizard.desk import Desk
from installer.wizard.draft import Draft
from installer.wizard.view import View
from installer.wizard.wishes import Wish

LOG_IN: Final = "log in first: leave with q, and press L at the banner"


class ReadOnlyDesk:
    """See installer.wizard.desk.Desk. What `desk` shows; every wish is refused, and nothing is kept."""

    def __init__(self, desk: Desk) -> None:
        self._desk: Final = desk

    def look(self, wants: frozenset[str]) -> View:
        view = self._desk.look(wants - {"preflight"})  # whose checks send packets
        return replace(view, here=replace(view.here, only_looks=LOG_IN))

    def has_news(self) -> bool:
        return self._desk.has_news()

    def find_page(self) -> str:
        """The deployment while one runs, else the rack."""
        running = self._desk.look(frozenset()).running
        return "deploy" if running is not None else "done"

    def keep(self, draft: Draft, page: str) -> None:
        """Nothing: where somebody looks is kept nowhere."""

    def carry_out(self, wish: Wish) -> str:
        raise RackstrapError(f"{type(wish).__name__} was not carried out: this screen only shows", LOG_IN)

    def close(self) -> None:
        self._desk.close()
