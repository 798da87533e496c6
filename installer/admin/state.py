"""The state folder, copied: into a tar for an ESP, or onto the new root. The store is copied whole, whoever writes to it."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, Final, Self

from installer.engine.folders import swap_folder
from installer.keep.gather import STORE, copy_store
from installer.model.problems import RackstrapError

# Of this boot and these processes only: locks, sockets, logs.
LEFT_OUT: Final = frozenset({
    "apply.lock", "serve.lock", "install.lock", "network.lock", "network.json", "network.log", "log",
    STORE, f"{STORE}-wal", f"{STORE}-shm", f"{STORE}-journal",
})  # fmt: skip
# Of these folders only this: who has which address, the site file that was started last, and what the services are told. The
# store has the steps that wrote the last as done: nothing would write them anew, and nothing would serve without them.
KEPT_OF: Final = {
    Path("run"): frozenset({"leases", "wanted", "dnsmasq.conf", "nginx.conf", "hosts"}),
    Path("tftp"): frozenset({"grub"}),  # the loaders come from the image
    Path("tftp/grub"): frozenset({"grub.cfg"}),
}
MOST_BYTES: Final = 192 * 2**20  # what an ESP of 256 MiB holds beside its loaders
MOST_MEMBERS: Final = 20_000


def find_paths(state: Path) -> Iterator[str]:
    """The folders and plain files of a state folder that go with it, relative and in order; links and sockets do not."""
    for folder, folders, names in os.walk(state):
        here = Path(folder).relative_to(state)
        folders[:] = sorted(name for name in folders if _is_kept(here, name) and not (state / here / name).is_symlink())
        yield from (str(here / name) for name in folders)
        yield from (str(here / name) for name in sorted(names) if _is_kept(here, name) and _is_plain(state / here / name))


def _is_kept(here: Path, name: str) -> bool:
    if here in KEPT_OF:
        return name in KEPT_OF[here]
    return not name.startswith(".") and (here != Path() or name not in LEFT_OUT)


def _is_plain(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def copy_state(state: Path, target: Path) -> None:
    """Make `target` hold this state, with its modes, in the place of what was there, and nothing of it elsewhere.

    A copy that is cut off leaves the old one. Raises RackstrapError, OSError.
    """
    fresh = target.with_name(f".{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700, parents=True)
    for name in find_paths(state):
        source = state / name
        if source.is_dir():
            (fresh / name).mkdir(mode=0o700)
            continue
        with suppress(FileNotFoundError):  # replaced or gone since it was listed
            shutil.copy2(source, fresh / name, follow_symlinks=False)
    for name in find_paths(fresh):
        (fresh / name).chmod(stat.S_IMODE((state / name).stat().st_mode) if (state / name).exists() else 0o600)
    if (state / STORE).exists():
        copy_store(state / STORE, fresh / STORE)
    swap_folder(fresh, target)


def make_tar(state: Path, target: Path) -> int:
    """Write the state to a tar (mode 0600); its size. Raises RackstrapError when an ESP cannot hold it."""
    with tempfile.TemporaryDirectory(prefix=".install-", dir=state) as folder:
        store = copy_store(state / STORE, Path(folder) / STORE) if (state / STORE).exists() else None
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file, tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for name in find_paths(state):
                with suppress(FileNotFoundError):
                    tar.add(state / name, arcname=name, recursive=False, filter=_make_anonymous)
            if store is not None:
                tar.add(store, arcname=STORE, filter=_make_anonymous)
    size = target.stat().st_size
    if size > MOST_BYTES:
        raise RackstrapError(f"the state is {size // 2**20} MiB, an ESP holds {MOST_BYTES // 2**20}", "remove what is not needed")
    return size


def _make_anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


class PlainInfo(tarfile.TarInfo):
    """A header of a plain file, a folder, or of a long name; links, devices and all else end the reading."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> Self:
        info = super().frombuf(buf, encoding or "utf-8", errors)
        if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.GNUTYPE_LONGNAME):
            raise tarfile.ReadError("it holds something that is no plain file")
        return info


def unpack_state(source: IO[bytes], target: Path) -> int:
    """Lay a tar of `make_tar` out as the folder `target`, which must be absent or empty; how many files. Raises RackstrapError.

    Everything in it is for root alone, whatever it says. It is whole, or it is not there.
    """
    fresh = target.with_name(f".{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700, parents=True)
    try:
        count = _unpack(source, fresh)
        if target.exists():
            target.rmdir()
        fresh.rename(target)
    except (tarfile.TarError, EOFError, ValueError, OSError) as error:
        raise RackstrapError(
            f"the state on the disk cannot be read: {error}", "what was answered has to be answered again"
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return count


def _unpack(source: IO[bytes], folder: Path) -> int:
    count = total = 0
    with tarfile.open(fileobj=source, mode="r|", tarinfo=PlainInfo) as tar:
        for info in tar:
            count, total = count + 1, total + info.size
            path = _admit(info.name)
            if count > MOST_MEMBERS or total > MOST_BYTES:
                raise tarfile.ReadError("it is larger than a state is")
            if info.isdir():
                (folder / path).mkdir(mode=0o700, parents=True, exist_ok=True)
                continue
            content = tar.extractfile(info)
            (folder / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(folder / path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                shutil.copyfileobj(content or source, file)
    if not count:
        raise tarfile.ReadError("it is empty")
    return count


def _admit(name: str) -> PurePosixPath:
    """A path inside the folder, spelled in one way. Raises ValueError."""
    path = PurePosixPath(name)
    is_plain = bool(name) and str(path) == name and not path.is_absolute() and ".." not in path.parts and name.isprintable()
    if not is_plain or len(name) > 1024 or any(part.startswith(".") for part in path.parts):
        raise ValueError(f"{name[:60]!r} is no plain name")
    return path
