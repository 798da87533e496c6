"""A machine's serial console: attached to the terminal, or its log."""

from __future__ import annotations

import os
import select
import socket
import sys
import termios
import time
import tty
from pathlib import Path

from installer.lab.chassis import find_machine

LEAVE = b"\x1d"  # Ctrl-]


def run_console(folder: Path, log: Path, at: str = "console") -> int:
    """Attach to ttyS0, or the console of this name, until Ctrl-], or follow the log: it is off, or somebody is attached."""
    plug = _connect(folder / f"{at}.sock") if find_machine(folder) else None
    if plug is None or not sys.stdin.isatty():
        print("the machine is off or cannot be attached to: its log follows; Ctrl-C leaves", file=sys.stderr)  # noqa: T201
        return run_follow(log)
    print("attached; Ctrl-] leaves", file=sys.stderr)  # noqa: T201
    keys = sys.stdin.fileno()
    before = termios.tcgetattr(keys)
    try:
        tty.setraw(keys)
        with plug:
            _run_copy(plug, keys)
    finally:
        termios.tcsetattr(keys, termios.TCSADRAIN, before)
        print(file=sys.stderr)  # noqa: T201
    return 0


def _connect(path: Path) -> socket.socket | None:
    plug = socket.socket(socket.AF_UNIX)
    plug.settimeout(2)
    try:
        plug.connect(str(path))
    except OSError:
        plug.close()
        return None
    plug.settimeout(None)
    return plug


def _run_copy(plug: socket.socket, keys: int) -> None:
    while True:
        ready, _, _ = select.select([plug.fileno(), keys], [], [])
        if plug.fileno() in ready:
            said = plug.recv(65536)
            if not said:
                return
            os.write(sys.stdout.fileno(), said)
        if keys in ready:
            typed = os.read(keys, 1024)
            plug.sendall(typed.split(LEAVE)[0])
            if not typed or LEAVE in typed:
                return


def run_follow(log: Path) -> int:
    """Write the log to standard output, and what is added to it, until interrupted."""
    with log.open("rb") as file:
        while True:
            said = file.read(65536)
            if said:
                os.write(sys.stdout.fileno(), said)
            else:
                time.sleep(0.2)
