"""This machine's own network for real: systemd-networkd in namespaces of its own, a bus, a DHCP server and a peer."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

import pytest

from installer.engine.store import Store
from installer.model.events import Happened
from installer.preflight.arp import find_neighbour
from tests.served_files import ADMIN
from tests.serving import NUMBERS, enter, run, wait_for

SITE: Final = """\
rackstrap: 1
name: lab
domain: lab.example
admin: {{hostname: admin, address: {address}, {admin}}}
networks:
  admin: {{subnet: 192.168.77.0/24, conduit: intf0, ranges: {{admin: .10-.11, dhcp: .21-.30, host: .81-.160}}{network}}}
services: {{dns_forwarders: [192.168.77.200]}}
nodes:
  - {{match: {{any: true}}, expect: 1}}
"""
# A /run of its own keeps bus and networkd apart from the machine's; a read-only /sys tells networkd not to wait for udev.
START: Final = """\
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mount -o remount,ro,bind /sys
mkdir -p /run/dbus /run/systemd/network /run/systemd/netif
chown systemd-network: /run/systemd/netif
printf '[Match]\\nName=e*\\n[Network]\\nLinkLocalAddressing=no\\n' >/run/systemd/network/20-other.network
dbus-daemon --system --nofork --nopidfile 2>/dev/null &
while ! [ -S /run/dbus/system_bus_socket ]; do sleep 0.02; done
[ "$1" = bare ] || /lib/systemd/systemd-networkd 2>"$2" &
echo up
wait
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """A machine with ports e0 and e1, whose other ends p0 and p1 are on a bridge br0 (192.168.77.200) in namespace `rack`."""

    admin: str
    rack: str
    pid: int
    folder: Path

    def inside(self, *argv: str) -> list[str]:
        return ["nsenter", f"--target={self.pid}", "--mount", "--net", *argv]

    def rackstrap(self, *words: str) -> subprocess.CompletedProcess[str]:
        where = [] if words[1] == "renew" else ["--state", str(self.folder / "state")]
        argv = self.inside(sys.executable, "-m", "installer.cli", *words, *where)
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, cwd=Path(__file__).parent.parent)

    def site(self, admin: str, network: str = "", address: str = ADMIN) -> str:
        path = self.folder / "site.yaml"
        path.write_text(SITE.format(admin=admin, network=network, address=address))
        return str(path)

    def change(self, admin: str, network: str = "", within_s: float = 60) -> None:
        done = self.rackstrap("network", "set", self.site(admin, network), "--confirm-within", str(within_s))
        assert done.returncode == 0, done.stderr

    def show(self) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self.rackstrap("network", "show", "--json").stdout)
        return shown

    def addresses(self, name: str) -> list[str]:
        done = subprocess.run(
            ["ip", "-j", "-4", "-n", self.admin, "addr", "show", "dev", name], capture_output=True, text=True, check=False
        )
        rows = json.loads(done.stdout or "[]")
        return [f"{a['local']}/{a['prefixlen']}" for row in rows for a in row.get("addr_info", [])]

    def reaches(self, interface: str = "br0") -> bool:
        """Whether the admin address answers on the rack's side."""
        with enter(self.rack):
            return find_neighbour(interface, IPv4Address(ADMIN), IPv4Address("192.168.77.200"), (), 0.3) != ""

    def list_events(self) -> list[tuple[Happened, str]]:
        store = Store(self.folder / "state/store.db")
        try:
            return [(event.kind, str(event.data.get("what") or event.data.get("link"))) for event in store.read()]
        finally:
            store.close()

    def list_links(self) -> set[str]:
        return {row["ifname"] for row in json.loads(run("ip", "-j", "-n", self.admin, "link"))}


