"""Power-on to the terminal UI on the serial line, with one processor; and the memory that this takes."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from installer.lab.chassis import find_machine
from tests.rack.iso_rack import BANNER, IsoRack, choose_install, iso_rack, make_admin_machine, wait_tui
from tests.rack.pace import stretch
from tests.tui_session import Report

MEMORY_MB: Final = 2048
SIZES_MB: Final = (192, 256, 320, 384, 448, 512, 640, 768, 1024)
GOAL_RATIO: Final = 0.45
GOAL_MB: Final = 1024
REFUSED: Final = r"too little memory: \d+ MB"
Outcome = Literal["works", "refused", "silent"]


@contextmanager
def booted(iso: Path, memory_mb: int = MEMORY_MB) -> Iterator[tuple[IsoRack, float]]:
    """The admin machine with one processor, just switched on, and when (time.monotonic)."""
    with tempfile.TemporaryDirectory(prefix="iso-") as folder:
        machine = make_admin_machine(iso, cpus=1, memory_mb=memory_mb)
        with iso_rack(Path(folder), iso, [machine]) as made:
            began = time.monotonic()
            made.power("on")
            yield made, began


def find_processor_s(made: IsoRack) -> float:
    """Seconds of processor that the machine's QEMU has used (proc(5), stat): what other load changes least."""
    process = find_machine(made.rack.lab / "admin")
    assert process is not None, made.find_last_words()
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_ours(iso: Path) -> tuple[float, float]:
    """Seconds from power-on until the first page is painted after Enter on the banner, and of processor."""
    with booted(iso) as (made, began):
        wait_tui(made)
        return time.monotonic() - began, find_processor_s(made)


def measure_stock(iso: Path) -> tuple[float, float]:
    """The same until Debian's live system asks for a login on the serial line."""
    with booted(iso) as (made, began):
        made.wait_said(r"\blogin: ", 600)
        return time.monotonic() - began, find_processor_s(made)


def try_memory(iso: Path, memory_mb: int) -> Outcome:
    """Whether the terminal UI comes up with this much memory, or the machine says that it does not suffice."""
    with booted(iso, memory_mb) as (made, _):
        console = choose_install(made)
        give_up_at = time.monotonic() + stretch(150)
        pressed_at = 0.0
        while time.monotonic() < give_up_at:
            console.read(0.5)
            text = console.text()
            if re.search(r"Welcome 1/9", text):
                return "works"
            if re.search(REFUSED, made.listen()):
                return "refused"
            if time.monotonic() - pressed_at > 5 and re.search(BANNER, text):
                console.press("enter")
                pressed_at = time.monotonic()
        return "silent"


def measure_floor(report: Report, iso: Path) -> None:
    """The smallest of these sizes that works, by halving; and what the next smaller one says."""
    low, high, found = 0, len(SIZES_MB) - 1, {}
    while low < high:
        middle = (low + high) // 2
        found[middle] = try_memory(iso, SIZES_MB[middle])
        report.tell(f"  {SIZES_MB[middle]} MB: {found[middle]}")
        low, high = (low, middle) if found[middle] == "works" else (middle + 1, high)
    below = found.get(low - 1) or (try_memory(iso, SIZES_MB[low - 1]) if low else "refused")
    text = f"; {SIZES_MB[low - 1]} MB: {below}" if low else ""
    report.judge("memory with which it works", SIZES_MB[low], GOAL_MB, "MB", text)
    report.judge("sizes below it that are not refused in words", int(below != "refused"), 0, "")


def measure_boot(report: Report, iso: Path, stock: Path) -> None:
    """Both in one run, ours first and last."""
    first = measure_ours(iso)
    usual = measure_stock(stock)
    last = measure_ours(iso)
    seconds, processor_s = (min(pair) for pair in zip(first, last, strict=True))
    runs = f"; {seconds:.1f} s of {usual[0]:.1f} s, runs {first[0]:.1f} and {last[0]:.1f} s"
    text = f"{runs}; processor {processor_s:.1f} s of {usual[1]:.1f} s"
    report.judge(
        "power-on to the TUI on the serial line, of a stock live image's login", seconds / usual[0], GOAL_RATIO, "", text
    )
