"""What the installed admin node does first at each start: let go of the live system, see to it that its ESPs say finished."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from installer import __version__
from installer.admin.esp import has_file
from installer.admin.find import Esp, find_esps
from installer.admin.where import FINISHED, FOLDER, STATE, WHERE, Where, Who, render_where
from installer.live.boot import ADMIN_MARK
from installer.model.orders import make_disk_guid
from installer.model.problems import RackstrapError
from installer.node.handover import leave_image
from installer.node.programs import run_program

LIVE_UNITS: Final = ("rackstrap-shell.service", "rackstrap-log.service", "rackstrap-headless.service")


@dataclass(frozen=True, slots=True)
class Mark:
    """What /etc/rackstrap/admin.json says of this installation."""

    site: str
    hostname: str
    epoch: int
    disks: tuple[str, ...]
    who: Who


def load_mark(path: Path = ADMIN_MARK) -> Mark:
    """Raises RackstrapError when it is damaged."""
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
        who = Who(str(raw["who"]["uuid"]), str(raw["who"]["serial"]), tuple(map(str, raw["who"]["macs"])))
        return Mark(str(raw["site"]), str(raw["hostname"]), int(raw["epoch"]), tuple(map(str, raw["disks"])), who)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RackstrapError(f"{path} is damaged: {error!r}", "restore it from a backup, or install again") from error


def settle(mark: Mark) -> list[str]:
    """Let go of the image and the medium, and finish what a power loss in the last second of the installation left.

    What does not work is told: it stops nothing.
    """
    leave_image()
    with suppress(RackstrapError):  # what only the live system has was ended by the hand-over: that is no failure
        run_program(("systemctl", "reset-failed", *LIVE_UNITS))
    where = Where(mark.site, mark.hostname, mark.epoch, mark.disks, mark.who, "finished", time.time(), __version__)
    told = []
    for device in find_devices(mark, find_esps()):
        try:
            finish_esp(device, where)
        except (RackstrapError, OSError) as error:
            told.append(f"{device}: {error}")
    return told


def find_devices(mark: Mark, esps: Iterable[Esp]) -> list[str]:
    """Those of these ESPs that are this installation's, by the disk GUIDs that it gave: a FAT's own id may be a copy's."""
    guids = {make_disk_guid(mark.hostname, mark.epoch, disk) for disk in mark.disks}
    return [esp.image for esp in esps if esp.guid in guids]


def finish_esp(device: str, where: Where) -> None:
    """Mark it as finished, and remove the state. Mounted for writing, as this system may have it mounted at /boot/efi."""
    if has_file(device, FINISHED) and not has_file(device, STATE) and not has_file(device, WHERE):
        return
    with tempfile.TemporaryDirectory(prefix="rackstrap-esp-") as folder:
        run_program(("mount", "-t", "vfat", "-o", "umask=0077", device, folder))
        try:
            root = Path(folder)
            place = root / FINISHED.lstrip("/")
            if not place.exists():
                (root / FOLDER.lstrip("/")).mkdir(parents=True, exist_ok=True)
                place.write_bytes(render_where(where))
                run_program(("sync", "--file-system", folder))
            for name in (STATE, WHERE):
                (root / name.lstrip("/")).unlink(missing_ok=True)
        finally:
            run_program(("umount", folder))
