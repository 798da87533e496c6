"""`rackstrap tui`: the wizard and the dashboard, in a terminal or as plain lines."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from installer.model.problems import RackstrapError

if TYPE_CHECKING:
    from installer.wizard.desk import Desk
    from installer.wizard.guide import Guide

WIPE: Final = b"\x1b[H\x1b[2J"  # what the TUI drew: a bare console has no second screen to leave
_RECORDINGS: Final = Path("tests/machines")  # in a checkout


def add_tui(parser: argparse.ArgumentParser) -> None:
    from installer.serve.verbs import find_image_dir

    parser.add_argument("site", type=Path, nargs="?", metavar="SITE", help="go on from this site file")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--plain", action="store_true", help="numbered lines: for screen readers, slow lines, pipes")
    ways.add_argument("--attach", action="store_true", help="join the one session that every console shares")
    parser.add_argument("--watch", action="store_true", help="only look: the dashboard, for a console where nobody has logged in")
    parser.add_argument("--ascii", action="store_true", help="draw with plain ASCII only")
    parser.add_argument("--state", type=Path, metavar="DIR", help="where everything is kept (RACKSTRAP_STATE)")
    parser.add_argument("--image", type=Path, metavar="DIR", default=find_image_dir(), help="the built image (RACKSTRAP_IMAGE)")
    parser.add_argument("--interface", metavar="NAME", help="the interface on the admin network, where it is not to be found")
    parser.add_argument(
        "--machine",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="RECORDING",
        help="rehearse on recorded machines: nothing real is touched",
    )
    parser.add_argument("--demo", action="store_true", help="rehearse on a simulated rack that installs itself")
    parser.add_argument(
        "--roles-dir", type=Path, action="append", default=[], metavar="DIR", help="a folder of roles; may be given again"
    )


def run_tui(args: argparse.Namespace) -> int:
    check_words(args)
    if not args.plain:
        check_terminal()
    if args.attach:
        from screens.attach import run_attach

        return run_attach(find_session(args), make_words(args))
    gc.disable()  # until the first page stands: what is imported for it stays, and to look through it again and again is slow
    with Opening(lambda: make_desk(args)) as opening:
        return run_front_ends(opening.make_guide, is_plain=args.plain, is_ascii=args.ascii)


class Opening:
    """The desk, made when a front-end's worker first asks for a guide: the screen is there at once. Closed at the end."""

    def __init__(self, make: Callable[[], Desk]) -> None:
        self._make: Final = make
        self._lock: Final = threading.Lock()
        self._desk: Desk | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._desk is not None:
                self._desk.close()

    def make_guide(self) -> Guide:
        """A guide at the place where the last one was. Raises RackstrapError."""
        from installer.cli import explain_os_error
        from installer.wizard.guide import Guide

        with self._lock:
            try:
                self._desk = self._desk or self._make()
                guide = Guide(self._desk)
            except OSError as error:
                raise explain_os_error(error) from error
        gc.freeze()
        gc.enable()
        return guide


def make_words(args: argparse.Namespace) -> list[str]:
    """The words that start the same without --attach, from any folder."""
    words = ["tui", "--image", str(args.image.absolute())]
    words += [f"--{name}" for name in ("ascii", "demo", "watch") if getattr(args, name)]
    words += ["--state", str(args.state.absolute())] if args.state else []
    words += ["--interface", args.interface] if args.interface else []
    words += [word for path in args.roles_dir for word in ("--roles-dir", str(path.absolute()))]
    words += ["--machine", *(str(path.absolute()) for path in args.machine)] if args.machine else []
    return [*words, "--", str(args.site.absolute())] if args.site else words


def run_front_ends(make_guide: Callable[[], Guide], *, is_plain: bool, is_ascii: bool) -> int:
    """The TUI, and plain mode where it was asked for, or chosen in the TUI: it goes on at the same place."""
    if not is_plain:
        from screens.app import run_app

        if run_app(make_guide, is_ascii, tell_shown) != "plain":
            return 0
        os.write(2, WIPE)
    from installer.wizard.plain import run_plain

    return run_plain(make_guide)


def tell_shown() -> None:
    """The first page is painted: whoever waits for it at the FIFO RACKSTRAP_SHOWN may go on. Nobody need wait there."""
    path = os.environ.get("RACKSTRAP_SHOWN")
    with contextlib.suppress(OSError):
        if path:
            fifo = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            os.write(fifo, b"\n")
            os.close(fifo)


def make_desk(args: argparse.Namespace) -> Desk:
    """The desk that these words ask for; with --watch, one that only shows what was applied."""
    if not args.watch:
        return make_working_desk(args)
    from installer.engine.prepare import APPLIED
    from installer.wizard.readonly import ReadOnlyDesk

    if args.site is None and not (args.machine or args.demo) and (applied := find_state(args) / APPLIED).is_file():
        args.site = applied
    return ReadOnlyDesk(make_working_desk(args))


def make_working_desk(args: argparse.Namespace) -> Desk:
    """A rehearsal where machines are recorded ones, else the live world."""
    if args.machine or args.demo:
        from installer.wizard.rehearsal import RehearsalDesk

        machines = args.machine or find_recordings()
        return RehearsalDesk(machines, is_demo=args.demo, state=args.state, site=args.site, roles_dirs=args.roles_dir)
    from installer.wizard.live import LiveDesk

    return LiveDesk(find_state(args), args.image.absolute(), args.site, args.roles_dir, args.interface)


def find_state(args: argparse.Namespace) -> Path:
    from installer.serve.verbs import find_state_dir

    state: Path = args.state or find_state_dir()
    return state.absolute()


def find_session(args: argparse.Namespace) -> Path:
    """The folder whose session is joined: never a live one for a rehearsal, nor the other way round. Raises RackstrapError.

    Who only looks never joins a session in which something can be done.
    """
    from installer.engine.folders import MARK, check_live, claim_rehearsal

    state = find_state(args)
    if args.watch:
        return state / "watch"
    if not (args.machine or args.demo):
        check_live(state)
        return state
    if args.state is None:
        return state / MARK
    claim_rehearsal(state)
    return state


def find_recordings() -> Sequence[Path]:
    """The checkout's recordings, for a demo that names none. Raises RackstrapError where there are none."""
    from installer.serve.verbs import CHECKOUT

    found = sorted((CHECKOUT / _RECORDINGS).glob("*.json"))
    if not found:
        raise RackstrapError(
            "there are no recorded machines here", "name some: --machine FILE…; `rackstrap probe --record` makes one"
        )
    return found


def check_words(args: argparse.Namespace) -> None:
    """Raises RackstrapError for a file or folder that is not there."""
    for path in [*args.machine, *([args.site] if args.site else [])]:
        if not path.is_file():
            raise RackstrapError(f"there is no file {path}", "look at the name")
    for path in args.roles_dir:
        if not path.is_dir():
            raise RackstrapError(f"there is no folder {path}", "name the folder that holds folders of roles")


def check_terminal() -> None:
    """Raises RackstrapError where nobody could see or type anything."""
    if not all(os.isatty(number) for number in (0, 2)):
        hint = "add --plain to read and write lines, or hand over a site file: rackstrap apply SITE"
        raise RackstrapError("this is no terminal", hint)
