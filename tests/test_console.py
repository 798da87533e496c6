"""What an admin node's consoles show: the banner on a real pty, the session in a real tmux."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from screens.attach import find_socket
from tests.iso_overlay import LIBEXEC, ROOT
from tests.terminal import Terminal

START: Final = 'exec "$0" "$(tty | cut -c6-)"'
SCREEN: Final = """#!/bin/sh
printf '\\033[?1049hthe screen of all\\n'
[ ! -p "$RACKSTRAP_SHOWN" ] || echo 1<>"$RACKSTRAP_SHOWN"
exec sleep 60
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a live system's console, all of it below tmp_path; its session is ended afterwards."""
    for folder in ("run", "state", "image", "proc/net", "sys/class/net"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "image/manifest.json").write_text('{\n "sha256": {},\n "version": "1.2+abc"\n}\n')
    (tmp_path / "proc/cmdline").write_text("quiet rackstrap.boot=install\n")
    (tmp_path / "proc/net/fib_trie").write_text("Main:\n")
    (tmp_path / "screen").write_text(SCREEN)
    (tmp_path / "screen").chmod(0o755)
    names = {"RUN": "run", "STATE": "state", "IMAGE": "image", "PROC": "proc", "SYS": "sys", "MARK": "admin.json"}
    environment = {f"RACKSTRAP_{name}": str(tmp_path / folder) for name, folder in names.items()}
    environment |= {"RACKSTRAP_LOOK_S": "0.3", "RACKSTRAP_ANSWER_S": "0.3"}
    yield {**environment, "RACKSTRAP_SCREENS": str(ROOT / "screens"), "RACKSTRAP": str(tmp_path / "screen")}
    for socket in (tmp_path / "run").glob("tui-*"):
        subprocess.run(["tmux", "-S", str(socket), "kill-server"], check=False, capture_output=True)


def open_console(place: dict[str, str], rows: int = 24, columns: int = 80, **environment: str) -> Terminal:
    argv = ["/bin/sh", "-c", START, str(LIBEXEC / "rackstrap-console")]
    return Terminal(argv, rows=rows, columns=columns, env={**place, **environment})


def start_session(place: dict[str, str]) -> Path:
    """The socket of the session that the system keeps ready."""
    subprocess.run([LIBEXEC / "rackstrap-session"], check=True, env={**os.environ, **place})
    (socket,) = Path(place["RACKSTRAP_RUN"]).glob("tui-*")
    return socket


def ask_clients(socket: Path, what: str) -> str:
    words = ["tmux", "-S", str(socket), "list-clients", "-F", what]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def test_the_banner_tells_what_this_is_and_how_to_reach_it(place: dict[str, str]) -> None:
    run = Path(place["RACKSTRAP_RUN"])
    (run / "password").write_text("abcd-efgh-jkmn\n")
    (run / "host_key").write_text("SHA256:abc\n")
    with open_console(place) as console:
        text = console.wait_for("Enter  open Rackstrap")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        assert lines[:2] == ["Rackstrap 1.2+abc", "Started from the admin ISO. No disk is written until you say so."]
        assert "host key  SHA256:abc" in lines
        assert "password  abcd-efgh-jkmn   (for this boot only)" in lines


def test_hostile_text_in_a_notice_moves_nothing(place: dict[str, str]) -> None:
    hostile = "first\n\x1b[2J\x1b]0;owned\x07\x9b31mred\r\u202eabc\n" + "x" * 500 + "\n"
    (Path(place["RACKSTRAP_RUN"]) / "notice").write_text(hostile)
    with open_console(place) as console:
        text = console.wait_for("first")
        assert "?[2J?]0;owned?" in text
        assert f" {'x' * 76}\n" in text
        written = bytes(console.written)
    assert b"\x1b]" not in written
    assert written.count(b"\x1b[2J") == 1, "the banner's own"
    assert b"\x07" not in written
    assert b"\x9b" not in written


def test_the_session_is_ready_when_its_first_page_stands_or_when_it_cannot(place: dict[str, str], tmp_path: Path) -> None:
    ready = Path(place["RACKSTRAP_RUN"]) / "tui.pid"
    (tmp_path / "screen").write_text("#!/bin/sh\nsleep 0.7\n" + SCREEN)
    began = time.monotonic()
    socket = start_session(place)
    assert 0.7 <= time.monotonic() - began < 10
    assert ready.read_text().strip().isdigit()
    subprocess.run(["tmux", "-S", str(socket), "kill-server"], check=True)
    (tmp_path / "screen").write_text("#!/bin/sh\nexit 2\n")
    began = time.monotonic()
    start_session(place)
    assert time.monotonic() - began < 10, "what cannot start holds nothing back"


