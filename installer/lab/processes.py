"""Processes by pid and start time, so that a pid which the kernel gave to another is never mistaken.

Standard library only: the BMCs' control program starts with it many times.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """One process. `started` is in clock ticks since boot (proc(5), /proc/PID/stat, field 22)."""

    pid: int
    started: int
    what: str = ""


def find_process(pid: int, what: str = "") -> Process | None:
    """The process that has this pid now; None when there is none, or only its zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return None
    return None if fields[0] in {"Z", "X"} else Process(pid, int(fields[19]), what)


def run_detached(argv: Sequence[str], log: Path, what: str) -> Process | None:
    """Start a program in a session of its own, without input, its output added to the log. None when it ended at once.

    Raises OSError when it cannot be started.
    """
    to_log = (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), to_log, (os.POSIX_SPAWN_DUP2, 1, 2)]
    return find_process(os.posix_spawnp(argv[0], list(argv), os.environ, file_actions=actions, setsid=True), what)


def is_running(process: Process) -> bool:
    now = find_process(process.pid)
    return now is not None and now.started == process.started


def run_stop(process: Process, grace_s: float = 3.0) -> None:
    """End it: SIGTERM, and SIGKILL when it has not gone after `grace_s` (0: SIGKILL at once). Returns when it is gone."""
    for signal_number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 10.0)):
        until = time.monotonic() + wait_s
        while time.monotonic() < until and is_running(process):
            try:
                os.kill(process.pid, signal_number)
            except ProcessLookupError:
                return
            wait_gone(process, min(0.5, wait_s))


def wait_gone(process: Process, wait_s: float) -> None:
    until = time.monotonic() + wait_s
    while is_running(process) and time.monotonic() < until:
        time.sleep(0.02)


def save_processes(path: Path, processes: Sequence[Process]) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(json.dumps([list(process) for process in processes]) + "\n")
    fresh.replace(path)


def load_processes(path: Path) -> list[Process]:
    """What was recorded, whether it still runs or not; nothing when the record is missing or half-written."""
    try:
        return [Process(int(pid), int(started), str(what)) for pid, started, what in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError):
        return []
