"""The rendered dnsmasq against real clients: leases, boot files by firmware, TFTP, DNS."""

from __future__ import annotations

import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from installer.preflight.segment import make_discover, parse_options
from tests.served_files import ADMIN
from tests.serving import Admin, ask_plain, enter, make_admin, run

URL = f"http://{ADMIN}/boot/ipxe?mac=${{netX/mac}}&uuid=${{uuid}}&serial=${{serial:uristring}}"


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    with make_admin(tmp_path_factory.mktemp("dhcp")) as running:
        yield running


def ask_offer(admin: Admin, mac: str, options: bytes) -> tuple[str, dict[int, bytes]]:
    """Broadcast a DISCOVER from the rack with these further options; the offered boot file and all options."""
    packet = make_discover(bytes.fromhex(mac.replace(":", "")), 77)
    body = packet[28:-5] + option(55, bytes([1, 3, 6, 54, 60, 67])) + options + b"\xff"  # -5: its own option 55
    with enter(admin.segment.rack):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"nod0")
        client.bind(("", 68))
        client.sendto(body, ("255.255.255.255", 67))
        ends_at = time.monotonic() + 5
        while time.monotonic() < ends_at:
            if select.select([client], [], [], 0.5)[0]:
                answer = client.recv(2048)
                if answer[4:8] == struct.pack("!I", 77):
                    found = parse_options(answer[240:])
                    file = found.get(67, answer[108:236].partition(b"\0")[0])
                    return file.rstrip(b"\0").decode(), found
    raise AssertionError("no offer within 5 s")


def option(number: int, value: bytes) -> bytes:
    return bytes([number, len(value)]) + value


def firmware(arch: int, vendor: str = "PXEClient") -> bytes:
    return option(60, f"{vendor}:Arch:{arch:05}:UNDI:003000".encode()) + option(93, struct.pack("!H", arch))


@pytest.mark.parametrize(
    ("options", "file"),
    [
        (firmware(0), "undionly.kpxe"),
        (firmware(7), "shimx64.efi"),
        (firmware(9), "shimx64.efi"),
        (firmware(11), ""),
        (firmware(16, "HTTPClient"), f"http://{ADMIN}/loader/shimx64.efi"),
        (firmware(0) + option(77, b"iPXE"), URL),
        (firmware(7) + option(77, b"iPXE"), URL),
        (firmware(0) + option(175, b"\x13\x01\x01"), URL),
        (b"", ""),
    ],
    ids=["bios", "efi64", "efi64-9", "arm64", "http64", "ipxe-bios", "ipxe-efi", "ipxe-rom", "system"],
)
def test_each_firmware_gets_its_boot_file(admin: Admin, options: bytes, file: str) -> None:
    offered, found = ask_offer(admin, "52:54:00:00:00:61", options)
    assert offered == file
    assert found[54] == socket.inet_aton(ADMIN)
    assert (found.get(60) == b"HTTPClient") is (b"HTTPClient" in options)
    assert found[6] == socket.inet_aton(ADMIN)


def test_one_lease_whatever_client_id_and_name_are_sent(admin: Admin, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text('#!/bin/sh\n[ "$1" = bound ] && echo "$ip" >> "$OUT"\nexit 0\n')
    script.chmod(0o755)
    seen = tmp_path / "addresses"
    base = ["env", f"OUT={seen}", "busybox", "udhcpc", "-i", "nod0", "-n", "-q", "-f", "-s", str(script)]
    for words in (["-C"], [], ["-C", "-x", "0x3d:ff00112233"], ["-F", "node1"], ["-V", "PXEClient:Arch:00000"]):
        subprocess.run(admin.segment.inside(admin.segment.rack, *base, *words), check=True, capture_output=True, timeout=20)
    addresses = seen.read_text().split()
    assert len(addresses) == 5
    assert len(set(addresses)) == 1
    assert addresses[0].startswith("192.168.77.2")
    leases = [line.split() for line in (admin.state / "run/leases").read_text().splitlines() if "52:54:00:00:00:01" in line]
    assert [(lease[1], lease[2], lease[3]) for lease in leases] == [("52:54:00:00:00:01", addresses[0], "*")]


def test_tftp_gives_loaders_and_nothing_above_them(admin: Admin, tmp_path: Path) -> None:
    got = tmp_path / "got"
    fetch = ["busybox", "tftp", "-g", "-l", str(got), "-r"]
    run(*admin.segment.inside(admin.segment.rack, *fetch, "grub/grub.cfg", ADMIN))
    assert got.read_bytes() == (admin.state / "tftp/grub/grub.cfg").read_bytes()
    run(*admin.segment.inside(admin.segment.rack, *fetch, "undionly.kpxe", ADMIN))
    assert got.read_bytes() == b"loader undionly.kpxe\n"
    for path in ("../site.yaml", "/../site.yaml", str(admin.state / "site.yaml")):
        climbed = subprocess.run(
            admin.segment.inside(admin.segment.rack, *fetch, path, ADMIN), check=False, capture_output=True, timeout=20
        )
        assert climbed.returncode != 0


def test_dns_knows_the_nodes_both_ways(admin: Admin) -> None:
    ask = admin.segment.inside(admin.segment.rack, "busybox", "nslookup")
    assert "192.168.77.81" in run(*ask, "node1.lab.example", ADMIN)
    assert "node1.lab.example" in run(*ask, "192.168.77.81", ADMIN)
    unknown = subprocess.run([*ask, "node9.lab.example", ADMIN], check=False, capture_output=True, text=True, timeout=20)
    assert "NXDOMAIN" in unknown.stdout + unknown.stderr


def test_grub_finds_its_script_by_the_mac_that_it_tells(admin: Admin) -> None:
    assert (
        f"set srv=http,{ADMIN}\nconfigfile ($srv)/boot/grub/$net_default_mac\n"
        in (admin.state / "tftp/grub/grub.cfg").read_text()
    )
    assert "rackstrap.mode=discover" in ask_plain(admin.segment, "/boot/grub/52:54:00:00:00:61").body.decode()


def test_routers_are_advertised_without_becoming_a_default_route(admin: Admin) -> None:
    found = ""
    run("ip", "netns", "exec", admin.segment.rack, "sysctl", "-qw", "net.ipv6.conf.nod0.accept_ra=1")
    ends_at = time.monotonic() + 15
    while "proto kernel_ra" not in found and "proto ra" not in found and time.monotonic() < ends_at:
        found = run("ip", "-n", admin.segment.rack, "-6", "route", "show", "dev", "nod0")
        addresses = run("ip", "-n", admin.segment.rack, "-6", "addr", "show", "dev", "nod0", "scope", "global")
        if "inet6 fd" in addresses:
            break
        time.sleep(0.3)
    assert "inet6 fd" in run("ip", "-n", admin.segment.rack, "-6", "addr", "show", "dev", "nod0", "scope", "global")
    assert "default" not in found
