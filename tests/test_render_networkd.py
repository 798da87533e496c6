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


# A folder of its own for all that networkd reads and writes, and udev's word that the links are ready.
RUN_NETWORKD = """
set -e
mount -t tmpfs tmpfs /run/systemd; mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
mkdir -p /run/udev /run/systemd/network; cp "$1"/* /run/systemd/network
chown -R systemd-network:systemd-network /run/systemd/netif
mount -t tmpfs tmpfs /run/udev; mkdir -p /run/udev/data
for link in 1 2 3; do echo I:1 > /run/udev/data/n$link; done
export SYSTEMD_LOG_LEVEL=info SYSTEMD_LOG_TARGET=console
exec /usr/lib/systemd/systemd-networkd
"""


def run_networkd(space: str, network: NodeNetwork, folder: Path, until: str) -> str:
    """What networkd logs until `ip addr` of ens3 shows `until`, or for three seconds."""
    folder.mkdir()
    for file in render_networkd(network):
        # A veth has no permanent address; in its place stands the one that it has.
        (folder / Path(file.path).name).write_text(file.text.replace("PermanentMACAddress=", "MACAddress="))
    argv = ["ip", "netns", "exec", space, "unshare", "--mount", "sh", "-c", RUN_NETWORKD, "sh", str(folder)]
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=output)
    ends_at = time.monotonic() + 3
    while time.monotonic() < ends_at and until not in show_ens3(space):
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    return log.read_text()


def show_ens3(space: str) -> str:
    shown = subprocess.run(["ip", "-n", space, "-j", "addr", "show", "ens3"], capture_output=True, text=True, check=True).stdout
    addresses = [f"{a['local']}/{a['prefixlen']}" for link in json.loads(shown) for a in link["addr_info"]]
    return " ".join(addresses)


def test_networkd_gives_the_address_and_the_route(space: str, tmp_path: Path) -> None:
    log = run_networkd(
        space, NodeNetwork("node1", "lab.example", "192.168.77.81", (PLAIN,)), tmp_path / "net", "192.168.77.81/24"
    )
    assert "192.168.77.81/24" in show_ens3(space), log
    route = subprocess.run(["ip", "-n", space, "route"], capture_output=True, text=True, check=True).stdout
    assert "default via 192.168.77.1 dev ens3 proto static" in route
    assert find_complaints(log) == []


def test_networkd_understands_bonds_and_vlans(space: str, tmp_path: Path) -> None:
    log = run_networkd(space, make_bonded(), tmp_path / "net", "never")
    assert find_complaints(log) == []
    assert "intf0" in log  # it has read the .netdev: this kernel may lack the module to make one


def test_complaints_are_found(space: str, tmp_path: Path) -> None:
    vlan = Link("ens3.5000", "vlan", vlan_id=5000, parent="ens3")
    log = run_networkd(space, NodeNetwork("n", "d", "192.168.77.81", (PLAIN, vlan)), tmp_path / "net", "192.168.77.81/24")
    assert len(find_complaints(log)) == 1, log


def find_complaints(log: str) -> list[str]:
    words = ("Unknown", "Failed to parse", "ignoring assignment", "Invalid", "out of range", "not a valid")
    return [line for line in log.splitlines() if "rackstrap" in line and any(word in line for word in words)]
