"""How this machine was started: from the admin ISO, from the disk onto which the ISO installed it, or otherwise.

Told by the root filesystem and by what the initramfs mounted, never by /proc/cmdline alone: that survives a soft-reboot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from installer.node.place import find_root_type, parse_cmdline

MEDIUM: Final = Path("/run/rackstrap/medium")  # where the initramfs mounts the ISO, read-only
MEDIUM_IMAGE: Final = MEDIUM / "rackstrap"  # what `--image` names: manifest.json, squashfs files, tftp/
SITE_AREA: Final = MEDIUM_IMAGE / "site.tar"  # zeros, or the site file that `rackstrap iso customize` wrote in their place
ADMIN_MARK: Final = Path("/etc/rackstrap/admin.json")  # on an installed admin node
MODES: Final = ("install", "live", "unattended")

Source = Literal["medium", "disk", "other"]
Mode = Literal["install", "live", "unattended", ""]


@dataclass(frozen=True, slots=True)
class Boot:
    """`source`: the ISO in memory, the installed admin node's own disk, or anything else (a checkout, a node).

    `mode` is what was chosen in the ISO's boot menu; "" where there was none. `words`: the kernel line's `rackstrap.` words,
    the prefix taken off; none unless started from the ISO.
    """

    source: Source = "other"
    mode: Mode = ""
    words: Mapping[str, str] = field(default_factory=dict)


def parse_boot(cmdline: str, mounts: str, *, is_admin: bool) -> Boot:
    """`cmdline`: the text of /proc/cmdline; `mounts`: of /proc/self/mounts; `is_admin`: whether ADMIN_MARK is there."""
    if find_root_type(mounts) == "overlay":
        words = parse_cmdline(cmdline)
        if "medium" not in words or not _is_mounted(mounts, str(MEDIUM)):
            return Boot()
        mode = words.get("boot", "")
        return Boot("medium", mode if mode in MODES else "install", words)  # type: ignore[arg-type]
    return Boot("disk") if is_admin else Boot()


def _is_mounted(mounts: str, place: str) -> bool:
    return any(line.split()[1:2] == [place] for line in mounts.splitlines())


def find_boot() -> Boot:
    """How this machine was started, now."""
    cmdline = Path("/proc/cmdline").read_text(encoding="utf-8", errors="replace")
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    return parse_boot(cmdline, mounts, is_admin=ADMIN_MARK.exists())
