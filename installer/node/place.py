"""Where this node stands: live from the kernel line, or installed from /etc/rackstrap/node.json.

Which of the two is told by the root filesystem, never by /proc/cmdline, which survives a soft-reboot.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from installer.model.problems import RackstrapError

LIVE_STATE: Final = Path("/run/rackstrap")
INSTALLED_STATE: Final = Path("/etc/rackstrap")
PIN: Final = re.compile(r"[0-9a-f]{64}")
MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


@dataclass(frozen=True, slots=True)
class Place:
    """The admin node that this node answers to. `pin` is the SHA-256 (hex) of its certificate's DER."""

    admin: str  # https://ADDRESS[:PORT]
    pin: str
    mac: str = ""  # of the NIC that it booted from


@dataclass(frozen=True, slots=True)
class Installed:
    """What an installed node remembers. `boot_id` is that of the boot which installed it; `disks` are stable ids."""

    node: str
    epoch: int
    admin: str
    pin: str
    boot_id: str
    disks: tuple[str, ...]

    @property
    def place(self) -> Place:
        return Place(self.admin, self.pin)


def find_root_type(mounts: str) -> str:
    """The filesystem type of / in /proc/self/mounts text; the last mount wins."""
    rows = [line.split() for line in mounts.splitlines()]
    return next((row[2] for row in reversed(rows) if len(row) > 2 and row[1] == "/"), "")


def is_live() -> bool:
    """Whether the root is the image in memory."""
    return find_root_type(Path("/proc/self/mounts").read_text(encoding="utf-8")) == "overlay"


def parse_cmdline(cmdline: str) -> Mapping[str, str]:
    """Our own words of a kernel line, `rackstrap.` taken off; the last one of a name wins."""
    words = (word.partition("=") for word in cmdline.split())
    return {name.removeprefix("rackstrap."): value for name, _, value in words if name.startswith("rackstrap.")}


def check_place(admin: str, pin: str, mac: str) -> Place:
    """A Place from outside words. Raises RackstrapError when one of them is not what it should be."""
    url = urlsplit(admin)
    if url.scheme != "https" or not url.hostname:
        raise RackstrapError(f"rackstrap.admin is {admin!r}, not https://ADDRESS", "boot this machine from its admin node")
    if not PIN.fullmatch(pin.lower()):
        raise RackstrapError("rackstrap.pin is not the SHA-256 of a certificate", "boot this machine from its admin node")
    clean = mac.lower().replace("-", ":")
    return Place(admin.rstrip("/"), pin.lower(), clean if MAC.fullmatch(clean) else "")


def parse_installed(text: str) -> Installed:
    """node.json as `render_installed` wrote it. Raises RackstrapError."""
    try:
        raw: Any = json.loads(text)
        place = check_place(str(raw["admin"]), str(raw["pin"]), "")
        disks = tuple(str(disk) for disk in raw.get("disks", ()))
        return Installed(str(raw["node"]), int(raw["epoch"]), place.admin, place.pin, str(raw.get("boot_id", "")), disks)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RackstrapError(f"node.json is damaged: {error!r}", "reinstall this node") from error


def render_installed(installed: Installed) -> str:
    """The text of node.json."""
    return json.dumps({name: getattr(installed, name) for name in Installed.__slots__}, indent=1) + "\n"


def load_boot_id() -> str:
    """This boot's id: changes with every kernel start, not with a soft-reboot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
