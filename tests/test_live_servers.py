"""A site file from a server: which transport may carry consents, what a server learns, and what a lease may say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from installer.live.lease import parse_lease
from installer.live.offers import find_offers
from installer.live.sources import GIVEN, PLAIN, Sighted
from installer.medium.area import make_site_area
from installer.model.problems import RackstrapError
from tests.site_server import Certificates, Handler, Server, make_certificates, serve
from tests.sought_site import ME, OTHER, SITE, UUID, fail, find, make_places, make_stick


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
    places = make_places(tmp_path, make_stick(tmp_path, {"site.yaml": SITE}), words={"site": f"{plain.url}/none"})
    began = time.monotonic()
    offers = find_offers(places, 2.0)
    assert time.monotonic() - began < 5
    assert [one.source if isinstance(one, Sighted) else "wrong" for one in offers] == ["wrong", "volume", "iso"]
