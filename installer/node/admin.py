"""Talk to the admin node: JSON over TLS, our certificate shown, its certificate known by its SHA-256 alone."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from installer.model.orders import Order, parse_order
from installer.model.problems import RackstrapError
from installer.node.identity import Identity
from installer.node.place import Place

MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
TIMEOUT_S: Final = 20.0


class UnreachableError(RackstrapError):
    """The admin node did not answer, or something else answered in its place. Try again."""


class RefusedError(RackstrapError):
    """The admin node answered, and the answer is no. `status` is HTTP's."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason or f"the admin node answered {status}")
        self.status = status


class PinnedConnection(HTTPSConnection):
    """An HTTPS connection that sends nothing before the server's certificate has the pinned SHA-256."""

    def __init__(self, host: str, port: int, *, pin: str, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self.pin = pin

    def connect(self) -> None:
        super().connect()
        der = self.sock.getpeercert(binary_form=True) if isinstance(self.sock, ssl.SSLSocket) else None
        if der is None or not hmac.compare_digest(hashlib.sha256(der).hexdigest(), self.pin):
            self.close()
            raise UnreachableError("the server's certificate is not the one that this machine was booted with")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    date: str
    own_address: str


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What enrolling answers. `own_address` is this node's address as the connection used it."""

    machine: str
    code: str
    state: str
    name: str
    time: float
    own_address: str


@dataclass(frozen=True, slots=True)
class Admin:
    """The admin node at `place`, asked as `identity` (None: anonymous, for its clock)."""

    place: Place
    identity: Identity | None = None

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, timeout_s: float = TIMEOUT_S) -> Answer:
        """One request on a connection of its own. Raises UnreachableError."""
        url = urlsplit(self.place.admin)
        context = make_context(self.identity)
        connection = PinnedConnection(url.hostname or "", url.port or 443, pin=self.place.pin, context=context, timeout=timeout_s)
        text = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json"} if text else {}
        try:
            connection.request(method, path, text, headers)
            own_address = find_own_address(connection.sock)
            with connection.getresponse() as got:  # it may hold the socket beyond the connection's own end
                return Answer(got.status, got.read(MAX_ANSWER_BYTES), got.getheader("Date", ""), own_address)
        except (OSError, HTTPException) as error:
            raise UnreachableError(f"{self.place.admin} does not answer: {error}") from error
        finally:
            connection.close()

    def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Raises UnreachableError, also on 5xx (it is starting), and RefusedError."""
        return check_answer(self.ask("POST", path, body))

    def enrol(self, recording: Mapping[str, Any], boot_id: str) -> Enrolled:
        """Say who and what this machine is. Raises UnreachableError, RefusedError (409: the claim is refused)."""
        answer = self.post("/agent/enrol", {"recording": recording, "mac": self.place.mac, "boot_id": boot_id})
        raw = parse_object(answer.body)
        return Enrolled(
            machine=str(raw.get("machine", "")),
            code=str(raw.get("code", "")),
            state=str(raw.get("state", "")),
            name=str(raw.get("name") or ""),
            time=float(raw.get("time") or 0),
            own_address=answer.own_address,
        )

    def wait_order(self, seen: str, wait_s: int) -> Order:
        """The order of now, as soon as it differs from `seen`, else after `wait_s`. Raises as `post` does."""
        query = urlencode({"wait": wait_s, "seen": seen})
        answer = check_answer(self.ask("GET", f"/agent/order?{query}", timeout_s=wait_s + TIMEOUT_S))
        try:
            return parse_order(answer.body.decode("utf-8"))
        except ValueError as error:
            raise UnreachableError(f"the admin node's answer is {error}") from error

    def ask_time(self) -> float:
        """The admin node's clock, seconds since 1970, from any answer's Date; 0 when it gave none."""
        answer = self.ask("GET", "/agent/order?wait=0")
        try:
            return parsedate_to_datetime(answer.date).timestamp()
        except ValueError:
            return 0.0


def make_context(identity: Identity | None) -> ssl.SSLContext:
    """TLS 1.2 or later, no CA: the pin is checked after the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if identity is not None:
        context.load_cert_chain(identity.cert, identity.key)
    return context


def find_own_address(sock: socket.socket | None) -> str:
    return str(sock.getsockname()[0]) if sock is not None else ""


def check_answer(answer: Answer) -> Answer:
    """The answer when it is a yes. Raises UnreachableError on 5xx, RefusedError on 4xx."""
    if answer.status >= 500:
        raise UnreachableError(f"the admin node is not ready (HTTP {answer.status})")
    if answer.status >= 300:
        raise RefusedError(answer.status, find_refusal(answer.body))
    return answer


def find_refusal(body: bytes) -> str:
    try:
        return str(parse_object(body).get("reason", ""))[:200]
    except UnreachableError:
        return ""


def parse_object(body: bytes) -> Mapping[str, Any]:
    """A JSON object. Raises UnreachableError: whatever answered is not our admin node."""
    try:
        raw: Any = json.loads(body)
    except ValueError as error:
        raise UnreachableError("the admin node's answer is not JSON") from error
    if not isinstance(raw, dict):
        raise UnreachableError("the admin node's answer is not an object")
    return raw


def set_clock(seconds: float) -> bool:
    """Set the system's clock when it is off by more than 2 s; whether it did. 0 means unknown."""
    if seconds <= 0 or abs(time.time() - seconds) < 2:
        return False
    try:
        time.clock_settime(time.CLOCK_REALTIME, seconds)
    except PermissionError:
        return False
    return True
