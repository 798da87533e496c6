"""State folders: whether one is a rehearsal's, and how one is replaced whole.

A rehearsal's consents must never reach a real disk, nor its recordings a real rack.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from installer.model.problems import RackstrapError

MARK: Final = "rehearsal"
_REAL: Final = ("store.db", "site.yaml", "draft.yaml", "serve.lock")  # what a folder in use has one of


def check_live(state: Path) -> None:
    """Refuse a rehearsal's folder. Its recorded machines may be real ones, and its consents would hold for their disks."""
    if (state / MARK).exists():
        raise RackstrapError(f"{state} is a rehearsal's, of recorded machines", "name another folder with --state")


def claim_rehearsal(state: Path) -> None:
    """Make this folder a rehearsal's, or go on in one. Raises RackstrapError for one in which something real was done."""
    from installer.engine.schema import make_folder

    if (state / MARK).exists():
        return
    if any((state / name).exists() for name in _REAL):
        raise RackstrapError(f"{state} is of a real site: nothing is rehearsed there", "name another folder with --state")
    try:
        make_folder(state)
        os.close(os.open(state / MARK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise RackstrapError(f"cannot use {state}: {error.strerror}", "choose another --state DIR") from error


def swap_folder(fresh: Path, kept: Path) -> None:
    """Put the finished folder `fresh` in the place of `kept`, which goes last: killed half-way, one of the two is whole."""
    old = kept.with_name(f"{kept.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if kept.exists():
        kept.rename(old)
    fresh.rename(kept)
    shutil.rmtree(old, ignore_errors=True)
