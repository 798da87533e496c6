"""The change that waits to be confirmed, as one small file that survives whoever made it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from installer.model.problems import RackstrapError


@dataclass(frozen=True, slots=True)
class Pending:
    """`due`: CLOCK_BOOTTIME seconds at which it goes back, in the boot `boot_id`; a clock that is set changes nothing.

    `before`: the files that it goes back to, name → text. `what`: the address and the link, in words.
    """

    boot_id: str
    due: float
    what: str
    before: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NetworkRecord:
    """`last_revert`: a sentence; `reverted_at`: seconds since 1970."""

    pending: Pending | None = None
    last_revert: str = ""
    reverted_at: float = 0.0


@contextlib.contextmanager
def hold_record(state_dir: Path) -> Iterator[None]:
    """One change at a time: set, confirm and going back exclude one another. Raises RackstrapError for a folder not ours."""
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(state_dir / "network.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RackstrapError(f"cannot use {state_dir}: {error.strerror}", "run as root, or choose --state DIR") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def load_record(state_dir: Path) -> NetworkRecord:
    """An empty record where there is none, or none that can be read."""
    try:
        raw = json.loads((state_dir / "network.json").read_text(encoding="utf-8"))
        pending = Pending(**raw["pending"]) if raw["pending"] else None
        return NetworkRecord(pending, str(raw["last_revert"]), float(raw["reverted_at"]))
    except (OSError, ValueError, TypeError, KeyError):
        return NetworkRecord()


def save_record(state_dir: Path, record: NetworkRecord) -> None:
    """On the disk before anything is changed."""
    path = state_dir / "network.json"
    fresh = path.with_name(".network.json.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(asdict(record), file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def find_boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def find_uptime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
