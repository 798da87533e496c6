"""The segment as found: a foreign DHCP server, ports that others hold. Real programs in namespaces."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from installer.model.problems import RackstrapError
from installer.preflight.segment import (
    DhcpServer,
    check_ports,
    find_dhcp_server,
    find_port_holders,
    make_discover,
    parse_offer,
    parse_options,
    parse_proc_address,
    parse_sockets,
)
from tests.served_files import ADMIN
from tests.serving import Segment, enter, make_segment, run, wait_for


@pytest.fixture(scope="module")
def segment() -> Iterator[Segment]:
    with make_segment() as made:
        yield made


@contextlib.contextmanager
def foreign_dhcp(segment: Segment, folder: Path, address: str) -> Iterator[str]:
    """dnsmasq in the rack's namespace with this address; gives its MAC."""
    run("ip", "-n", segment.rack, "addr", "replace", f"{address}/24", "dev", "nod0")
    words = [
        f"--dhcp-range={address.rsplit('.', 1)[0]}.240,{address.rsplit('.', 1)[0]}.250,1h",
        f"--dhcp-leasefile={folder}/leases",
    ]
    argv = [
        "dnsmasq",
        "-k",
        "--port=0",
        "--interface=nod0",
        "--bind-interfaces",
        "--no-ping",
        "--user=root",
        "--conf-file=/dev/null",
    ]
    log = folder / "foreign.log"
    with log.open("w") as output:
        process = subprocess.Popen(segment.inside(segment.rack, *argv, *words, "--log-facility=-"), stdout=output, stderr=output)
    try:
        wait_for(lambda: "sockets bound" in log.read_text(), "the foreign server")
        yield "52:54:00:00:00:01"
    finally:
        process.terminate()
        process.wait(10)


def test_a_foreign_dhcp_server_is_named_by_address_and_mac(segment: Segment, tmp_path: Path) -> None:
    with foreign_dhcp(segment, tmp_path, "192.168.77.200") as mac, enter(segment.admin):
        started_at = time.monotonic()
        found = find_dhcp_server("adm0", ip_address("192.168.77.11"))  # not an address of adm0: there is an offer
        assert found is not None
        assert (found.address, found.mac) == ("192.168.77.200", mac)
        assert found.offered.startswith("192.168.77.2")
        assert time.monotonic() - started_at < 3
        # the same answer, were it our own
        assert find_dhcp_server("adm0", ip_address("192.168.77.200"), 1.0) is None


def test_a_quiet_segment_is_served(segment: Segment) -> None:
    with enter(segment.admin):
        assert find_dhcp_server("adm0", ip_address(ADMIN), 0.5) is None


def test_an_interface_that_is_not_there_is_refused(segment: Segment) -> None:
    with enter(segment.admin), pytest.raises(RackstrapError, match="cannot listen on adm9"):
        find_dhcp_server("adm9", ip_address(ADMIN), 0.1)


@pytest.mark.parametrize(("bound", "is_in_the_way"), [("0.0.0.0", True), (ADMIN, True), ("127.0.0.1", False)])
def test_ports_in_use_are_named_with_their_program(segment: Segment, bound: str, is_in_the_way: bool) -> None:
    code = (
        "import socket, sys, time\n"
        "t = socket.create_server((sys.argv[1], 80)); u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "u.bind((sys.argv[1], 67)); print('up', flush=True); time.sleep(60)"
    )
    argv = segment.inside(segment.admin, sys.executable, "-c", code, bound)
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as holder, enter(segment.admin):
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"up\n"
        try:
            held = [(h.protocol, h.port, h.service, h.pid) for h in find_port_holders(ip_address(ADMIN))]
            expected = [("udp", 67, "DHCP", holder.pid), ("tcp", 80, "HTTP", holder.pid)]
            assert held == (expected if is_in_the_way else [])
            if is_in_the_way:
                with pytest.raises(RackstrapError, match=rf"tcp port 80 \(HTTP\) is held by python\S* \(process {holder.pid}\)"):
                    check_ports(ip_address(ADMIN))
        finally:
            holder.kill()


def test_a_free_namespace_has_free_ports(segment: Segment) -> None:
    with enter(segment.admin):
        check_ports(ip_address(ADMIN))


def test_a_socket_of_both_families_is_in_the_way(segment: Segment) -> None:
    with enter(segment.admin), socket.create_server(("::", 443), family=socket.AF_INET6, dualstack_ipv6=True):
        assert [h.port for h in find_port_holders(ip_address(ADMIN))] == [443]


def test_proc_addresses() -> None:
    assert str(parse_proc_address("0A4DA8C0")) == "192.168.77.10"
    assert str(parse_proc_address("00000000000000000000000001000000")) == "::1"


def test_connections_are_not_listeners() -> None:
    rows = [
        "   0: 0A4DA8C0:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0",
        "   1: 0A4DA8C0:01BB C84DA8C0:D431 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0",
        "malformed",
    ]
    assert parse_sockets(rows, ip_address(ADMIN), is_tcp=True) == [(80, "111")]


def make_offer(transaction: int, options: bytes, kind: int = 2) -> bytes:
    """A DHCPOFFER as a server would send it, made from our own DISCOVER."""
    packet = bytearray(make_discover(b"\x52\x54\x00\x00\x00\x01", transaction))
    packet[20:24] = b"\x00\x43\x00\x44"
    packet[28] = kind
    packet[44:48] = bytes([192, 168, 77, 240])
    return bytes(packet[:268]) + options


MAC = b"\x52\x54\x00\x00\x00\x09"
OFFER = b"\x35\x01\x02\x36\x04\xc0\xa8\x4d\xc8\xff"


def test_an_offer_is_read() -> None:
    assert parse_offer(make_offer(7, OFFER), 7, MAC) == DhcpServer("192.168.77.200", "52:54:00:00:00:09", "192.168.77.240")


@pytest.mark.parametrize(
    "packet",
    [b"", make_offer(8, OFFER), make_offer(7, OFFER, kind=1), make_offer(7, b"\x35\x01\x05\xff"), make_offer(7, b"")[:100]],
)
def test_what_is_no_offer_of_ours_is_not_read(packet: bytes) -> None:
    assert parse_offer(packet, 7, MAC) is None


@given(st.binary(max_size=600))
def test_any_bytes_are_survived(raw: bytes) -> None:
    parse_options(raw)
    assert parse_offer(raw, 7, MAC) is None
    assert parse_offer(make_offer(7, raw), 7, MAC) is None or 53 in parse_options(raw)
