"""What the site file leaves to a person (`interactive:`): handed to the TUI, and waited for until that has begun the work.

The hand-over is state/interactive.json: `{"sections": [...], "site": "/absolute/path"}`. The TUI answers by starting what it
starts: the whole site file is then state/run/wanted/site.yaml, saved later than the hand-over.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from installer.model.site import Site
from installer.site.save import save_text

FILE: Final = "interactive.json"
WANTED: Final = "run/wanted/site.yaml"


def ask_sections(state: Path, site: Site, path: Path) -> None:
    """Hand these sections to the TUI. Raises RackstrapError when the state cannot be written."""
    save_text(state / FILE, json.dumps({"sections": list(site.interactive), "site": str(path.absolute())}) + "\n")


def is_asking(state: Path) -> bool:
    return (state / FILE).exists()


def is_answered(state: Path) -> bool:
    """Whether the TUI has begun something since it was asked."""
    try:
        return (state / WANTED).stat().st_mtime_ns > (state / FILE).stat().st_mtime_ns
    except FileNotFoundError:
        return False


def take_back(state: Path) -> None:
    """The sections are no longer asked for."""
    (state / FILE).unlink(missing_ok=True)
