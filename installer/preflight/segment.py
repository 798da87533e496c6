"""The segment that will be served: ports that others hold, and DHCP servers that answer already."""

from __future__ import annotations

import os
import random
import select
import socket
import struct
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final, Literal

from installer.model.problems import RackstrapError
from installer.model.site import Address
from installer.preflight.interface import has_address

# What is served, and over what (RFC 1700's names in the refusal's text).
PORTS: Final[tuple[tuple[Literal["tcp", "udp"], int, str], ...]] = (
    ("udp", 53, "DNS"),
    ("tcp", 53, "DNS"),
    ("udp", 67, "DHCP"),
    ("udp", 69, "TFTP"),
    ("tcp", 80, "HTTP"),
    ("tcp", 443, "HTTPS"),
)
PROBE_FOR_S: Final = 3.0
INFORM_FIRST_S: Final = 0.25
_TCP_LISTEN: Final = "0A"  # include/net/tcp_states.h
_ETH_P_IP: Final = 0x0800
_MAGIC: Final = b"\x63\x82\x53\x63"  # RFC 2131, 3


@dataclass(frozen=True, slots=True)
class PortHolder:
    """A port that is needed and taken. `pid` is 0 and `program` "" where /proc does not tell."""

    protocol: str
    port: int
    service: str
    pid: int
    program: str

    def __str__(self) -> str:
        who = f"{self.program} (process {self.pid})" if self.pid else "another process"
        return f"{self.protocol} port {self.port} ({self.service}) is held by {who}"


@dataclass(frozen=True, slots=True)
class DhcpServer:
    """A DHCP server that answers. `offered`: the address that it would give, "" where it only told its options."""

    address: str
    mac: str
    offered: str


def check_ports(address: Address) -> None:
    """Raise RackstrapError naming every port that another program holds on this address, in this network namespace."""
    holders = find_port_holders(address)
    if holders:
        raise RackstrapError("; ".join(map(str, holders)), "stop these programs, or serve from another machine", exit_code=1)


def find_port_holders(address: Address) -> list[PortHolder]:
    """The needed ports that are bound to this address or to all."""
    taken: dict[tuple[str, int], str] = {}
    for protocol in ("tcp", "udp"):
        for name in (protocol, f"{protocol}6"):
            table = Path(f"/proc/thread-self/net/{name}")
            rows = table.read_text(encoding="ascii").splitlines()[1:] if table.exists() else []
            taken |= {(protocol, port): inode for port, inode in parse_sockets(rows, address, is_tcp=protocol == "tcp")}
    owners = find_socket_owners(set(taken.values())) if any((p, n) in taken for p, n, _ in PORTS) else {}
    found = []
    for protocol, port, service in PORTS:
        inode = taken.get((protocol, port))
        if inode is not None:
            pid, program = owners.get(inode, (0, ""))
            found.append(PortHolder(protocol, port, service, pid, program))
    return found


def parse_sockets(rows: list[str], address: Address, *, is_tcp: bool) -> list[tuple[int, str]]:
    """(port, inode) of sockets in /proc/net/{tcp,udp}[6] rows (proc(5)) that stand in the way of `address`."""
    found = []
    for row in rows:
        words = row.split()
        if len(words) < 10 or (is_tcp and words[3] != _TCP_LISTEN):
            continue
        host, _, port = words[1].partition(":")
        local = parse_proc_address(host)
        if local.is_unspecified or local == address or (isinstance(local, IPv6Address) and local.ipv4_mapped == address):
            found.append((int(port, 16), words[9]))
    return found


def parse_proc_address(text: str) -> Address:
    """proc(5): 32-bit words in the machine's byte order, as hex."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    raw = struct.pack(f"={len(words)}I", *words)
    return IPv4Address(raw) if len(raw) == 4 else IPv6Address(raw)


def find_socket_owners(inodes: set[str]) -> dict[str, tuple[int, str]]:
    """Inode → (pid, program) as far as /proc shows it."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    owners: dict[str, tuple[int, str]] = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            links = [str(handle.readlink()) for handle in (process / "fd").iterdir()]
            program = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            continue  # it ended meanwhile, or is not ours to look into
        owners |= {wanted[link]: (int(process.name), program) for link in links if link in wanted}
    return owners


