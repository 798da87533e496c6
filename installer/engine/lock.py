"""Only one apply at a time over a state folder; who it is, and how it is ended. The lock goes with its process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

from installer.model.problems import RackstrapError

Mode = Literal["discover", "apply"]
FILE: Final = "apply.lock"
TAKE_WITHIN_S: Final = 0.5  # whoever only looks holds the lock for an instant
STOP_WITHIN_S: Final = 30.0
LOOK_EVERY_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that applies now. `since`: seconds since 1970. `has_begun`: it is past all that could be refused."""

    pid: int
    mode: Mode
    since: float
    has_begun: bool = False


@contextmanager
def hold_lock(state: Path, mode: Mode = "apply") -> Iterator[Callable[[], None]]:
    """Be the one that applies. Raises RackstrapError when another does; one that only discovers is ended for an apply.

    Gives what to call once the work has begun.
    """
    from installer.engine.schema import make_folder

    try:
        make_folder(state)
        if mode == "apply" and (holder := find_holder(state)) is not None and holder.mode == "discover":
            stop_holder(state)
        lock = os.open(state / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RackstrapError(f"cannot use {state}: {error.strerror}", "run as root, or choose --state DIR") from error
    try:
        _take(lock)
        os.ftruncate(lock, 0)
        size = os.pwrite(lock, f"{os.getpid()}\n{mode}\n{time.time():.3f}\n".encode(), 0)

        def tell_begun() -> None:
            os.pwrite(lock, b"begun\n", size)

        yield tell_begun
    finally:
        os.close(lock)


def _take(lock: int) -> None:
    ends_at = time.monotonic() + TAKE_WITHIN_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > ends_at:
                holder = _parse(os.pread(lock, 128, 0))
                what = "discovering for" if holder.mode == "discover" else "applying"
                hint = "follow it with `rackstrap status --follow`, or end it first"
                raise RackstrapError(f"process {holder.pid} is {what} a site already", hint) from None
        time.sleep(LOOK_EVERY_S)


def find_holder(state: Path) -> Holder | None:
    """Who applies over this state folder; None when nobody does. Costs some microseconds."""
    try:
        lock = os.open(state / FILE, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _parse(os.pread(lock, 128, 0))
    else:
        return None
    finally:
        os.close(lock)


def _parse(raw: bytes) -> Holder:
    """What stands in the lock; one that is just being taken says nothing yet."""
    pid, mode, since, begun, *_ = [*raw.decode(errors="replace").split("\n"), "", "", "", ""]
    try:
        return Holder(int(pid), cast("Mode", mode) if mode in {"discover", "apply"} else "apply", float(since), begun == "begun")
    except ValueError:
        return Holder(int(pid) if pid.isdigit() else 0, "apply", 0.0)


def stop_holder(state: Path) -> bool:
    """Ask the one that applies to end between two events, and wait for its end. False when nobody did. Raises RackstrapError."""
    first = find_holder(state)
    if first is None:
        return False
    ends_at = time.monotonic() + STOP_WITHIN_S
    asked = 0
    while (holder := find_holder(state)) is not None and holder.since == first.since:
        if holder.pid > 0 and holder.pid != asked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(holder.pid, signal.SIGTERM)
            asked = holder.pid
        if time.monotonic() > ends_at:
            raise RackstrapError(f"process {holder.pid} does not end", f"kill -9 {holder.pid}")
        time.sleep(LOOK_EVERY_S)
    return True
