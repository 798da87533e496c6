"""The TUI as an operator has it: a state folder, a terminal joined to its session, and a report of what was measured."""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from installer.engine.folders import claim_rehearsal
from installer.lab.fleet_recordings import make_grown
from installer.wizard.keeping import Keeper
from tests.site_head import HEAD
from tests.terminal import Terminal

MACHINES: Final = Path(__file__).parent / "machines"
COMMAND: Final = (sys.executable, "-m", "installer.cli", "tui")
SITE: Final = HEAD + "erase: no\n"


class Report:
    """One line for each figure, with its goal beside it; `finish` gives exit code 1 where a goal was missed."""

    def __init__(self, dump: Path | None = None) -> None:
        self._dump: Final = dump
        self._missed: list[str] = []

    def tell(self, text: str) -> None:
        print(text, flush=True)

    def judge(self, name: str, figure: float, goal: float, unit: str, text: str = "") -> None:
        """A figure that should be `goal` or less."""
        is_met = figure <= goal
        if not is_met:
            self._missed.append(name)
        spelled = f"{figure:.2f}" if unit in {"", "s"} else f"{figure:.0f}"
        said, space = "ok  " if is_met else "MISS", " " if unit else ""
        self.tell(f"{said} {name}: {spelled}{space}{unit}, goal {goal:g}{space}{unit} or less{text}")

    def keep(self, name: str, written: bytes) -> None:
        """What was written to the line for one action, where --dump asks for it."""
        if self._dump is not None:
            self._dump.mkdir(parents=True, exist_ok=True)
            (self._dump / name).write_bytes(written)

    def finish(self) -> int:
        self.tell(f"missed: {', '.join(self._missed)}" if self._missed else "every goal is met")
        return 1 if self._missed else 0


def make_recording(path: Path, name: str, disks: int | None = None) -> Path:
    """A recording of tests/machines with disks of a server's size, as a file; of its disks only the first so many."""
    recording: dict[str, Any] = make_grown(json.loads((MACHINES / f"{name}.json").read_text()))
    if disks is not None:
        whole = [device for device in recording["block"] if device["properties"].get("DEVTYPE") == "disk"]
        recording["block"] = whole[:disks]
    path.write_text(json.dumps(recording))
    return path


def make_state(folder: Path, page: str, site: str = SITE) -> Path:
    """A rehearsal's state folder in which the operator was last at this stage."""
    claim_rehearsal(folder)
    Keeper(folder).save(site, {}, "", page)
    return folder


def make_environment(folder: Path) -> Mapping[str, str]:
    """tmux's sockets and everything else that is kept by a person go into this folder."""
    (folder / "tmux").mkdir(mode=0o700, parents=True, exist_ok=True)
    root = str(Path(__file__).parent.parent)
    return {"TMUX_TMPDIR": str(folder / "tmux"), "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder / "tmux"), "PYTHONPATH": root}


class Watched(Terminal):
    """A terminal whose screen is looked at as soon as something comes."""

    def __enter__(self) -> Watched:
        return self

    def read_once(self, for_s: float) -> None:
        """Take in what comes next, and no more; nothing within this time is nothing."""
        ready, _, _ = select.select([self.child.child_fd], [], [], for_s)
        if ready:
            self.read(0.0005)


def join(state: Path, words: Sequence[str], **terminal: Any) -> Watched:
    """A terminal that joins the session of this state folder; the first begins it."""
    env = make_environment(state.parent)
    watched = Watched([*COMMAND, "--attach", "--state", str(state), *words], env=env, **terminal)
    watched.child.delaybeforesend = None  # pexpect's own pause of 50 ms before each key
    return watched


def find_processes(state: Path) -> list[int]:
    """Processes whose command line names this state folder: the TUI, its tmux, its simulated rack."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(str(state)) in words and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return sorted(found)