def find_dhcp_server(interface: str, own: Address, probe_for_s: float = PROBE_FOR_S) -> DhcpServer | None:
    """The first DHCP server other than `own` that answers on the interface (RFC 2131). Needs root; raises RackstrapError.

    Asked by DISCOVER, and where the interface has `own`, by INFORM as well: many servers ping an address for up to 3 s before
    they offer it, but tell their options at once.
    """
    transaction = random.getrandbits(32)
    with _open_packets(interface) as packets:
        mac = packets.getsockname()[4]
        discover = make_discover(mac, transaction)
        started_at = time.monotonic()
        sends = [(started_at, discover), (started_at + probe_for_s / 3, discover)]
        if isinstance(own, IPv4Address) and has_address(interface, own):  # alone at first: a server that pings reads nothing else
            sends = [(started_at, make_inform(mac, transaction, own)), *((at + INFORM_FIRST_S, ask) for at, ask in sends)]
        while (now := time.monotonic()) < started_at + probe_for_s:
            if sends and now >= sends[0][0]:
                packets.sendto(sends.pop(0)[1], (interface, _ETH_P_IP, 0, 0, b"\xff" * 6))
            if not select.select([packets], [], [], 0.05)[0]:
                continue
            content, (_, _, kind, _, source) = packets.recvfrom(2048)
            server = None if kind == socket.PACKET_OUTGOING else parse_offer(content, transaction, source)
            if server is not None and server.address != str(own):
                return server
    return None


def _open_packets(interface: str) -> socket.socket:
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP))
    try:
        packets.bind((interface, _ETH_P_IP))
    except OSError as error:
        packets.close()
        raise RackstrapError(
            f"cannot listen on {interface}: {os.strerror(error.errno or 0)}", "name one with --interface"
        ) from error
    return packets


def make_discover(mac: bytes, transaction: int) -> bytes:
    """A DHCPDISCOVER that asks for a broadcast answer, as an IPv4 packet from 0.0.0.0:68 to 255.255.255.255:67."""
    return _make_request(mac, transaction, 1, bytes(4), 0x8000)


def make_inform(mac: bytes, transaction: int, own: IPv4Address) -> bytes:
    """A DHCPINFORM of a machine that has the address `own`: it takes no lease, and the answer comes to that address."""
    return _make_request(mac, transaction, 8, own.packed, 0)


def _make_request(mac: bytes, transaction: int, kind: int, own: bytes, flags: int) -> bytes:
    head = struct.pack("!BBBBIHH4s12x16s192x", 1, 1, 6, 0, transaction, 0, flags, own, mac)
    body = head + _MAGIC + bytes([0x35, 1, kind]) + b"\x37\x02\x01\x36" + b"\xff"
    udp = struct.pack("!HHHH", 68, 67, 8 + len(body), 0) + body  # checksum 0: none (RFC 768)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, own, b"\xff" * 4)
    return ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:] + udp


def parse_offer(packet: bytes, transaction: int, source: bytes) -> DhcpServer | None:
    """The server behind an IPv4 packet that answers this transaction: an OFFER, or an ACK that gives no address (to an INFORM).

    None for anything else.
    """
    start = (packet[0] & 15) * 4 if packet else 0
    if len(packet) < start + 8 + 240 or packet[9] != 17 or packet[start : start + 4] != b"\x00\x43\x00\x44":
        return None
    message = packet[start + 8 :]
    if message[0] != 2 or message[4:8] != struct.pack("!I", transaction) or message[236:240] != _MAGIC:
        return None
    options = parse_options(message[240:])
    server = options.get(54, b"")
    offered = IPv4Address(message[16:20])
    if options.get(53) not in (b"\x02", b"\x05") or (options[53] == b"\x05" and int(offered) != 0):
        return None
    address = IPv4Address(server) if len(server) == 4 else IPv4Address(packet[12:16])
    return DhcpServer(str(address), source[:6].hex(":"), str(offered) if int(offered) else "")


def parse_options(raw: bytes) -> dict[int, bytes]:
    """DHCP options (RFC 2132) by number; stops where they are malformed."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(raw) and raw[at] != 255:
        if raw[at] == 0:
            at += 1
            continue
        if at + 1 >= len(raw):
            break
        length = raw[at + 1]
        found[raw[at]] = raw[at + 2 : at + 2 + length]
        at += 2 + length
    return found


def _checksum(header: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
