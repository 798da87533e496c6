"""`make bench NAME=…`: each figure as a ratio measured in one run, with the machine described.

Slow baselines are measured on request (BASELINE=1) and kept in tests/baselines.json with commit and machine.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

BENCHES: Final = {
    "install": "tests.bench_install",
    "discover": "tests.bench_discover",
    "plan": "tests.bench_plan",
    "engine": "tests.bench_engine",
    "image": "tests.bench_image",
    "demo": "tests.bench_demo",
    "tui": "tests.bench_tui",
    "iso": "tests.bench_iso",
}


def describe_machine() -> str:
    """Cores, processor, memory, kernel, and the commit that is measured."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "?"
    )
    memory_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], check=False, capture_output=True, text=True
    ).stdout.strip()
    cores, python = os.cpu_count(), platform.python_version()
    return f"{cores} cores {cpu}, {memory_gb:.0f} GB, Linux {platform.release()}, Python {python}, {commit}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("name", choices=sorted(BENCHES))
    args, rest = parser.parse_known_args(argv)
    print(f"machine: {describe_machine()}", flush=True)
    module = importlib.import_module(BENCHES[args.name])
    return int(module.main(rest) or 0)


if __name__ == "__main__":
    sys.exit(main())
