"""What a person sees on the consoles of a node: who it is, its code, its state, what it waits for.

Plain ASCII lines of at most 80 columns, written to every active console and only when something changed, so that a
serial log stays readable.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

COLUMNS: Final = 79
ACTIVE: Final = Path("/sys/class/tty/console/active")
Write = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Panel:
    """Everything that is shown."""

    product: str = ""
    serial: str = ""
    mac: str = ""
    address: str = ""
    code: str = ""
    name: str = ""
    admin: str = ""
    state: str = "starting"
    waits: str = ""


def make_plain(text: str) -> str:
    """Printable ASCII of `text`, at most one line: names come from firmware and from the network."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:COLUMNS]


def render_panel(panel: Panel) -> str:
    """The panel as lines."""
    who = " ".join(part for part in (panel.product, panel.serial and f"serial {panel.serial}") if part)
    rows = (
        ("machine", who or "unknown"),
        ("network", " ".join(part for part in (panel.mac, panel.address) if part) or "no address yet"),
        ("code", panel.code),
        ("name", panel.name),
        ("admin", panel.admin),
        ("state", panel.state),
        ("waits for", panel.waits),
    )
    lines = [make_plain(f"  {label:<9}  {value}") for label, value in rows if value]
    return "\n".join([make_plain("-- Rackstrap " + "-" * COLUMNS), *lines, "-" * COLUMNS])


@dataclass(slots=True)
class Console:
    """The consoles of this machine, and what they show now."""

    write: Write
    panel: Panel = field(default_factory=Panel)
    shown: str = ""

    def show(self, **changes: str) -> None:
        """Change the panel; written when that makes a difference."""
        self.panel = replace(self.panel, **changes)
        text = render_panel(self.panel)
        if text != self.shown:
            self.shown = text
            self.write(f"\n{text}\n")

    def say(self, text: str) -> None:
        """One line of its own, without repeating the panel."""
        self.write(f"rackstrap: {make_plain(text)}\n")


def find_consoles(active: Path = ACTIVE, folder: Path = Path("/dev")) -> tuple[Path, ...]:
    """The device nodes of every console that the kernel writes to."""
    try:
        names = active.read_text(encoding="ascii").split()
    except OSError:
        return ()
    return tuple(folder / name for name in names)


def write_consoles(text: str, consoles: Sequence[Path]) -> None:
    """Write to each; one that is stuck, gone or full loses it: nothing may stop for a console."""
    for path in consoles:
        try:
            fd = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            os.write(fd, text.replace("\n", "\r\n").encode("ascii", "replace"))
        except OSError:
            continue
        finally:
            os.close(fd)


def make_console() -> Console:
    """A console that writes to every active one."""
    return Console(lambda text: write_consoles(text, find_consoles()))


def load_dmi(name: str) -> str:
    """One word of the firmware's tables (product_name, product_serial), or nothing."""
    try:
        return make_plain(Path("/sys/class/dmi/id", name).read_text(encoding="utf-8", errors="replace").strip())
    except OSError:
        return ""
