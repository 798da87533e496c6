"""Notice that this machine's facts may have changed, cheaply: disks, links and LLDP neighbours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from installer.model.problems import RackstrapError
from installer.node.programs import run_program

AGE: Final = re.compile(r"\.(age|rid)=")
SOCKET: Final = Path("/run/lldpd.socket")


def load_signs() -> tuple[str, ...]:
    """What is compared from one poll to the next; a difference is worth a new recording."""
    disks = sorted(path.name for folder in ("by-id", "by-path") for path in Path("/dev/disk", folder).glob("*"))
    links = [f"{path.parent.name}={load_carrier(path)}" for path in sorted(Path("/sys/class/net").glob("*/carrier"))]
    return (*disks, *links, *load_neighbours())


def load_carrier(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:  # the interface is down
        return ""


def load_neighbours() -> tuple[str, ...]:
    """LLDP neighbours as lldpd knows them; none when it does not run."""
    if not SOCKET.exists():
        return ()
    try:
        return parse_neighbours(run_program(("lldpctl", "-f", "keyvalue"), timeout_s=10))
    except RackstrapError:
        return ()


def parse_neighbours(text: str) -> tuple[str, ...]:
    """The lines of `lldpctl -f keyvalue` without those that change by themselves."""
    return tuple(sorted(line for line in text.splitlines() if line and not AGE.search(line)))
