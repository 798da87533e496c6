"""`rackstrap restore`: a backup becomes the state folder, after all of it has been verified. What was there is kept aside."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from installer.keep.gather import BESIDE, STORE, load_ledger, make_secret_name
from installer.keep.manifest import Manifest
from installer.keep.place import sync_folder
from installer.keep.unpack import unpack_backup
from installer.model.problems import RackstrapError

KEPT: Final = ("network.json",)  # of this machine, whatever site it serves
SERVED: Final = ("run/dnsmasq.conf", "run/nginx.conf", "run/hosts", "tftp/grub/grub.cfg")
LOCKS: Final = ("apply.lock", "serve.lock", "install.lock")
VALUED: Final = ("site.yaml", "applied", "wanted", "draft.yaml", "tls", "secrets")  # what --force is asked for


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored. `aside`: where the state folder of before is now, None where there was none."""

    manifest: Manifest
    aside: Path | None


def run_restore(source: IO[bytes], passphrase: str, state: Path, *, is_forced: bool = False) -> Restored:
    """Put the backup in the place of the state folder. Raises RackstrapError with nothing changed."""
    state = state.absolute()
    check_free(state, is_forced=is_forced)
    staged = _make_staging(state)
    try:
        manifest = unpack_backup(source, passphrase, staged)
        fresh = staged / "state"
        fresh.mkdir(mode=0o700, exist_ok=True)
        if (staged / "host").exists():
            (staged / "host").rename(fresh / "host")
        move_paths(fresh, manifest, state)
        with hold_idle(state, may_make=True):
            check_valued(state, is_forced=is_forced)
            aside = swap(fresh, state)
    except OSError as error:
        raise RackstrapError(f"cannot restore into {state}: {error.strerror}", "nothing was changed; run as root") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return Restored(manifest, aside)


def check_free(state: Path, *, is_forced: bool) -> None:
    """Raise RackstrapError where someone uses the folder, or something is in it that --force would move aside."""
    from installer.engine.lock import find_holder
    from installer.serve.verbs import find_serving

    if (holder := find_holder(state)) is not None:
        hint = "rackstrap apply --stop, then restore again"
        raise RackstrapError(f"process {holder.pid} applies a site in {state}", hint)
    if pid := find_serving(state):
        raise RackstrapError(f"process {pid} serves the nodes from {state}", "rackstrap serve --stop, then restore again")
    if state.exists() and not state.is_dir():
        raise RackstrapError(f"{state} is no folder", "name another one with --state")
    with hold_idle(state, may_make=False):
        check_valued(state, is_forced=is_forced)


def check_valued(state: Path, *, is_forced: bool) -> None:
    """Raise RackstrapError where --force would move something aside that somebody may miss."""
    if not is_forced and (found := find_valued(state)):
        raise RackstrapError(
            f"{state} holds {found} already", "--force moves it aside and restores; or name another folder with --state"
        )


def find_valued(state: Path) -> str:
    """What in this folder somebody may miss, in words; "" for nothing."""
    names = [name for name in VALUED if (state / name).exists()]
    if names:
        return "a site" if "site.yaml" in names else names[0]
    if not (state / STORE).exists():
        return ""
    try:
        ledger = load_ledger(state / STORE)
    except RackstrapError:
        return "a store that cannot be read"
    return "discovered machines" if ledger.machines or ledger.bmcs else ""


def _make_staging(state: Path) -> Path:
    """A folder beside the state folder, on the same filesystem, that only its owner may enter."""
    try:
        state.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{state.name}-restore-", dir=state.parent))
    except OSError as error:
        raise RackstrapError(
            f"cannot write into {state.parent}: {error.strerror}", "run as root, or name another --state"
        ) from error


def move_paths(fresh: Path, manifest: Manifest, state: Path) -> None:
    """Make what is laid out in `fresh` right for the folder `state`, where it will be, whatever folder it was made of."""
    if (fresh / BESIDE).exists():
        (fresh / "applied/beside").write_text(f"{state / BESIDE}\n", encoding="utf-8")
    if manifest.state != str(state):
        for path in (fresh / name for name in SERVED):
            if path.exists():
                path.write_text(path.read_text(encoding="utf-8").replace(f"{manifest.state}/", f"{state}/"), encoding="utf-8")
    if (fresh / STORE).exists():
        _tell_store(fresh, manifest, state)


def _tell_store(fresh: Path, manifest: Manifest, state: Path) -> None:
    """Journal that this is a restored store, which withdraws what was allowed in it, and where each BMC's password is now."""
    from dataclasses import asdict

    from installer.engine.journal import Journal
    from installer.model.events import Event, Happened

    with Journal(fresh / STORE) as journal:
        told = {"made_at": manifest.made_at, "release": manifest.release}
        moved = [Event(Happened.STATE_RESTORED, "admin", told)]
        for address, entry in sorted(journal.ledger.bmcs.items()):
            path = Path(entry.secret)
            name = str(path.relative_to(manifest.state)) if path.is_relative_to(manifest.state) else make_secret_name(address)
            place = str(state / name)
            if entry.secret and place != entry.secret and (fresh / name).is_file():
                row = {key: value for key, value in asdict(entry).items() if key in ("address", "serial", "user", "uefi")}
                moved.append(Event(Happened.BMC_IMPORTED, f"bmc {address}", {**row, "secret": place}))
        journal.append(*moved, durable=True)


@contextmanager
def hold_idle(state: Path, *, may_make: bool) -> Iterator[None]:
    """Keep serve, apply and install from starting in this folder meanwhile. Raises RackstrapError where one runs.

    `may_make`: also by locks that are not there yet.
    """
    with ExitStack() as held:
        names = [name for name in LOCKS if may_make or (state / name).exists()] if state.is_dir() else []
        for name in names:
            lock = os.open(state / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            held.callback(os.close, lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RackstrapError(
                    f"{state} is in use", "end what installs, serves or applies there, then restore again"
                ) from None
        yield


def swap(fresh: Path, state: Path) -> Path | None:
    """Move the state folder aside, and the fresh one into its place. Gives where the old one is now."""
    aside = None
    if state.is_dir():
        for name in KEPT:
            if (state / name).is_file():
                shutil.copyfile(state / name, fresh / name)
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        aside = state.with_name(f"{state.name}-before-{stamp}")
        state.rename(aside)
    os.sync()
    try:
        fresh.rename(state)
    except OSError:
        if aside is not None:
            aside.rename(state)
        raise
    sync_folder(state.parent)
    return aside
