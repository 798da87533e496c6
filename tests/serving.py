"""A real admin node and real agents for tests: two network namespaces joined by a veth pair, `rackstrap serve` in one."""

from __future__ import annotations

import contextlib
import copy
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
from installer.site.load import load_site

ADMIN: Final = "192.168.77.10"
CANARY: Final = "$y$j9T$CANARY-password-hash$0123456789012345678901234567890123456789012"
SITE: Final = f"""\
rackstrap: 1
name: lab
domain: lab.example
access: {{ssh_keys: [], password_hash: "{CANARY}"}}
admin: {{hostname: admin, address: {ADMIN}}}
networks:
  admin: {{subnet: 192.168.77.0/24, conduit: intf0, ranges: {{admin: .10-.11, dhcp: .21-.30, host: .81-.160}}}}
nodes:
  - {{match: {{any: true}}, expect: 1}}
"""
LOADERS: Final = ("undionly.kpxe", "snponly.efi", "shimx64.efi", "grubx64.efi", "mmx64.efi")
NUMBERS: Final = itertools.count()
NODES: Final = (NamedAddress("node1", "192.168.77.81", "52:54:00:00:00:01"),)


def save_image(folder: Path) -> None:
    """An image folder as the build leaves it, with small stand-ins for the big files."""
    (folder / "tftp").mkdir(parents=True)
    files = {
        name: f"{name} of the tests\n".encode() * 100 for name in ("vmlinuz", "initrd", "root.squashfs", "rackstrap.squashfs")
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    for name in LOADERS:
        (folder / "tftp" / name).write_bytes(f"loader {name}\n".encode())
    manifest = {
        "version": "1",
        "kernel": "6.12.0",
        "sha256": {name: sha256(content).hexdigest() for name, content in files.items()},
        "bytes": {name: len(content) for name, content in files.items()},
        "root_bytes": 1,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def save_state(folder: Path, site: str = SITE) -> Site:
    """A state directory with an applied site, not yet served."""
    folder.mkdir(mode=0o700, parents=True)
    path = folder / "site.yaml"
    path.write_text(site)
    path.chmod(0o600)
    loaded = load_site(path)
    assert loaded.site is not None, loaded.problems
    return loaded.site


def save_files(files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(text)
        fresh.replace(path)


def make_recording(serial: str = "SERIAL-0001", mac: str = "52:54:00:00:00:01", boot_id: str = "boot-1") -> dict[str, Any]:
    """The recording of a machine with one NIC and one disk."""
    nic = {
        "attributes": {"addr_assign_type": "0", "address": mac, "carrier": "1", "operstate": "up", "speed": "1000", "type": "1"},
        "driver": "e1000e",
        "path": "/devices/pci0000:00/0000:00:03.0/net/eth0",
        "properties": {"IFINDEX": "2", "INTERFACE": "eth0", "SUBSYSTEM": "net"},
    }
    return {
        "format": 1,
        "addresses": {},
        "block": [],
        "commands": {"ip": None, "ipmi": None, "lldp": None, "smart": {}, "wipefs": []},
        "dmi": {"product_serial": serial, "product_uuid": f"0f3a1c2e-0000-4000-8000-{sha256(serial.encode()).hexdigest()[:12]}"},
        "gateways": [],
        "host": {
            "boot_id": boot_id,
            "cmdline": "console=ttyS0,115200n8",
            "consoles": "ttyS0",
            "cpuinfo": "processor\t: 0\nmodel name\t: test\nphysical id\t: 0\ncore id\t\t: 0",
            "disks_locked": True,
            "efi": False,
            "meminfo": "MemTotal:       2048000 kB",
            "memory_block_bytes": "8000000",
            "memory_blocks": 16,
            "secure_boot": "",
            "tpm": "",
            "tpm_present": False,
        },
        "net": [copy.deepcopy(nic)],
    }


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


def list_texts(folder: Path) -> dict[str, str]:
    """Every file below the folder as text, for looking for secrets."""
    return {str(path): path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()}


def find_program(name: str) -> str:
    found = shutil.which(name)
    assert found is not None, f"{name} is not installed"
    return found


def find_numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]
