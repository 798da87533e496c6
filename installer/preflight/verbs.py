"""`rackstrap preflight`."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from installer.model.problems import RackstrapError
from installer.preflight.check import Check
from installer.preflight.run import WITHIN_S
from installer.serve.verbs import find_state_dir

WIDTH: Final = 78


def add_preflight(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("site", type=Path, nargs="?", metavar="SITE", help="the site file; without it, the one that was applied")
    parser.add_argument("--interface", metavar="NAME", help="look at this interface, whatever the site says")
    parser.add_argument("--state", type=Path, metavar="DIR", default=find_state_dir(), help="where the applied site is kept")
    parser.add_argument(
        "--within", type=parse_seconds, default=WITHIN_S, metavar="SECONDS", help="wait no longer for answers (5)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def parse_seconds(text: str) -> float:
    """Seconds, from 0.5 to 60. Raises ArgumentTypeError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0.5 <= seconds <= 60:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.5 to 60")
    return seconds


def run_preflight(args: argparse.Namespace) -> int:
    """0 when nothing is FAIL, 1 otherwise."""
    from installer.engine.prepare import load_input
    from installer.network.here import find_nics_here
    from installer.preflight.run import run_checks
    from installer.preflight.target import make_target_of
    from installer.site.verbs import render_problem

    path = args.site or args.state / "site.yaml"
    if not path.exists() and args.site is None:
        raise RackstrapError(f"no site is applied in {args.state}", "rackstrap preflight SITE")
    found = load_input(path)
    if found.site is None:
        print("\n".join(map(render_problem, found.problems)), file=sys.stderr)  # noqa: T201
        return 1
    target = make_target_of(found.site, find_nics_here(found.site.admin.nics), args.interface or "")
    checks = run_checks(target, args.within)
    if args.json:
        print(json.dumps({"interface": target.interface, "checks": [asdict(check) for check in checks]}))  # noqa: T201
    else:
        print("\n".join(render_checks(checks)))  # noqa: T201
    return 1 if any(check.state == "FAIL" for check in checks) else 0


def render_checks(checks: Sequence[Check]) -> list[str]:
    """`ok    link     ens1 up at 10 G`, a remedy on the next line."""
    lines = []
    for check in checks:
        label = f"{check.state:<5} {check.name:<8} "
        for text in (check.found, check.remedy):
            lines += textwrap.wrap(text, WIDTH, initial_indent=label, subsequent_indent=" " * len(label))
            label = " " * len(label)
    return lines
