"""The store's tables, and how its file is opened: WAL, synchronous FULL, every write under BEGIN IMMEDIATE."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from installer.model.problems import RackstrapError

VERSION: Final = 1
APPLICATION_ID: Final = 0x5253_5450  # "RSTP", so that a foreign database is told apart (SQLite's PRAGMA application_id)
BUSY_S: Final = 30.0
MAGIC: Final = b"SQLite format 3\0"
HEADER_BYTES: Final = 100
# What a state folder may hold before it has a store: one with other things in it is not ours to close.
OURS: Final = frozenset({
    "site.yaml", "applied", "draft.yaml", "draft.json", "known_hosts", "place.json", "apply.lock", "serve.lock", "install.lock",
    "run", "rehearsal", "secrets", "tftp", "tls", "wanted", "given", "given.json", "given.new", "given.old", "interactive.json",
    "network.json", "network.lock", "network.log",
})  # fmt: skip

metadata: Final = sa.MetaData()
events: Final = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
)
blobs: Final = sa.Table(
    "blobs",
    metadata,
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)
progress: Final = sa.Table(
    "progress",
    metadata,
    sa.Column("host", sa.Text, primary_key=True),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("percent", sa.Integer, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)


@contextmanager
def explain_errors(path: Path) -> Iterator[None]:
    """Turn the database's errors into ones that an operator can act on."""
    try:
        yield
    except sa.exc.OperationalError as error:
        raise RackstrapError(
            f"the store {path} cannot be used: {error.orig}", "is its disk full, or its folder read-only?"
        ) from error
    except sa.exc.DBAPIError as error:
        raise RackstrapError(f"{path} is not a store, or is damaged: {error.orig}", "restore it from a backup") from error


def make_writer(path: Path) -> sa.Engine:
    """The engine that writes, after making the folder (0700), the file (0600) and the tables where they are missing."""
    _make_file(path)
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_S})
    # pysqlite begins transactions by itself, deferred and late; SQLAlchemy's documentation shows these two hooks instead.
    sa.event.listen(engine, "connect", _on_connect)
    sa.event.listen(engine, "begin", _on_begin)
    with _initializing(path), explain_errors(path):
        _check_or_make_tables(engine, path)
    return engine


def make_reader(path: Path) -> sa.Engine:
    """An engine that only reads, each statement in a snapshot of its own."""
    return sa.create_engine(f"sqlite:///{path}", isolation_level="AUTOCOMMIT", connect_args={"timeout": BUSY_S})


def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _on_begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def make_folder(folder: Path) -> None:
    """Make the state folder, or take one that is ours. Raises RackstrapError, and OSError where it cannot be made.

    A folder that others may enter is about to be closed to them: it must hold nothing but what is Rackstrap's.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    is_shared = found.st_uid != os.geteuid() or found.st_mode & stat.S_ISVTX
    names = {entry.name for entry in folder.iterdir()} if found.st_mode & 0o077 else set()
    if is_shared or ("store.db" not in names and names - OURS):
        raise RackstrapError(f"{folder} belongs to others as well", "choose a folder of its own with --state")


def _check_foreign(path: Path) -> None:
    """Refuse another program's database by its header, before its mode or a byte of it changes. Ours are WAL."""
    try:
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES)
    except FileNotFoundError:
        return
    if len(head) < HEADER_BYTES or not head.startswith(MAGIC):
        return
    application, is_wal = int.from_bytes(head[68:72], "big"), head[18] == 2
    if application not in (0, APPLICATION_ID) or (application == 0 and not is_wal):
        raise RackstrapError(f"{path} is another program's database", "choose another folder with --state")


def _make_file(path: Path) -> None:
    folder = path.parent
    try:
        make_folder(folder)
        _check_foreign(path)
        if stat.S_IMODE(folder.stat().st_mode) & 0o077:
            folder.chmod(0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise RackstrapError(f"cannot make the store {path}: {error.strerror}", "run as root, or choose --state DIR") from error


@contextmanager
def _initializing(path: Path) -> Iterator[None]:
    """Only one process at a time switches a new file to WAL: SQLite does not wait its turn there."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _check_or_make_tables(engine: sa.Engine, path: Path) -> None:
    with engine.begin() as connection:
        application = int(connection.exec_driver_sql("PRAGMA application_id").scalar_one())
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        if application == 0 and not sa.inspect(connection).get_table_names():
            metadata.create_all(connection)
            connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version={VERSION}")
        elif application != APPLICATION_ID:
            raise RackstrapError(f"{path} is another program's database", "choose another folder with --state")
        elif version != VERSION:
            raise RackstrapError(f"{path} has schema {version}, this release knows {VERSION}", "use the release that wrote it")
