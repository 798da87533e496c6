"""What a start that nobody watches says: plain lines on every console, in /run/rackstrap/notice, and on standard output.

A console on which somebody has joined the session is left alone: lines would tear its screen; the session shows the same facts.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import textwrap
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TextIO

WIDTH: Final = 76
NOTICE_LINES: Final = 11  # as many as fit below a console's banner on 24 lines
ACTIVE: Final = Path("/sys/class/tty/console/active")
NOTICE: Final = Path("/run/rackstrap/notice")
UNITS: Final = Path("/run/systemd/generator/multi-user.target.wants")  # of rackstrap-console-generator
UNIT: Final = "rackstrap-console@"
DEVICES: Final = Path("/dev")
SESSIONS: Final = "tui-*"
TMUX_WITHIN_S: Final = 2.0
STUCK_S: Final = 0.5  # the slowest line, 9600 baud, takes a character in a millisecond
LEFT_ALONE_S: Final = 30.0


class Telling:
    """Where it all goes. Nothing that a console or a full disk does stops the teller."""

    def __init__(self, consoles: Callable[[], Sequence[Path]], notice: Path | None, out: TextIO | None = None) -> None:
        """`notice`: None where no console shows one, as outside of the live system."""
        self._consoles: Final = consoles
        self._notice: Final = notice
        self._out: Final = out or sys.stdout
        self._kept: Final[deque[str]] = deque(maxlen=NOTICE_LINES)
        self._stuck: Final[dict[Path, float]] = {}  # console → when it is tried again
        self._headline = ""
        self._last = ""

    def head(self, text: str) -> None:
        """What is going on now, in a sentence; it stays on top of the notice."""
        self._headline = text
        self.tell(text)

    def tell(self, *texts: str) -> None:
        """Lines, of which one that was the last already is not said again."""
        lines = [line for text in texts for line in make_lines(text)]
        said = "\n".join(lines)
        if not lines or said == self._last:
            return
        self._last = said
        with contextlib.suppress(OSError, ValueError):
            print(said, file=self._out, flush=True)
        self._kept.extend(lines)
        self._write_notice()
        content = "".join(f"{line}\r\n" for line in lines).encode()
        for console in self._consoles():
            if self._stuck.get(console, 0.0) <= time.monotonic() and not write_console(console, content):
                self._stuck[console] = time.monotonic() + LEFT_ALONE_S

    def _write_notice(self) -> None:
        if self._notice is None:
            return
        head, kept = make_lines(self._headline), [*self._kept]
        if not set(head) <= set(kept):
            kept = [*head, *kept[-(NOTICE_LINES - len(head)) :]][:NOTICE_LINES]
        text = "".join(f"{line}\n" for line in kept)
        fresh = self._notice.with_name(f".{self._notice.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self._notice.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            fresh.write_text(text, encoding="utf-8")
            fresh.chmod(0o644)
            fresh.replace(self._notice)


def make_lines(text: str) -> list[str]:
    """The text without control characters, in lines of a console's width."""
    clean = ("".join(c if c.isprintable() else " " for c in line) for line in text.splitlines())
    return [part for line in clean for part in textwrap.wrap(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False)]


def write_console(console: Path, content: bytes) -> bool:
    """Write as fast as the console takes it; False where it takes nothing for a while: its other end may hold it up for ever."""
    try:
        handle = os.open(console, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        while content:
            if not select.select([], [handle], [], STUCK_S)[1]:
                return False
            content = content[os.write(handle, content) :]
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def find_free_consoles() -> tuple[Path, ...]:
    """The consoles of this machine, without those on which a session is shown."""
    taken = find_session_ttys(NOTICE.parent)
    return tuple(path for path in find_consoles() if str(path) not in taken)


def find_consoles(units: Path = UNITS, active: Path = ACTIVE, devices: Path = DEVICES) -> tuple[Path, ...]:
    """Those that show the banner, by what the console generator has enabled; else those of the kernel, and tty1."""
    names = sorted(unit.name.removeprefix(UNIT).removesuffix(".service") for unit in units.glob(f"{UNIT}*.service"))
    if not names:
        with contextlib.suppress(OSError, ValueError):
            names = ["tty1" if name == "tty0" else name for name in active.read_text(encoding="ascii").split()]
    return tuple(devices / name for name in dict.fromkeys(names))


def find_session_ttys(folder: Path) -> frozenset[str]:
    """The terminals that are joined to a session of ours now."""
    found: set[str] = set()
    for socket in folder.glob(SESSIONS):
        words = ["tmux", "-S", str(socket), "list-clients", "-F", "#{client_tty}"]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=TMUX_WITHIN_S)
            found.update(done.stdout.split())
    return frozenset(found)
