"""One process's eye on a state folder: what has been journalled, how far everyone is. It only reads and appends."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from installer.engine.journal import Journal
from installer.engine.schema import make_folder
from installer.engine.status import SiteStatus, make_status
from installer.engine.store import Progress, make_who
from installer.model.events import Event, Happened
from installer.model.facts import Machine
from installer.model.ledger import Ledger
from installer.model.problems import RackstrapError

LAST_EVENTS: Final = 300
LAST_ANSWERS: Final = 20


@dataclass(frozen=True, slots=True)
class Moment:
    """What the journal says at one moment. `ledger` is a copy: it never changes."""

    ledger: Ledger
    machines: Mapping[str, Machine]
    progress: Mapping[str, Progress]
    status: SiteStatus
    events: tuple[Event, ...]
    answers: tuple[Mapping[str, Any], ...]


class Watcher:
    """Looks at the journal of one state folder; only what is new is read and folded. For one thread at a time."""

    def __init__(self, state: Path) -> None:
        try:
            make_folder(state)
        except OSError as error:
            raise RackstrapError(f"cannot use {state}: {error.strerror}", "run as root, or choose --state DIR") from error
        self.state: Final = state
        self.journal: Final = Journal(state / "store.db", make_who("tui"))
        self._seen = -1
        self._events: deque[Event] = deque(self.journal.take_new()[-LAST_EVENTS:], maxlen=LAST_EVENTS)
        self._answers: deque[Mapping[str, Any]] = deque(maxlen=LAST_ANSWERS)
        self._machines: Mapping[str, Machine] = {}
        self._machines_seq = -1
        self._take_answers(self._events)

    def has_news(self) -> bool:
        """Whether anyone has committed anything since `look`. One pragma: some 20 us."""
        return self.journal.store.data_version() != self._seen

    def look(self) -> Moment:
        """Take in what is new, and copy what it amounts to."""
        self._seen = self.journal.store.data_version()
        new = self.journal.take_new()
        self._events.extend(new)
        self._take_answers(new)
        ledger = copy_ledger(self.journal.ledger)
        if ledger.seq != self._machines_seq:
            self._machines, self._machines_seq = self._find_machines(), ledger.seq
        progress = self.journal.progress()
        status = make_status(ledger, progress, time.time())
        return Moment(ledger, self._machines, progress, status, tuple(self._events), tuple(self._answers))

    def append(self, *events: Event) -> None:
        """Journal these for good: they are on the disk when this returns."""
        self.journal.append(*events, durable=True)

    def close(self) -> None:
        self.journal.close()

    def _find_machines(self) -> Mapping[str, Machine]:
        """The machines; the same mapping as long as none has changed, so that who compares does it by identity."""
        found = self.journal.machines()
        same = found.keys() == self._machines.keys() and all(found[key] is self._machines[key] for key in found)
        return self._machines if same else found

    def _take_answers(self, new: Any) -> None:
        self._answers.extend({**e.data, "host": e.host, "at": e.at} for e in new if e.kind is Happened.ANSWERED)


def copy_ledger(ledger: Ledger) -> Ledger:
    """A ledger that later events do not change. Its entries are values, so only the mappings are copied."""
    return replace(
        ledger,
        machines=dict(ledger.machines),
        bmcs=dict(ledger.bmcs),
        steps=dict(ledger.steps),
        services=dict(ledger.services),
        asked=dict(ledger.asked),
    )
