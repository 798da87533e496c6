"""The rack's network: a namespace with a bridge, the admin address, the BMCs' addresses and a tap per NIC.

Nothing outside the namespace is touched but its name in /run/netns.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from installer.model.problems import RackstrapError

if TYPE_CHECKING:
    from installer.lab.rack import Rack

NAMES = Path("/run/netns")


def find_namespace(name: str) -> int:
    """The inode of the namespace with this name: what tells it from a later one; 0 when there is none."""
    try:
        return (NAMES / name).stat().st_ino
    except OSError:
        return 0


def make_inside(name: str, argv: Sequence[str]) -> list[str]:
    """The command inside the namespace. Not `ip netns exec`: that mounts another /sys and hides cgroups."""
    return ["nsenter", f"--net={NAMES / name}", "--", *argv]


def run_ip(*words: str, inside: str = "") -> None:
    """One `ip` command. Raises RackstrapError with its own words when it fails."""
    argv = ["ip", *words]
    done = subprocess.run(make_inside(inside, argv) if inside else argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RackstrapError(f"`{' '.join(argv)}` failed: {done.stderr.strip()}", "the lab needs root and iproute2")


def make_taps(rack: Rack, machine: int) -> tuple[str, ...]:
    """Names of the taps that this machine's NICs are plugged into."""
    return tuple(f"tap{machine}-{nic}" for nic in range(len(rack.machines[machine].nics)))


def run_build(rack: Rack) -> int:
    """Create the namespace and all that is in it; its inode."""
    run_ip("netns", "add", rack.name)
    run_ip("link", "set", "lo", "up", inside=rack.name)
    # No spanning tree and no delay: firmware asks for DHCP the moment that a link is up.
    bridge = ("link", "add", rack.bridge, "type", "bridge", "stp_state", "0", "forward_delay", "0")
    run_ip(*bridge, inside=rack.name)
    run_ip("addr", "add", str(rack.bridge_address), "dev", rack.bridge, inside=rack.name)
    for machine in rack.machines:
        if machine.bmc:
            run_ip("addr", "add", f"{machine.bmc.address}/32", "dev", rack.bridge, inside=rack.name)
    run_ip("link", "set", rack.bridge, "up", inside=rack.name)
    for number in range(len(rack.machines)):
        for tap in make_taps(rack, number):
            run_ip("tuntap", "add", tap, "mode", "tap", inside=rack.name)
            run_ip("link", "set", tap, "master", rack.bridge, "up", inside=rack.name)
    return find_namespace(rack.name)


def find_inhabitants(name: str) -> list[int]:
    """Pids of all processes whose network is this namespace."""
    inode = find_namespace(name)
    found = []
    for link in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            if inode and link.stat().st_ino == inode:
                found.append(int(link.parts[2]))
        except OSError:
            continue
    return sorted(found)
