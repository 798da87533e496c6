"""DNS as far as a check needs it: one question, and whether and what was answered (RFC 1035)."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from installer.model.site import Address
from installer.preflight.datagrams import Question

PORT: Final = 53
A: Final = 1
NS: Final = 2
AAAA: Final = 28
# RFC 1035, 4.1.1: what a server says when it does not answer the question
REFUSALS: Final = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
MOST_RECORDS: Final = 64


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """`code`: 0 is success, see REFUSALS. `addresses`: of the A and AAAA records, in their order. `records`: how many came."""

    code: int
    records: int = 0
    addresses: tuple[Address, ...] = ()


def make_query(name: str, kind: int, number: int) -> bytes:
    """A recursive query for one name; "" is the root. Raises ValueError for what is no host name."""
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".") if name]
    if any(not 0 < len(label) < 64 for label in labels) or sum(len(label) + 1 for label in labels) > 254:
        raise ValueError(f"{name!r} is no host name")
    question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + question + struct.pack("!HH", kind, 1)


def is_host_name(text: str) -> bool:
    """Whether it can be asked for."""
    try:
        make_query(text, A, 0)
    except ValueError:
        return False
    return True


def parse_answer(raw: bytes, query: bytes) -> DnsAnswer | None:
    """The answer to this very query, None for anything else. Records that are cut off or lie are left out; never raises."""
    if len(raw) < len(query) or raw[:2] != query[:2] or raw[12 : len(query)].lower() != query[12:].lower():
        return None
    flags, questions, count = struct.unpack_from("!HHH", raw, 2)
    if not flags & 0x8000 or questions != 1:
        return None
    addresses: list[Address] = []
    at = len(query)
    for _ in range(min(count, MOST_RECORDS)):
        at = _skip_name(raw, at)
        if at + 10 > len(raw):
            break
        kind, _, _, size = struct.unpack_from("!HHIH", raw, at)
        data = raw[at + 10 : at + 10 + size]
        at += 10 + size
        if kind == A and len(data) == 4:
            addresses.append(IPv4Address(data))
        elif kind == AAAA and len(data) == 16:
            addresses.append(IPv6Address(data))
    return DnsAnswer(flags & 15, count, tuple(addresses))


def make_question(server: Address, name: str, kind: int) -> Question[DnsAnswer]:
    """One query to one server. Raises ValueError for what is no host name."""
    query = make_query(name, kind, random.getrandbits(16))
    return Question(server, PORT, query, lambda raw: parse_answer(raw, query))


def parse_resolv_conf(text: str) -> tuple[Address, ...]:
    """The name servers of resolv.conf(5); lines that make no sense are left out."""
    found: list[Address] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                found.append(ip_address(words[1].partition("%")[0]))
            except ValueError:
                continue
    return tuple(found[:3])  # as many as resolv.conf(5) reads


def parse_hosts(text: str, names: Sequence[str]) -> dict[str, Address]:
    """The addresses that hosts(5) gives to these names, the first of each."""
    found: dict[str, Address] = {}
    for line in text.splitlines():
        address, *called = line.partition("#")[0].split() or [""]
        for name in set(called) & set(names) - set(found):
            try:
                found[name] = ip_address(address.partition("%")[0])
            except ValueError:
                continue
    return found


def _skip_name(raw: bytes, at: int) -> int:
    """Where the name that begins here ends: after its zero, or its two bytes of pointer, which is not followed."""
    while at < len(raw) and 0 < raw[at] < 64:
        at += 1 + raw[at]
    return at + (2 if at < len(raw) and raw[at] >= 192 else 1)
