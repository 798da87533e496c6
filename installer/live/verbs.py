"""`rackstrap headless`."""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from installer.live.telling import NOTICE
from installer.model.problems import RackstrapError
from installer.serve.verbs import find_image_dir, find_state_dir

if TYPE_CHECKING:
    from installer.live.boot import Boot
    from installer.live.telling import Telling


def add_headless(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="one round, then end with its exit code")
    parser.add_argument("--site", metavar="PLACE", help="a path or a URL, in place of the kernel line's rackstrap.site")
    parser.add_argument("--state", type=Path, metavar="DIR", default=find_state_dir(), help="where everything is kept")
    parser.add_argument("--image", type=Path, metavar="DIR", default=find_image_dir(), help="the built image")


def run_headless(args: argparse.Namespace) -> int:
    """Find the site file and carry it out; on the installed system and elsewhere only what `--site` names is looked at."""
    from dataclasses import replace

    from installer.engine.folders import check_live
    from installer.live.acts import LiveActs, make_words
    from installer.live.boot import find_boot
    from installer.live.headless import Headless
    from installer.live.identity import find_identity
    from installer.live.sources import Places

    boot = find_boot()
    if args.site:
        boot = replace(boot, words={**boot.words, "site": args.site})
    stopped = threading.Event()
    state = args.state.absolute()
    check_live(state)
    more = ("--state", str(state), "--image", str(args.image.absolute()))
    acts = LiveActs(state, make_words(find_work(boot)), more, stopped, boot.source == "medium")
    telling = make_telling(boot)
    runner = Headless(
        state,
        lambda is_settled: Places(boot, find_identity()).look(is_settled=is_settled),
        acts,
        telling,
        once=args.once,
        goes_on=find_work(boot) == "apply",
        stopped=stopped,
    )
    with hold_alone(state), stopping(stopped):
        set_address(boot, telling, stopped)
        return runner.run()


def set_address(boot: Boot, telling: Telling, stopped: threading.Event) -> None:
    """What the kernel line's rackstrap.ip says; what is wrong with it is told, for the file may come from elsewhere."""
    from installer.live.static import set_by_word
    from installer.network.here import find_nics_here

    if "ip" in boot.words:
        try:
            telling.tell(set_by_word(boot.words["ip"], find_nics_here, stopped.wait))
        except (RackstrapError, OSError) as error:
            telling.tell(str(error), getattr(error, "hint", ""))


@contextmanager
def stopping(stopped: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM end the looking; what has begun goes on without us."""
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def hold_alone(state: Path) -> Iterator[None]:
    """Be the only one that looks for a site file for this state. Raises RackstrapError."""
    from installer.engine.schema import make_folder

    make_folder(state)
    state.chmod(0o700)  # the boot may have made it for everybody
    (state / "run").mkdir(mode=0o700, exist_ok=True)
    lock = os.open(state / "run/headless.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            hint = f"what it says: {NOTICE}; to end it: systemctl stop rackstrap-headless"
            raise RackstrapError("a headless start runs here already", hint) from None
        yield
    finally:
        os.close(lock)


def make_telling(boot: Boot) -> Telling:
    """On the live system everywhere; elsewhere on standard output alone, for the consoles belong to somebody else."""
    from installer.live.telling import NOTICE, Telling, find_free_consoles

    return Telling(find_free_consoles, NOTICE) if boot.source == "medium" else Telling(tuple, None)


def find_work(boot: Boot) -> str:
    """The verb that carries the site out: from memory where the ISO was started to touch no disk, else onto the disk."""
    return "apply" if boot.mode == "live" or boot.source != "medium" else "install"
