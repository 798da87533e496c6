"""Make this machine findable: the chassis light by its BMC, else the port light of its NIC, else its disks' lights."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from installer.model.problems import RackstrapError
from installer.node.programs import run_program
from installer.node.result import Result

SECONDS: Final = 30
NET: Final = Path("/sys/class/net")


def run_light(mac: str, seconds: int = SECONDS) -> Result:
    """Blink for `seconds`; ok as soon as one light could be lit, and the reason says which."""
    tried: list[str] = []
    interface = find_interface(mac)
    for what, argv in (
        ("chassis light", ("ipmitool", "chassis", "identify", str(seconds))),
        (f"port light of {interface}", ("ethtool", "--identify", interface, str(seconds)) if interface else ()),
    ):
        if not argv:
            continue
        try:
            run_program(argv, timeout_s=seconds + 15)
        except RackstrapError as error:
            tried.append(f"{what}: {error.message}")
        else:
            return Result(True, what)
    disks = find_disks()
    if disks:
        read_disks(disks, seconds)
        return Result(True, f"activity lights of {', '.join(disks)}")
    return Result(False, "; ".join(tried) or "this machine has no light to blink")


def find_interface(mac: str, net: Path = NET) -> str:
    """The interface with this MAC, else the first that is hardware."""
    real = sorted(path.parent.name for path in net.glob("*/device"))
    same = [name for name in real if (net / name / "address").read_text(encoding="ascii").strip() == mac]
    return next(iter([*same, *real]), "")


def find_disks(block: Path = Path("/sys/block")) -> tuple[str, ...]:
    """Kernel names of the disks that are hardware."""
    return tuple(sorted(path.parent.name for path in block.glob("*/device") if not path.parent.name.startswith("sr")))


def read_disks(names: tuple[str, ...], seconds: int) -> None:
    """Read every disk in bursts of half a second: reading is all that this does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name in names:
            fd = os.open(f"/dev/{name}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                burst = time.monotonic() + 0.5
                while time.monotonic() < burst and os.read(fd, 1 << 20):
                    pass
            finally:
                os.close(fd)
        time.sleep(0.5)
