"""Write a site file and boot settings into a built ISO, in place in a copy that takes the result's name at the very end."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from installer.medium.area import make_site_area
from installer.medium.contents import Contents, load_contents
from installer.medium.index import load_index
from installer.medium.words import BootConfig, make_boot_config, merge_words
from installer.model.problems import RackstrapError

_CHUNK: Final = 1 << 24
_SPARE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Wish:
    """What to change; what is left empty stays as it is in the ISO, or as it was built where `is_reset`."""

    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    words: tuple[str, ...] = ()
    is_unattended: bool = False
    is_reset: bool = False


def make_contents(old: Contents, wish: Wish) -> Contents:
    """What the ISO will hold. An unattended start without a site file inside finds one on a labelled volume, or by DHCP."""
    files = wish.files or ({} if wish.is_reset else old.files)
    before = BootConfig() if wish.is_reset else old.config
    config = BootConfig(merge_words(before.words, wish.words), wish.is_unattended or before.is_unattended)
    return Contents(old.id, config, old.site_extent, old.config_extent, files)


def run_customize(iso: Path, out: Path, wish: Wish) -> Contents:
    """Leave the customised ISO at `out`, which may be `iso` itself; gives what it holds.

    Everything is checked before the first byte is written, and read back before the result takes its name: a run that fails
    or is killed leaves `out` as it was. Mode 0600 where a site file is inside, since it may hold passwords.
    """
    before = iso.stat()
    if not stat.S_ISREG(before.st_mode):
        raise RackstrapError(f"{iso} is not a plain file", "customise the ISO file first, then write it to the stick")
    index = load_index(iso)
    old = load_contents(index)
    new = make_contents(old, wish)
    area, config = make_site_area(new.files), make_boot_config(new.config)
    _check_room(out, index.size)
    with _open_partial(out) as (partial, handle):
        _copy(iso, handle)
        if load_contents(load_index(partial)) != old or os.fstat(handle).st_size != index.size:
            raise RackstrapError(f"{iso} changed while it was copied", "run this again when nothing else writes it")
        _write_at(handle, new.site_extent.begin, area)
        _write_at(handle, new.config_extent.begin, config)
        os.fsync(handle)
        if load_contents(load_index(partial)) != new:
            raise RackstrapError(f"what was written beside {out} does not read back", "check that disk, and run this again")
        with suppress(PermissionError):
            os.fchown(handle, before.st_uid, before.st_gid)
        os.fchmod(handle, 0o600 if new.files else stat.S_IMODE(before.st_mode) & 0o666)
        partial.replace(out)
    _sync_folder(out.parent)
    _renew_sum(out)
    return new


def _renew_sum(out: Path) -> None:
    """The build leaves FILE.sha256 beside its ISO; where one lies beside this, it is of what stood here before."""
    note = out.with_name(f"{out.name}.sha256")
    if note.is_file():
        with out.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        fresh = note.with_name(f".{note.name}.rackstrap")
        fresh.write_text(f"{digest}  {out.name}\n", encoding="utf-8")
        fresh.replace(note)


def _check_room(out: Path, size: int) -> None:
    try:
        free = shutil.disk_usage(out.parent).free
    except OSError as error:
        raise RackstrapError(f"cannot write to {out.parent}: {error.strerror}", "name a folder that exists") from None
    if free < size + _SPARE_BYTES:
        hint = "make room there, or name another place with --out"
        raise RackstrapError(f"{out.parent} has {free // 2**20} MB free; {size // 2**20 + 1} MB are needed", hint)


@contextmanager
def _open_partial(out: Path) -> Iterator[tuple[Path, int]]:
    """An empty file beside `out`, readable by its owner alone and locked; gone at the end unless it was renamed."""
    partial = out.with_name(f".{out.name}.rackstrap")
    try:
        handle = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise RackstrapError(f"cannot write to {out.parent}: {error.strerror}", "name another place with --out") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.path.samestat(os.fstat(handle), partial.stat())
        except (BlockingIOError, FileNotFoundError):
            is_ours = False
        if not is_ours:
            raise RackstrapError(f"{out} is being written by another run", "wait until that has ended")
        os.fchmod(handle, 0o600)
        os.truncate(handle, 0)
        try:
            yield partial, handle
        finally:
            # After the rename this name is free, or another run's.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), partial.stat()):
                    partial.unlink()
    finally:
        os.close(handle)


def _copy(source: Path, handle: int) -> None:
    """The whole file; shared blocks where the filesystem can do that."""
    with source.open("rb") as file:
        with suppress(OSError):
            while os.copy_file_range(file.fileno(), handle, _CHUNK):
                pass
            return
        # Not on this kernel or between these filesystems: by hand, from where it stopped.
        file.seek(os.lseek(handle, 0, os.SEEK_CUR))
        try:
            while chunk := file.read(_CHUNK):
                _write_at(handle, os.lseek(handle, 0, os.SEEK_END), chunk)
        except OSError as error:
            raise _explain_full(error) from None


def _write_at(handle: int, at: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(handle, view, at)
        view, at = view[written:], at + written


def _explain_full(error: OSError) -> Exception:
    if error.errno != errno.ENOSPC:
        return error
    return RackstrapError("the disk became full while the ISO was copied", "make room there, or name another place with --out")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
