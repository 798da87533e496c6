"""Waiting until udev has looked at the devices: before, disks have no serial numbers, and ports the kernel's own names."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Final

UDEV: Final = Path("/run/udev")
LOOK_EVERY_S: Final = 0.5
PATIENCE_S: Final = 60.0  # udev gives each device up to three minutes; what is stuck so long must not hide the other disks


def is_settled(udev: Path = UDEV, subsystem: str = "block") -> bool:
    """Whether udev has looked at every disk (`net`: every port) at least once. True also where no udev runs, as in a container.

    The ISO starts udev after the TUI: its socket is there before, its first entry of a device is not.
    """
    if not (udev / "control").exists():
        return True
    if not (udev / "data").is_dir():
        return False
    import pyudev

    return all(device.is_initialized for device in pyudev.Context().list_devices(subsystem=subsystem))


def wait_settled(end: threading.Event, udev: Path = UDEV, subsystem: str = "block") -> None:
    """Until udev is done with the disks (`net`: the ports), this event is set, or a minute has gone."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not is_settled(udev, subsystem) and time.monotonic() < give_up_at and not end.wait(LOOK_EVERY_S):
        pass
