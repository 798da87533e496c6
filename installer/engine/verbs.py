"""`rackstrap apply` and `rackstrap status`."""

from __future__ import annotations

import argparse
import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from installer.engine.folders import check_live
from installer.model.problems import RackstrapError
from installer.serve.verbs import find_image_dir, find_state_dir

if TYPE_CHECKING:
    from installer.engine.outlets import Outlet

NOTHING: Final = " This was a dry run: nothing was touched."
AT_ONCE: Final = 32  # BMCs that are talked to, and files that are written, at the same time


def add_apply(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("site", type=Path, nargs="?", metavar="SITE", help="the site file")
    parser.add_argument(
        "--state", type=Path, metavar="DIR", default=find_state_dir(), help="where everything is kept (RACKSTRAP_STATE)"
    )
    parser.add_argument("--image", type=Path, metavar="DIR", default=find_image_dir(), help="the built image (RACKSTRAP_IMAGE)")
    parser.add_argument(
        "--interface", metavar="NAME", help="the interface on the admin network; found by the admin address without this"
    )
    parser.add_argument(
        "--machine",
        type=Path,
        action="append",
        default=[],
        metavar="RECORDING",
        help="a recorded machine, with --dry-run; may be given again",
    )
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--dry-run", action="store_true", help="tell every step, do nothing")
    ways.add_argument(
        "--discover", action="store_true", help="serve and discover machines until stopped; nothing is named, erased or installed"
    )
    ways.add_argument("--stop", action="store_true", help="end the one that runs, between two events; nothing is lost")
    parser.add_argument("--beside", type=Path, metavar="DIR", help="where relative paths in SITE begin, if not in its own folder")
    parser.add_argument("--deadline", type=parse_deadline, default=0.0, metavar="SECONDS", help="stop after this long")
    parser.add_argument("--json", action="store_true", help="print what happens as lines of JSON")


def add_status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state", type=Path, metavar="DIR", default=find_state_dir(), help="where everything is kept (RACKSTRAP_STATE)"
    )
    parser.add_argument("--follow", action="store_true", help="go on and show what happens")
    parser.add_argument("--json", action="store_true", help="print one JSON object; with --follow, one a line")


def parse_deadline(text: str) -> float:
    """Seconds, more than none. Raises ArgumentTypeError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def run_apply(args: argparse.Namespace) -> int:
    from installer.engine.outlets import make_outlet

    if args.stop:
        return run_stop(args.state.absolute())
    if args.site is None:
        raise RackstrapError("no site file is named", "rackstrap apply SITE")
    outlet = make_outlet(is_json=args.json)
    if args.machine and not args.dry_run:
        raise RackstrapError("recordings take the place of hardware only where nothing is done", "add --dry-run")
    try:
        return run_dry(args, outlet) if args.dry_run else run_live(args, outlet)
    except* (RackstrapError, OSError) as group:
        raise find_first(group) from None
    finally:
        outlet.close()


def run_stop(state: Path) -> int:
    """End the apply or the discovery that runs over this state folder, and wait for its end."""
    from installer.engine.lock import stop_holder

    stopped = stop_holder(state)
    print("stopped; apply the site file again to go on" if stopped else f"nothing is being applied in {state}")  # noqa: T201
    return 0


def find_first(error: BaseException) -> BaseException:
    """The first leaf of a group of errors: a failing store ends every step at once, with the same words."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def run_live(args: argparse.Namespace, outlet: Outlet) -> int:
    from installer.engine.aim import DISCOVERY, WHOLE
    from installer.engine.apply import Applying
    from installer.engine.heartbeat import Heartbeat
    from installer.engine.hosts import LiveEffects
    from installer.engine.journal import Journal
    from installer.engine.lock import hold_lock
    from installer.engine.prepare import load_input, run_preparations
    from installer.engine.store import make_who
    from installer.power import make_power

    found = load_input(args.site, args.beside)
    outlet.tell_problems(found.problems)
    if found.site is None:
        return 1
    state = args.state.absolute()
    check_live(state)
    with (
        hold_lock(state, "discover" if args.discover else "apply") as tell_begun,
        Journal(state / "store.db", make_who("apply")) as journal,
        ThreadPoolExecutor(AT_ONCE, "effects") as pool,
    ):
        place, keep_serving = run_preparations(found, found.site, journal, args, outlet)
        tell_begun()
        heartbeat = Heartbeat(journal)
        effects = LiveEffects(journal, heartbeat.waits, pool, lambda entry: make_power(entry, state))
        applying = Applying(
            found.site,
            found.roles,
            place,
            journal,
            heartbeat,
            effects,
            outlet,
            found.document,
            deadline_s=args.deadline,
            keep_serving=keep_serving,
            aim=DISCOVERY if args.discover else WHOLE,
        )
        return asyncio.run(applying.run())


def run_dry(args: argparse.Namespace, outlet: Outlet) -> int:
    from installer.engine.apply import Applying
    from installer.engine.dry import MemoryFacts, Telling
    from installer.engine.heartbeat import Heartbeat
    from installer.engine.prepare import load_history, load_input, make_dry_place

    found = load_input(args.site, args.beside)
    outlet.tell_problems(found.problems)
    if found.site is None:
        return 1
    events, machines = load_history(args.state.absolute(), args.machine)
    facts = MemoryFacts((*events, *found.bmcs), machines)
    place = make_dry_place(args.state.absolute(), args.image.absolute(), args.interface or "")
    applying = Applying(
        found.site, found.roles, place, facts, Heartbeat(facts), Telling(outlet, facts), outlet, found.document, note=NOTHING
    )
    return asyncio.run(applying.run())


def run_status(args: argparse.Namespace) -> int:
    from installer.engine.follow import run_follow, show_once
    from installer.engine.journal import Journal

    if not (args.state / "store.db").exists():
        raise RackstrapError(f"no site has been applied in {args.state}", "rackstrap apply SITE, or name its --state")
    with Journal(args.state / "store.db") as journal:
        show_once(journal, is_json=args.json)
        if args.follow:
            run_follow(journal, is_json=args.json)
    return 0
