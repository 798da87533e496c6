"""What a new site file begins with, and what one machine, the admin node to be, proposes for it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_interface, ip_network
from typing import Final

from installer.model.facts import Machine, Nic
from installer.site.defaults import NETWORKS
from installer.site.tree import Path

NEW_SITE: Final = """\
# The site file: all that the operator decides. Networks that it does not name are the white paper's.
rackstrap: 1
name: lab
domain: lab.example
admin:
  hostname: admin
  address: 192.168.124.10
erase: no
nodes: []
"""

Edits = tuple[tuple[Path, object], ...]
_SUBNET: Final = ip_network(NETWORKS["admin"].subnet)


def find_proposals(here: Machine) -> Iterator[Edits]:
    """Edits to try one after the other: the card that faces the rack, the address it has there, the gateway there."""
    card = find_rack_nic(here)
    if card is not None:
        yield ((("admin", "nics"), [card.mac]),)
        for address in _addresses_within(card):
            yield ((("admin", "address"), address),)
    for gateway in here.gateways:
        if _is_within(gateway) and gateway != NETWORKS["admin"].router:
            yield ((("networks", "admin", "router"), gateway),)


def find_rack_nic(here: Machine) -> Nic | None:
    """The network card that most likely faces the rack; None where several are as likely, or none has link.

    One with an address in the white paper's admin network, else the only one with link, else the only one with link that
    has no address yet: one that has was given it by a network that is there already.
    """
    inside = [nic for nic in here.nics if any(True for _ in _addresses_within(nic))]
    linked = [nic for nic in here.nics if nic.has_link and nic.mac]
    unused = [nic for nic in linked if not any(_is_global(address) for address in nic.addresses)]
    return next((found[0] for found in (inside, linked, unused) if len(found) == 1), None)


def _addresses_within(nic: Nic) -> Iterator[str]:
    for address in nic.addresses:
        plain = address.partition("/")[0]
        if _is_within(plain):
            yield plain


def _is_within(text: str) -> bool:
    try:
        return ip_address(text) in _SUBNET
    except ValueError:
        return False


def _is_global(text: str) -> bool:
    try:
        return not ip_interface(text).is_link_local
    except ValueError:
        return False
