"""The line that an operator of plain mode sits at: whole lines in and out, a terminal, a serial line or a pipe alike."""

from __future__ import annotations

import os
import select
import signal
import termios
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Final, Self

LONGEST: Final = 65536  # bytes of one line that are taken; a longer one is read to its end and refused
_CHUNK: Final = 256  # bytes written at once: a line that stands still (XOFF) never blocks us for good


class HungUpError(Exception):
    """Nobody is there any more: end of file, a dead line, or a signal to end."""


class BreakError(Exception):
    """Ctrl-C: back to the prompt."""


class TooLongError(Exception):
    """A line that nobody typed by hand."""


class Line:
    """Reads and writes lines. Used as a context manager, from the main thread: it takes SIGINT, SIGHUP and SIGTERM meanwhile."""

    def __init__(self, source: int = 0, target: int = 1) -> None:
        self._source: Final = source
        self._target: Final = target
        self._is_tty: Final = os.isatty(source)
        self._pending = b""
        self._has_ended = False
        self._interrupted = False
        self._before: dict[int, Any] = {}
        self._modes: list[Any] = []

    def __enter__(self) -> Self:
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)
        self._old_wakeup = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        if self._is_tty:
            self._modes = termios.tcgetattr(self._source)
            self._set_modes(is_echoing=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._modes:
            self._try_modes(self._modes)
        signal.set_wakeup_fd(self._old_wakeup)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT:
            self._interrupted = True
        else:
            self._has_ended = True

    def write(self, lines: Iterable[str]) -> None:
        """Write these lines. Raises HungUpError when nobody can read them."""
        self._put("".join(f"{line}\n" for line in lines))

    def read(self, prompt: str, idle: Callable[[], Sequence[str]] | None = None, every_s: float = 1.0) -> str:
        """The next line that is typed. Meanwhile `idle` is called every so often, and what it returns is written.

        Raises HungUpError, BreakError, TooLongError.
        """
        self._put(prompt)
        next_idle = time.monotonic() + every_s
        while (line := self._take_line()) is None:
            wait = max(0.0, next_idle - time.monotonic()) if idle else None
            ready, _, _ = select.select([self._source, self._wake_read], [], [], wait)
            self._heed_signals()
            if self._source in ready:
                self._receive()
            elif idle and time.monotonic() >= next_idle:
                if news := idle():
                    self._put("\n" + "".join(f"{text}\n" for text in news) + prompt)
                next_idle = time.monotonic() + every_s
        return self._decode(line)

    def read_secret(self, prompt: str) -> str:
        """As `read`, without showing what is typed."""
        with self._hushed():
            line = self.read(prompt)
        self._put("\n")
        return line

    def check(self) -> None:
        """Raises HungUpError when a signal said that nobody waits any more."""
        if self._has_ended:
            raise HungUpError

    def echo(self, typed: str) -> None:
        """Write what came from a pipe, where no terminal has shown it."""
        if not self._is_tty:
            self._put(f"{typed}\n")

    @contextmanager
    def _hushed(self) -> Iterator[None]:
        if not self._is_tty:
            yield
            return
        self._set_modes(is_echoing=False)
        try:
            yield
        finally:
            self._set_modes(is_echoing=True)

    def _set_modes(self, *, is_echoing: bool) -> None:
        """Whole lines, as every login has them, whatever the program before us left."""
        modes = list(self._modes)
        modes[0] |= termios.ICRNL
        modes[1] |= termios.OPOST | termios.ONLCR
        modes[3] |= termios.ICANON | termios.ISIG | termios.ECHOE | termios.ECHOK
        modes[3] = modes[3] | termios.ECHO if is_echoing else modes[3] & ~(termios.ECHO | termios.ECHONL)
        self._try_modes(modes)

    def _try_modes(self, modes: list[Any]) -> None:
        try:
            termios.tcsetattr(self._source, termios.TCSADRAIN, modes)
        except termios.error:
            self._has_ended = True

    def _take_line(self) -> bytes | None:
        end = self._pending.find(b"\n")
        if end < 0:
            return None
        line, self._pending = self._pending[:end], self._pending[end + 1 :]
        return line

    def _receive(self) -> None:
        try:
            data = os.read(self._source, 4096)
        except OSError:
            data = b""
        if not data:
            raise HungUpError
        self._pending += data
        if len(self._pending) > LONGEST and b"\n" not in self._pending:
            self._pending = self._pending[: LONGEST + 1]

    def _decode(self, line: bytes) -> str:
        if len(line) > LONGEST:
            raise TooLongError
        return line.removesuffix(b"\r").decode("utf-8", "replace")

    def _heed_signals(self) -> None:
        try:
            while os.read(self._wake_read, 64):
                pass
        except BlockingIOError:
            pass
        self.check()
        if self._interrupted:
            self._interrupted = False
            self._pending = b""
            self._put("\n")
            raise BreakError

    def _put(self, text: str) -> None:
        data = text.encode("ascii", "replace")
        while data:
            self.check()
            _, ready, _ = select.select([], [self._target], [], 1.0)
            if not ready:
                continue
            try:
                data = data[os.write(self._target, data[:_CHUNK]) :]
            except OSError as error:
                raise HungUpError from error
