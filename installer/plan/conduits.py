"""Which NICs a conduit means on one machine: Crowbar's grammar of speed and index, MAC, PCI path, LLDP port."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from installer.model.facts import Machine, Nic
from installer.model.site import Conduit
from installer.plan.natural import make_natural_key

_SPEED: Final = re.compile(r"([?+-]?)([1-9][0-9]{0,3})([mg])([1-9][0-9]?)", re.ASCII)


def find_nics(conduit: Conduit, machine: Machine) -> tuple[tuple[Nic, ...], tuple[str, ...]]:
    """The NICs of a conduit in its own order, and those of its members that no NIC fits.

    `?1g1` is the first NIC whatever its speed, `1g1` the first of exactly 1 Gbit/s, `+1g1` the first of 1 Gbit/s or
    faster, `-1g1` of 1 Gbit/s or slower. NICs count in the order of their PCI paths. For `?` the NIC that the machine
    booted from counts first: it is known to be on the admin network, whichever slot it sits in.
    """
    nics: list[Nic] = []
    missing: list[str] = []
    for member in conduit.nics:
        nic = _find_nic(member, machine)
        if nic is None:
            missing.append(member)
        elif nic not in nics:
            nics.append(nic)
    return tuple(nics), tuple(missing)


def sort_nics(nics: Sequence[Nic]) -> list[Nic]:
    """In the order of the bus, then of their names: how NICs are counted."""
    return sorted(nics, key=lambda nic: (make_natural_key(nic.pci_path), make_natural_key(nic.name), nic.mac))


def _find_nic(member: str, machine: Machine) -> Nic | None:
    kind, mark, value = member.partition("=")
    if not mark:
        return _find_by_speed(member, machine)
    if kind == "mac":
        return next((nic for nic in machine.nics if nic.mac == value.lower()), None)
    if kind == "pci":
        return next((nic for nic in sort_nics(machine.nics) if value in (nic.pci_path, nic.pci_path.removeprefix("pci-"))), None)
    if kind == "lldp":
        switch, _, port = value.partition("/")
        fits = (nic for nic in sort_nics(machine.nics) if nic.lldp and (nic.lldp.switch, nic.lldp.port) == (switch, port))
        return next(fits, None)
    return None


def _find_by_speed(member: str, machine: Machine) -> Nic | None:
    parsed = _SPEED.fullmatch(member)
    if parsed is None:
        return None
    sign, number, unit, index = parsed.groups()
    mbps = int(number) * (1000 if unit == "g" else 1)
    nics = [nic for nic in sort_nics(machine.nics) if _is_speed(sign, mbps, nic.speed_mbps)]
    if sign == "?":
        nics.sort(key=lambda nic: nic.mac != machine.boot_nic)
    return nics[int(index) - 1] if len(nics) >= int(index) else None


def _is_speed(sign: str, wanted_mbps: int, mbps: int | None) -> bool:
    if sign == "?":
        return True
    if mbps is None:
        return False
    if sign == "+":
        return mbps >= wanted_mbps
    return mbps <= wanted_mbps if sign == "-" else mbps == wanted_mbps