def test_a_change_is_drawn_over_the_old_without_wiping(place: dict[str, str]) -> None:
    run = Path(place["RACKSTRAP_RUN"])
    with open_console(place) as console:
        console.wait_for("Enter  open Rackstrap")
        before = len(console.written)
        console.read(0.7)
        assert len(console.written) == before, "nothing changed, nothing was drawn"
        (run / "notice").write_text("12 machines found\n")
        text = console.wait_for("12 machines found")
        assert b"\x1b[2J" not in console.written[before:]
        assert text.count("Enter  open Rackstrap") == 1


def test_enter_joins_the_session_and_leaving_it_comes_back(place: dict[str, str]) -> None:
    start_session(place)
    with open_console(place) as console:
        console.wait_for("Enter  open Rackstrap")
        console.press("enter")
        console.wait_for("the screen of all")
        console.press("\x02", "d")
        console.wait_for("Enter  open Rackstrap")


def test_enter_starts_no_session_of_its_own_while_the_system_takes_a_state_back(place: dict[str, str], tmp_path: Path) -> None:
    systemctl, job = tmp_path / "bin/systemctl", tmp_path / "job"
    systemctl.parent.mkdir()
    systemctl.write_text(f'#!/bin/sh\n[ "$1" != list-jobs ] || cat {job}\n')
    systemctl.chmod(0o755)
    job.write_text("101 rackstrap-recover.service start running\n")
    with open_console(place, RACKSTRAP_START_S="0", PATH=f"{systemctl.parent}:{os.environ['PATH']}") as console:
        console.wait_for("Enter  open Rackstrap")
        console.press("enter")
        console.wait_for("One moment")
        assert "One moment: Rackstrap starts." in console.settle(2)
        assert [*Path(place["RACKSTRAP_RUN"]).glob("tui-*")] == []
        job.write_text("")
        start_session(place)
        console.wait_for("the screen of all")


def test_a_terminal_that_answers_gets_its_size_and_colours(place: dict[str, str]) -> None:
    socket = start_session(place)
    with open_console(place, rows=30, columns=100) as console:
        console.wait_for("Enter  open Rackstrap")
        console.child.setwinsize(0, 0)  # a serial line knows no size
        console.press("enter")
        console.wait("the question", lambda _: b"\x1b[6n" in console.written)
        console.press("\x1b[30;100R\x1b[?62;1;22c")
        console.wait_for("the screen of all")
        assert ask_clients(socket, "#{client_termname} #{client_width}x#{client_height}") == "xterm 100x30"


def test_a_silent_terminal_is_a_vt220_of_80_by_24_and_an_idle_one_lets_go(place: dict[str, str]) -> None:
    socket = start_session(place)
    with open_console(place, RACKSTRAP_IDLE_S="1", RACKSTRAP_IDLE_LOOK_S="0.2") as console:
        console.wait_for("Enter  open Rackstrap")
        console.resize(0, 0)
        console.press("enter")
        console.wait_for("the screen of all")
        assert ask_clients(socket, "#{client_termname} #{client_width}x#{client_height}") == "vt220 80x24"
        console.wait_for("Enter  open Rackstrap")
        assert ask_clients(socket, "#{client_tty}") == ""


def test_the_session_is_the_one_that_attach_joins(place: dict[str, str], tmp_path: Path) -> None:
    assert start_session(place).name == find_socket(Path(place["RACKSTRAP_STATE"])).name
    assert int((tmp_path / "run/tui.pid").read_text()) > 1


def test_installed_consoles_watch_and_offer_a_login(place: dict[str, str]) -> None:
    Path(place["RACKSTRAP_MARK"]).write_text("{}")
    name = start_session(place).name
    assert name == find_socket(Path(place["RACKSTRAP_STATE"]) / "watch").name
    (Path(place["RACKSTRAP_RUN"]) / "password").write_text("abcd-efgh-jkmn\n")
    with open_console(place) as console:
        text = console.wait_for("Enter  watch the rack      L  log in")
        assert "password" not in text
        console.press("s")  # no shell for who has not logged in
        console.press("enter")
        console.wait_for("the screen of all")
