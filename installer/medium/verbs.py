"""`rackstrap iso customize` and `rackstrap iso inspect`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from installer.model.problems import RackstrapError


def add_iso(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    customize = verbs.add_parser(
        "customize",
        help="put a site file into a built ISO, or set how it starts",
        description="Put a site file into a built ISO, or set how it starts.",
    )
    customize.add_argument("iso", metavar="ISO", type=Path, help="the ISO, which is replaced unless --out names another")
    customize.add_argument(
        "--site", metavar="FILE", type=Path, help="the site file; the CSV and passwords that it names go with it"
    )
    customize.add_argument("--unattended", action="store_true", help="make installing by the site file the menu's default")
    customize.add_argument("--kernel-words", metavar="WORDS", default="", help="rackstrap.site=https://… and what goes with it")
    customize.add_argument("--reset", action="store_true", help="first take out all that was put in before")
    customize.add_argument("--out", metavar="FILE", type=Path, help="write the result there and leave ISO as it is")
    customize.add_argument("--force", action="store_true", help="replace --out where it is there already")
    inspect = verbs.add_parser("inspect", help="say what is inside an ISO", description="Say what is inside an ISO.")
    inspect.add_argument("iso", metavar="ISO", type=Path, help="an ISO, or a stick or CD that one was written to")
    inspect.add_argument("--verify", action="store_true", help="read every part through and compare it with the manifest")
    inspect.add_argument("--json", action="store_true", help="print one JSON object")


def run_iso(args: argparse.Namespace) -> int:
    """Customise or inspect; a part that is not what was built ends an inspection with 1."""
    return _run_customize(args) if args.action == "customize" else _run_inspect(args)


def _run_inspect(args: argparse.Namespace) -> int:
    from installer.medium.inspect import load_summary, make_row, render_summary

    summary = load_summary(args.iso, is_verified=args.verify)
    print(json.dumps(make_row(summary)) if args.json else render_summary(summary))  # noqa: T201
    return 1 if any(part.is_right is False for part in summary.parts) else 0


def _run_customize(args: argparse.Namespace) -> int:
    from installer.medium.customize import Wish, run_customize
    from installer.medium.gather import load_gathered
    from installer.medium.inspect import render_contents
    from installer.medium.words import parse_words
    from installer.site.check import has_errors
    from installer.site.verbs import render_problem

    words = parse_words(args.kernel_words)
    if not (args.site or words or args.unattended or args.reset):
        raise RackstrapError("nothing to change was named", "give --site, --kernel-words, --unattended or --reset")
    iso, out = _find_places(args.iso, args.out, args.force)
    files: dict[str, bytes] = {}
    if args.site:
        gathered = load_gathered(args.site)
        for problem in gathered.problems:
            print(render_problem(problem))  # noqa: T201
        if gathered.site is None or has_errors(gathered.problems):
            print(f"nothing was written: correct {args.site} first")  # noqa: T201
            return 1
        files = gathered.files
    contents = run_customize(iso, out, Wish(files, words, args.unattended, args.reset))
    print("\n".join(f"{title:<10}{text}" for title, text in render_contents(contents)))  # noqa: T201
    if contents.files:
        print(f"{out} is ready. It holds the site file with its passwords: mode 0600, and so keep it")  # noqa: T201
    else:
        print(f"{out} is ready")  # noqa: T201
    return 0


def _find_places(iso: Path, out: Path | None, is_forced: bool) -> tuple[Path, Path]:
    """The ISO and where the result goes, links followed. Raises RackstrapError where that would replace something unasked."""
    try:
        source = iso.resolve(strict=True)
    except (OSError, RuntimeError):
        raise RackstrapError(f"there is no {iso}", "name an ISO that build_iso.sh built") from None
    if out is None:
        return source, source
    try:
        target = out.resolve()
    except (OSError, RuntimeError):
        raise RackstrapError(f"{out} is a link that leads to itself", "name another file with --out") from None
    if target.is_dir() or (target.exists() and not target.is_file()):
        raise RackstrapError(f"{out} is not a file", "name a file with --out")
    if target.exists() and not is_forced:
        raise RackstrapError(f"{out} is there already", "name another file, or add --force to replace it")
    return source, target
