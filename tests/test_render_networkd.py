"""networkd's files: compared as text, and read back by systemd-networkd itself in a network namespace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from installer.model.network import Link, NodeNetwork
from installer.render.networkd import render_networkd
from installer.render.refused import RenderRefused

PLAIN = Link(
    "ens3",
    "nic",
    mac="52:54:00:00:00:01",
    networks=("admin",),
    addresses=("192.168.77.81/24",),
    router="192.168.77.1",
    dns=("192.168.77.10",),
    domains=("lab.example", "example"),
)


def make_bonded() -> NodeNetwork:
    return NodeNetwork(
        "node1",
        "lab.example",
        "192.168.77.81",
        (
            Link("ens3", "nic", mac="52:54:00:00:00:01", mtu=9000),
            Link("ens4", "nic", mac="52:54:00:00:00:02", mtu=9000),
            Link("intf0", "bond", members=("ens3", "ens4"), bond_mode="802.3ad", mtu=9000),
            Link("intf0.100", "vlan", vlan_id=100, parent="intf0", networks=("admin",), addresses=("192.168.77.81/24",)),
            Link("intf0.200", "vlan", vlan_id=200, parent="intf0", networks=("storage",), addresses=("192.168.78.81/24",)),
        ),
    )


def render(*links: Link) -> dict[str, str]:
    return {Path(f.path).name: f.text for f in render_networkd(NodeNetwork("node1", "lab.example", "192.168.77.81", links))}


def test_one_nic_with_a_static_address() -> None:
    assert render(PLAIN) == {
        "10-rackstrap-ens3.link": (
            "# Made by Rackstrap: this NIC keeps the name by which it was discovered.\n"
            "[Match]\nPermanentMACAddress=52:54:00:00:00:01\n\n[Link]\nName=ens3\n"
        ),
        "10-rackstrap-ens3.network": (
            "# Made by Rackstrap.\n[Match]\nPermanentMACAddress=52:54:00:00:00:01\n\n[Link]\n\n"
            "[Network]\nDHCP=no\nIPv6AcceptRA=no\nAddress=192.168.77.81/24\nGateway=192.168.77.1\nDNS=192.168.77.10\n"
            "Domains=lab.example example\n"
        ),
    }


def test_a_bond_carries_vlans_and_only_the_way_to_admin_is_waited_for() -> None:
    files = {Path(f.path).name: f.text for f in render_networkd(make_bonded())}
    assert "Bond=intf0\n" in files["10-rackstrap-ens4.network"]
    assert "VLAN=intf0.100\nVLAN=intf0.200\n" in files["10-rackstrap-intf0.network"]
    assert "MACAddress=52:54:00:00:00:01\n" in files["10-rackstrap-intf0.netdev"]
    assert "Mode=802.3ad\nMIIMonitorSec=100ms\nTransmitHashPolicy=layer3+4\n" in files["10-rackstrap-intf0.netdev"]
    assert "[VLAN]\nId=200\n" in files["10-rackstrap-intf0.200.netdev"]
    waited = {name for name, text in files.items() if name.endswith(".network") and "RequiredForOnline=no" not in text}
    assert waited == {"10-rackstrap-intf0.network", "10-rackstrap-intf0.100.network"}


def test_a_kernel_name_is_not_given_again() -> None:
    nic = Link("eth0", "nic", mac="52:54:00:00:00:01", networks=("admin",), addresses=("192.168.77.81/24",))
    assert set(render(nic)) == {"10-rackstrap-eth0.network"}


def test_hostile_names_are_refused() -> None:
    with pytest.raises(RenderRefused):
        render(Link("a\n[Network]", "nic", mac="52:54:00:00:00:01"))


@pytest.fixture
def space() -> Iterator[str]:
    """A namespace with one NIC (a veth end)."""
    name = f"rsn{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        link = ["ip", "-n", name, "link", "add", "ens3", "address", "52:54:00:00:00:01", "type", "veth", "peer", "name", "far0"]
        subprocess.run(link, check=True)
        subprocess.run(["ip", "-n", name, "link", "set", "far0", "up"], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)
