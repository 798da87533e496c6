"""Take back into a live system what an unfinished installation of this machine has put on its ESPs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from installer.admin.esp import read_file
from installer.admin.find import Installation
from installer.admin.state import MOST_BYTES, unpack_state
from installer.admin.where import STATE
from installer.model.problems import RackstrapError

TAR_BYTES: Final = MOST_BYTES + 2**24  # with its headers
VALUED: Final = ("store.db", "site.yaml", "draft.yaml", "wanted", "given", "applied")


def is_empty(state: Path) -> bool:
    """Whether nothing is in this folder yet that somebody may miss."""
    return not any((state / name).exists() for name in VALUED)


def find_unfinished(found: tuple[Installation, ...]) -> Installation | None:
    """This machine's unfinished installation that was begun last and left its state; none where one has finished since."""
    ours = [one for one in found if one.is_ours]
    begun = [one for one in ours if one.kind == "unfinished" and one.states]
    last = max(begun, key=lambda one: (one.where.epoch, one.where.at), default=None)
    is_over = last is not None and any(one.kind == "finished" and one.where.epoch >= last.where.epoch for one in ours)
    return None if is_over else last


def run_recover(found: tuple[Installation, ...], state: Path) -> tuple[Installation, int] | None:
    """Take the state back into this empty folder; which installation's, and how many files. None where there is none.

    Raises RackstrapError when what is there cannot be read; then the folder is as it was.
    """
    one = find_unfinished(found)
    if one is None:
        return None
    if not is_empty(state):
        raise RackstrapError(f"{state} is in use: nothing was taken back", "this runs before anything else starts")
    for number, esp in enumerate(one.states, 1):
        try:
            raw = read_file(esp.image, STATE, TAR_BYTES)
            if raw is not None:
                return one, unpack_over(raw, state)
        except RackstrapError:
            if number == len(one.states):
                raise
    return None


def unpack_over(raw: bytes, state: Path) -> int:
    """Lay the tar out as this folder; empty folders that others made there already are in nobody's way."""
    for path in sorted(state.rglob("*"), reverse=True) if state.is_dir() else ():
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    return unpack_state(io.BytesIO(raw), state)
