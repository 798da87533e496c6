"""A backup laid out in a folder of its own: decrypted, its names admitted, its sizes bounded, its sums compared."""

from __future__ import annotations

import os
import sqlite3
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, Self

from installer import __version__
from installer.engine.schema import APPLICATION_ID, VERSION
from installer.keep.age import DAMAGED, NotOpenedError, Opener
from installer.keep.backup import COPY_BYTES, SPARE_BYTES, find_room, render_size
from installer.keep.gather import STORE
from installer.keep.manifest import MOST_BYTES, NAME, Manifest, Member, parse_manifest
from installer.model.problems import RackstrapError


class PlainInfo(tarfile.TarInfo):
    """A header of a tar: of a plain file, or an error. Links, devices, folders and headers that extend others end it."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> Self:
        info = super().frombuf(buf, encoding or "utf-8", errors)
        if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise NotOpenedError("it holds something that is no plain file", "name another backup")
        return info


def unpack_backup(source: IO[bytes], passphrase: str, folder: Path) -> Manifest:
    """Lay the backup out in this empty folder, as `state/…` and `host/…`. Raises RackstrapError: then the folder is void."""
    try:
        opener = Opener(source, passphrase)
        with tarfile.open(fileobj=opener, mode="r|gz", tarinfo=PlainInfo, format=tarfile.USTAR_FORMAT) as tar:
            members = iter(tar)
            manifest = _read_manifest(tar, members)
            _check_room(manifest, folder)
            for member in manifest.members:
                _save_next(tar, members, member, folder)
            if next(members, None) is not None:
                raise NotOpenedError("it holds more than its manifest names", "name another backup")
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise NotOpenedError(DAMAGED, "name another backup") from error
    while opener.read(COPY_BYTES):  # to the mark of its end, which a file that was cut off does not have
        pass
    check_store(folder / "state" / STORE)
    return manifest


def _read_manifest(tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo]) -> Manifest:
    info = next(members, None)
    if info is None or info.name != NAME or info.size > MOST_BYTES:
        raise NotOpenedError("it is no backup of Rackstrap", "name a file that `rackstrap backup` wrote")
    file = tar.extractfile(info)
    return parse_manifest(file.read() if file is not None else b"", __version__)


def _check_room(manifest: Manifest, folder: Path) -> None:
    room = find_room(folder)
    if manifest.bytes + SPARE_BYTES > room:
        raise RackstrapError(
            f"what it holds takes {render_size(manifest.bytes)}, {folder.parent} has room for {render_size(room)}",
            "make room there, or name another folder with --state",
        )


def _save_next(tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo], member: Member, folder: Path) -> None:
    """The next file of the tar, which must be this member."""
    info = next(members, None)
    file = tar.extractfile(info) if info is not None and (info.name, info.size) == (member.name, member.bytes) else None
    if file is None:
        raise NotOpenedError("it does not hold what its manifest names", "name another backup")
    path = folder / member.name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = sha256()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "wb") as out:
        while chunk := file.read(COPY_BYTES):
            digest.update(chunk)
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    if digest.hexdigest() != member.sha256:
        raise NotOpenedError(f"{member.name} in it is damaged", "name another backup")


def check_store(path: Path) -> None:
    """Raise RackstrapError where the store is not one that this release can use; a state without a store is fine."""
    if not path.exists():
        return
    with _explaining(), closing(sqlite3.connect(path)) as store:
        application = store.execute("PRAGMA application_id").fetchone()[0]
        version = store.execute("PRAGMA user_version").fetchone()[0]
        found = store.execute("PRAGMA quick_check(1)").fetchone()[0]
    if application != APPLICATION_ID or found != "ok":
        raise NotOpenedError("the store in it is damaged", "name another backup")
    if version != VERSION:
        raise NotOpenedError(f"its store has schema {version}, this release knows {VERSION}", "use the release that wrote it")


@contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise NotOpenedError("the store in it is damaged", "name another backup") from error
