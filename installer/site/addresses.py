"""Addresses and ranges as the site file spells them: whole, or short within a subnet (`.21`, `::21`)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from installer.model.site import Address, Subnet

MAX_RANGE_TEXT: Final = 120


class UnreadableError(ValueError):
    """A value that does not follow its grammar: what is wrong, and what to write instead."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def shown(value: object) -> str:
    """A value quoted for a message: one line, short, printable."""
    text = "".join(c if c.isprintable() else "�" for c in str(value))
    return f"`{text[:60]}…`" if len(text) > 60 else f"`{text}`"


def parse_address(text: str) -> Address:
    """A whole IPv4 or IPv6 address. Raises UnreadableError."""
    try:
        address = ip_address(text)
    except ValueError:
        raise UnreadableError(f"{shown(text)} is not an address", "write it like 192.168.124.10") from None
    if isinstance(address, IPv6Address) and address.scope_id:
        raise UnreadableError(f"{shown(text)} names an interface", "write the address without `%…`")
    return address


def parse_subnet(text: str) -> Subnet:
    """A network in CIDR form. Raises UnreadableError, with the network that was probably meant."""
    example = "write it like 192.168.124.0/24"
    if "/" not in text:
        raise UnreadableError(f"{shown(text)} has no prefix length", example)
    try:
        subnet = ip_network(text, strict=False)
    except ValueError:
        raise UnreadableError(f"{shown(text)} is not a subnet", example) from None
    prefix = text.rpartition("/")[2]
    if not (prefix.isascii() and prefix.isdecimal()):
        raise UnreadableError(f"{shown(text)} has a netmask instead of a prefix length", f"write {subnet}")
    if str(subnet.network_address) != str(_address_or_none(text.partition("/")[0])):
        raise UnreadableError(f"{shown(text)} is an address within a subnet", f"write {subnet}")
    return subnet


def _address_or_none(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def parse_short(text: str, subnet: Subnet | None) -> Address:
    """A whole address, or its end: `.21` in an IPv4 subnet, `::21` in an IPv6 one. Raises UnreadableError."""
    if subnet is None:
        return parse_address(text)
    if isinstance(subnet.network_address, IPv6Address):
        address = parse_address(text)
        if text.startswith("::") and isinstance(address, IPv6Address):
            return IPv6Address(int(subnet.network_address) | int(address))
        return address
    if not text.startswith("."):
        return parse_address(text)
    parts = text[1:].split(".")
    octets = str(subnet.network_address).split(".")
    if len(parts) > 3:
        raise UnreadableError(
            f"{shown(text)} is not the end of an address", f"write it like .21 or {subnet.network_address + 21}"
        )
    return _parse_ending(text, [*octets[: 4 - len(parts)], *parts])


def _parse_ending(text: str, octets: list[str]) -> Address:
    try:
        return IPv4Address(".".join(octets))
    except ValueError:
        raise UnreadableError(f"{shown(text)} is not the end of an address", "write numbers from 0 to 255, like .21") from None


def parse_range(text: str, subnet: Subnet | None) -> tuple[Address, Address]:
    """`first-last`, each whole or short, or one address. Both ends included. Raises UnreadableError."""
    example = "write it like .21-.80 or 192.168.124.21-192.168.124.80"
    if len(text) > MAX_RANGE_TEXT or text.count("-") > 1:
        raise UnreadableError(f"{shown(text)} is not a range of addresses", example)
    first_text, dash, last_text = (part.strip() for part in text.partition("-"))
    if dash and not last_text:
        raise UnreadableError(f"{shown(text)} has no end", example)
    try:
        first = parse_short(first_text, subnet)
        last = parse_short(last_text or first_text, subnet)
    except UnreadableError as error:
        raise UnreadableError(error.message, error.hint if error.hint.startswith("write numbers") else example) from None
    if first.version != last.version:
        raise UnreadableError(f"{shown(text)} begins in IPv{first.version} and ends in IPv{last.version}", example)
    if int(first) > int(last):
        raise UnreadableError(f"{shown(text)} ends before it begins", f"write {last}-{first}")
    return first, last
