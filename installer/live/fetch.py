"""Fetch one file over HTTP or HTTPS from a server that is not trusted: bounded in bytes, seconds and redirects.

A server that stalls, drips, lies about the length, closes early or redirects for ever ends in one sentence. Over HTTPS nothing
is sent before the certificate has the pinned SHA-256 or, without a pin, before the system's CAs vouch for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Final
from urllib.parse import urljoin, urlsplit

from installer import __version__
from installer.live.word import Pins, check_url, show_url
from installer.model.problems import RackstrapError

MOST_BYTES: Final = 2**20
WITHIN_S: Final = 30.0
CONNECT_S: Final = 10.0
MOST_REDIRECTS: Final = 5
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
BROKEN: Final[dict[type[Exception], str]] = {
    ssl.SSLError: "the server does not speak TLS as it should",
    socket.gaierror: "the server's name is not found",
    TimeoutError: "the server does not answer",
    ConnectionResetError: "the server closed the connection",
    ConnectionRefusedError: "the server refuses the connection",
}
WRONG_TYPES: Final = frozenset({"text/html", "application/xhtml+xml", "application/gzip", "application/zip"})


@dataclass(frozen=True, slots=True)
class Fetched:
    """`url`: where it came from in the end. `is_protected`: every server on the way was the one that was meant, over HTTPS."""

    content: bytes = field(repr=False)
    url: str
    is_protected: bool


@dataclass(frozen=True, slots=True)
class Limits:
    most_bytes: int = MOST_BYTES
    within_s: float = WITHIN_S


class Caller(HTTPConnection):
    """One connection. Over HTTPS it is closed unless the certificate is the pinned one, or the CAs vouch for it."""

    def __init__(self, url: str, pin: str, timeout_s: float) -> None:
        parts = urlsplit(url)
        self.is_tls: Final = parts.scheme == "https"
        self.pin: Final = pin
        self.wire: socket.socket | None = None  # `sock` is let go of as soon as an answer that ends the connection begins
        super().__init__(parts.hostname or "", parts.port or (443 if self.is_tls else 80), timeout=timeout_s)

    def connect(self) -> None:
        super().connect()
        self.wire = self.sock
        if self.is_tls and self.sock is not None:
            name = self.host.strip("[]")
            plain, context = self.sock, make_context(self.pin)
            self.sock = self.wire = context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False)
            self.sock.do_handshake()  # by now whoever watches the time can end it
            self._check_pin(self.sock)

    def _check_pin(self, sock: ssl.SSLSocket) -> None:
        der = sock.getpeercert(binary_form=True) or b""
        if self.pin and not hmac.compare_digest(hashlib.sha256(der).hexdigest(), self.pin):
            self.close()
            raise RackstrapError(
                "the server's certificate is not the one that rackstrap.site_cert pins",
                "if it was renewed, pin the new one; else somebody stands in between",
            )


def make_context(pin: str) -> ssl.SSLContext:
    """TLS 1.2 or later; by the system's CAs, or where the certificate is pinned by nothing else than that."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Python 3.13 demands of a CA what many a site's own CA has not (a key usage extension); curl and browsers do not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if pin:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def fetch(url: str, headers: Mapping[str, str], pins: Pins, limits: Limits | None = None) -> Fetched:
    """The file at this URL. Raises RackstrapError, whose words name no password and no query."""
    limits = limits or Limits()
    ends_at = time.monotonic() + limits.within_s
    here, is_protected = check_url(url), True
    for _ in range(MOST_REDIRECTS + 1):
        is_tls = here.startswith("https:")
        is_protected = is_protected and is_tls
        answer = _ask(here, headers, pins, limits, ends_at)
        if isinstance(answer, bytes):
            _check_file(here, answer, pins)
            return Fetched(answer, here, is_protected)
        following = urljoin(here, answer)
        if is_tls and not following.lower().startswith("https:"):
            raise RackstrapError(
                f"{show_url(here)} sends us from HTTPS to {show_url(following)}", "have the server stay with HTTPS"
            )
        here = check_url(following.partition("#")[0])
    raise RackstrapError(
        f"{show_url(url)} sends us on and on, more than {MOST_REDIRECTS} times", "name the file's own URL in rackstrap.site"
    )


def _check_file(url: str, content: bytes, pins: Pins) -> None:
    digest = hashlib.sha256(content).hexdigest()
    if pins.file and not hmac.compare_digest(digest, pins.file):
        raise RackstrapError(
            f"{show_url(url)} is not the file that rackstrap.site_sha256 pins: it has {digest}",
            "if you changed the file, pin this one; else somebody else did",
        )


