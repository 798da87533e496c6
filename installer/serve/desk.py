"""What the node-facing service works on: the journal, the applied site, this place; and who waits for a change of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from starlette.requests import Request

from installer.engine.journal import Journal
from installer.model.events import Event
from installer.model.ledger import Ledger, MachineEntry
from installer.model.plan import AdminPlace
from installer.model.problems import RackstrapError
from installer.model.site import Site
from installer.serve.fields import Refused
from installer.serve.keys import find_owner, parse_fingerprint
from installer.site.load import load_site

LOOK_EVERY_S: Final = 0.1


class Desk:
    """One process's view of site and journal. Everything but `append`'s disk work happens in one event loop's thread."""

    def __init__(self, journal: Journal, place: AdminPlace) -> None:
        self.journal: Final = journal
        self.place: Final = place
        self.state_dir: Final = Path(place.state_dir)
        self.deciding: Final = asyncio.Lock()  # held from looking at the ledger to having appended what follows from it
        self._changed = asyncio.Event()
        self._site_stamp = (0, 0, 0)
        self.site = self._load_site()

    @property
    def ledger(self) -> Ledger:
        return self.journal.ledger

    async def append(self, *events: Event) -> None:
        """Append durably, and see it at once."""
        await asyncio.wrap_future(self.journal.store.post(*events, durable=True))
        self.look()

    def look(self) -> bool:
        """Take in what any process has changed, and wake whoever waits. True when there was something."""
        is_new = self.journal.refresh()
        if self._find_stamp() != self._site_stamp:
            self.site = self._load_site()
            is_new = True
        if is_new:
            self._changed.set()
            self._changed = asyncio.Event()
        return is_new

    async def wait_change(self, timeout_s: float) -> bool:
        """Wait for the next change, at most `timeout_s`. False when none came."""
        try:
            await asyncio.wait_for(self._changed.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    def find_key(self, request: Request) -> str:
        """The fingerprint that nginx vouches for. Raises Refused (401)."""
        try:
            return parse_fingerprint(request.headers.get("x-client-cert", ""))
        except ValueError as error:
            raise Refused(401, "a client certificate is needed") from error

    def find_agent(self, request: Request) -> MachineEntry:
        """The machine that is asking. Raises Refused: 401 without a certificate, 404 for an unknown key."""
        entry = find_owner(self.ledger, self.find_key(request))
        if entry is None:
            raise Refused(404, "this key is not known; enrol")
        return entry

    def _find_stamp(self) -> tuple[int, int, int]:
        try:
            status = (self.state_dir / "site.yaml").stat()
        except FileNotFoundError:
            return self._site_stamp
        return (status.st_ino, status.st_mtime_ns, status.st_size)

    def _load_site(self) -> Site:
        self._site_stamp = self._find_stamp()
        loaded = load_site(self.state_dir / "site.yaml")
        if loaded.site is None:
            problems = "; ".join(str(problem) for problem in loaded.problems[:3])
            raise RackstrapError(f"the applied site file cannot be read: {problems}", "rackstrap apply SITE", exit_code=1)
        return loaded.site
