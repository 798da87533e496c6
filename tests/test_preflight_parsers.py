"""What servers and strangers on the segment send: read where it is meant for us, never believed, never a crash."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from installer.preflight.arp import Arp, make_arp, parse_arp
from installer.preflight.dns import NS, A, DnsAnswer, make_query, parse_answer, parse_hosts, parse_resolv_conf
from installer.preflight.path import make_checksum, make_ping, parse_pong
from installer.preflight.sntp import TimeAnswer, make_request, parse_time

QUERY = make_query("time.example.", A, 7)
MAC = b"\x52\x54\x00\x00\x00\x01"
COOKIE = b"12345678"
NOW = 1_800_000_000.0
EPOCH = 2_208_988_800


def make_reply(records: bytes, count: int, flags: int = 0x8180, query: bytes = QUERY) -> bytes:
    return query[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0) + query[12:] + records


def make_record(kind: int, data: bytes) -> bytes:
    return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data


def test_a_query_is_as_the_rfc_says() -> None:
    assert QUERY == b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x04time\x07example\0\0\x01\0\x01"
    assert make_query("", NS, 1)[12:] == b"\0\0\x02\0\x01"


@pytest.mark.parametrize("name", ["a..b", "x" * 64, ".".join(["abc"] * 70), "ünicode.example"])
def test_what_is_no_name_is_not_asked(name: str) -> None:
    with pytest.raises(ValueError, match=r"host name|codec"):
        make_query(name, A, 1)


def test_addresses_are_read_behind_an_alias() -> None:
    records = make_record(5, b"\x03ntp\xc0\x11") + make_record(A, bytes([192, 0, 2, 7])) + make_record(28, bytes(15) + b"\1")
    found = DnsAnswer(0, 3, (IPv4Address("192.0.2.7"), IPv6Address("::1")))
    assert parse_answer(make_reply(records, 3), QUERY) == found
    assert parse_answer(make_reply(records[:-4], 3), QUERY) == DnsAnswer(0, 3, found.addresses[:1])
    assert parse_answer(make_reply(b"", 0, 0x8183), QUERY) == DnsAnswer(3)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        QUERY,
        make_reply(b"", 0)[:-1],
        make_reply(b"", 0, query=make_query("time.example", A, 8)),
        make_reply(b"", 0, query=make_query("evil.example", A, 7)),
    ],
)
def test_an_answer_to_another_question_is_none(raw: bytes) -> None:
    assert parse_answer(raw, QUERY) is None


@given(st.binary(max_size=300), st.integers(0, 65535))
def test_any_dns_answer_is_survived(tail: bytes, count: int) -> None:
    parse_answer(tail, QUERY)
    found = parse_answer(make_reply(tail, count), QUERY)
    assert found is not None
    assert len(found.addresses) <= 64


def test_system_files_are_read_as_far_as_they_make_sense() -> None:
    servers = ("192.0.2.1", "fe80::1%eth0", "nonsense", "192.0.2.2", "192.0.2.3")
    text = "# dns\nsearch x\nnameserver\n" + "\n".join(f"nameserver {server}" for server in servers)
    assert parse_resolv_conf(text) == tuple(map(ip_address, ("192.0.2.1", "fe80::1", "192.0.2.2")))
    hosts = "127.0.0.1 localhost\nbad time\n192.0.2.9 ntp time # time\n192.0.2.8 time\n\n"
    assert parse_hosts(hosts, ["time", "else"]) == {"time": ip_address("192.0.2.9")}


@given(st.text(max_size=200))
def test_any_system_file_is_survived(text: str) -> None:
    parse_resolv_conf(text)
    parse_hosts(text, ["time"])


def make_time(seconds: float, stratum: int = 2, first: int = 0x24, cookie: bytes = COOKIE, code: bytes = bytes(4)) -> bytes:
    stamp = struct.pack("!II", int(seconds) % 2**32, int(seconds % 1 * 2**32))
    return struct.pack("!BBbbII4s", first, stratum, 6, -20, 0, 0, code) + bytes(8) + cookie + bytes(8) + stamp


def test_time_is_read_against_our_clock() -> None:
    assert parse_time(make_time(EPOCH + NOW + 90.5), COOKIE, NOW - 1, NOW + 1) == TimeAnswer(90.5, 2)
    after_2036 = 2_100_000_000.0
    assert parse_time(make_time(EPOCH + after_2036 - 3), COOKIE, after_2036, after_2036) == TimeAnswer(-3.0, 2)
    told = parse_time(make_time(0, 0, code=b"RATE"), COOKIE, NOW, NOW)
    assert told == TimeAnswer(0.0, 0, "refuses (RATE)")
    assert parse_time(make_time(0, 0, code=b"\x1b[2J"), COOKIE, NOW, NOW) == TimeAnswer(0.0, 0, "refuses (J)")
    unsure = parse_time(make_time(EPOCH + NOW, first=0xE4), COOKIE, NOW, NOW)
    assert unsure == TimeAnswer(0.0, 2, "does not know the time itself")


def test_time_that_was_not_asked_for_is_none() -> None:
    assert make_request(COOKIE)[:1] + make_request(COOKIE)[40:] == b"\x23" + COOKIE
    assert parse_time(make_time(EPOCH, cookie=b"87654321"), COOKIE, NOW, NOW) is None
    assert parse_time(make_time(EPOCH, first=0x23), COOKIE, NOW, NOW) is None
    assert parse_time(make_time(EPOCH)[:47], COOKIE, NOW, NOW) is None


@given(st.binary(max_size=80), st.floats(0, 5e9))
def test_any_time_is_survived(raw: bytes, now: float) -> None:
    parse_time(raw, COOKIE, now, now)
    parse_time(b"\x24" + raw[:23].ljust(23, b"\0") + COOKIE + raw[:16].ljust(16, b"\xff"), COOKIE, now, now)


def test_arp_is_read() -> None:
    own, wanted = IPv4Address("192.0.2.1"), IPv4Address("192.0.2.2")
    assert parse_arp(make_arp(MAC, own, wanted)) == Arp(True, "52:54:00:00:00:01", own, wanted)
    assert parse_arp(make_arp(MAC, own, wanted)[:-1]) is None
    assert parse_arp(b"\0\2" + make_arp(MAC, own, wanted)[2:]) is None


def test_pings_are_whole_and_their_answers_known() -> None:
    ping = make_ping(7, 1500, 1500)
    assert (len(ping), make_checksum(ping)) == (1480, 0)  # and 20 bytes of IPv4
    pong = b"\x45" + bytes(19) + struct.pack("!BBHHH", 0, 0, 0, 7, 1400)
    assert (parse_pong(pong, 7), parse_pong(pong, 8), parse_pong(b"\x45" + bytes(19) + ping, 7)) == (1400, None, None)


@given(st.binary(max_size=100))
def test_any_packet_is_survived(raw: bytes) -> None:
    parse_arp(raw)
    parse_pong(raw, 7)
    make_checksum(raw)
