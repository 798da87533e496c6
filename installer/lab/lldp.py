"""The switch at the other end of every cable, as far as LLDP (IEEE 802.1AB) shows it.

LLDP does not cross a Linux bridge, so one lldpd speaks on each tap for the switch and the port that the rack names.
"""

from __future__ import annotations

from pathlib import Path

from installer.lab.rack import RackNic


def make_lldpd(folder: Path, tap: str, nic: RackNic) -> list[str]:
    """Write the configuration (lldpcli(8)) of this tap's lldpd; the command line that starts it."""
    conf = folder / f"{tap}.lldp.conf"
    conf.write_text(
        f'configure system hostname "{nic.switch}"\n'
        f'configure ports {tap} lldp portidsubtype local "{nic.port}" description "{nic.port}"\n'
        "configure lldp tx-interval 5\n"
        "resume\n"
    )
    argv = ["lldpd", "-d", "-k", "-I", tap, "-C", tap, "-O", str(conf)]
    return [*argv, "-u", str(folder / f"{tap}.lldp.sock"), "-p", str(folder / f"{tap}.lldp.pid"), "-S", "a switch of the lab"]
