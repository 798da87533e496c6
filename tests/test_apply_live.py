"""`rackstrap apply` as a process, with a real `rackstrap serve` and an agent that speaks to it; killed, and applied again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from installer.engine.journal import Journal
from installer.model.events import Happened
from installer.model.orders import Order, parse_order
from installer.serve.verbs import find_serving
from tests.fake_rack import make_recording
from tests.served_files import ADMIN, list_texts, save_image
from tests.serving import Agent, Segment, make_agent, make_segment, wait_for

CANARY = "$y$j9T$CANARYhash$0123456789012345678901234567890123456789012"
SITE = f"""\
rackstrap: 1
name: lab
domain: lab.example
access: {{ssh_keys: [], password_hash: "{CANARY}"}}
admin: {{hostname: admin, address: {ADMIN}}}
networks:
  admin: {{subnet: 192.168.77.0/24, conduit: intf0, ranges: {{admin: .10-.11, dhcp: .21-.30, host: .81-.160}}}}
discovery: {{admit: matched}}
erase: blank
nodes:
  - {{name: node1, match: {{serial: A1}}}}
"""
MAC = "52:54:00:00:00:01"


@dataclass(frozen=True)
class Desk:
    """A segment whose admin node is driven by command lines."""

    segment: Segment
    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def argv(self, *words: str) -> list[str]:
        program = [sys.executable, "-m", "installer.cli", *words, "--state", str(self.state)]
        return self.segment.inside(self.segment.admin, *program)

    def apply(self) -> subprocess.Popen[str]:
        extra = ["--image", str(self.folder / "image"), "--interface", "adm0", "--json"]
        argv = self.argv("apply", str(self.folder / "site.yaml"), *extra)
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def kinds(self, host: str) -> list[Happened]:
        with Journal(self.state / "store.db") as journal:
            return [event.kind for event in journal.store.read() if event.host == host]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    save_image(tmp_path / "image")
    (tmp_path / "site.yaml").write_text(SITE)
    with make_segment() as segment:
        desk = Desk(segment, tmp_path)
        try:
            yield desk
        finally:
            subprocess.run(desk.argv("serve", "--stop"), check=False, capture_output=True, timeout=60)


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=90)
    return process.returncode, out, err


def has_answer(agent: Agent) -> bool:
    try:
        return agent.ask("GET", "/agent/order").status in {200, 404}
    except OSError:
        return False


def find_order(agent: Agent) -> Order:
    return parse_order(agent.ask("GET", "/agent/order?wait=0").body.decode())


def test_killed_while_installing_and_applied_again(desk: Desk) -> None:
    first = desk.apply()
    agent = make_agent(desk.segment, desk.folder / "agent")
    wait_for(lambda: has_answer(agent), "serving", 60)
    enrolment = {"recording": json.loads(make_recording("A1")), "mac": MAC, "boot_id": "boot-1"}
    machine = agent.ask("POST", "/agent/enrol", enrolment).json()["machine"]
    wait_for(lambda: find_order(agent).kind == "install", "the order", 60)
    order = find_order(agent)
    assert order.install is not None
    assert [disk.id for disk in order.install.disks] == ["virtio-VIRT-0001"]
    assert order.secrets == {"password_hash": CANARY}

    other = end(desk.apply())
    assert (other[0], "is applying a site already" in other[2]) == (2, True)

    progress = {"order": order.id, "stage": "unpack", "percent": 30, "text": ""}
    assert agent.ask("POST", "/agent/progress", progress).status == 204
    first.send_signal(signal.SIGKILL)
    assert end(first)[0] == -signal.SIGKILL
    result = {"order": order.id, "ok": True, "reason": "", "phases": {"unpack": 4.5}, "ssh_host_keys": []}
    assert agent.ask("POST", "/agent/result", result).status == 204
    os.kill(find_serving(desk.state), signal.SIGKILL)

    second = desk.apply()
    wait_for(lambda: has_answer(agent), "serving again", 60)
    told = {
        "node": "node1", "epoch": 1, "boot_id": "boot-2", "soft_reboots": 1, "ssh_host_keys": [], "root": "/dev/vda3",
        "disk": "virtio-VIRT-0001", "address": "192.168.77.81", "cold": False,
    }  # fmt: skip
    assert agent.ask("POST", "/agent/installed", told).status == 204
    code, out, err = end(second)
    assert (code, err) == (0, "")
    result_line = json.loads(out.splitlines()[-1])["result"]
    assert result_line["status"]["nodes"][0]["state"] == "installed"
    kinds = desk.kinds(machine)
    assert [kinds.count(kind) for kind in (Happened.INSTALL_STARTED, Happened.ORDER_GIVEN, Happened.NODE_UNPACKED)] == [1, 1, 1]
    leaks = [name for name, text in list_texts(desk.state).items() if CANARY in text and not name.endswith("/site.yaml")]
    assert (leaks, CANARY in out) == ([], False)
    assert (desk.state / "site.yaml").stat().st_mode & 0o777 == 0o600

    status = subprocess.run(desk.argv("status"), check=True, capture_output=True, text=True).stdout
    assert "node1" in status
    assert "192.168.77.81" in status


def test_a_site_with_problems_touches_nothing(desk: Desk) -> None:
    (desk.folder / "site.yaml").write_text(SITE.replace("192.168.77.0/24", "10.0.0.0/24"))
    code, out, _ = end(desk.apply())
    problems = [json.loads(line)["problem"] for line in out.splitlines()]
    assert (code, problems[0]["line"] > 0, desk.state.exists()) == (1, True, False)


def test_interrupting_stops_cleanly_and_serving_goes_on(desk: Desk) -> None:
    process = desk.apply()
    wait_for(lambda: find_serving(desk.state) > 0, "serving", 60)
    wait_for(lambda: Happened.STEP_DONE in desk.kinds("admin"), "the services", 60)
    process.send_signal(signal.SIGINT)
    code, out, err = end(process)
    assert (code, err) == (130, "")
    assert json.loads(out.splitlines()[-1])["result"]["text"].startswith("Stopped;")
    assert find_serving(desk.state) > 0
