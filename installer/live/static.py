"""`rackstrap.ip=ADDRESS/PREFIX[,GATEWAY[,DNS[,MAC]]]`: an address for fetching the site file where no DHCP server gives one.

What the site file sets later wins: networkd takes the first file that matches, 05- before 08- before the live system's 20-.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import Final

from installer.live.identity import MAC
from installer.model.facts import Nic
from installer.model.problems import RackstrapError
from installer.model.site import Address
from installer.network import networkd

FILE: Final = "08-rackstrap-ip.network"
HINT: Final = "write rackstrap.ip=ADDRESS/PREFIX[,GATEWAY[,DNS[,MAC]]]"
LINK_WITHIN_S: Final = 20.0
LOOK_EVERY_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Static:
    """`mac`: of the port that gets the address; "": the first one with a link."""

    address: IPv4Interface | IPv6Interface
    gateway: Address | None = None
    dns: Address | None = None
    mac: str = ""


def parse_static(word: str) -> Static:
    """The kernel word's value. Raises RackstrapError."""
    address, gateway, dns, mac, *more = [*word.split(","), "", "", ""]
    try:
        if any(more) or "%" in word or "/" not in address or (mac and not MAC.fullmatch(mac.lower())):
            raise ValueError
        found = Static(
            ip_interface(address),
            ip_address(gateway) if gateway else None,
            ip_address(dns) if dns else None,
            mac.lower(),
        )
    except ValueError:
        raise RackstrapError("rackstrap.ip on the kernel line is no address", HINT) from None
    if found.gateway is not None and (found.gateway not in found.address.network or found.gateway == found.address.ip):
        raise RackstrapError(f"rackstrap.ip: {found.gateway} is no gateway of {found.address.network}", HINT)
    return found


def find_port(static: Static, nics: Sequence[Nic]) -> str:
    """The port's name; "" as long as none has a link. Raises RackstrapError where the MAC is of no port."""
    if static.mac:
        named = next((nic.name for nic in nics if nic.mac == static.mac), "")
        if not named:
            raise RackstrapError(f"rackstrap.ip: this machine has no port {static.mac}", "correct the MAC, or leave it out")
        return named
    return next((nic.name for nic in nics if nic.has_link), "")


def render_static(static: Static, port: str) -> str:
    """The .network file (systemd.network(5))."""
    lines = ["[Match]", f"Name={port}", "[Network]", f"Address={static.address}", "LinkLocalAddressing=no", "IPv6AcceptRA=no"]
    lines += ["LLDP=yes"]
    lines += [f"Gateway={static.gateway}"] if static.gateway is not None else []
    lines += [f"DNS={static.dns}"] if static.dns is not None else []
    return "\n".join(lines) + "\n"


def set_static(static: Static, port: str) -> str:
    """Have networkd give the address to this port. Returns a sentence. Raises RackstrapError."""
    networkd.check_networkd()
    networkd.FILES.mkdir(mode=0o755, parents=True, exist_ok=True)
    fresh = networkd.FILES / f".{FILE}.new"
    fresh.write_text(render_static(static, port), encoding="ascii")
    fresh.chmod(0o644)
    fresh.replace(networkd.FILES / FILE)
    networkd.tell("reload")
    return f"The address {static.address} is on {port}, by rackstrap.ip."


def set_by_word(word: str, find_nics: Callable[[], Sequence[Nic]], wait: Callable[[float], bool]) -> str:
    """Do what the kernel word says once a port has a link. `wait`: sleeps, and tells whether to stop. Raises RackstrapError."""
    static, ends_at = parse_static(word), time.monotonic() + LINK_WITHIN_S
    while not (port := find_port(static, find_nics())):
        if time.monotonic() > ends_at or wait(LOOK_EVERY_S):
            raise RackstrapError("rackstrap.ip: no port has a link", "plug a cable in, or name the port by its MAC")
    return set_static(static, port)
