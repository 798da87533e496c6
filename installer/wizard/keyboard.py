"""The console's keyboard: which it is, which there are, and another one from now on."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from installer.model.problems import RackstrapError
from installer.probe import sysfs

FILE: Final = Path("/etc/default/keyboard")
LAYOUTS_FILE: Final = Path("/usr/share/X11/xkb/rules/base.lst")
CONSOLE: Final = Path("/dev/tty0")  # absent where there is no screen: in a container, with a serial line alone
TIMEOUT_S: Final = 20.0


def find_keyboard(path: Path = FILE) -> str:
    """The console's layout as keyboard(5) has it; "" unknown."""
    found = re.search(r'(?m)^\s*XKBLAYOUT="?([a-z]{2,12})', sysfs.read_text(path))
    return found[1] if found else ""


def find_keyboards(path: Path = LAYOUTS_FILE) -> tuple[str, ...]:
    """Every layout that xkb-data knows; none where that is not installed."""
    section = sysfs.read_text(path).partition("! layout")[2].partition("\n!")[0]
    return tuple(re.findall(r"(?m)^\s+([a-z]{2,12})\s", section))


def set_keyboard(layout: str, known: Sequence[str]) -> str:
    """Give the console this layout now. Raises RackstrapError for one that does not exist, and where it cannot be set.

    A serial line's keyboard, and one over SSH, is that of the terminal at its other end: there is nothing to set.
    """
    if layout not in known:
        raise RackstrapError(f"no keyboard layout is called {layout[:20]!r}", "choose one of the list, as us, gb or de")
    if not CONSOLE.exists():
        return f"{layout} is for the nodes; this machine has no screen, and a serial line has its terminal's own keyboard"
    try:
        keys = _run(("ckbcomp", "-layout", layout))
        _run(("loadkeys", "--console", str(CONSOLE), "-"), keys)
    except (OSError, subprocess.SubprocessError) as error:
        raise RackstrapError(f"the keyboard stays as it was: {error}", "install console-setup and kbd") from error
    return f"the console's keyboard is {layout} now"


def _run(argv: tuple[str, ...], given: bytes = b"") -> bytes:
    return subprocess.run(argv, input=given, capture_output=True, check=True, timeout=TIMEOUT_S).stdout
