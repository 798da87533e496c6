"""The terminal UI on a real pty: bytes on the line, key to painted cell, start and memory. All in one run, as ratios.

Lines are measured as an operator has them: `rackstrap tui --attach`, so every byte is one that tmux's client wrote, at 80x24.
whiptail (newt) shows the same list at the same size in the same run; a 115200-baud line carries 11.5 kB/s.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench_tui_keys import measure_keys
from tests.bench_tui_line import measure_lines
from tests.bench_tui_start import measure_start
from tests.tui_session import Report


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench_tui", description=__doc__)
    parser.add_argument("--only", choices=("line", "keys", "start"), help="measure this alone")
    parser.add_argument(
        "--dump", type=Path, metavar="DIR", help="keep what was written to the line there, a file for each action"
    )
    parser.add_argument("--minute", type=float, default=60.0, metavar="SECONDS", help="how long to watch the deployment")
    args = parser.parse_args(argv)
    report = Report(args.dump)
    with tempfile.TemporaryDirectory(prefix="rackstrap-bench-") as folder:
        if args.only in (None, "line"):
            measure_lines(report, Path(folder), args.minute)
        if args.only in (None, "keys"):
            measure_keys(report, Path(folder))
        if args.only in (None, "start"):
            measure_start(report, Path(folder))
    return report.finish()


if __name__ == "__main__":
    raise SystemExit(main())
