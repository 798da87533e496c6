"""Find BMCs: RMCP presence pings (DMTF DSP0136, ASF 2.0, section 3.2.4.2) to every address of some ranges."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from installer.model.problems import RackstrapError
from installer.model.site import Address
from installer.site.addresses import UnreadableError, parse_range, parse_subnet

PORT: Final = 623
MOST_ADDRESSES: Final = 65536
MOST_ASKED: Final = 4096  # by a request to the running service, whose other work shall not wait
ROUNDS: Final = 3  # UDP: a ping may be lost
ROUND_S: Final = 0.5
BURST: Final = 128  # pings between two looks at the answers
TAG: Final = 0x52
ASF_IANA: Final = (4542).to_bytes(4, "big")
# RMCP: version 6, reserved, sequence 255 (no acknowledgement), class 6 (ASF); ASF: IANA, type 0x80, tag, reserved, no data
PING: Final = bytes((6, 0, 0xFF, 6)) + ASF_IANA + bytes((0x80, TAG, 0, 0))
PONG_TYPE: Final = 0x40
IPMI_SUPPORTED: Final = 0x80  # supported entities, bit 7


@dataclass(frozen=True, slots=True)
class Found:
    """Something that answered a presence ping. `speaks_ipmi`: whether it says that it supports IPMI."""

    address: str
    speaks_ipmi: bool


def parse_ranges(texts: Sequence[str], most: int = MOST_ADDRESSES) -> tuple[Address, ...]:
    """Every address of `A`, `A-B` and `A/prefix`, each once, in order. Raises RackstrapError."""
    found: dict[Address, None] = {}
    for text in texts:
        first, last = _parse_ends(text)
        if len(found) + int(last) - int(first) >= most:
            raise RackstrapError(f"{text} is too large to scan", f"scan up to {most} addresses at a time")
        found |= dict.fromkeys(type(first)(number) for number in range(int(first), int(last) + 1))
    return tuple(found)


def _parse_ends(text: str) -> tuple[Address, Address]:
    try:
        if "/" not in text:
            return parse_range(text, None)
        subnet = parse_subnet(text)
    except UnreadableError as error:
        raise RackstrapError(error.message, error.hint) from error
    if subnet.num_addresses <= 2:
        return subnet[0], subnet[-1]
    return subnet[1], subnet[-2]


def parse_pong(packet: bytes) -> bool | None:
    """Whether a presence pong says that IPMI is supported; None when it is no pong to our ping."""
    if len(packet) < 28 or packet[0] != 6 or packet[3] & 0x1F != 6 or packet[4:8] != ASF_IANA:
        return None
    if packet[8] != PONG_TYPE or packet[9] != TAG or packet[11] < 16:
        return None
    return bool(packet[20] & IPMI_SUPPORTED)


def run_scan(addresses: Sequence[Address], port: int = PORT) -> tuple[Found, ...]:
    """Ping them all, in parallel, and say who answered. Takes about 2 s; only answers from the addresses asked count."""
    found: dict[str, Found] = {}
    families = {4: socket.AF_INET, 6: socket.AF_INET6}
    for version, family in families.items():
        wanted = {str(address) for address in addresses if address.version == version}
        if wanted:
            with socket.socket(family, socket.SOCK_DGRAM) as plug:
                plug.setblocking(False)
                _run_rounds(plug, wanted, port, found)
    return tuple(sorted(found.values(), key=lambda one: (ip_address(one.address).version, int(ip_address(one.address)))))


def _run_rounds(plug: socket.socket, wanted: set[str], port: int, found: dict[str, Found]) -> None:
    for _ in range(ROUNDS):
        silent = sorted(wanted - found.keys(), key=lambda text: int(ip_address(text)))
        for start in range(0, len(silent), BURST):
            for address in silent[start : start + BURST]:
                _send(plug, address, port)
            _receive(plug, wanted, found, 0.005)
        if not silent:
            return
        _receive(plug, wanted, found, ROUND_S)


def _send(plug: socket.socket, address: str, port: int) -> None:
    """An address without a neighbour, or a full queue, is a ping lost; the next round sends another."""
    try:
        plug.sendto(PING, (address, port))
    except OSError:
        return


def _receive(plug: socket.socket, wanted: set[str], found: dict[str, Found], wait_s: float) -> None:
    until = time.monotonic() + wait_s
    while (left_s := until - time.monotonic()) > 0 and select.select([plug], [], [], left_s)[0]:
        try:
            packet, sender = plug.recvfrom(1024)
        except OSError:  # an ICMP error of an earlier ping
            continue
        speaks_ipmi = parse_pong(packet)
        if speaks_ipmi is not None and sender[0] in wanted:
            found[sender[0]] = Found(sender[0], speaks_ipmi)
            if wanted <= found.keys():
                return
