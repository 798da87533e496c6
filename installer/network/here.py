"""This machine's NICs, read now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from installer.model.facts import Nic
from installer.probe.commands import run_command
from installer.probe.nics import parse_addresses, parse_nics
from installer.probe.record import TOOL_TIMEOUT_S, read_addresses
from installer.probe.sysfs import read_devices


def find_nics_here(named: Sequence[str] = ()) -> tuple[Nic, ...]:
    """Every NIC that is hardware, and of what is not (a container's) those that the site names: who does that means it."""
    from installer.preflight.interface import find_interface_now, find_mac, find_name

    told = read_addresses()
    commands: dict[str, Any] = {
        "ip": run_command(("ip", "-j", "-d", "link"), TOOL_TIMEOUT_S),
        "lldp": run_command(("lldpctl", "-f", "json0"), TOOL_TIMEOUT_S),
    }
    nics = parse_nics({"commands": commands, "net": read_devices([])["net"], "addresses": told["addresses"]})
    addresses = parse_addresses(told["addresses"])
    virtual: list[Nic] = []
    for entry in named:
        name = entry if ":" not in entry else find_name(entry.lower())
        now = find_interface_now(name)
        if now is None or any(nic.name == name or nic.mac == entry.lower() for nic in (*nics, *virtual)):
            continue
        speed = now.speed_mbps or None
        virtual.append(Nic(name, find_mac(name), now.driver, speed, now.has_link, addresses=addresses.get(name, ())))
    return (*nics, *virtual)
