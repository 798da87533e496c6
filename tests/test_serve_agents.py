"""Real agents against a real `rackstrap serve`: nginx, dnsmasq, TLS with client keys, journal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from installer.model.codes import make_code
from installer.model.events import Event, Happened
from installer.model.orders import ChosenDisk, InstallSpec, Layout, Order, dump_order, make_seen, parse_order
from tests.served_files import CANARY, list_texts, make_recording
from tests.serving import Admin, Agent, ask_plain, make_admin, make_agent

DISK = ChosenDisk("wwn-0x5000c500a1b2c3d4", "0x5000c500a1b2c3d4", "Z1", 10_000_000_000, "0" * 64)
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDxJ6GMVDcOwEdKlVMJ6hQ4fVjXH9XzrjO6PDvzVjYqB"


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    with make_admin(tmp_path_factory.mktemp("serve")) as running:
        yield running


def enrol(agent: Agent, serial: str, mac: str, boot_id: str = "boot-1") -> dict[str, Any]:
    body = {"recording": make_recording(serial, mac, boot_id), "mac": mac, "boot_id": boot_id}
    answer = agent.ask("POST", "/agent/enrol", body)
    assert answer.status == 200, answer.body
    told = answer.json()
    assert isinstance(told, dict)
    return told


def test_a_machine_from_first_boot_to_installed(admin: Admin, tmp_path: Path) -> None:
    mac = "52:54:00:00:00:01"
    script = ask_plain(admin.segment, f"/boot/ipxe?mac={mac}&uuid=&serial=").body.decode()
    assert "rackstrap.mode=discover" in script
    assert f"rackstrap.mac={mac}" in script
    agent = make_agent(admin.segment, tmp_path / "agent")
    told = enrol(agent, "SERIAL-0001", mac)
    machine, code = told["machine"], make_code(agent.fingerprint)
    assert (told["code"], told["state"], told["name"]) == (code, "discovered", "")
    first = parse_order(agent.ask("GET", "/agent/order?wait=0").body.decode())
    assert first == Order("wait", "wait", f"waits to be admitted: rackstrap node admit {code}")

    give_install(admin, machine, "node1")
    given = parse_order(agent.ask("GET", f"/agent/order?wait=10&seen={make_seen(first)}").body.decode())
    assert (given.id, given.kind, given.secrets) == ("o-node1", "install", {"password_hash": CANARY})
    assert given.install is not None
    assert given.install.disks == (DISK,)
    assert "rackstrap.mode=discover" in ask_plain(admin.segment, f"/boot/ipxe?mac={mac}").body.decode()

    progress = {"order": "o-node1", "stage": "unpack", "percent": 61, "text": "unpacking"}
    assert agent.ask("POST", "/agent/progress", progress).status == 204
    admin.has(lambda: machine in admin.journal.progress(), "progress")
    assert admin.journal.progress()[machine].percent == 61
    result = {"order": "o-node1", "ok": True, "reason": "", "phases": {"unpack": 4.5}, "ssh_host_keys": [HOST_KEY]}
    assert [agent.ask("POST", "/agent/result", result).status for _ in range(2)] == [204, 204]
    admin.journal.refresh()
    entry = admin.journal.ledger.machines[machine]
    assert (entry.order, entry.unpacked_epoch, entry.phases, entry.orders_done) == (None, 1, {"unpack": 4.5}, ("o-node1",))
    assert "sanboot" in ask_plain(admin.segment, f"/boot/ipxe?mac={mac}").body.decode()

    installed = make_installed(cold=False)
    assert [agent.ask("POST", "/agent/installed", installed).status for _ in range(3)] == [204, 204, 204]
    assert agent.ask("POST", "/agent/installed", make_installed(cold=True)).status == 204
    kinds = [event.kind for event in admin.journal.store.read() if event.host == machine]
    assert kinds.count(Happened.NODE_INSTALLED) == 2
    assert kinds.count(Happened.NODE_UNPACKED) == 1
    admin.has(lambda: (admin.state / "known_hosts").read_text() != "", "known_hosts")
    assert (admin.state / "known_hosts").read_text() == f"node1,node1.lab.example,192.168.77.81 {HOST_KEY}\n"
    grub = ask_plain(admin.segment, f"/boot/grub/{mac}").body.decode()
    assert "chainloader /EFI/BOOT/BOOTX64.EFI" in grub
    assert parse_order(agent.ask("GET", "/agent/order").body.decode()).shows == "node1 is installed"


def give_install(admin: Admin, machine: str, node: str) -> None:
    spec = InstallSpec(node, 1, (DISK,), Layout(), (), "reboot", ("tty0",))
    consent = {"disks": [asdict(DISK)], "epoch": 1, "how": "test"}
    order = {"order": f"o-{node}", "kind": "install", "install": asdict(spec), "resumes": False}
    admin.journal.append(
        Event(Happened.NODE_BOUND, machine, {"name": node, "rule": 0}),
        Event(Happened.MACHINE_ADMITTED, machine),
        Event(Happened.CONSENT_GIVEN, machine, consent),
        Event(Happened.INSTALL_STARTED, machine, {"epoch": 1}),
        Event(Happened.ORDER_GIVEN, machine, order),
        durable=True,
    )


def make_installed(*, cold: bool) -> dict[str, Any]:
    return {
        "node": "node1",
        "epoch": 1,
        "boot_id": "boot-2",
        "soft_reboots": 0,
        "ssh_host_keys": [f"{HOST_KEY} root@node1"],
        "root": "/dev/sda3",
        "disk": DISK.id,
        "address": "192.168.77.81",
        "cold": cold,
    }


def test_an_impostor_is_refused_until_the_operator_approves(admin: Admin, tmp_path: Path) -> None:
    serial, mac = "SERIAL-0002", "52:54:00:00:00:02"
    honest, impostor = (make_agent(admin.segment, tmp_path / name) for name in ("honest", "impostor"))
    machine = enrol(honest, serial, mac)["machine"]
    give_install(admin, machine, "node2")
    body = {"recording": make_recording(serial, mac, "boot-9"), "mac": mac, "boot_id": "boot-9"}
    refused = impostor.ask("POST", "/agent/enrol", body)
    assert refused.status == 409
    assert refused.json()["reason"].startswith("someone claims to be node2")
    assert impostor.ask("GET", "/agent/order").status == 404
    assert impostor.ask("POST", "/agent/result", {"order": "o-node2", "ok": True}).status == 404
    assert parse_order(honest.ask("GET", "/agent/order").body.decode()).kind == "install"
    admin.journal.refresh()
    assert admin.journal.ledger.machines[machine].claims == (impostor.fingerprint,)

    admin.journal.append(Event(Happened.CLAIM_APPROVED, machine, {"key": impostor.fingerprint}), durable=True)
    assert impostor.ask("POST", "/agent/enrol", body).json()["machine"] == machine
    assert honest.ask("GET", "/agent/order").status == 404


def test_a_boot_that_rackstrap_started_is_believed_once(admin: Admin, tmp_path: Path) -> None:
    serial, mac = "SERIAL-0003", "52:54:00:00:00:03"
    keys = [make_agent(admin.segment, tmp_path / f"boot{n}") for n in range(3)]
    machine = enrol(keys[0], serial, mac)["machine"]
    admin.journal.append(
        Event(Happened.MACHINE_ADMITTED, machine),
        Event(Happened.POWER_SET, machine, {"bmc": "manual:x", "power": "cycle", "boot": "pxe"}),
        durable=True,
    )
    assert enrol(keys[1], serial, mac, "boot-2")["machine"] == machine
    body = {"recording": make_recording(serial, mac, "boot-3"), "mac": mac, "boot_id": "boot-3"}
    assert keys[2].ask("POST", "/agent/enrol", body).status == 409


def test_a_stranger_that_nobody_admitted_may_come_back_with_another_key(admin: Admin, tmp_path: Path) -> None:
    first, second = (make_agent(admin.segment, tmp_path / name) for name in ("first", "second"))
    machine = enrol(first, "SERIAL-0004", "52:54:00:00:00:04")["machine"]
    assert enrol(second, "SERIAL-0004", "52:54:00:00:00:04", "boot-2")["machine"] == machine
    assert parse_order(second.ask("GET", "/agent/order").body.decode()).kind == "wait"


def test_one_key_is_one_machine(admin: Admin, tmp_path: Path) -> None:
    agent = make_agent(admin.segment, tmp_path / "agent")
    enrol(agent, "SERIAL-0005", "52:54:00:00:00:05")
    other = {"recording": make_recording("SERIAL-0006", "52:54:00:00:00:06"), "mac": "", "boot_id": ""}
    assert agent.ask("POST", "/agent/enrol", other).status == 409


def test_a_node_that_was_not_admitted_never_gets_an_install_order(admin: Admin, tmp_path: Path) -> None:
    agent = make_agent(admin.segment, tmp_path / "agent")
    machine = enrol(agent, "SERIAL-0007", "52:54:00:00:00:07")["machine"]
    spec = InstallSpec("node7", 1, (DISK,), Layout(), (), "reboot", ("tty0",))
    order = {"order": "o-7", "kind": "install", "install": asdict(spec), "resumes": False}
    admin.journal.append(
        Event(Happened.NODE_BOUND, machine, {"name": "node7", "rule": 0}),
        Event(Happened.ORDER_GIVEN, machine, order),
        durable=True,
    )
    admin.has(lambda: admin.journal.ledger.machines[machine].order is not None, "the order")
    seen = make_seen(Order("wait", "wait", f"waits to be admitted: rackstrap node admit {make_code(agent.fingerprint)}"))
    given = parse_order(agent.ask("GET", f"/agent/order?wait=5&seen={seen}").body.decode())
    assert (given.kind, given.shows) == ("wait", "refused to install: the machine is not admitted")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/agent/enrol", "not json", 400),
        ("/agent/enrol", "[" * 100_000, 400),
        ("/agent/enrol", [1], 400),
        ("/agent/enrol", {"recording": []}, 400),
        ("/agent/enrol", {"recording": {"format": 1}}, 400),
        ("/agent/enrol", {"recording": make_recording(), "mac": "x\ny"}, 400),
        ("/agent/enrol", {"recording": {**make_recording(), "pad": "x" * 5_000_000}}, 413),
        ("/agent/enrol", {"recording": {**make_recording(), "pad": "x" * 9_000_000}}, 413),
    ],
)
def test_malformed_enrolments_are_refused(admin: Admin, tmp_path: Path, path: str, body: object, status: int) -> None:
    agent = make_agent(admin.segment, tmp_path / "agent")
    assert agent.ask("POST", path, body).status == status
    assert agent.ask("GET", "/agent/order").status == 404


def test_without_a_certificate_nothing_is_answered(admin: Admin, tmp_path: Path) -> None:
    nobody = Agent(admin.segment, tmp_path)
    assert nobody.ask("GET", "/agent/order").status == 401
    assert nobody.ask("POST", "/agent/enrol", {}).status == 401


@pytest.mark.parametrize("path", ["/agent/order", "/boot/../agent/order", "/boot/%2e%2e/agent/order", "/boot//..//agent/order"])
def test_plain_http_does_not_reach_the_agents_side(admin: Admin, path: str) -> None:
    assert ask_plain(admin.segment, path, {"X-Client-Cert": "x"}).status in {400, 404}


def test_plain_http_cannot_claim_a_certificate(admin: Admin, tmp_path: Path) -> None:
    from urllib.parse import quote

    agent = make_agent(admin.segment, tmp_path / "agent")
    enrol(agent, "SERIAL-0008", "52:54:00:00:00:08")
    claimed = {"X-Client-Cert": quote((tmp_path / "agent/agent.crt").read_text())}
    assert ask_plain(admin.segment, "/agent/order", claimed).status == 404
    nobody = Agent(admin.segment, tmp_path)
    assert nobody.ask("GET", "/agent/order").status == 401


def test_only_the_image_and_loaders_are_served(admin: Admin) -> None:
    image = Path(admin.place.image_dir)
    for path, file in (("/image/vmlinuz", image / "vmlinuz"), ("/loader/shimx64.efi", image / "tftp/shimx64.efi")):
        assert ask_plain(admin.segment, path).body == file.read_bytes()
    assert ask_plain(admin.segment, "/grub/grub.cfg").body == (admin.state / "tftp/grub/grub.cfg").read_bytes()
    (image / "site.tar").write_text("CANARY")  # as on the ISO
    hidden = [
        "/",
        "/image/",
        "/image/site.tar",
        "/image//site.tar",
        "/image/%73ite.tar",
        "/image/vmlinuz/../site.tar",
        "/image/../state/site.yaml",
        "/image../state/site.yaml",
        "/loader../site.yaml",
        "/site.yaml",
    ]
    assert {ask_plain(admin.segment, path).status for path in hidden} <= {400, 403, 404}


def test_what_a_foreign_machine_gets_is_discovery_and_nothing_else(admin: Admin) -> None:
    script = ask_plain(admin.segment, "/boot/ipxe?mac=02:00:00:00:00:99&uuid=x&serial=%0aexit").body.decode()
    assert script.startswith("#!ipxe\n")
    assert "rackstrap.mode=discover" in script
    assert "%0a" not in script
    asks = ask_plain(admin.segment, "/boot/ipxe?mac=%0aexit").body.decode()
    assert (
        asks == "#!ipxe\nchain http://192.168.77.10/boot/ipxe?mac=${netX/mac}&uuid=${uuid}&serial=${serial:uristring} || exit 1\n"
    )
    for path in ("/boot/grub/", "/boot/grub/no-mac", "/boot/grub/02:00:00:00:00:99%20reboot"):
        answer = ask_plain(admin.segment, path)
        assert (answer.status, b"linux" in answer.body) == (200, False)


def test_the_password_hash_is_in_no_file_but_the_site_and_in_no_event(admin: Admin) -> None:
    holders = {path for path, text in list_texts(admin.state).items() if "CANARY" in text}
    assert holders == {str(admin.state / "site.yaml")}
    assert "CANARY" not in repr([dump_order(Order("x", "wait")), *admin.journal.store.read()])
