"""Words that name a site file, and this machine's values in them: admitted by a grammar or refused without showing secrets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from installer.live.identity import Identity, find_default, find_identity
from installer.live.static import find_port, parse_static, render_static, set_by_word
from installer.live.word import URL, Pins, check_url, parse_pins, parse_word
from installer.model.facts import Nic
from installer.model.problems import RackstrapError
from tests.sought_site import ME, UUID

# What the kernel line may say


@pytest.mark.parametrize(
    ("word", "place"),
    [
        ("/run/rackstrap/medium/site.yaml", "/run/rackstrap/medium/site.yaml"),
        ("file:/a/b", "/a/b"),
        ("file:///a/b", "/a/b"),
        ("/sites/${uuid}.yaml", f"/sites/{UUID}.yaml"),
        ("HTTP://h/x", "http://h/x"),
        ("https://[fd00::1]:8443/${uuid}", f"https://[fd00::1]:8443/{UUID}"),
        ("http://h/${mac}/${serial}?of=${serial}", "http://h/52%3A54%3A00%3A00%3A00%3A01/AB%2F1%202%253?of=AB%2F1%202%253"),
    ],
)
def test_a_word_is_a_place_with_this_machines_values(word: str, place: str) -> None:
    assert parse_word(word, ME) == place


@pytest.mark.parametrize(
    "word",
    [
        "", "site.yaml", "//host/x", "file:x", "file://host/x", "ftp://h/x", "http:/h/x", "http:///x", "http://h", "http://h/x#y",
        "http://u@h/x", "http://u:canary@h/x", "http://${serial}/x", "http://h/${name}", "http://h/${uuid", "http://h/${}",
        "http://h:0/x", "http://h:99999/x", "http://h/a/../b", "http://h/%2e%2e/b", "http://h/%zz", "http://-h/x", "http://h/\x1b",
        "/sites/${serial}", "/a\nb", "http://h/" + "x" * 2000, "/" + "x" * 2000, "http://h\\@evil/x", "http://h/x y", "http://ü/x",
    ],
)  # fmt: skip
def test_a_word_that_is_no_place_is_refused_without_showing_secrets(word: str) -> None:
    with pytest.raises(RackstrapError) as caught:
        parse_word(word, ME)
    assert caught.value.hint
    assert "canary" not in str(caught.value)


def test_a_value_that_the_firmware_does_not_tell_is_not_left_out_silently() -> None:
    with pytest.raises(RackstrapError, match="tells no serial"):
        parse_word("http://h/${serial}", replace(ME, serial=""))


@given(st.text(max_size=60))
def test_whatever_is_admitted_as_a_url_stays_within_the_grammar(text: str) -> None:
    for word in (text, f"http://{text}", f"http://h/{text}"):
        try:
            url = check_url(word)
        except RackstrapError:
            continue
        assert URL.fullmatch(url)
        assert "@" not in url.split("/")[2]
        assert url.isascii()
        assert url.isprintable()
        assert " " not in url


def test_pins_are_whole_or_an_error() -> None:
    assert parse_pins({"site_sha256": "AB" * 32}) == Pins("ab" * 32, "")
    assert parse_pins({"site_cert": ":".join(["ab"] * 32)}) == Pins("", "ab" * 32)
    for value in ("", "ab", "zz" * 32, "ab" * 33):
        with pytest.raises(RackstrapError, match="SHA-256"):
            parse_pins({"site_sha256": value})


# The kernel line's address


def test_an_address_for_fetching_is_parsed_and_rendered() -> None:
    static = parse_static("192.0.2.10/24,192.0.2.1,192.0.2.53,52:54:00:00:00:0A")
    assert render_static(static, "ens3").splitlines() == [
        "[Match]", "Name=ens3", "[Network]", "Address=192.0.2.10/24", "LinkLocalAddressing=no", "IPv6AcceptRA=no", "LLDP=yes",
        "Gateway=192.0.2.1", "DNS=192.0.2.53",
    ]  # fmt: skip
    assert render_static(parse_static("fd00::10/64,,fd00::53"), "ens3").splitlines()[3::4] == [
        "Address=fd00::10/64",
        "DNS=fd00::53",
    ]
    no_interfaces = ("", "192.0.2.10", "192.0.2.10/33", "fe80::1%a\nb/64")
    others = ("198.51.100.1", "192.0.2.10", "x", ",x", ",,zz", ",,,x", ",,52:54:00:00:00:0a,x")
    for word in (*no_interfaces, *(f"192.0.2.10/24,{other}" for other in others)):
        with pytest.raises(RackstrapError, match=r"rackstrap\.ip"):
            parse_static(word)


def test_the_address_goes_to_the_named_port_or_to_the_first_with_a_link() -> None:
    nics = [Nic(f"ens{n}", f"52:54:00:00:00:0{n}", "virtio_net", None, n == 4) for n in (3, 4)]
    assert find_port(parse_static("192.0.2.10/24"), nics) == "ens4"
    assert find_port(parse_static("192.0.2.10/24,,,52:54:00:00:00:03"), nics) == "ens3"
    assert find_port(parse_static("192.0.2.10/24"), nics[:1]) == ""
    with pytest.raises(RackstrapError, match="has no port"):
        find_port(parse_static("192.0.2.10/24,,,52:54:00:00:00:09"), nics)
    with pytest.raises(RackstrapError, match="no port has a link"):
        set_by_word("192.0.2.10/24", lambda: nics[:1], lambda _: True)


# Who this machine is


def test_identity_is_read_from_sysfs_and_admitted(tmp_path: Path) -> None:
    dmi, nets = tmp_path / "id", tmp_path / "net"
    for name, text in {"product_uuid": UUID.upper(), "product_serial": "To Be Filled By O.E.M.", "board_serial": "B7"}.items():
        dmi.mkdir(exist_ok=True)
        (dmi / name).write_text(f"{text}\n")
    for name, mac, is_nic in (("br0", "02:00:00:00:00:09", False), ("ens3", ME.macs[0], True), ("ens4", ME.macs[1], True)):
        (nets / name / "device" if is_nic else nets / name).mkdir(parents=True)
        (nets / name / "address").write_text(f"{mac}\n")
        (nets / name / "carrier").write_text("1\n" if name == "ens4" else "0\n")
    routes = tmp_path / "route"
    routes.write_text("Iface Destination Gateway\n")
    found = find_identity(dmi, nets, routes)
    assert found == Identity(UUID, "B7", ME.macs[1], ME.macs)
    assert found.headers() == {"X-Rackstrap-UUID": UUID, "X-Rackstrap-Serial": "B7", "X-Rackstrap-MAC": ",".join(ME.macs)}
    (dmi / "board_serial").write_text("x\r\nEvil: yes")
    assert find_identity(dmi, nets, routes).serial == ""
    assert find_identity(tmp_path / "no", tmp_path / "no", routes) == Identity()


def test_the_default_route_says_which_nic_faces_out() -> None:
    rows = [
        "Iface Destination Gateway Flags RefCnt Use Metric Mask",
        "ens4 0000A8C0 0 1 0 0 0 00FFFFFF",
        "ens3 00000000 0 3 0 0 0 00000000",
    ]
    assert find_default("\n".join(rows)) == "ens3"
    assert find_default("") == ""
