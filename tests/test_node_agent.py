"""The agent's own parts: where it stands, its key, the pinned server (a real nginx), its loop, its console."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from installer.model.codes import make_code
from installer.model.orders import Order, make_seen
from installer.model.problems import RackstrapError
from installer.node.admin import Admin, RefusedError, UnreachableError
from installer.node.agent import Agent, EnrolAgainError, start_agent
from installer.node.console import COLUMNS, Console, Panel, make_plain, render_panel
from installer.node.identity import load_identity
from installer.node.orders import Drawer, run_order
from installer.node.place import (
    Installed,
    Place,
    check_place,
    find_root_type,
    parse_cmdline,
    parse_installed,
    render_installed,
)
from installer.node.report import make_report
from installer.node.result import Result
from installer.node.unpack import parse_percent
from installer.node.watch import parse_neighbours

PIN = "ab" * 32

NGINX = """
daemon off; master_process off; error_log {folder}/error.log; pid {folder}/pid;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/agent.crt; ssl_certificate_key {folder}/agent.key; ssl_verify_client optional_no_ca;
    set $code $ssl_client_escaped_cert;
    location = /agent/enrol {{ return 200 '{{"machine":"m1","state":"discovered","name":null,"code":"$code"}}'; }}
    location = /agent/order {{ return 200 '{{"id":"7","kind":"identify"}}'; }}
    location = /agent/recording {{ return 404 '{{"reason":"unknown key"}}'; }}
    location = /agent/result {{ return 204; }}
    location = /agent/progress {{ return 502; }}
  }}
}}
"""


@dataclass(frozen=True)
class Server:
    """A running nginx and the SHA-256 of its certificate."""

    url: str
    pin: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from run_nginx(tmp_path_factory.mktemp("nginx"), NGINX)


@pytest.fixture
def refusing(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "nginx").mkdir()
    yield from run_nginx(tmp_path / "nginx", NGINX.replace("return 204", "return 409 '{{}}'"))


def run_nginx(folder: Path, template: str) -> Iterator[Server]:
    identity = load_identity(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "nginx.conf").write_text(template.format(folder=folder, port=port))
    process = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf"])
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    yield Server(f"https://127.0.0.1:{port}", identity.fingerprint)
    process.terminate()
    process.wait()


def make_agent(server: Server, folder: Path, shown: list[str]) -> Agent:
    identity = load_identity(folder / "key")
    admin = Admin(Place(server.url, server.pin, "52:54:00:00:00:01"), identity)
    return Agent(admin, Console(shown.append), Drawer(folder / "orders"), dict, tuple, sleep=lambda _: None)


def test_a_fresh_key_is_private_and_stays(tmp_path: Path) -> None:
    identity = load_identity(tmp_path)
    assert identity.key.stat().st_mode & 0o777 == 0o600
    assert load_identity(tmp_path) == identity
    assert identity.code == make_code(identity.fingerprint)


def test_the_server_sees_the_agents_certificate(server: Server, tmp_path: Path) -> None:
    agent = make_agent(server, tmp_path, [])
    enrolled = agent.enrol()
    der = ssl.PEM_cert_to_DER_cert(unquote(enrolled.code))
    assert hashlib.sha256(der).hexdigest() == agent.identity.fingerprint
    assert (enrolled.machine, enrolled.name, enrolled.own_address) == ("m1", "", "127.0.0.1")


def test_another_server_is_told_nothing(server: Server, tmp_path: Path) -> None:
    admin = Admin(Place(server.url, PIN), load_identity(tmp_path))
    with pytest.raises(UnreachableError, match="certificate is not the one"):
        admin.enrol({}, "boot")


def test_a_server_that_is_not_there_is_worth_another_try(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError):
        Admin(Place("https://127.0.0.1:1", PIN), load_identity(tmp_path)).ask("GET", "/agent/order")


def test_the_clock_comes_from_the_server_before_the_key_is_made(server: Server, tmp_path: Path) -> None:
    assert abs(Admin(Place(server.url, server.pin)).ask_time() - time.time()) < 5
    admin = start_agent(Place(server.url, server.pin), tmp_path, Console(lambda _: None))
    assert admin.identity is not None
    assert admin.identity.cert == tmp_path / "agent.crt"


def test_an_order_comes_once(server: Server, tmp_path: Path) -> None:
    agent = make_agent(server, tmp_path, [])
    order = agent.next_order()
    assert order == Order("7", "identify")
    assert agent.seen == make_seen(Order("7", "identify"))
    assert agent.next_order() is None


def test_an_unknown_key_enrols_again(server: Server, tmp_path: Path) -> None:
    agent = make_agent(server, tmp_path, [])
    agent.last_signs = ("changed",)
    with pytest.raises(EnrolAgainError, match="unknown key"):
        agent.report_changes()


def test_refusals_and_absences_are_told_apart(server: Server, tmp_path: Path) -> None:
    admin = make_agent(server, tmp_path, []).admin
    with pytest.raises(RefusedError) as refused:
        admin.post("/agent/recording", {})
    assert refused.value.status == 404
    with pytest.raises(UnreachableError):
        admin.post("/agent/progress", {})


def test_progress_that_gets_lost_stops_nothing(server: Server, tmp_path: Path) -> None:
    shown: list[str] = []
    make_agent(server, tmp_path, shown).report_progress(Order("7", "install"), "unpack", 5, "unpack the image")
    assert shown == ["rackstrap: unpack the image\n", "rackstrap: the admin node is not ready (HTTP 502)\n"]


def test_a_result_is_told_and_shown(server: Server, tmp_path: Path) -> None:
    shown: list[str] = []
    result = make_agent(server, tmp_path, shown).follow(Order("8", "probe"), lambda _: Result(False, "no light"))
    assert result == Result(False, "no light")
    assert "state      probe: failed" in shown[-1]
    assert "waits for  no light" in shown[-1]


def test_a_result_that_is_not_accepted_is_no_success(tmp_path: Path, refusing: Server) -> None:
    result = make_agent(refusing, tmp_path, []).follow(Order("8", "reboot"), lambda _: Result(True))
    assert result == Result(False, "the admin node did not accept the result")


def test_an_order_seen_before_is_answered_not_carried_out_again(tmp_path: Path) -> None:
    drawer, carried = Drawer(tmp_path / "orders"), list[Order]()

    def carry(order: Order) -> Result:
        carried.append(order)
        return Result(True, "", {"unpack": 1.5}, ("ssh-ed25519 AAAA",))

    first = run_order(Order("9", "install"), drawer, carry)
    assert run_order(Order("9", "install"), drawer, carry) == first
    assert carried == [Order("9", "install")]


def test_an_order_that_was_begun_and_not_ended_resumes(tmp_path: Path) -> None:
    drawer, carried = Drawer(tmp_path / "orders"), list[Order]()
    drawer.begin("9")

    def carry(order: Order) -> Result:
        carried.append(order)
        return Result(True)

    run_order(Order("9", "install"), drawer, carry)
    assert carried == [Order("9", "install", resumes=True)]


def test_secrets_are_in_no_stored_result(tmp_path: Path) -> None:
    drawer = Drawer(tmp_path / "orders")
    run_order(Order("9", "install", secrets={"password_hash": "canary"}), drawer, lambda _: Result(True))
    assert all("canary" not in path.read_text() for path in drawer.folder.iterdir())


def test_kernel_words() -> None:
    line = "initrd=initrd rackstrap.admin=https://192.0.2.1 quiet rackstrap.pin=00 rackstrap.pin=11 console=ttyS0"
    assert parse_cmdline(line) == {"admin": "https://192.0.2.1", "pin": "11"}


@pytest.mark.parametrize(
    ("admin", "pin"),
    [("http://192.0.2.1", PIN), ("https://", PIN), ("", PIN), ("https://192.0.2.1", "ab"), ("https://192.0.2.1", "g" * 64)],
)
def test_a_place_without_tls_or_pin_is_refused(admin: str, pin: str) -> None:
    with pytest.raises(RackstrapError):
        check_place(admin, pin, "")


def test_a_mac_is_kept_only_when_it_is_one() -> None:
    assert check_place("https://192.0.2.1/", PIN.upper(), "52-54-00-AA-00-01") == Place(
        "https://192.0.2.1", PIN, "52:54:00:aa:00:01"
    )
    assert check_place("https://192.0.2.1", PIN, "x\ny").mac == ""


def test_live_or_installed_is_told_by_the_root() -> None:
    assert find_root_type("proc /proc proc rw 0 0\noverlay / overlay rw 0 0\n") == "overlay"
    assert find_root_type("overlay / overlay rw 0 0\n/dev/vda3 / ext4 rw 0 0\n") == "ext4"


def test_node_json_round_trip_and_damage() -> None:
    installed = Installed("node1", 2, "https://192.0.2.1", PIN, "boot-1", ("wwn-1", "wwn-2"))
    assert parse_installed(render_installed(installed)) == installed
    for text in ("", "[]", "{}", json.dumps({"node": "n", "epoch": "x", "admin": "https://a", "pin": PIN})):
        with pytest.raises(RackstrapError, match=r"node\.json is damaged"):
            parse_installed(text)


@pytest.mark.parametrize(
    ("boot_id", "cmdline", "cold"),
    [("boot-1", "", False), ("boot-2", "root=UUID=1", True), ("boot-2", "rackstrap.kexec=1", False)],
)
def test_only_a_boot_through_firmware_is_cold(boot_id: str, cmdline: str, cold: bool) -> None:
    installed = Installed("node1", 1, "https://192.0.2.1", PIN, "boot-1", ("wwn-1",))
    report: Mapping[str, Any] = make_report(
        installed,
        boot_id=boot_id,
        soft_reboots=1,
        cmdline=cmdline,
        root="/dev/md127",
        disks=("wwn-1", "wwn-2"),
        ssh_host_keys=("ssh-ed25519 A",),
    )
    assert (report["cold"], report["disk"], report["soft_reboots"]) == (cold, "wwn-1,wwn-2", 1)


def test_the_panel_is_plain_narrow_and_written_once() -> None:
    shown: list[str] = []
    console = Console(shown.append)
    console.show(product="Power\x1b[31mEdge é", serial="S1", mac="52:54:00:00:00:01", code="ABCD-EFGH", waits="x" * 200)
    console.show(waits="x" * 200)
    console.show(waits="for leave")
    assert len(shown) == 2
    assert all(len(line) <= COLUMNS and line.isascii() and line.isprintable() for line in "".join(shown).splitlines())
    assert "  code       ABCD-EFGH\n" in shown[0]
    assert "Power?[31mEdge ?" in shown[0]


def test_a_panel_of_nothing_still_says_so() -> None:
    assert "no address yet" in render_panel(Panel())
    assert make_plain("a\nb") == "a?b"


@pytest.mark.parametrize(("line", "percent"), [("42", 42), (" 100 ", 100), ("7%", 7), ("101", 100), ("created 12 files", None)])
def test_percent_of_unsquashfs(line: str, percent: int | None) -> None:
    assert parse_percent(line) == percent


def test_neighbours_without_their_age() -> None:
    text = "lldp.eth0.via=LLDP\nlldp.eth0.rid=2\nlldp.eth0.age=0 day, 00:00:31\nlldp.eth0.chassis.name=switch1\n"
    assert parse_neighbours(text) == ("lldp.eth0.chassis.name=switch1", "lldp.eth0.via=LLDP")
