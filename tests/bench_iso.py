"""The ISO: its size and parts, power-on to the TUI, the memory floor, a rebuild, and the admin node's installation."""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.bare_debian import TOP
from tests.bench_iso_boot import measure_boot, measure_floor
from tests.rack.iso_rack import CHOSEN, INSTALLED, SERVES, iso_rack, make_admin_machine, make_iso, wait_tui
from tests.rack.iso_wizard import type_consent, type_network_and_disk, type_site
from tests.rack.pace import stretch
from tests.stock_iso import build_stock_iso
from tests.tui_session import Report

GOAL_MB: Final = 600.0
GOAL_REBUILD_S: Final = 30.0
GOAL_INSTALL_S: Final = 120.0
CHANGED: Final = "installer/__init__.py"
PARTS: Final = ("size", "boot", "memory", "build", "install")
LISTED: Final = re.compile(r"^File data lba:\s*\d+ *, *\d+ *, *\d+ *, *(\d+) *, *'(.+)'$", re.MULTILINE)


def measure_size(report: Report, iso: Path) -> None:
    """Every file of more than 1 MB, and the rest together."""
    report.judge("size of the ISO", iso.stat().st_size / 1e6, GOAL_MB, "MB")
    argv = ["xorriso", "-indev", str(iso), "-find", "/", "-type", "f", "-exec", "report_lba"]
    listing = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    files = sorted(((int(size), path) for size, path in LISTED.findall(listing)), reverse=True)
    for size, path in files:
        if size >= 1e6:
            report.tell(f"  {size / 1e6:7.1f} MB  {path}")
    report.tell(
        f"  {sum(size for size, _ in files if size < 1e6) / 1e6:7.1f} MB  {sum(size < 1e6 for size, _ in files)} small files"
    )


def measure_build(report: Report) -> None:
    """The rebuild in a clone whose cache is full, after one of our own files has changed."""
    with tempfile.TemporaryDirectory(prefix="rackstrap-iso-", dir=TOP / "build") as scratch:
        clone = Path(scratch, "clone")
        subprocess.run(["git", "clone", "-q", str(TOP), str(clone)], check=True)
        (clone / "build").mkdir()
        subprocess.run(["cp", "-al", str(TOP / "build/cache"), str(clone / "build/cache")], check=True)
        (clone / ".venv").symlink_to(TOP / ".venv")
        build = [str(clone / "build_iso.sh"), "--out", str(clone / "build/rackstrap.iso")]
        subprocess.run(build, cwd=clone, check=True, capture_output=True)
        with (clone / CHANGED).open("a") as code:
            code.write("# changed\n")
        began = time.perf_counter()
        subprocess.run(build, cwd=clone, check=True, capture_output=True)
        seconds = time.perf_counter() - began
        began = time.perf_counter()
        subprocess.run(build, cwd=clone, check=True, capture_output=True)
        nothing_s = time.perf_counter() - began
    report.judge("build after a change of our own code", seconds, GOAL_REBUILD_S, "s", f"; nothing changed: {nothing_s:.1f} s")


def measure_install(report: Report, iso: Path) -> None:
    """From the site's name typed at the gate to the boot script over HTTP, answered by the system on the disk."""
    with tempfile.TemporaryDirectory(prefix="iso-") as folder, iso_rack(Path(folder), iso, [make_admin_machine(iso)]) as made:
        made.power("on")
        wait_tui(made)
        type_network_and_disk(made)
        type_site(made)
        type_consent(made)
        began = time.time()
        answered_at = made.wait_ssh(600, command=f"{INSTALLED} && {SERVES}")
        assert CHOSEN["serial"] in made.ask("lsblk -dno SERIAL $(lsblk -nlspo NAME $(findmnt -no SOURCE /) | tail -n 1)")
    report.judge("admin node: last answer to services from its disk", answered_at - began, stretch(GOAL_INSTALL_S), "s")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench_iso", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this alone; may be given again")
    wanted = parser.parse_args(argv).only or PARTS
    report, iso = Report(), make_iso()
    if "size" in wanted:
        measure_size(report, iso)
    if "boot" in wanted:
        measure_boot(report, iso, build_stock_iso(TOP / "build/cache"))
    if "memory" in wanted:
        measure_floor(report, iso)
    if "build" in wanted:
        measure_build(report)
    if "install" in wanted:
        measure_install(report, iso)
    return report.finish()


if __name__ == "__main__":
    raise SystemExit(main())
