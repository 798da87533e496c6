"""Leave the live system for the installed one: end who writes to the state, clean what /run would carry over, hand over."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from installer.engine.lock import hold_lock, stop_holder
from installer.live.boot import MEDIUM
from installer.model.problems import RackstrapError
from installer.node.handover import LIVE_MOUNTS, hand_over, prepare_handover
from installer.node.job import TARGET, Job
from installer.node.programs import run_program
from installer.serve.verbs import stop_serving

RUN: Final = Path("/run/rackstrap")
UNITS: Final = ("rackstrap-serve.service", "rackstrap-continue.service")


@contextmanager
def hold_still(state: Path) -> Iterator[None]:
    """End what serves and applies over this state, and keep it from beginning again. Raises RackstrapError."""
    with suppress(RackstrapError):
        run_program(("systemctl", "stop", *UNITS))
    stop_holder(state)
    with hold_lock(state):
        stop_serving(state)
        yield


def prepare(job: Job) -> str:
    """Prepare the hand-over that was decided; how it will be. The installation is whole: a plain reboot always finds it."""
    try:
        prepare_handover(job)
    except RackstrapError:
        return "reboot"
    return job.spec.handover


def leave(how: str) -> None:
    """Hand over. Does not return."""
    if how == "soft-reboot":
        clean_run(RUN)
        let_go_of_medium(MEDIUM)
    hand_over(how)


def clean_run(run: Path) -> None:
    """Remove the live system's own from /run, which outlives a soft-reboot: password, keys, notices, sockets. Mounts stay."""
    kept = {MEDIUM, TARGET, *map(Path, LIVE_MOUNTS)}
    for path in run.glob("*"):
        if path in kept or path.is_mount():
            continue
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def let_go_of_medium(mount: Path) -> None:
    """Take the medium's mount out of sight, and its folder: by that folder units know the live system.

    Lazily: the layers that this system runs from still lie on it.
    """
    if mount.is_mount():
        with suppress(RackstrapError):
            run_program(("umount", "--lazy", str(mount)))
    with suppress(OSError):
        mount.rmdir()
