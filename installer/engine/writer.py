"""Group commit: one thread per process writes what all others queue, many events in one transaction."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as upsert

from installer.engine.schema import blobs, events, explain_errors, progress
from installer.model.events import Event
from installer.model.problems import RackstrapError

GROUP_S: Final = 0.03  # how long an event may wait for company: leaves 20 of the promised 50 ms to the commit itself


@dataclass(slots=True)
class _Batch:
    """What the next transaction will hold, and who waits for it."""

    events: list[tuple[Event, str]] = field(default_factory=list)  # with their data as JSON
    blobs: dict[str, bytes] = field(default_factory=dict)
    progress: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    waiting: list[tuple[Future[list[Event]], int, int]] = field(default_factory=list)  # future, first, last index of its events
    since: float = 0.0
    is_urgent: bool = False


class Writer:
    """Owns the writing connection and its thread. After a failed commit every later post raises: nothing goes on unrecorded."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._path = Path(engine.url.database or "")
        self._changed = threading.Condition()
        self._open = _Batch()
        self._error: RackstrapError | None = None
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def post_events(self, new: list[Event], *, is_urgent: bool) -> Future[list[Event]]:
        rows = [(event, json.dumps(event.data, separators=(",", ":"), allow_nan=False)) for event in new]
        with self._changed:
            batch = self._begin()
            first = len(batch.events)
            batch.events += rows
            return self._wait(batch, first, is_urgent)

    def post_blob(self, key: str, content: bytes) -> Future[list[Event]]:
        with self._changed:
            batch = self._begin()
            batch.blobs[key] = content
            return self._wait(batch, len(batch.events), True)

    def post_progress(self, host: str, row: Mapping[str, Any]) -> None:
        with self._changed:
            batch = self._begin()
            batch.progress[host] = row
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()
        self._engine.dispose()

    def _begin(self) -> _Batch:
        if self._error is not None:
            raise self._error
        if self._is_closing:
            raise RackstrapError(f"the store {self._path} is closed", "this process is ending")
        self._open.since = self._open.since or time.monotonic()
        return self._open

    def _wait(self, batch: _Batch, first: int, is_urgent: bool) -> Future[list[Event]]:
        future: Future[list[Event]] = Future()
        batch.waiting.append((future, first, len(batch.events)))
        batch.is_urgent = batch.is_urgent or is_urgent
        self._changed.notify()
        return future

    def _run(self) -> None:
        while (batch := self._take()) is not None:
            try:
                with explain_errors(self._path):
                    stored = _commit(self._engine, batch)
            except RackstrapError as error:
                self._fail(batch, error)
                continue
            for future, first, last in batch.waiting:
                future.set_result(stored[first:last])

    def _take(self) -> _Batch | None:
        """The next batch, once it is due; None when the writer is closing and nothing is left."""
        with self._changed:
            while True:
                batch = self._open
                due_s = batch.since + GROUP_S - time.monotonic()
                if batch.since and (batch.is_urgent or self._is_closing or due_s <= 0):
                    self._open = _Batch()
                    return batch
                if self._is_closing:
                    return None
                self._changed.wait(due_s if batch.since else None)

    def _fail(self, batch: _Batch, error: RackstrapError) -> None:
        with self._changed:
            self._error = error
            behind, self._open = self._open, _Batch()
        for future, _, _ in (*batch.waiting, *behind.waiting):
            future.set_exception(error)


def _commit(engine: sa.Engine, batch: _Batch) -> list[Event]:
    """Write the batch in one transaction; ids follow the highest one under the write lock, so they grow by commit order."""
    with engine.begin() as connection:
        stored: list[Event] = []
        if batch.events:
            last = connection.execute(sa.select(sa.func.max(events.c.id))).scalar_one() or 0
            stored = [replace(event, id=last + n) for n, (event, _) in enumerate(batch.events, 1)]
            rows = [_make_row(event, text) for event, (_, text) in zip(stored, batch.events, strict=True)]
            connection.execute(sa.insert(events), rows)
        for key, content in batch.blobs.items():
            connection.execute(upsert(blobs).values(sha256=key, content=content).on_conflict_do_nothing())
        for host, row in batch.progress.items():
            query = upsert(progress).values(host=host, **row)
            connection.execute(query.on_conflict_do_update(index_elements=["host"], set_=dict(row)))
    return stored


def _make_row(event: Event, data: str) -> dict[str, Any]:
    return {"id": event.id, "at": event.at, "who": event.who, "kind": event.kind.value, "host": event.host, "data": data}
