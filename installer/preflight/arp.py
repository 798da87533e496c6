"""Who answers for an IPv4 address on a segment: ARP (RFC 826), and its probe for duplicates (RFC 5227)."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

_ETH_P_ARP: Final = 0x0806
_REQUEST: Final = 1
_FORM: Final = "!HHBBH6s4s6s4s"
_NOBODY: Final = IPv4Address(0)


@dataclass(frozen=True, slots=True)
class Arp:
    """One ARP packet over Ethernet and IPv4. MACs are lower case with colons."""

    is_request: bool
    sender_mac: str
    sender: IPv4Address
    wanted: IPv4Address


def make_arp(mac: bytes, sender: IPv4Address, wanted: IPv4Address) -> bytes:
    """A request from `sender`; 0.0.0.0 makes it a probe, which changes no neighbour's table (RFC 5227, 1.1)."""
    return struct.pack(_FORM, 1, 0x0800, 6, 4, _REQUEST, mac, sender.packed, bytes(6), wanted.packed)


def parse_arp(raw: bytes) -> Arp | None:
    """None for what is no ARP over Ethernet and IPv4."""
    if len(raw) < struct.calcsize(_FORM):
        return None
    hardware, protocol, mac_size, size, operation, mac, sender, _, wanted = struct.unpack_from(_FORM, raw)
    if (hardware, protocol, mac_size, size) != (1, 0x0800, 6, 4) or operation not in (1, 2):
        return None
    return Arp(operation == _REQUEST, mac.hex(":"), IPv4Address(sender), IPv4Address(wanted))


def find_duplicate(interface: str, address: IPv4Address, own_macs: Collection[str], for_s: float) -> str:
    """The MAC of another machine that has this address, or that probes for it as well (RFC 5227, 2.1.1); "" for nobody.

    Three probes within `for_s` instead of the RFC's 3 to 7 s. Raises OSError.
    """

    def is_duplicate(arp: Arp) -> bool:
        probes_too = arp.is_request and arp.sender == _NOBODY and arp.wanted == address
        return arp.sender_mac not in own_macs and (arp.sender == address or probes_too)

    return _listen(interface, _NOBODY, address, is_duplicate, for_s)


def find_neighbour(interface: str, address: IPv4Address, own: IPv4Address, own_macs: Collection[str], for_s: float) -> str:
    """The MAC that answers for the address, "" for nobody. `own`: who asks, 0.0.0.0 without an address. Raises OSError."""
    return _listen(interface, own, address, lambda arp: arp.sender == address and arp.sender_mac not in own_macs, for_s)


def _listen(interface: str, own: IPv4Address, wanted: IPv4Address, fits: Callable[[Arp], bool], for_s: float) -> str:
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ARP)) as packets:
        packets.bind((interface, _ETH_P_ARP))
        request = make_arp(packets.getsockname()[4][:6], own, wanted)
        started_at = time.monotonic()
        sends_at = [started_at + for_s * part / 4 for part in range(3)]
        while (now := time.monotonic()) < started_at + for_s:
            if sends_at and now >= sends_at[0]:
                sends_at.pop(0)
                packets.sendto(request, (interface, _ETH_P_ARP, 0, 0, b"\xff" * 6))
            if not select.select([packets], [], [], 0.05)[0]:
                continue
            content, (_, _, kind, *_) = packets.recvfrom(2048)
            arp = None if kind in (socket.PACKET_OUTGOING, socket.PACKET_OTHERHOST) else parse_arp(content)
            if arp is not None and fits(arp):
                return arp.sender_mac
    return ""
