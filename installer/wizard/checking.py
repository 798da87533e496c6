"""Preflight while a page wants it: what looks at the network is imported and begun only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from installer.model.facts import Machine
from installer.model.site import Site
from installer.preflight.check import Check

if TYPE_CHECKING:
    from installer.preflight.watching import Watching


class Checking:
    """Every method returns at once."""

    def __init__(self) -> None:
        self._watching: Watching | None = None

    def aim(self, site: Site, machine: Machine, interface: str) -> None:
        """Look at what the site decides for this machine, from now on."""
        from installer.preflight.target import make_target
        from installer.preflight.watching import Watching

        self._watching = self._watching or Watching()
        self._watching.aim(make_target(site, machine, interface))

    def rest(self) -> None:
        """Look at nothing."""
        if self._watching is not None:
            self._watching.aim(None)

    def latest(self) -> tuple[tuple[Check, ...], float]:
        """The checks as known now, and when the last became known (seconds since 1970); none before any was wanted."""
        return self._watching.latest() if self._watching is not None else ((), 0.0)

    def again(self) -> None:
        if self._watching is not None:
            self._watching.again()

    def close(self) -> None:
        if self._watching is not None:
            self._watching.close()
