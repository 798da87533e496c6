"""Every stage as a console shows it: the real TUI on a pty through the shipped tmux, read by a terminal emulator.

A serial line (vt220) and a Linux console look at one session, which is walked through from the first stage to the last.
RACKSTRAP_GOLDEN=write makes tests/golden/screens anew, to be read before it is committed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from installer.wizard.stages import STAGES
from tests.terminal import Terminal

ROOT: Final = Path(__file__).parent.parent
GOLDEN: Final = Path(__file__).parent / "golden/screens"
TERMS: Final = ("vt220", "linux")
NAMES: Final = tuple(stage.name for stage in STAGES)
QUIET_S: Final = 0.15
# Beside printable ASCII, what the Linux console's fonts and code page 437 both have.
SAFE: Final = frozenset("─│┌┐└┘├┤┬┴┼═║╔╗╚╝█░▒■•▲▼←→↑↓")


class Tmux:
    """A tmux server of its own, on the shipped configuration."""

    def __init__(self, folder: Path) -> None:
        self._words: Final = ("tmux", "-S", str(folder / "tmux"), "-f", str(ROOT / "screens/tmux.conf"))
        self.env: Final = {"PYTHONPATH": str(ROOT), "HOME": str(folder), "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}

    def start(self, session: str, *words: str) -> None:
        program = (sys.executable, "-m", "tests.shelf_tui", *words)
        self.run("new-session", "-d", "-s", session, "-x", "80", "-y", "24", *program)

    def join(self, session: str, term: str) -> Terminal:
        return Terminal([*self._words, "attach", "-t", session], term=term, env=self.env)

    def run(self, *words: str) -> str:
        env = {**os.environ, **self.env, "TERM": "linux"}
        env.pop("TMUX", None)
        return subprocess.run([*self._words, *words], env=env, check=True, capture_output=True, text=True).stdout


@dataclass
class Walk:
    """What both consoles showed at each stage, and every byte that was written to them."""

    texts: dict[tuple[str, str], str] = field(default_factory=dict)
    written: dict[str, bytes] = field(default_factory=dict)
    sized: dict[tuple[int, int], str] = field(default_factory=dict)
    hostile: bytes = b""
    is_alive: bool = False


def settle(terminals: Sequence[Terminal]) -> None:
    """Read from all until the first, and then the others, have been quiet for a while."""
    while terminals[0].read(QUIET_S):
        pass
    for other in terminals[1:]:
        while other.read(0.02):
            pass


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """One walk for all tests of this file: starting the TUI for each would take minutes."""
    tmux, walked = Tmux(tmp_path_factory.mktemp("tmux")), Walk()
    try:
        tmux.start("walk", NAMES[0])
        tmux.start("hostile", "nodes", "--hostile")
        with tmux.join("walk", "vt220") as serial, tmux.join("walk", "linux") as console:
            console.wait_for(r"1/9", 15)
            walk_through(walked, {"vt220": serial, "linux": console})
            resize_through(walked, console)
        with tmux.join("hostile", "linux") as console:
            console.wait_for(r"\d/9", 15)
            console.press("down", "enter")
            settle([console])
            walked.hostile = bytes(console.written)
        walked.is_alive = tmux.run("list-panes", "-t", "walk", "-F", "#{pane_dead}").strip() == "0"
        yield walked
    finally:
        tmux.run("kill-server")


def walk_through(walked: Walk, terminals: Mapping[str, Terminal]) -> None:
    for number, name in enumerate(NAMES, 1):
        if number > 1:
            terminals["linux"].press("n")
        terminals["linux"].wait_for(rf"{number}/9", 10)
        settle([terminals["linux"], terminals["vt220"]])
        for term, terminal in terminals.items():
            walked.texts[term, name] = terminal.text()
    walked.written = {term: bytes(terminal.written) for term, terminal in terminals.items()}


def resize_through(walked: Walk, console: Terminal) -> None:
    """Small, none at all, large, and back, on the last stage but four: the nodes."""
    console.press(*["esc"] * 4)
    console.wait_for(r"5/9", 10)
    for rows, columns in ((20, 60), (0, 0), (60, 200), (24, 80)):
        console.resize(rows, columns)
        console.read(0.3)
        if columns > 80:
            console.wait("the room is used", lambda text: max(map(len, text.splitlines())) > 120)
        settle([console])
        walked.sized[rows, columns] = console.text()


def check_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("RACKSTRAP_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n")
    assert text + "\n" == path.read_text()


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("name", NAMES)
def test_each_stage_looks_as_it_did(walk: Walk, name: str, term: str) -> None:
    check_golden(f"{name}-{term}.txt", walk.texts[term, name])


@pytest.mark.parametrize("name", NAMES)
def test_each_stage_fits_the_console(walk: Walk, name: str) -> None:
    lines = walk.texts["linux", name].splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert lines[0].lstrip().startswith("Rackstrap")
    assert "Traceback" not in walk.texts["linux", name]


@pytest.mark.parametrize("term", TERMS)
def test_only_safe_glyphs_reach_a_console(walk: Walk, term: str) -> None:
    text = walk.written[term].decode()
    assert {c for c in text if not c.isascii()} <= SAFE


def test_hostile_words_reach_no_console_as_sequences(walk: Walk) -> None:
    text = walk.hostile.decode()
    assert "owned" in text, "the hostile words are on the screen"
    assert "\x1b]0;owned" not in text
    assert "\x1b]" not in text
    assert {c for c in text if not c.isascii()} <= SAFE | {"?"}


def test_a_small_window_is_readable_and_a_large_one_is_used(walk: Walk) -> None:
    small, large = walk.sized[20, 60].splitlines(), walk.sized[60, 200].splitlines()
    assert max(map(len, small)) <= 60
    assert any("node1" in line and "ready" in line for line in small)
    assert max(map(len, large)) > 120
    assert any("node1" in line and "ready" in line for line in large)


def test_no_size_and_resizing_are_harmless(walk: Walk) -> None:
    assert walk.is_alive
    assert "node1" in walk.sized[24, 80]
    assert walk.sized[24, 80].splitlines()[0].lstrip().startswith("Rackstrap")
