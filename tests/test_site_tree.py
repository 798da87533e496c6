"""YAML text → values with their places; addresses and ranges by their grammar."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from installer.site.addresses import UnreadableError, parse_address, parse_range, parse_subnet
from installer.site.check_access import find_hash_fault, find_key_fault
from installer.site.core_schema import parse_scalar
from installer.site.tree import parse_tree

V4, V6 = ip_network("192.168.124.0/24"), ip_network("fd00::/64")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("12", 12),
        ("-1", -1),
        ("+5", 5),
        ("0o17", 15),
        ("0x1F", 31),
        ("0123", 123),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("190:20:30", "190:20:30"),
        ("2026-11-21", "2026-11-21"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        (".21-.80", ".21-.80"),
        ("1" * 41, "1" * 41),
        ("١٢", "١٢"),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: Any) -> None:
    found = parse_scalar(text)
    assert found == value
    assert isinstance(found, type(value))


def test_numbers_remember_how_they_were_written() -> None:
    assert [parse_scalar(text).written for text in ("0123", "0x1F", "1e3", "12E45")] == ["0123", "0x1F", "1e3", "12E45"]


def test_every_key_and_value_has_its_place() -> None:
    document, problems = parse_tree('a: 1\nb:\n  - {c: "é", dd: 2}\n  - e\n', "f")
    assert problems == []
    assert document.data == {"a": 1, "b": [{"c": "é", "dd": 2}, "e"]}
    assert document.values == {
        (): (1, 1),
        ("a",): (1, 4),
        ("b",): (3, 3),
        ("b", 0): (3, 5),
        ("b", 0, "c"): (3, 9),
        ("b", 0, "dd"): (3, 18),
        ("b", 1): (4, 5),
    }
    assert document.keys == {("a",): (1, 1), ("b",): (2, 1), ("b", 0, "c"): (3, 6), ("b", 0, "dd"): (3, 14)}
    assert str(document.place(("b", 0, "dd"), key=True)) == "f:3:14"
    assert str(document.place(("b", 0, "missing", "deep"))) == "f:3:5"
    assert str(document.place(("nothing",))) == "f:1:1"


def test_the_first_of_two_equal_keys_counts() -> None:
    document, problems = parse_tree("a: 1\na: 2\n", "f")
    assert document.data == {"a": 1}
    assert [str(p) for p in problems] == ["f:2:1: the key `a` is here twice (first on line 1); keep one of them"]


@pytest.mark.parametrize("text", ["? [a]\n: 1", "{[a]: 1}", "? {a: 1}\n: 2", "&a a: 1\n*a : 2", "a: *b", "a: &a [*a]"])
def test_keys_and_aliases_that_mean_nothing_are_refused(text: str) -> None:
    document, problems = parse_tree(text, "f")
    assert len(problems) == 1
    assert document.data is None


@pytest.mark.parametrize(
    ("text", "subnet", "first", "last"),
    [
        (".21-.80", V4, "192.168.124.21", "192.168.124.80"),
        (".21 - .80", V4, "192.168.124.21", "192.168.124.80"),
        ("192.168.124.21-.80", V4, "192.168.124.21", "192.168.124.80"),
        (".5", V4, "192.168.124.5", "192.168.124.5"),
        (".1.0-.2.255", ip_network("10.20.0.0/16"), "10.20.1.0", "10.20.2.255"),
        (".1.2.3-.1.2.4", ip_network("10.0.0.0/8"), "10.1.2.3", "10.1.2.4"),
        ("::10-::ff", V6, "fd00::10", "fd00::ff"),
        ("fd00::10-fd00::ff", V6, "fd00::10", "fd00::ff"),
        ("192.0.2.1-192.0.2.9", None, "192.0.2.1", "192.0.2.9"),
    ],
)
def test_ranges_short_and_whole(text: str, subnet: Any, first: str, last: str) -> None:
    assert parse_range(text, subnet) == (ip_address(first), ip_address(last))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        ".1-",
        "-.1",
        ".80-.21",
        ".256",
        ".1.2.3.4-.5",
        ".-1",
        "a-b",
        ".01-.02",
        ".1-.2-.3",
        "192.168.124.1-fd00::1",
        ". 1",
        ".1-.1_0",
    ],
)
def test_ranges_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        parse_range(text, V4)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text", ["192.168.124.0", "192.168.124.1/24", "192.168.124.0/33", "192.168.0.0/24/24", "/24", "a/b", "10.0.0.0/255.0.0.0"]
)
def test_subnets_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_subnet(text)


@pytest.mark.parametrize("text", ["192.168.124.10/24", "192.168.124", "fe80::1%eth0", "192.168.124.010", "", "١٩٢.0.2.1"])
def test_addresses_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_address(text)


# What crypt(3) of libxcrypt 4.4 gives for the password "example".
HASHES = {
    "yescrypt": "$y$j9T$saltsaltsalt$4sze9tcI4EobhZaqZgwlInTQSrclRQFCDeJzZ23Xht.",
    "yescrypt without salt": "$y$j9T$$d/qUQr//MV3GG9TI3jsXvJLujPGmoLkmYV6znPS1THB",
    "gost-yescrypt": "$gy$j9T$saltsaltsalt$OAyUtBhOaU4EGgxrGVhRlMk5ZkhamCKcljzTgnqYQ0A",
    "scrypt": "$7$CU..../....saltsalt$dttkHxpQ29C7IDrW3lOFl6bbfnwKTk/FQWAXNraQkB/",
    "bcrypt": "$2b$05$abcdefghijklmnopqrstuuaoH1ZVCCUEbGJ2BeqagpRkjZ3JngHRW",
    "sha512crypt": "$6$saltsalt$fCrh8nUGWG1kaWS0cBxg4tHqtdI/.vguU6L92utUDE2uuLboegIJMic.sfv7QYLSrG3dfTzYL584/rt2BJn400",
    "sha512crypt with rounds": "$6$rounds=5000$saltsalt$"
    "fCrh8nUGWG1kaWS0cBxg4tHqtdI/.vguU6L92utUDE2uuLboegIJMic.sfv7QYLSrG3dfTzYL584/rt2BJn400",
    "sha256crypt": "$5$saltsalt$5i1qBpoG1r2lckbKSq1CnT.UGPp8XJNqM5AYlEGzft6",
}


@pytest.mark.parametrize("kind", HASHES)
def test_hashes_as_programs_print_them(kind: str) -> None:
    assert find_hash_fault(HASHES[kind]) == ("", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hunter2", "this looks like a password"),
        ("ab0123456789.", "this looks like a password"),
        ("$1$salt$0123456789012345678901", "this password hash is of a kind that is quickly broken"),
        ("$6$salt$short", "this password hash is not whole"),
        ("$y$j9T$salt", "this password hash is not whole"),
        ("$1$saltsalt$Q30LIs8F1kpk8mTT.cH1A/", "this password hash is of a kind that is quickly broken"),
        ("$6$sa:lt$" + "a" * 86, "this password hash is not whole"),
        ("*", "this looks like a password"),
    ],
)
def test_what_is_no_hash(text: str, said: str) -> None:
    wrong, hint = find_hash_fault(text)
    assert wrong.startswith(said)
    assert "mkpasswd" in hint
    assert text not in wrong + hint or len(text) < 2


ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIAFroTJnxFXeOCx6F/r5Loyq6sLLCI/SWhHafajcd5fa"


@pytest.mark.parametrize(
    "line",
    [
        f"ssh-ed25519 {ED25519}",
        f"ssh-ed25519 {ED25519} operator@desk and more",
        f'from="192.0.2.0/24",no-pty ssh-ed25519 {ED25519} x',
    ],
)
def test_keys_as_sshd_takes_them(line: str) -> None:
    assert find_key_fault(line) == ("", "")


@pytest.mark.parametrize("end", range(4, len(ED25519), 4))
def test_a_key_that_was_cut_is_never_taken(end: int) -> None:
    assert find_key_fault(f"ssh-ed25519 {ED25519[:end]}") != ("", "")
