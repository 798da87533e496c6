"""The switch at the other end of every cable, as far as LLDP (IEEE 802.1AB) shows it.

LLDP does not cross a Linux bridge, so one lldpd speaks on each tap for the switch and the port that the rack names.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from installer.lab.rack import RackNic


def find_rooms(name: str) -> Path:
    """The folder for this rack's lldpd: lldpcli gives root up before it opens anything, so not below the rack's own."""
    return Path("/run") / f"rackstrap-lab-{name}"


def make_lldpd(rooms: Path, tap: str) -> list[str]:
    """The command line of this tap's lldpd (lldpd(8))."""
    argv = ["lldpd", "-dd", "-k", "-I", tap, "-C", tap, "-m", "!*", "-O", str(rooms / f"{tap}.conf"), "-S", "a switch of the lab"]
    return [*argv, "-u", str(rooms / f"{tap}.sock"), "-p", str(rooms / f"{tap}.pid")]


def save_lldpd(rooms: Path, tap: str, nic: RackNic) -> None:
    """The configuration of this tap's lldpd (lldpcli(8))."""
    rooms.mkdir(mode=0o755, exist_ok=True)
    (rooms / f"{tap}.conf").write_text(
        f'configure system hostname "{nic.switch}"\n'
        f'configure system chassisid "{nic.switch}"\n'
        f'configure ports {tap} lldp portidsubtype local "{nic.port}" description "{nic.port}"\n'
        "configure lldp tx-interval 5\n"
        "resume\n"
    )


def run_clean(name: str) -> None:
    shutil.rmtree(find_rooms(name), ignore_errors=True)
