"""From the command to the first paint, and what the TUI keeps in memory."""

from __future__ import annotations

import os
import re
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.tui_session import COMMAND, MACHINES, Report, Watched, make_environment

RUNS: Final = 5
GOAL_S: Final = 1.0
GOAL_MB: Final = 120.0


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds until the frame stands, until the first page is in it; of CPU until then; VmRSS in MB a moment later."""

    frame_s: float
    page_s: float
    cpu_s: float
    memory_mb: float


def measure_start(report: Report, folder: Path) -> None:
    """`rackstrap tui --machine …` with every recording, on a pty of its own. The first page counts, not the empty frame."""
    runs = [run_once(folder) for _ in range(RUNS)]
    seconds = statistics.median(run.page_s for run in runs)
    spread = f"{min(run.page_s for run in runs):.2f} to {max(run.page_s for run in runs):.2f} s"
    frame_s, cpu_s = (statistics.median(values) for values in zip(*((run.frame_s, run.cpu_s) for run in runs), strict=True))
    text = f"; {RUNS} runs, {spread}; the frame after {frame_s:.2f} s; {cpu_s:.2f} s of CPU"
    report.judge("start to the first page painted", seconds, GOAL_S, "s", text)
    report.judge("resident memory", max(run.memory_mb for run in runs), GOAL_MB, "MB")


def run_once(folder: Path) -> Start:
    files = sorted(str(path) for path in MACHINES.glob("*.json"))
    began = time.perf_counter()
    with Watched([*COMMAND, "--machine", *files], term="linux", env=make_environment(folder)) as terminal:
        frame_s = wait_until(terminal, r"Rackstrap", began)
        page_s = wait_until(terminal, r"Rackstrap.*\d/\d", began)
        process = Path(f"/proc/{terminal.child.pid}")
        ticks = sum(map(int, (process / "stat").read_text().rpartition(")")[2].split()[11:13]))  # utime, stime: proc(5)
        terminal.settle(1.0)
        found = re.search(r"VmRSS:\s+(\d+) kB", (process / "status").read_text())
    assert found is not None
    return Start(frame_s, page_s, ticks / os.sysconf("SC_CLK_TCK"), int(found[1]) * 1024 / 1e6)


def wait_until(terminal: Watched, pattern: str, began: float) -> float:
    """Seconds since `began` when the screen shows this."""
    while not re.search(pattern, terminal.text()):
        assert time.perf_counter() - began < 20, f"nothing is painted; the screen shows\n{terminal.text()}"
        terminal.read_once(0.5)
    return time.perf_counter() - began
