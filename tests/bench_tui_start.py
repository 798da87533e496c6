"""From the command to the first paint, and what the TUI keeps in memory."""

from __future__ import annotations

import re
import statistics
import time
from pathlib import Path
from typing import Final

from tests.tui_session import COMMAND, MACHINES, Report, Watched, make_environment

RUNS: Final = 5
GOAL_S: Final = 1.0
GOAL_MB: Final = 120.0


def measure_start(report: Report, folder: Path) -> None:
    """`rackstrap tui --machine …` with every recording, on a pty of its own."""
    runs = [run_once(folder) for _ in range(RUNS)]
    seconds = statistics.median(first for first, _ in runs)
    spread = f"; {RUNS} runs, {min(s for s, _ in runs):.2f} to {max(s for s, _ in runs):.2f} s"
    report.judge("start to first paint", seconds, GOAL_S, "s", spread)
    report.judge("resident memory", max(memory for _, memory in runs), GOAL_MB, "MB")


def run_once(folder: Path) -> tuple[float, float]:
    """Seconds until the first screen stands, and VmRSS in MB a moment later."""
    files = sorted(str(path) for path in MACHINES.glob("*.json"))
    began = time.perf_counter()
    with Watched([*COMMAND, "--machine", *files], term="linux", env=make_environment(folder)) as terminal:
        while not re.search(r"Rackstrap.*\d/\d", terminal.text()):
            assert time.perf_counter() - began < 20, f"nothing is painted; the screen shows\n{terminal.text()}"
            terminal.read_once(0.5)
        seconds = time.perf_counter() - began
        terminal.settle(1.0)
        status = Path(f"/proc/{terminal.child.pid}/status").read_text()
        terminal.press("Q")
        terminal.read(0.5)
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return seconds, int(found[1]) * 1024 / 1e6
