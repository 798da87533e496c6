"""Fetching a site file from real servers: what is asked, what is believed, and every way in which a server can misbehave."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from installer.live.fetch import Fetched, Limits, fetch
from installer.live.word import Pins
from installer.model.problems import RackstrapError
from tests.site_server import Answer, Certificates, Handler, Server, make_certificates, serve

SITE = b"rackstrap: 1\nname: lab\n"
PATIENT = Limits(most_bytes=4096, within_s=20)  # this machine may be busy
HASTY = Limits(most_bytes=4096, within_s=0.3)
NO_PINS = Pins()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve({"/site.yaml": SITE}) as told:
        yield told


@pytest.fixture
def trusted(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Certificates:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    return certificates


def refuse(url: str, pins: Pins = NO_PINS, limits: Limits = PATIENT) -> str:
    with pytest.raises(RackstrapError) as caught:
        fetch(url, {}, pins, limits)
    assert caught.value.hint
    return caught.value.message


def test_a_file_is_fetched_with_who_asks(server: Server) -> None:
    headers = {"X-Rackstrap-UUID": "u", "X-Rackstrap-MAC": "a,b"}
    got = fetch(f"{server.url}/site.yaml?rack=3", headers, NO_PINS, PATIENT)
    assert got == Fetched(SITE, f"{server.url}/site.yaml?rack=3", False)
    path, said = server.seen[-1]
    assert path == "/site.yaml?rack=3"
    assert {name: said[name] for name in headers} == headers
    assert said["Accept-Encoding"] == "identity"
    assert "Authorization" not in said


def test_https_is_believed_by_the_cas_or_by_the_pin(trusted: Certificates) -> None:
    with serve({"/site.yaml": SITE}, trusted.context) as server:
        assert fetch(f"{server.url}/site.yaml", {}, NO_PINS, PATIENT).is_protected
        assert fetch(f"{server.url}/site.yaml", {}, Pins(certificate=trusted.pin), PATIENT).is_protected


def test_https_without_a_ca_is_refused_unless_the_certificate_is_pinned(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "none.pem").write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with serve({"/site.yaml": SITE}, certificates.context) as server:
        assert "certificate is not trusted" in refuse(f"{server.url}/site.yaml")
        assert fetch(f"{server.url}/site.yaml", {}, Pins(certificate=certificates.pin), PATIENT).content == SITE
        seen = len(server.seen)
        assert "not the one that rackstrap.site_cert pins" in refuse(f"{server.url}/site.yaml", Pins(certificate="0" * 64))
        assert len(server.seen) == seen, "nothing is asked of a server that is another"


def test_a_certificate_for_another_address_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = make_certificates(tmp_path, "192.0.2.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(other.ca))
    with serve({"/site.yaml": SITE}, other.context) as server:
        assert "not trusted" in refuse(f"{server.url}/site.yaml")


def test_the_file_is_the_pinned_one_or_none(server: Server) -> None:
    right, url = Pins(file=sha256(SITE).hexdigest()), f"{server.url}/site.yaml"
    assert fetch(url, {}, right, PATIENT).content == SITE
    assert sha256(SITE).hexdigest() in refuse(url, Pins(file="0" * 64))


def go(where: str, status: int = 302) -> Answer:
    return lambda handler: handler.give(b"", {"Location": where}, status)


def test_redirects_are_followed_to_where_they_lead(server: Server) -> None:
    server.answers |= {"/old": go("new/", 301), "/new/": go("/site.yaml", 308)}
    assert fetch(f"{server.url}/old", {}, NO_PINS, PATIENT) == Fetched(SITE, f"{server.url}/site.yaml", False)


def test_redirects_end(server: Server) -> None:
    server.answers |= {"/loop": go("/loop"), "/a": go("/b"), "/b": go("/a")}
    assert "more than 5 times" in refuse(f"{server.url}/loop")
    assert "more than 5 times" in refuse(f"{server.url}/a")


@pytest.mark.parametrize(
    "where",
    ["file:///etc/shadow", "ftp://127.0.0.1/x", "http://user:pw@127.0.0.1/x", "//", "http://127.0.0.1:0/", "/a b", "/../x"],
)
def test_a_redirect_leads_to_nothing_but_a_url_of_ours(server: Server, where: str) -> None:
    server.answers["/go"] = go(where)
    assert "pw" not in refuse(f"{server.url}/go")


def test_https_never_falls_back_to_http(trusted: Certificates, server: Server) -> None:
    with serve({"/site.yaml": go(f"{server.url}/site.yaml")}, trusted.context) as secure:
        assert "from HTTPS to http://127.0.0.1" in refuse(f"{secure.url}/site.yaml")


def test_http_that_leads_to_https_is_not_protected(trusted: Certificates, server: Server) -> None:
    with serve({"/site.yaml": SITE}, trusted.context) as secure:
        server.answers["/up"] = go(f"{secure.url}/site.yaml")
        assert fetch(f"{server.url}/up", {}, NO_PINS, PATIENT) == Fetched(SITE, f"{secure.url}/site.yaml", False)


def chunk(handler: Handler, *, whole: bool) -> None:
    handler.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n" + (b"0\r\n\r\n" if whole else b"ffff\r\nx"))


def large(handler: Handler) -> None:
    handler.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b"x" * 1024 + b"\r\n")
    for _ in range(2 * 2**20):  # 2 GB, if anybody took them
        handler.raw(b"400\r\n" + b"x" * 1024 + b"\r\n")


def go_on(handler: Handler, following: Answer) -> None:
    handler.raw(b"HTTP/1.0 200 OK\r\nContent-Length: 4000\r\n\r\nabc")
    following(handler)


HOSTILE: dict[str, tuple[Answer, str]] = {
    "500": (lambda h: h.give(b"oops", status=500), "answers 500"),
    "403": (lambda h: h.give(b"", status=403), "answers 403"),
    "304 without being asked": (lambda h: h.give(b"", status=304), "answers 304"),
    "redirect to nowhere": (lambda h: h.give(b"", status=302), "answers 302"),
    "web page": (lambda h: h.give(b"<html>", {"Content-Type": "text/html; charset=utf-8"}), "answers with text/html"),
    "gzip": (lambda h: h.give(gzip.compress(SITE), {"Content-Encoding": "gzip"}), "packed"),
    "2 GB told": (lambda h: h.give(b"", {"Content-Length": str(2**31)}), "larger than 4 KiB"),
    "2 GB in chunks": (large, "larger than 4 KiB"),
    "truncated": (lambda h: h.give(SITE, {"Content-Length": "100"}), "ended after 23 of 100 bytes"),
    "chunks cut off": (lambda h: chunk(h, whole=False), "broke off"),
    "no length": (lambda h: h.raw(b"HTTP/1.0 200 OK\r\n\r\n" + SITE), "does not say how long"),
    "length is no number": (lambda h: h.raw(b"HTTP/1.0 200 OK\r\nContent-Length: lots\r\n\r\n" + SITE), "does not say how long"),
    "negative length": (lambda h: h.raw(b"HTTP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n" + SITE), "does not say how long"),
    "no HTTP": (lambda h: h.raw(b"SSH-2.0-OpenSSH\r\n"), "not HTTP"),
    "silence": (lambda h: h.raw(b""), "closed the connection"),
    "endless header": (lambda h: h.raw(b"HTTP/1.0 200 " + b"x" * 200_000), "not HTTP"),
    "many headers": (lambda h: h.raw(b"HTTP/1.0 200 OK\r\n" + b"A: b\r\n" * 500), "not HTTP"),
    "stalls before": (Handler.stall, "not there within 0.3 s"),
    "stalls amid": (lambda h: go_on(h, Handler.stall), "not there within 0.3 s"),
    "drips its header": (lambda h: h.drip(b"A"), "not there within 0.3 s"),
    "drips its body": (lambda h: go_on(h, lambda h: h.drip(b"x")), "not there within 0.3 s"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_server_that_misbehaves_ends_in_one_sentence(server: Server, name: str) -> None:
    answer, says = HOSTILE[name]
    server.answers["/bad"] = answer
    began = time.monotonic()
    limits = HASTY if "within" in says else PATIENT
    assert says in refuse(f"{server.url}/bad?token=canary", NO_PINS, limits)
    assert time.monotonic() - began < 5


def test_no_words_show_a_query_or_a_password(server: Server) -> None:
    for url in (f"{server.url}/none?token=canary", "http://user:canary@127.0.0.1/x", "http://127.0.0.1/x y?canary"):
        assert "canary" not in refuse(url)


def test_whole_chunks_are_taken_and_a_pinned_file_needs_no_length(server: Server) -> None:
    server.answers["/chunks"] = lambda h: chunk(h, whole=True)
    assert fetch(f"{server.url}/chunks", {}, NO_PINS, PATIENT).content == b"abc"
    server.answers["/unsized"] = lambda h: h.raw(b"HTTP/1.0 200 OK\r\n\r\n" + SITE)
    assert fetch(f"{server.url}/unsized", {}, Pins(file=sha256(SITE).hexdigest()), PATIENT).content == SITE


def test_nobody_there_is_said_plainly() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert "refuses the connection" in refuse(f"http://127.0.0.1:{port}/site.yaml")
        taken.listen()  # the kernel takes the connection, nobody speaks TLS
        assert "not there within" in refuse(f"https://127.0.0.1:{port}/site.yaml", NO_PINS, HASTY)


def test_plain_http_at_a_tls_port_is_no_tls(server: Server) -> None:
    assert "does not speak TLS" in refuse(server.url.replace("http:", "https:") + "/site.yaml")
