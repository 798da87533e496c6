"""What a headless start leaves to a person, and the site that is being carried out without one: to be shown, not asked for."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE: Final = "interactive.json"
MOST_BYTES: Final = 64 * 1024
GIVEN: Final = ("wanted/site.yaml", "applied/site.yaml", "given/site.yaml")  # of an installation, of apply, of a headless start


@dataclass(frozen=True, slots=True)
class Asked:
    """`site`: the file as it was found; it says itself what is asked. `at`: when it was handed over, seconds since 1970."""

    site: Path
    at: float


def load_asked(state: Path) -> Asked | None:
    """What was handed over: `{"sections": ["nodes"], "site": "/absolute/path"}`. None where nothing was, or nothing sensible."""
    try:
        with (state / FILE).open("rb") as file:
            raw, at = file.read(MOST_BYTES + 1), os.fstat(file.fileno()).st_mtime
        row = json.loads(raw) if len(raw) <= MOST_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
    match row:
        case {"site": str(site)} if Path(site).is_absolute() and "\0" not in site:
            return Asked(Path(site), at)
    return None


def find_stamp(state: Path) -> int:
    """Changes whenever something else is handed over; 0 where nothing is."""
    try:
        return (state / FILE).stat().st_mtime_ns
    except OSError:
        return 0


def find_given(state: Path) -> tuple[Path, int]:
    """The site file that was given or begun last, and a stamp that changes with it; a stamp of 0 where there is none."""
    found = [(path.stat().st_mtime_ns, path) for name in GIVEN if (path := state / name).is_file()]
    stamp, path = max(found, default=(0, state))
    return path, stamp


def find_file(path: Path) -> str:
    """Where a given site file's relative paths begin: beside it, but for an applied one, which remembers where it was."""
    try:
        folder = path.with_name("beside").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return str(path)
    return str(Path(folder) / path.name)
