"""What a start that nobody watches says on the consoles and in the notice."""

from __future__ import annotations

import io
import os
import subprocess
import threading
import time
import tty
from pathlib import Path

from installer.live.telling import Telling, find_consoles, find_session_ttys, make_lines, write_console
from tests.headless_start import wait


def test_every_console_hears_it_and_one_that_is_held_up_holds_nobody_up(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    stuck, end = os.openpty()
    try:
        for handle in (theirs, end):
            os.set_blocking(handle, False)
        consoles = [Path(os.ttyname(theirs)), tmp_path / "gone", Path(os.ttyname(end))]
        out = io.StringIO()
        telling = Telling(lambda: consoles, tmp_path / "notice", out)
        telling.head("It waits.")
        began = time.monotonic()
        assert not write_console(Path(os.ttyname(end)), b"x" * 200_000)
        telling.tell("one\x1b[2J\r\nline " + "x " * 60)
        assert time.monotonic() - began < 2
        os.set_blocking(ours, False)
        heard = os.read(ours, 4096).decode()
    finally:
        for handle in (ours, theirs, stuck, end):
            os.close(handle)
    assert "It waits." in heard
    assert "\x1b" not in heard
    lines = (tmp_path / "notice").read_text().splitlines()
    assert lines[0] == "It waits."
    assert max(map(len, lines)) <= 76
    assert out.getvalue().splitlines() == lines


def test_a_long_list_of_problems_reaches_a_slow_console_whole() -> None:
    ours, theirs = os.openpty()
    content = b"".join(b"site.yaml:%d:1: wrong\r\n" % number for number in range(4000))
    heard = bytearray()

    def listen() -> None:
        while len(heard) < len(content):
            heard.extend(os.read(ours, 1024))

    thread = threading.Thread(target=listen)
    try:
        tty.setraw(theirs)
        thread.start()
        assert write_console(Path(os.ttyname(theirs)), content)
        thread.join(10)
    finally:
        os.close(ours)
        os.close(theirs)
    assert bytes(heard) == content


def test_the_notice_keeps_its_headline_and_fits_below_a_banner(tmp_path: Path) -> None:
    telling = Telling(tuple, tmp_path / "notice", io.StringIO())
    telling.head("The work has begun.")
    for number in range(40):
        telling.tell(f"line {number}")
    assert (tmp_path / "notice").read_text().splitlines() == [
        "The work has begun.",
        *(f"line {number}" for number in range(30, 40)),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["notice"]


def test_lines_are_broken_where_they_can_be_and_paths_stay_whole() -> None:
    path = "http://192.168.99.1:8000/sites/" + "a-b" * 12 + ".yaml"
    assert make_lines(f"No site file, for a server said so at length: {path}") == [
        "No site file, for a server said so at length:",
        f"  {path}",
    ]


def test_consoles_are_those_that_show_the_banner(tmp_path: Path) -> None:
    active = tmp_path / "active"
    assert find_consoles(tmp_path, active) == ()
    active.write_text("tty0 ttyS0\n")
    assert find_consoles(tmp_path, active) == (Path("/dev/tty1"), Path("/dev/ttyS0"))
    for name in ("ttyS1", "tty1", "hvc0"):
        (tmp_path / f"rackstrap-console@{name}.service").symlink_to("/dev/null")
    assert find_consoles(tmp_path, active) == (Path("/dev/hvc0"), Path("/dev/tty1"), Path("/dev/ttyS1"))


def test_a_console_on_which_somebody_sits_is_known(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    tmux = ["tmux", "-S", str(tmp_path / "tui-1"), "-f", "/dev/null"]
    environment = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    environment.pop("TMUX", None)
    try:
        with subprocess.Popen(
            [*tmux, "new-session", "cat"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        ) as client:
            wait(lambda: find_session_ttys(tmp_path) == {os.ttyname(theirs)})
            subprocess.run([*tmux, "kill-server"], check=True)
            client.wait(10)
        assert find_session_ttys(tmp_path) == frozenset()
    finally:
        os.close(ours)
        os.close(theirs)
