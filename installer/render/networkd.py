"""A node's links as systemd-networkd reads them (systemd.network(5), systemd.netdev(5), systemd.link(5))."""

from __future__ import annotations

import re
from typing import Final

from installer.model.network import Link, NodeNetwork
from installer.model.orders import NodeFile
from installer.render.environment import make_environment

FOLDER: Final = "/etc/systemd/network"
_ENVIRONMENT: Final = make_environment()
_NETWORK: Final = _ENVIRONMENT.get_template("networkd.network.j2")
_NETDEV: Final = _ENVIRONMENT.get_template("networkd.netdev.j2")
_LINK: Final = _ENVIRONMENT.get_template("networkd.link.j2")
# The kernel gives these itself, in the order of discovery: a rename to one of them could collide.
_KERNEL_NAME: Final = re.compile(r"(?:eth|usb|wlan)[0-9]+")


def render_networkd(network: NodeNetwork) -> tuple[NodeFile, ...]:
    """Every file for a node's links, by path. NICs are matched by permanent MAC, so that it does not matter what they are called.

    A bond takes the MAC of its first member. Only links that carry network `admin`, or lie below one that does, hold up the
    boot. Raises RenderRefused for a value that such a file cannot hold.
    """
    required = _find_required(network)
    files = []
    for link in network.links:
        stem = f"{FOLDER}/10-rackstrap-{link.name}"
        files.append(NodeFile(f"{stem}.network", _render_network(network, link, link.name in required)))
        if link.kind != "nic":
            files.append(NodeFile(f"{stem}.netdev", _NETDEV.render(link=link, mac=_find_bond_mac(network, link))))
        elif not _KERNEL_NAME.fullmatch(link.name):
            files.append(NodeFile(f"{stem}.link", _LINK.render(link=link)))
    return tuple(sorted(files, key=lambda file: file.path))


def _render_network(network: NodeNetwork, link: Link, is_required: bool) -> str:
    bond = next((other.name for other in network.links if link.name in other.members), "")
    vlans = [other.name for other in network.links if other.kind == "vlan" and other.parent == link.name]
    return _NETWORK.render(link=link, bond=bond, vlans=vlans, is_required=is_required)


def _find_bond_mac(network: NodeNetwork, link: Link) -> str:
    first = network.link(link.members[0]) if link.members else None
    return first.mac if first is not None else ""


def _find_required(network: NodeNetwork) -> set[str]:
    """The links on the way of network `admin`, one member of a bond being enough for the bond to be up."""
    required = {link.name for link in network.links if "admin" in link.networks}
    for link in reversed(network.links):  # VLANs come last: each parent is met after its children
        if link.name in required and link.parent:
            required.add(link.parent)
    return required
