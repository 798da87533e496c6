"""How large a packet may be on the way to a machine: pings that must not be broken up (RFC 792, RFC 1191)."""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

_HEADERS: Final = 28  # IPv4 and ICMP
_IP_MTU_DISCOVER: Final = 10  # linux/in.h
_PMTUDISC_PROBE: Final = 3  # set DF, and send whatever is known of the path
_ECHO: Final = 8
_REPLY: Final = 0
# What networks are usually cut down to: the least of IPv6, tunnels, PPPoE, Ethernet, VXLAN underlays, jumbo frames.
SIZES: Final = (576, 1280, 1400, 1450, 1492, 1500, 1550, 4000, 9000)


@dataclass(frozen=True, slots=True)
class Way:
    """`largest`: bytes of the largest packet that came back, 0 when none did. `problem`: what the kernel said, "" for nothing."""

    largest: int
    problem: str = ""


def make_ping(number: int, sequence: int, size: int) -> bytes:
    """An ICMP echo request that fills an IPv4 packet of `size` bytes."""
    body = bytes(size - _HEADERS)
    head = struct.pack("!BBHHH", _ECHO, 0, 0, number, sequence)
    return struct.pack("!BBHHH", _ECHO, 0, make_checksum(head + body), number, sequence) + body


def parse_pong(packet: bytes, number: int) -> int | None:
    """The sequence number in an IPv4 packet that answers a ping of this number; None for anything else."""
    start = (packet[0] & 15) * 4 if packet else 0
    if start < 20 or len(packet) < start + 8:
        return None
    kind, code, _, found, sequence = struct.unpack_from("!BBHHH", packet, start)
    return int(sequence) if (kind, code, found) == (_REPLY, 0, number) else None


def measure_way(interface: str, to: IPv4Address, wanted: int, for_s: float) -> Way:
    """Ping with `wanted` bytes and everything usual below it, all at once, out of this interface. Raises OSError."""
    sizes = [*(size for size in SIZES if size < wanted), wanted]
    number = int.from_bytes(os.urandom(2))
    largest, problem = 0, ""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as packets:
        packets.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        packets.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_PROBE)
        started_at = time.monotonic()
        sends_at = [started_at, started_at + for_s / 2]
        while largest < wanted and (now := time.monotonic()) < started_at + for_s:
            if sends_at and now >= sends_at[0]:
                sends_at.pop(0)
                problem = _send(packets, to, number, sizes)
            if not select.select([packets], [], [], 0.05)[0]:
                continue
            content, source = packets.recvfrom(65536)
            sequence = parse_pong(content, number) if source[0] == str(to) else None
            if sequence is not None and sequence in sizes:
                largest = max(largest, sequence)
    return Way(largest, problem if largest == 0 else "")


def make_checksum(content: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = content + b"\0" * (len(content) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _send(packets: socket.socket, to: IPv4Address, number: int, sizes: list[int]) -> str:
    """The size is the sequence number too. A packet that the interface itself refuses is the same as one that is lost."""
    problem = ""
    for size in sizes:
        try:
            packets.sendto(make_ping(number, size, size), (str(to), 0))
        except OSError as error:
            problem = os.strerror(error.errno or 0).lower()
    return problem