@contextlib.contextmanager
def make_bench(folder: Path, kind: str = "whole") -> Iterator[Bench]:
    stem = f"rsn{os.getpid()}x{next(NUMBERS)}"
    admin, rack = f"{stem}a", f"{stem}b"
    try:
        for space in (admin, rack):
            run("ip", "netns", "add", space)
            run("ip", "-n", space, "link", "set", "lo", "up")
        run("ip", "-n", rack, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", rack, "addr", "add", "192.168.77.200/24", "dev", "br0")
        run("ip", "-n", rack, "link", "set", "br0", "up")
        for number in (0, 1):
            peer = ["type", "veth", "peer", "name", f"p{number}", "netns", rack]
            run("ip", "-n", admin, "link", "add", f"e{number}", "address", f"52:54:00:aa:00:0{number}", *peer)
            run("ip", "-n", rack, "link", "set", f"p{number}", "master", "br0", "up")
        argv = ["ip", "netns", "exec", admin, "unshare", "-m", "bash", "-c", START, "start", kind, str(folder / "networkd.log")]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == b"up\n"
                bench = Bench(admin, rack, process.pid, folder)
                if kind == "whole":
                    wait_for(lambda: "UP" in run("ip", "-n", admin, "link", "show", "e1"), "networkd to bring the ports up")
                yield bench
            finally:
                os.killpg(process.pid, signal.SIGTERM)
    finally:
        for space in (admin, rack):
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with make_bench(tmp_path_factory.mktemp("bench")) as made:
        (made.folder / "state").mkdir(mode=0o700)
        Store(made.folder / "state/store.db").close()
        yield made


def test_what_is_confirmed_stays_and_what_is_not_goes_back_to_it(bench: Bench) -> None:
    bench.change(admin="nics: [e0]")
    wait_for(bench.reaches, "the admin address")
    shown = bench.show()
    assert shown["methods"] == {"e0": "static"}
    assert 50 < shown["confirm_by"] - time.time() < 60
    confirmed = bench.rackstrap("network", "confirm")
    assert confirmed.stdout == f"the network is kept: {ADMIN} on e0\n"

    # A kernel without bonding or VLANs makes neither of the two, but networkd takes every word of the files.
    bench.change(admin="nics: [e0, e1], bond_mode: 802.3ad, vlan: 100", network=", mtu: 1400", within_s=1.5)
    wait_for(lambda: bench.addresses("e0") == [] and not bench.reaches(), "the address to leave e0")
    said = (bench.folder / "networkd.log").read_text()
    assert [line for line in said.splitlines() if "Unknown" in line or "nvalid" in line or "parse" in line] == []
    assert "e0: Reconfiguring with /run/systemd/network/05-rackstrap-admin-e0.network" in said

    wait_for(bench.reaches, "the change to go back by itself")
    assert bench.addresses("e0") == [f"{ADMIN}/24"]
    wait_for(lambda: not {"intf0", "intf0.100"} & bench.list_links(), "bond and VLAN to be gone")
    shown = bench.show()
    assert (shown["confirm_by"], shown["methods"]) == (0.0, {"e0": "static"})
    assert shown["last_revert"] == f"{ADMIN} on intf0.100 went back: nobody confirmed it in time"
    assert bench.list_events() == [
        (Happened.NETWORK_SET, "e0"),
        (Happened.NETWORK_CONFIRMED, f"{ADMIN} on e0"),
        (Happened.NETWORK_SET, "intf0.100"),
        (Happened.NETWORK_REVERTED, f"{ADMIN} on intf0.100"),
    ]


def test_dhcp_is_asked_and_renewed(bench: Bench) -> None:
    log = bench.folder / "dnsmasq.log"
    words = ["--port=0", "--interface=br0", "--bind-interfaces", "--user=root", "--conf-file=/dev/null", "--no-ping"]
    words += [f"--dhcp-range={ADMIN},{ADMIN},1h", f"--dhcp-leasefile={bench.folder}/leases", f"--log-facility={log}"]
    argv = ["ip", "netns", "exec", bench.rack, "dnsmasq", "-k", *words]
    with subprocess.Popen(argv) as server:
        try:
            wait_for(log.exists, "the DHCP server")
            bench.change(admin="nics: ['52:54:00:aa:00:01'], method: dhcp")
            wait_for(lambda: bench.addresses("e1") == [f"{ADMIN}/24"], "a lease")
            assert bench.show()["methods"] == {"e1": "dhcp"}
            given = log.read_text().count("DHCPACK")
            assert bench.rackstrap("network", "renew", "e1").returncode == 0
            wait_for(lambda: log.read_text().count("DHCPACK") > given, "the lease to be renewed")
            refused = bench.rackstrap("network", "renew", "e0")
            assert (refused.returncode, refused.stderr.splitlines()[0]) == (1, "rackstrap: e0 does not have its address by DHCP")
            assert bench.rackstrap("network", "revert").returncode == 0
            wait_for(lambda: bench.addresses("e1") == [], "the lease to be given up")
            assert bench.show()["last_revert"] == "by DHCP on e1 went back: as asked"
        finally:
            server.terminate()


def test_a_machine_without_networkd_is_refused(tmp_path: Path) -> None:
    with make_bench(tmp_path, "bare") as bare:
        refused = bare.rackstrap("network", "set", bare.site("nics: [e0]"))
        assert (refused.returncode, refused.stderr.splitlines()) == (
            1,
            [
                "rackstrap: systemd-networkd does not run on this machine",
                "  set the network with what runs it, or start systemd-networkd",
            ],
        )
        assert bare.addresses("e0") == []
        assert not (tmp_path / "state/network.json").exists()
