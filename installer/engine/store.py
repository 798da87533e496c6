"""The store: events, blobs and progress in one SQLite file, where all of Rackstrap's processes meet.

Durability: an event appended with `durable=True` is on the disk (WAL, synchronous FULL) when `append` returns; all others
within 50 ms, in groups. A process that is killed loses at most those last 50 ms, and always a suffix of its own events.
The tables are plain SQLAlchemy Core, so that PostgreSQL can hold them when a site has more than one admin node.
"""

from __future__ import annotations

import json
import os
import pwd
import sys
import threading
import time
import weakref
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import sqlalchemy as sa

from installer.engine.schema import blobs, events, explain_errors, make_reader, make_writer, progress
from installer.engine.writer import Writer
from installer.model.events import Event, Happened
from installer.model.problems import RackstrapError

READ_AT_ONCE: Final = 10_000
LARGEST_BLOB_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one host is, now: overwritten, never an event. `at` is seconds since 1970."""

    host: str
    stage: str
    percent: int
    text: str
    at: float


def make_who(process: str) -> str:
    """`user@process`: the person behind sudo where there is one."""
    try:
        user = os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    return f"{user}@{process}"


def find_process() -> str:
    """What this process is called in the journal: the verb that it was started with, else its program."""
    program, *words = sys.argv
    is_ours = Path(program).name in {"rackstrap", "cli.py"}
    return next((word for word in words if is_ours and word.isalpha()), Path(program).name or "python")


class Store:
    """One process's handle on the store; safe to share between its threads. Close it, or let the interpreter's exit do so.

    Raises RackstrapError when the file is not a store, is damaged, or was written by a newer release.
    """

    def __init__(self, path: Path | str, who: str = "") -> None:
        self.path = Path(path)
        self.who = who or make_who(find_process())
        engine = make_writer(self.path)
        self._reading = threading.Lock()
        self._reader = make_reader(self.path).connect()
        self._writer = Writer(engine)
        self._finish = weakref.finalize(self, _close, self._writer, self._reader)

    def post(self, *new: Event, durable: bool = False) -> Future[list[Event]]:
        """Queue events for the next commit, at once when `durable`; the future gives them with their ids."""
        return self._writer.post_events(self._stamp(new), is_urgent=durable)

    def append(self, *new: Event, durable: bool = False) -> list[Event]:
        """Append events in this order, stamped with time and author.

        Durable: waits until they are on the disk, and gives them with their ids. Otherwise returns at once, with id 0.
        """
        stamped = self._stamp(new)
        future = self._writer.post_events(stamped, is_urgent=durable)
        return future.result() if durable else stamped

    def read(self, after_seq: int = 0) -> list[Event]:
        """Every event with a higher id than `after_seq`, in order."""
        found: list[Event] = []
        while True:
            query = sa.select(events).where(events.c.id > after_seq).order_by(events.c.id).limit(READ_AT_ONCE)
            rows = self._select(query)
            found.extend(_parse_rows(rows))
            if len(rows) < READ_AT_ONCE:
                return found
            after_seq = rows[-1].id

    def data_version(self) -> int:
        """A number that changes whenever anyone has committed to the store (SQLite's `PRAGMA data_version`)."""
        return int(self._select(sa.text("PRAGMA data_version"))[0][0])

    def put_blob(self, content: bytes) -> str:
        """Keep these bytes durably; returns their SHA-256 in hex, by which `blob` finds them."""
        key = sha256(content).hexdigest()
        if not self._select(sa.select(blobs.c.sha256).where(blobs.c.sha256 == key)):
            self._writer.post_blob(key, zlib.compress(content)).result()
        return key

    def blob(self, key: str) -> bytes:
        """The bytes with this SHA-256. Raises RackstrapError when there are none."""
        rows = self._select(sa.select(blobs.c.content).where(blobs.c.sha256 == key))
        if not rows:
            raise RackstrapError(f"the store {self.path} holds no blob {key[:16]}…", "was it copied while in use?")
        content = zlib.decompressobj().decompress(rows[0][0], LARGEST_BLOB_BYTES)
        if sha256(content).hexdigest() != key:
            raise RackstrapError(f"blob {key[:16]}… in {self.path} is damaged", "restore the store from a backup")
        return content

    def set_progress(self, host: str, stage: str, percent: int, text: str = "") -> None:
        """Overwrite the host's one row; committed within 50 ms."""
        self._writer.post_progress(host, {"stage": stage, "percent": percent, "text": text, "at": time.time()})

    def progress(self) -> dict[str, Progress]:
        """Every host's progress."""
        return {r.host: Progress(r.host, r.stage, r.percent, r.text, r.at) for r in self._select(sa.select(progress))}

    def flush(self) -> None:
        """Return once everything posted so far is on the disk."""
        self._writer.post_events([], is_urgent=True).result()

    def close(self) -> None:
        """Commit what is queued and let go of the file."""
        self._finish()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _stamp(self, new: Iterable[Event]) -> list[Event]:
        now = time.time()
        return [replace(event, at=event.at or now, who=event.who or self.who) for event in new]

    def _select(self, query: sa.Select[Any] | sa.TextClause) -> Sequence[sa.Row[Any]]:
        with self._reading, explain_errors(self.path):
            return self._reader.execute(query).all()


def _parse_rows(rows: Iterable[sa.Row[Any]]) -> list[Event]:
    """Events of known kinds; a kind that a later release added is skipped, as the ledger would."""
    return [
        Event(Happened(row.kind), row.host, json.loads(row.data), row.who, row.at, row.id) for row in rows if row.kind in _KINDS
    ]


_KINDS: Final = frozenset(kind.value for kind in Happened)


def _close(writer: Writer, reader: sa.Connection) -> None:
    writer.close()
    engine = reader.engine
    reader.close()
    engine.dispose()
