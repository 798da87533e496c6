"""Where a site file is looked for: words admitted by a grammar, volumes and images read without mounting, DHCP believed least."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from installer.live.boot import Boot
from installer.live.fetch import Limits
from installer.live.identity import Identity, find_default, find_identity
from installer.live.lease import parse_lease
from installer.live.offers import find_offers
from installer.live.sources import GIVEN, PLAIN, Absent, Look, Places, Sighted, Wrong, choose
from installer.live.static import find_port, parse_static, render_static, set_by_word
from installer.live.volumes import Volume
from installer.live.word import URL, Pins, check_url, parse_pins, parse_word
from installer.medium.area import AREA_BYTES, make_site_area
from installer.model.facts import Nic
from installer.model.problems import RackstrapError
from tests.site_server import Certificates, Handler, Server, make_certificates, serve

SITE = b"rackstrap: 1\nname: lab\n"
OTHER = b"rackstrap: 1\nname: other\n"
UUID = "4c4c4544-0042-3510-8054-b7c04f564433"
ME = Identity(UUID, "AB/1 2%3", "52:54:00:00:00:01", ("52:54:00:00:00:01", "52:54:00:00:00:02"))
STICK = Volume("stick", "a stick, label RACKSTRAP", "vfat", "RACKSTRAP", ("site.yaml",))


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


# The order


def test_the_first_one_wins_and_nothing_is_looked_at_behind_something_wrong() -> None:
    one = Sighted(SITE, "iso", "one", "site.yaml", "", lambda _: pytest.fail("nothing is read"))

    def then(*looks: Look) -> Iterator[Look]:
        yield from looks
        pytest.fail("this place is looked at too late")

    assert choose(then(Absent("a"), one)) == (one, (Absent("a"),))
    assert choose(then(Absent("a"), Wrong("b"))) == (None, (Absent("a"), Wrong("b")))
    assert choose([Absent("a"), Absent("b")]) == (None, (Absent("a"), Absent("b")))


def make_fat(folder: Path, files: dict[str, bytes]) -> Volume:
    """A stick in this folder with these files."""
    device = folder / "stick"
    device.write_bytes(bytes(2**21))
    subprocess.run(["mkfs.vfat", "-n", "RACKSTRAP", str(device)], check=True, capture_output=True)
    for name, content in files.items():
        if "/" in name:
            subprocess.run(
                ["mmd", "-D", "s", "-i", str(device), f"::/{name.partition('/')[0]}"], check=False, capture_output=True
            )
        subprocess.run(["mcopy", "-i", str(device), "-", f"::/{name}"], check=True, input=content, capture_output=True)
    return replace(STICK, sites=tuple(sorted(name for name in files if name.endswith(".yaml"))))


def make_places(tmp_path: Path, *volumes: Volume, words: dict[str, str] | None = None) -> Places:
    leases = tmp_path / "leases"
    leases.mkdir(exist_ok=True)
    boot = Boot("medium", "unattended", words or {})
    return Places(boot, ME, tmp_path / "site.tar", leases, lambda: volumes, tmp_path, Limits(2**20, 20))


def find(places: Places) -> Sighted:
    found, passed = choose(places.look())
    assert found is not None, passed
    return found


def fail(places: Places) -> Wrong:
    found, passed = choose(places.look())
    assert found is None
    assert isinstance(passed[-1], Wrong)
    return passed[-1]


def test_nothing_anywhere_says_where_it_looked(tmp_path: Path) -> None:
    (tmp_path / "site.tar").write_bytes(bytes(AREA_BYTES))
    found, passed = choose(make_places(tmp_path).look())
    assert found is None
    assert [one.says for one in passed] == [
        "no removable volume labelled RACKSTRAP",
        "no site file in the ISO",
        "no DHCP server names one (option 224)",
    ]
    assert len(choose(make_places(tmp_path).look(is_settled=False))[1]) == 2


def test_a_volume_comes_before_the_iso_and_the_iso_before_dhcp(tmp_path: Path) -> None:
    (tmp_path / "site.tar").write_bytes(make_site_area({"site.yaml": OTHER, "bmc.csv": b"x"}))
    places = make_places(tmp_path, make_fat(tmp_path, {"site.yaml": SITE, "keys/one": b"s"}))
    (tmp_path / "leases" / "2").write_text("OPTION_224=ff\n")
    stick = find(places)
    assert (stick.content, stick.source, stick.doubt, stick.read("keys/one").content) == (SITE, "volume", "", b"s")
    area = find(replace(places, volumes=tuple))
    assert (area.content, area.source, area.doubt, area.read("bmc.csv").content) == (OTHER, "iso", "", b"x")
    with pytest.raises(RackstrapError, match="holds no other"):
        area.read("other")
    assert "224 is no text" in fail(replace(places, volumes=tuple, area=tmp_path / "none")).says


def test_a_volume_with_an_iso_on_it_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "content/keys").mkdir(parents=True)
    (tmp_path / "content/lab.yaml").write_bytes(SITE)
    (tmp_path / "content/keys/one").write_bytes(b"s")
    words = [
        "xorriso",
        "-as",
        "mkisofs",
        "-quiet",
        "-R",
        "-V",
        "RACKSTRAP",
        "-o",
        str(tmp_path / "stick"),
        str(tmp_path / "content"),
    ]
    subprocess.run(words, check=True, capture_output=True)
    found = find(make_places(tmp_path, replace(STICK, filesystem="iso9660", sites=("lab.yaml",))))
    assert (found.content, found.read("keys/one").content) == (SITE, b"s")
    with pytest.raises(RackstrapError):
        found.read("keys")
    with pytest.raises(RackstrapError, match="no name for a file"):
        found.read("../etc/passwd")


def test_what_is_meant_by_a_volume_is_never_guessed(tmp_path: Path) -> None:
    two = make_fat(tmp_path, {"a.yaml": SITE, "b.yaml": OTHER})
    assert "holds 2 site files" in fail(make_places(tmp_path, two)).says
    assert "2 volumes labelled RACKSTRAP hold a site file" in fail(make_places(tmp_path, two, two)).says
    usual = make_fat(tmp_path, {"a.yaml": OTHER, "SITE.YAML": SITE})
    assert find(make_places(tmp_path, replace(usual, sites=("SITE.YAML", "a.yaml")))).content == SITE
    empty = make_fat(tmp_path, {"readme.txt": b"x"})
    assert isinstance(make_places(tmp_path, empty).look_at_volumes(), Absent)
    unlabelled = replace(make_fat(tmp_path, {"site.yaml": SITE}), label="OTHER")
    assert isinstance(make_places(tmp_path, unlabelled).look_at_volumes(), Absent)


def test_a_volume_that_cannot_be_read_is_said_and_not_passed_over(tmp_path: Path) -> None:
    assert "ext4 is not read here" in fail(make_places(tmp_path, replace(STICK, filesystem="ext4", sites=()))).says
    (tmp_path / "stick").write_bytes(os.urandom(2**16))
    assert fail(make_places(tmp_path, STICK)).hint
    assert fail(make_places(tmp_path, replace(STICK, sites=()))).hint


def test_a_volumes_file_past_the_size_limit_is_never_copied_whole(tmp_path: Path) -> None:
    stick = make_fat(tmp_path, {"site.yaml": bytes(2**20 + 1)})
    assert "larger than" in fail(make_places(tmp_path, stick)).says


@pytest.mark.parametrize("damage", [bytes([1]), b"x" * AREA_BYTES, b"", make_site_area({"site.yaml": SITE})[:-1]])
def test_an_iso_whose_area_is_damaged_is_said(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "site.tar").write_bytes(damage)
    assert "the ISO's site file" in fail(make_places(tmp_path)).says


def tar(*words: str, folder: Path) -> bytes:
    done = subprocess.run(["tar", "--format=ustar", "-C", str(folder), "-cf", "-", *words], check=True, capture_output=True)
    return done.stdout.ljust(AREA_BYTES, b"\0")[:AREA_BYTES]


def test_an_area_that_another_program_wrote_is_refused_whole(tmp_path: Path) -> None:
    folder = tmp_path / "content"
    folder.mkdir()
    (folder / "site.yaml").write_bytes(SITE)
    (folder / "link").symlink_to("/etc/shadow")
    os.mkfifo(folder / "pipe")
    for words in (
        ["--transform=s,^,../,", "site.yaml"],
        ["-P", "--transform=s,^,/etc/,", "site.yaml"],
        ["site.yaml", "link"],
        ["site.yaml", "pipe"],
        ["site.yaml", "-C", "/dev", "null"],
        ["link"],
        ["site.yaml"],
    ):
        (tmp_path / "site.tar").write_bytes(tar(*words, folder=folder))
        assert "the ISO's site file" in fail(make_places(tmp_path)).says


# The kernel line's file


def test_the_kernel_line_comes_before_all_and_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_bytes(OTHER)
    stick = make_fat(tmp_path, {"site.yaml": SITE})
    found = find(make_places(tmp_path, stick, words={"site": f"file:{tmp_path}/own.yaml"}))
    assert (found.content, found.source, found.doubt) == (OTHER, "word", "")
    assert "does not exist" in fail(make_places(tmp_path, stick, words={"site": f"{tmp_path}/none.yaml"})).says


def test_a_path_is_a_plain_file_of_sensible_size_and_the_pinned_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "big").write_bytes(bytes(2**20 + 1))
    (tmp_path / "own.yaml").write_bytes(SITE)
    for name, says in (("pipe", "not a plain file"), ("big", "larger than"), (".", "directory"), ("big/x", "not a directory")):
        assert says in fail(make_places(tmp_path, words={"site": f"{tmp_path}/{name}"})).says
    assert "not a plain file" in fail(make_places(tmp_path, words={"site": "/dev/zero"})).says
    wrong = {"site": f"{tmp_path}/own.yaml", "site_sha256": "0" * 64}
    assert "pins" in fail(make_places(tmp_path, words=wrong)).says
    assert find(make_places(tmp_path, words={**wrong, "site_sha256": sha256(SITE).hexdigest()})).content == SITE


# Servers, and what they are trusted with


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def plain() -> Iterator[Server]:
    with serve({"/a/site.yaml": SITE, "/a/bmc.csv": b"c"}) as server:
        yield server


@pytest.fixture
def secure(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    with serve({"/a/site.yaml": SITE, "/a/bmc.csv": b"c"}, certificates.context) as server:
        yield server


def give_lease(tmp_path: Path, url: str, index: str = "2") -> None:
    (tmp_path / "leases").mkdir(exist_ok=True)
    (tmp_path / "leases" / index).write_text(f"ADDRESS=192.0.2.7\nOPTION_224={url.encode().hex()}\nOPTION_252=68\n")


def test_plain_http_carries_no_consent_unless_the_file_is_pinned(tmp_path: Path, plain: Server) -> None:
    words = {"site": f"{plain.url}/a/site.yaml"}
    assert find(make_places(tmp_path, words=words)).doubt == PLAIN
    pinned = find(make_places(tmp_path, words={**words, "site_sha256": sha256(SITE).hexdigest()}))
    assert (pinned.doubt, pinned.read("bmc.csv").doubt) == ("", PLAIN), "the pin is the site file's, not the other file's"
    assert find(make_places(tmp_path, words={**words, "site_cert": "0" * 64})).doubt == PLAIN, "there is no certificate"


def test_https_on_the_kernel_line_is_trusted_by_ca_and_by_pin(tmp_path: Path, secure: Server, certificates: Certificates) -> None:
    words = {"site": f"{secure.url}/a/site.yaml"}
    for more in ({}, {"site_cert": certificates.pin}):
        found = find(make_places(tmp_path, words={**words, **more}))
        assert (found.doubt, found.read("bmc.csv").content, found.read("bmc.csv").doubt) == ("", b"c", "")
    assert "site_cert pins" in fail(make_places(tmp_path, words={**words, "site_cert": "0" * 64})).says


def test_dhcp_carries_no_consent_even_by_https_unless_pinned(tmp_path: Path, secure: Server, certificates: Certificates) -> None:
    give_lease(tmp_path, f"{secure.url}/a/site.yaml")
    found = find(make_places(tmp_path))
    assert (found.source, found.doubt, found.read("bmc.csv").doubt) == ("dhcp", GIVEN, GIVEN)
    pinned = find(make_places(tmp_path, words={"site_cert": certificates.pin}))
    assert (pinned.doubt, pinned.read("bmc.csv").doubt) == ("", "")
    assert find(make_places(tmp_path, words={"site_sha256": sha256(SITE).hexdigest()})).doubt == ""


def test_http_that_leads_to_https_is_not_trusted(tmp_path: Path, plain: Server, secure: Server) -> None:
    plain.answers["/go"] = lambda handler: handler.give(b"", {"Location": f"{secure.url}/a/site.yaml"}, 302)
    assert find(make_places(tmp_path, words={"site": f"{plain.url}/go"})).doubt == PLAIN


def test_a_server_learns_who_asks_and_files_come_from_the_same_folder(tmp_path: Path, plain: Server) -> None:
    plain.answers[f"/{UUID}/site.yaml"] = SITE
    plain.answers[f"/{UUID}/a/b"] = b"s"
    found = find(make_places(tmp_path, words={"site": f"{plain.url}/${{uuid}}/site.yaml?x=1"}))
    assert found.read("a/b").content == b"s"
    assert [path for path, _ in plain.seen] == [f"/{UUID}/site.yaml?x=1", f"/{UUID}/a/b"]
    for _, headers in plain.seen:
        assert headers["X-Rackstrap-UUID"] == UUID
        assert headers["X-Rackstrap-Serial"] == ME.serial
        assert headers["X-Rackstrap-MAC"] == ",".join(ME.macs)
    with pytest.raises(RackstrapError, match="404"):
        found.read("none")
    with pytest.raises(RackstrapError):
        found.read("../up")


@pytest.mark.parametrize("value", ["file:///etc/passwd", "/etc/passwd", "http://u:canary@h/", "\x1b[2J", "http://h/x y", "ü"])
def test_a_dhcp_server_gives_nothing_but_a_url(tmp_path: Path, value: str) -> None:
    give_lease(tmp_path, value)
    wrong = fail(make_places(tmp_path))
    assert "DHCP" in wrong.says
    assert "canary" not in wrong.says
    assert wrong.says.isprintable()


def test_leases_are_parsed_as_networkd_writes_them(tmp_path: Path) -> None:
    assert parse_lease("# private\nOPTION_224=687474703a2f2f682f78\n") == "http://h/x"
    assert parse_lease("OPTION_225=68\nADDRESS=1\n") == ""
    later = '{"Address": [192, 0, 2, 7], "Private_Options": [{"Option": 1}, {"Option": 224, "Data": "687474703a2f2f682f78"}]}'
    assert parse_lease(later) == "http://h/x"
    assert [parse_lease(text) for text in ("", "{}", '{"Private_Options": [3]}', '{"Private_Options": {}}')] == [""] * 4
    for text in ("OPTION_224=zz\n", "{", later.replace("687474", "zz"), later.replace("687474", "ff"), '{"a":' * 9000):
        with pytest.raises(RackstrapError, match="no text"):
            parse_lease(text)
    give_lease(tmp_path, "http://h/x", "2")
    give_lease(tmp_path, "http://h/y", "3")
    assert "2 DHCP servers" in fail(make_places(tmp_path)).says


def test_offers_are_all_that_can_be_had_in_a_moment(tmp_path: Path, plain: Server) -> None:
    plain.answers["/slow"] = Handler.stall
    (tmp_path / "site.tar").write_bytes(make_site_area({"site.yaml": OTHER}))
    give_lease(tmp_path, f"{plain.url}/slow")
    places = make_places(tmp_path, make_fat(tmp_path, {"site.yaml": SITE}), words={"site": f"{plain.url}/none"})
    began = time.monotonic()
    offers = find_offers(places, 2.0)
    assert time.monotonic() - began < 5
    assert [one.source if isinstance(one, Sighted) else "wrong" for one in offers] == ["wrong", "volume", "iso"]
