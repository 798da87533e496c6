"""One session for every console, with the real tmux: lines that drop, windows that follow, a screen that is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from installer.model.problems import RackstrapError
from screens.attach import find_charset, find_socket, remove_dead_sockets, run_attach
from tests.terminal import Terminal

ROOT: Final = Path(__file__).parent.parent
# The verb's way into the session, with the TUI on a desk that serves one moment from memory.
JOIN: Final = """
import sys
from pathlib import Path
import screens.attach as attach
raise SystemExit(attach.run_attach(Path(sys.argv[1]), ["tui", "--state", sys.argv[1], "--machine", sys.argv[2]]))
"""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state"
    folder.mkdir()
    yield folder
    address = find_socket(folder)
    subprocess.run(["tmux", "-S", str(address), "kill-server"], check=False, capture_output=True)
    address.unlink(missing_ok=True)


def join(state: Path, **terminal: int) -> Terminal:
    env = {"PYTHONPATH": str(ROOT), "HOME": str(state)}
    return Terminal([sys.executable, "-c", JOIN, str(state), str(ROOT / "tests/machines/usb.json")], env=env, **terminal)  # type: ignore[arg-type]


def find_screen(state: Path) -> int:
    """The process id of the TUI in the session."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(str(state)) in words and b"installer.cli" in words and b"python" in words[0]:
            return int(folder.name)
    raise AssertionError("the TUI does not run")


def test_a_dropped_line_loses_nothing_and_a_killed_screen_comes_back(state: Path) -> None:
    with join(state) as first:
        first.wait_for(r"Welcome 1/9")
        first.press("n")
        first.wait_for(r"Network 2/9")
        with join(state, rows=30, columns=100) as second:
            second.wait_for(r"Network 2/9")
            first.hang_up()
            second.press("n")
            text = second.wait_for(r"Disks 3/9")
            assert max(map(len, text.splitlines())) == 100, "the window follows the console used last"
            killed = find_screen(state)
            os.kill(killed, signal.SIGKILL)
            second.wait_for(r"signal 9")
            second.wait_for(r"Disks 3/9")
            assert find_screen(state) != killed
            second.press("\x02", "d")
            second.wait_for("The session goes on")
            ends_at = time.monotonic() + 5
            while second.child.isalive() and time.monotonic() < ends_at:
                second.read(0.05)
            assert second.child.exitstatus == 0


def test_to_quit_ends_the_session_and_says_nothing_of_failure(state: Path) -> None:
    with join(state) as terminal:
        terminal.wait_for(r"Welcome 1/9")
        terminal.press("Q")
        terminal.wait_for("Leave")
        terminal.press("enter")
        ends_at = time.monotonic() + 10
        while terminal.child.isalive() and time.monotonic() < ends_at:
            terminal.read(0.05)
        assert terminal.child.exitstatus == 0
        assert b"The session goes on" not in terminal.written


def test_a_terminal_that_can_only_print_is_told_of_plain_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with pytest.raises(RackstrapError) as refused:
        run_attach(tmp_path, [])
    assert refused.value.hint == "rackstrap tui --plain reads and writes lines"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, ["-u"]),
        ({"LANG": "C"}, ["-u"]),
        ({"LANG": "de_DE.UTF-8"}, ["-u"]),
        ({"LANG": "de_DE.ISO-8859-1"}, []),
        ({"LC_ALL": "en_GB.utf8", "LANG": "de_DE.ISO-8859-1"}, ["-u"]),
    ],
)
def test_a_line_without_a_locale_is_taken_for_utf_8(environment: dict[str, str], words: list[str]) -> None:
    assert find_charset(environment) == words


def test_sockets_of_killed_sessions_are_removed_and_others_left(tmp_path: Path) -> None:
    living, dead, other = tmp_path / "tui-1", tmp_path / "tui-2", tmp_path / "note"
    other.write_text("")
    with socket.socket(socket.AF_UNIX) as left, socket.socket(socket.AF_UNIX) as listener:
        left.bind(str(dead))
        listener.bind(str(living))
        listener.listen()
        remove_dead_sockets(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {"tui-1", "note"}