def _ask(url: str, headers: Mapping[str, str], pins: Pins, limits: Limits, ends_at: float) -> bytes | str:
    """One request: the file, or where the server sends us. Raises RackstrapError."""
    left_s = ends_at - time.monotonic()
    if left_s <= 0:
        raise _late(url, limits)
    caller = Caller(url, pins.certificate, min(CONNECT_S, left_s + 1))  # the end of our time is seen to by `watch`
    with watch(caller, left_s) as is_late:
        try:
            parts = urlsplit(url)
            said = {"Accept": "application/yaml, text/plain, */*", "Accept-Encoding": "identity", "Connection": "close"}
            said["User-Agent"] = f"rackstrap/{__version__}"
            caller.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers={**said, **headers})
            with caller.getresponse() as response:
                return _read_answer(url, response, bool(pins.file), limits)
        except (RackstrapError, OSError, HTTPException, ValueError) as error:
            if is_late():
                raise _late(url, limits) from None
            if isinstance(error, RackstrapError):
                raise
            raise RackstrapError(f"{show_url(url)}: {explain(error)}", find_hint(error)) from None
        finally:
            caller.close()


@contextmanager
def watch(caller: Caller, within_s: float) -> Iterator[Callable[[], bool]]:
    """Cut the connection when its time is over, in whatever it waits: each single wait may be short, and there be many."""
    done, late = threading.Event(), threading.Event()

    def cut() -> None:
        if done.wait(within_s):
            return
        late.set()
        while True:  # it may be on its way to another of the server's addresses
            with contextlib.suppress(OSError):
                if caller.wire is not None:
                    socket.socket.shutdown(caller.wire, socket.SHUT_RDWR)  # of the socket below TLS: no alert waits for an answer
            if done.wait(0.1):
                return

    thread = threading.Thread(target=cut, name="fetch-deadline", daemon=True)
    thread.start()
    try:
        yield late.is_set
    finally:
        done.set()
        thread.join()


def _read_answer(url: str, response: HTTPResponse, is_pinned: bool, limits: Limits) -> bytes | str:
    """The body when it is a whole file of sensible size; where to go on for a redirect. Raises RackstrapError."""
    where = show_url(url)
    if response.status in REDIRECTS and response.getheader("Location"):
        return response.getheader("Location", "")
    if response.status != 200:
        raise RackstrapError(f"{where}: the server answers {response.status}", explain_status(response.status))
    kind = response.getheader("Content-Type", "").partition(";")[0].strip().lower()
    if kind in WRONG_TYPES:
        raise RackstrapError(f"{where}: the server answers with {kind}, not with a site file", "is it the file's own URL?")
    if response.getheader("Content-Encoding", "identity").strip().lower() != "identity":
        raise RackstrapError(f"{where}: the server has packed the file", "have it send the file as it is")
    told = response.length
    if told is not None and told > limits.most_bytes:
        raise _large(where, limits)
    if told is None and not response.chunked and not is_pinned:
        hint = "have it send Content-Length, or pin the file: rackstrap.site_sha256="
        raise RackstrapError(f"{where}: the server does not say how long the file is", hint)
    content = _read_up_to(response, limits.most_bytes + 1)
    if len(content) > limits.most_bytes:
        raise _large(where, limits)
    if told is not None and len(content) != told:
        raise RackstrapError(f"{where}: the file ended after {len(content)} of {told} bytes", "look at the server; we ask again")
    return content


def _read_up_to(response: HTTPResponse, most: int) -> bytes:
    parts: list[bytes] = []
    left = most
    while left > 0 and (part := response.read(min(left, 65536))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def explain(error: Exception) -> str:
    """What went wrong with a connection, in words that an operator has heard before."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted: {error.verify_message}"
    for kind, words in BROKEN.items():
        if isinstance(error, kind):
            return words
    if isinstance(error, OSError):
        return (error.strerror or "the connection broke").lower()
    return "the server's answer is not HTTP, or broke off"


def find_hint(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return "pin it with rackstrap.site_cert=, or look at this machine's clock and the server's chain"
        case socket.gaierror():
            return "is there a network with DNS? an address in the URL needs none"
        case _:
            return "is the server up, and is this machine on its network?"


def explain_status(status: int) -> str:
    match status:
        case 401 | 403:
            return "let this machine read it; it sends X-Rackstrap-UUID, -Serial and -MAC"
        case 404 | 410:
            return "put the file there, or correct rackstrap.site"
        case _:
            return "look at the server's log"


def _late(url: str, limits: Limits) -> RackstrapError:
    return RackstrapError(f"{show_url(url)}: not there within {limits.within_s:g} s", "look at the server; we ask again")


def _large(where: str, limits: Limits) -> RackstrapError:
    return RackstrapError(f"{where} is larger than {limits.most_bytes // 1024} KiB", "is it the site file?")
