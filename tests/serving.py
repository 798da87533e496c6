"""A real admin node and real agents for tests: two network namespaces joined by a veth pair, `rackstrap serve` in one."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from installer.engine.journal import Journal
from installer.model.network import NamedAddress
from installer.model.plan import AdminPlace
from installer.model.site import Site
from installer.render.services import render_dnsmasq, render_nginx
from installer.serve.certificate import load_pin
from installer.serve.place import make_place
from tests.served_files import ADMIN, save_files, save_image, save_state

NUMBERS: Final = itertools.count()
NODES: Final = (NamedAddress("node1", "192.168.77.81", "52:54:00:00:00:01"),)


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = 15.0) -> None:
    ends_at = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends_at, f"waited {timeout_s} s for {what}"
        time.sleep(0.05)


@dataclass(frozen=True, slots=True)
class Segment:
    """Namespace `admin` with interface `adm0` and the admin address, namespace `rack` with `nod0`."""

    admin: str
    rack: str
    mac: str  # of adm0

    def inside(self, space: str, *argv: str) -> list[str]:
        return ["ip", "netns", "exec", space, *argv]


@contextlib.contextmanager
def make_segment() -> Iterator[Segment]:
    """A segment of its own, gone afterwards."""
    stem = f"rss{os.getpid()}x{next(NUMBERS)}"
    segment = Segment(f"{stem}a", f"{stem}b", "52:54:00:aa:00:01")
    try:
        for space in (segment.admin, segment.rack):
            run("ip", "netns", "add", space)
            run("ip", "-n", space, "link", "set", "lo", "up")
        peer = ["type", "veth", "peer", "name", "nod0", "netns", segment.rack]
        run("ip", "-n", segment.admin, "link", "add", "adm0", "address", segment.mac, *peer)
        run("ip", "-n", segment.admin, "addr", "add", f"{ADMIN}/24", "dev", "adm0")
        run("ip", "-n", segment.admin, "link", "set", "adm0", "up")
        run("ip", "-n", segment.rack, "link", "set", "nod0", "address", "52:54:00:00:00:01")
        run("ip", "-n", segment.rack, "addr", "add", "192.168.77.200/24", "dev", "nod0")
        run("ip", "-n", segment.rack, "link", "set", "nod0", "up")
        yield segment
    finally:
        for space in (segment.admin, segment.rack):
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


@contextlib.contextmanager
def enter(space: str) -> Iterator[None]:
    """Sockets that this thread opens meanwhile belong to the namespace."""
    with Path("/proc/thread-self/ns/net").open() as home, Path(f"/run/netns/{space}").open() as there:
        _setns(there.fileno())
        try:
            yield
        finally:
            _setns(home.fileno())


def _setns(handle: int) -> None:
    import ctypes

    if ctypes.CDLL(None, use_errno=True).setns(handle, 0x40000000) != 0:  # CLONE_NEWNET; os.setns is Python 3.12's
        raise OSError(ctypes.get_errno(), "setns")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Agent:
    """A TLS client with a key of its own, in the rack's namespace."""

    segment: Segment
    folder: Path
    fingerprint: str = field(default="")

    def ask(self, method: str, path: str, body: object = None, *, timeout_s: float = 20.0) -> Answer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if self.fingerprint:
            context.load_cert_chain(self.folder / "agent.crt", self.folder / "agent.key")
        with enter(self.segment.rack):
            raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        raw.settimeout(timeout_s)
        connection = http.client.HTTPSConnection(ADMIN, context=context)
        # Wrapped before it is connected: Python leaks a socket that is reset between the two.
        connection.sock = context.wrap_socket(raw)
        try:
            connection.sock.connect((ADMIN, 443))
        except BaseException:
            connection.close()
            raise
        text = json.dumps(body) if isinstance(body, dict | list) else body
        return _ask(connection, method, path, text if isinstance(text, str) else None, {})


def make_agent(segment: Segment, folder: Path) -> Agent:
    """An agent whose key openssl made."""
    folder.mkdir()
    key, cert = folder / "agent.key", folder / "agent.crt"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    run("openssl", "req", "-x509", *curve, "-days", "36500", "-subj", "/CN=agent", "-keyout", str(key), "-out", str(cert))
    return Agent(segment, folder, sha256(ssl.PEM_cert_to_DER_cert(cert.read_text())).hexdigest())


def ask_plain(segment: Segment, path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
    """A request to port 80; the path goes out as it is."""
    with enter(segment.rack):
        raw = socket.create_connection((ADMIN, 80), 20)
    connection = http.client.HTTPConnection(ADMIN)
    connection.sock = raw
    return _ask(connection, method, path, None, dict(headers or {}))


def _ask(connection: http.client.HTTPConnection, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
    try:
        connection.request(method, path, body, headers)
        with connection.getresponse() as got:
            return Answer(got.status, got.read())
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class Admin:
    """A running `rackstrap serve` and its journal."""

    segment: Segment
    state: Path
    site: Site
    place: AdminPlace
    journal: Journal

    def serve(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = serve_argv(self.segment, self.state, Path(self.place.image_dir), *words)
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    def has(self, condition: Callable[[], bool], what: str) -> None:
        def look() -> bool:
            self.journal.refresh()
            return condition()

        wait_for(look, what)


def serve_argv(segment: Segment, state: Path, image: Path, *words: str) -> list[str]:
    program = [sys.executable, "-m", "installer.cli", "serve", "--state", str(state), "--image", str(image)]
    return segment.inside(segment.admin, *program, *words)


@contextlib.contextmanager
def make_admin(folder: Path) -> Iterator[Admin]:
    """A segment with an admin node that serves it, dnsmasq and nginx up."""
    with make_segment() as segment:
        save_image(folder / "image")
        site = save_state(folder / "state")
        place = make_place(folder / "state", folder / "image", "adm0")
        save_files({**render_dnsmasq(site, place, NODES), **render_nginx(site, place)})
        with Journal(folder / "state/store.db") as journal:
            admin = Admin(segment, folder / "state", site, place, journal)
            started = admin.serve("--interface", "adm0", "--detach")
            assert started.returncode == 0, started.stderr
            assert load_pin(admin.state) == place.pin
            try:
                admin.has(lambda: set(journal.ledger.services) == {"dnsmasq", "nginx"}, "both services")
                yield admin
            finally:
                stopped = admin.serve("--stop")
                assert stopped.returncode == 0, stopped.stderr


def find_program(name: str) -> str:
    found = shutil.which(name)
    assert found is not None, f"{name} is not installed"
    return found


def find_numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]
