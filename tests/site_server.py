"""Real HTTP and HTTPS servers for the site finder's tests, well-behaved and hostile, with certificates made on the spot."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Answer = Callable[["Handler"], None]


@dataclass
class Server:
    """`answers`: path (without its query) → bytes, or what writes an answer by itself. `seen`: what was asked, with headers."""

    url: str
    answers: dict[str, bytes | Answer]
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    server_told: Server

    def do_GET(self) -> None:
        self.server_told.seen.append((self.path, dict(self.headers.items())))
        answer = self.server_told.answers.get(self.path.partition("?")[0])
        self.close_connection = True
        with contextlib.suppress(OSError):
            if answer is None:
                self.send_error(404)
            elif isinstance(answer, bytes):
                self.give(answer)
            else:
                answer(self)

    def give(self, content: bytes, headers: Mapping[str, str] | None = None, status: int = 200) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def raw(self, content: bytes) -> None:
        self.wfile.write(content)
        self.wfile.flush()

    def drip(self, content: bytes, every_s: float = 0.02) -> None:
        for byte in content * 10_000:
            if self.server_told.closing.wait(every_s):
                return
            self.raw(bytes([byte]))

    def stall(self) -> None:
        self.server_told.closing.wait(10)

    def log_message(self, *_: object) -> None:
        pass


class Quiet(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 50

    def handle_error(self, *_: object) -> None:
        """A client that refuses the certificate is what is tested, no error of the server."""


@contextlib.contextmanager
def serve(answers: Mapping[str, bytes | Answer], context: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Server]:
    told = Server("", dict(answers))
    handler = type("OneHandler", (Handler,), {"server_told": told, "timeout": 5})
    with Quiet(("127.0.0.1", port), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        told.url = f"http{'s' if context else ''}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield told
        finally:
            told.closing.set()
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Certificates:
    """`ca`: a PEM file; `pin`: SHA-256 of the server's certificate."""

    ca: Path
    pin: str
    context: ssl.SSLContext


def make_certificates(folder: Path, name: str = "127.0.0.1") -> Certificates:
    """A CA and a server's certificate for this address."""
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a CA of this test")])
    ca = _sign(ca_name, ca_name, ca_key, ca_key, [(x509.BasicConstraints(True, None), True)])
    san = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))])
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
    leaf = _sign(subject, ca_name, key, ca_key, [(san, False), (x509.BasicConstraints(False, None), True)])
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(ca.public_bytes(pem))
    (folder / "leaf.pem").write_bytes(leaf.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "leaf.pem", folder / "key.pem")
    return Certificates(folder / "ca.pem", sha256(leaf.public_bytes(serialization.Encoding.DER)).hexdigest(), context)


def _sign(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    by: ec.EllipticCurvePrivateKey,
    extensions: list[tuple[x509.ExtensionType, bool]],
) -> x509.Certificate:
    now = datetime.datetime.fromtimestamp(time.time(), datetime.UTC)
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
    known = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key())
    for extension, is_critical in [*extensions, (known, False), (above, False)]:
        builder = builder.add_extension(extension, is_critical)
    return builder.sign(by, hashes.SHA256())
