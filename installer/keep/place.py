"""Where a backup or a bundle goes, and where a backup comes from: a path, or `volume:LABEL/NAME` on a removable volume.

A file is written beside its place and renamed, so that under its name it is whole. A volume is read and written without
mounting it, by mtools.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from installer.keep.backup import find_room
from installer.live import volumes
from installer.live.volumes import Volume
from installer.model.problems import RackstrapError

PREFIX: Final = "volume:"
MOST_VOLUME_BYTES: Final = 2**32 - 1  # FAT's largest file
COPY_WITHIN_S: Final = 3600.0  # a slow stick takes 3 MB in a second
_FREE: Final = re.compile(rb"([\d ]+) bytes free")
Find = Callable[[], tuple[Volume, ...]]


@contextmanager
def open_out(target: str, avoid: Path | None = None, find: Find = volumes.find_volumes) -> Iterator[tuple[IO[bytes], int]]:
    """A stream to write to, and how many bytes there are for it. Only where the block ends well, the file is there.

    `avoid`: a folder that may not hold it. Raises RackstrapError.
    """
    if not target.startswith(PREFIX):
        with _open_path(Path(target).absolute(), avoid) as file:
            yield file, find_room(Path(target).absolute().parent)
        return
    device, name = find_device(target, find())
    with tempfile.TemporaryDirectory(prefix="rackstrap-keep-") as folder:
        copy = Path(folder) / "copy"
        room = min(find_volume_room(device), find_room(Path(folder)), MOST_VOLUME_BYTES)
        with copy.open("wb") as file:
            yield file, room
        if copy.stat().st_size > room:
            raise RackstrapError(f"there is too little room on {target}", "use another volume")
        copy_onto(device, copy, name)


@contextmanager
def open_in(source: str, find: Find = volumes.find_volumes) -> Iterator[IO[bytes]]:
    """The file, to be read. Raises RackstrapError."""
    if not source.startswith(PREFIX):
        path = Path(source)
        try:
            with path.open("rb") as file:
                yield file
        except IsADirectoryError as error:
            raise RackstrapError(f"{source} is a folder", "name a file") from error
        return
    device, name = find_device(source, find())
    with tempfile.TemporaryDirectory(prefix="rackstrap-keep-") as folder:
        copy = Path(folder) / "copy"
        volumes.run_tool("mcopy", "-n", "-i", str(device), f"::/{name}", str(copy), within_s=COPY_WITHIN_S)
        with copy.open("rb") as file:
            yield file


def find_device(target: str, found: Sequence[Volume]) -> tuple[Path, str]:
    """The device and the file's name that `volume:LABEL/NAME` means, or `volume:ID/NAME`. Raises RackstrapError."""
    word, _, name = target.removeprefix(PREFIX).partition("/")
    if not volumes.NAME.fullmatch(name):
        raise RackstrapError(f"{target!r} names no file", "volume:LABEL/NAME, of letters, digits, dots and hyphens")
    fits = [one for one in found if one.id == word] or [one for one in found if word and one.label.upper() == word.upper()]
    if len(fits) != 1:
        others = ", ".join(sorted(one.label or one.id for one in found)) or "none"
        what = "more than one removable volume is called" if fits else "no removable volume is called"
        raise RackstrapError(f"{what} {word[:64]!r}", f"there are: {others}")
    if fits[0].filesystem != volumes.FAT:
        raise RackstrapError(f"{fits[0].title} has no FAT", "use a volume with FAT, or name a path")
    return volumes.BY_ID / fits[0].id, name


def find_volume_room(device: Path) -> int:
    """Bytes that are free on a FAT volume, as mdir tells in its last line."""
    found = _FREE.search(volumes.run_tool("mdir", "-i", str(device), "::/"))
    return int(found[1].replace(b" ", b"")) if found else 0


def copy_onto(device: Path, copy: Path, name: str) -> None:
    """Put a file onto a FAT volume: under another name, read back and compared, then renamed."""
    fresh = f"{name[:58]}.part"
    with volumes.writable(device):
        volumes.run_tool("mcopy", "-o", "-i", str(device), str(copy), f"::/{fresh}", within_s=COPY_WITHIN_S)
        with tempfile.TemporaryDirectory(prefix="rackstrap-keep-") as folder:
            again = Path(folder) / "again"
            volumes.run_tool("mcopy", "-n", "-i", str(device), f"::/{fresh}", str(again), within_s=COPY_WITHIN_S)
            is_same = again.stat().st_size == copy.stat().st_size and not _differ(copy, again)
        if not is_same:
            raise RackstrapError(f"{name} reads back otherwise than it was written", "use another volume")
        with contextlib.suppress(RackstrapError):  # there was none
            volumes.run_tool("mdel", "-i", str(device), f"::/{name}")
        volumes.run_tool("mren", "-i", str(device), f"::/{fresh}", f"::/{name}")


def _differ(one: Path, other: Path) -> bool:
    with one.open("rb") as left, other.open("rb") as right:
        while chunk := left.read(2**20):
            if chunk != right.read(2**20):
                return True
    return False


@contextmanager
def _open_path(path: Path, avoid: Path | None) -> Iterator[IO[bytes]]:
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise RackstrapError(f"{path} is there, and is no plain file", "name another file")
    if not path.parent.is_dir():
        raise RackstrapError(f"there is no folder {path.parent}", "make it, or name another place")
    if avoid is not None and path.parent.resolve().is_relative_to(avoid.resolve()):
        raise RackstrapError(f"{path} lies in the folder that is kept", "name a place outside of it")
    fresh = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise RackstrapError(f"cannot write {path}: {error.strerror}", "name another place") from error
    finally:
        fresh.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
