"""The journal: the store's events, and the ledger that they fold into, kept fresh in this process."""

from __future__ import annotations

import json
import threading
from collections import deque
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Final

from installer.engine.conditions import Known
from installer.engine.store import Progress, Store
from installer.model.events import Event
from installer.model.facts import Machine
from installer.model.folds import add_event
from installer.model.ledger import Ledger

RECENT: Final = 50
MOST_UNTOLD: Final = 100_000  # a process that never asks for them does not grow


class Journal:
    """A store and its live ledger. `refresh` from one thread at a time reads; `ledger` is only ever changed by it."""

    def __init__(self, store: Store | Path | str, who: str = "") -> None:
        self.store: Final = store if isinstance(store, Store) else Store(store, who)
        self.ledger: Final = Ledger()
        self.recent: list[Event] = []
        self._version = -1
        self._untold: deque[Event] = deque(maxlen=MOST_UNTOLD)
        self._known: Known | None = None
        self._machines: dict[str, Machine | None] = {}
        self._folding = threading.Lock()
        self.refresh()

    def refresh(self) -> bool:
        """Fold in what anyone has appended since. True when there was something."""
        with self._folding:
            version = self.store.data_version()
            if version == self._version:
                return False
            new = self.store.read(self.ledger.seq)
            for event in new:
                add_event(self.ledger, event)
            self.recent = [*self.recent, *new[-RECENT:]][-RECENT:]
            self._version = version
            self._known = None
            self._untold.extend(new)
            return bool(new)

    def take_new(self) -> list[Event]:
        """Refresh; every event that was folded in since this was called last."""
        self.refresh()
        new = list(self._untold)
        self._untold.clear()
        return new

    @property
    def known(self) -> Known:
        """The ledger and the machines as of the last `refresh`, indexed."""
        if self._known is None:
            self._known = Known(self.ledger, self.machines())
        return self._known

    def post(self, *new: Event, durable: bool = False) -> Future[list[Event]]:
        """As `append`, for those who wait otherwise than by blocking. See Store.post."""
        return self.store.post(*new, durable=durable)

    def append(self, *new: Event, durable: bool = False) -> list[Event]:
        """Append to the store; the ledger shows it after the next `refresh`. See Store.append."""
        return self.store.append(*new, durable=durable)

    def progress(self) -> dict[str, Progress]:
        return self.store.progress()

    def machines(self) -> dict[str, Machine]:
        """The facts of every known machine by its id, each recording parsed once."""
        found: dict[str, Machine] = {}
        for entry in list(self.ledger.machines.values()):
            machine = self.machine(entry.recording) if entry.recording else None
            if machine is not None:
                found[entry.id] = machine
        return found

    def machine(self, recording: str) -> Machine | None:
        """The facts in the recording with this SHA-256; None when it is not one that this release can read."""
        if recording not in self._machines:
            self._machines[recording] = _parse(self.store.blob(recording))
        return self._machines[recording]

    def close(self) -> None:
        self.store.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _parse(content: bytes) -> Machine | None:
    from installer.probe.parse import parse_recording

    try:
        return parse_recording(json.loads(content))
    except (ValueError, RecursionError):  # what serving could just read may be nested too deeply here
        return None
