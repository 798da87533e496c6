"""A terminal with a person before it: a program on a real pty, its screen as a console would show it, keys typed into it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final

import pexpect
import pyte

KEYS: Final = {
    "enter": "\r",
    "esc": "\x1b",
    "tab": "\t",
    "space": " ",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[1~",
    "end": "\x1b[4~",
    "pgup": "\x1b[5~",
    "pgdn": "\x1b[6~",
    "backspace": "\x7f",
}


class Terminal:
    """`written` holds every byte that the program wrote to its line, `text()` what stands on the screen now."""

    def __init__(
        self, argv: Sequence[str], *, term: str = "vt220", rows: int = 24, columns: int = 80, env: Mapping[str, str] | None = None
    ) -> None:
        environment = {**os.environ, "TERM": term, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **(env or {})}
        for name in ("TMUX", "COLUMNS", "LINES"):  # the pty's size is the terminal's
            environment.pop(name, None)
        size = (rows, columns)
        self.child: Final[Any] = pexpect.spawn(
            argv[0], list(argv[1:]), env=environment, dimensions=size, timeout=None, maxread=65536
        )
        self.screen: Final = pyte.Screen(columns, rows)
        self._stream: Final = pyte.ByteStream(self.screen)
        self.written = bytearray()

    def read(self, for_s: float = 0.1) -> int:
        """Take in what comes within this time; how many bytes it was."""
        before = len(self.written)
        ends_at = time.monotonic() + for_s
        while (left := ends_at - time.monotonic()) > 0:
            try:
                chunk = self.child.read_nonblocking(65536, timeout=left)
            except pexpect.TIMEOUT:
                break
            except pexpect.EOF:
                time.sleep(min(left, 0.05))
                break
            self.written += chunk
            self._stream.feed(chunk)
        return len(self.written) - before

    def settle(self, quiet_s: float = 0.4, deadline_s: float = 20) -> str:
        """Read until nothing has come for a while; the screen's text."""
        ends_at = time.monotonic() + deadline_s
        while self.read(quiet_s) and time.monotonic() < ends_at:
            pass
        return self.text()

    def press(self, *keys: str) -> None:
        """Type keys by name (KEYS), or text as it is."""
        for key in keys:
            self.child.send(KEYS.get(key, key))

    def text(self) -> str:
        """The screen's lines without what is blank on their right."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait(self, what: str, condition: Callable[[str], object], deadline_s: float = 20) -> str:
        """Read until the screen's text meets a condition. Fails with the screen as it then stands."""
        ends_at = time.monotonic() + deadline_s
        while not condition(self.text()):
            assert time.monotonic() < ends_at, f"{what}: not within {deadline_s:g} s; the screen shows\n{self.text()}"
            self.read(0.1)
        return self.text()

    def wait_for(self, pattern: str, deadline_s: float = 20) -> str:
        """Read until a regular expression is found on the screen."""
        return self.wait(pattern, lambda text: re.search(pattern, text), deadline_s)

    def resize(self, rows: int, columns: int) -> None:
        self.child.setwinsize(rows, columns)
        if rows and columns:
            self.screen.resize(rows, columns)

    def hang_up(self) -> None:
        """The line drops: the program gets SIGHUP, nobody reads on."""
        self.child.close(force=True)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.hang_up()
