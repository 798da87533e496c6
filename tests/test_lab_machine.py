"""The virtual rack with one real machine, from power-off to firmware and back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from installer.lab import lldp, netns
from installer.lab.processes import find_process, is_running, load_processes, run_stop
from installer.lab.rack_file import load_rack
from installer.model.problems import RackstrapError
from installer.power.secrets import load_secret

RackstrapLab = Callable[..., subprocess.CompletedProcess[str]]
ONE = """
name: {name}
admin: 192.168.124.10/24
machines:
  - name: m1
    serial: S1
    uuid: 5f1d2a60-0001-4c1e-9d3b-52540012a001
    memory_mb: 64
    nics: [{{mac: "52:54:00:12:a0:01", switch: leaf7, port: Ethernet3}}]
    disks: [{{size: 16M, serial: D1}}]
    bmc: {{address: 192.168.124.162}}
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RackstrapLab]:
    """`rackstrap lab VERB …` on a rack of one machine, which is down again afterwards."""

    def run_lab(*words: str) -> subprocess.CompletedProcess[str]:
        verb, *rest = words
        argv = [sys.executable, "-m", "installer.cli", "lab", verb, "--dir", str(tmp_path / "lab"), *rest]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)

    (tmp_path / "rack.yaml").write_text(ONE.format(name=f"tl{os.getpid()}"))
    yield run_lab
    run_lab("down")


def leave_console(folder: Path) -> int:
    """Attach at a terminal, see the machine speak, leave by Ctrl-]; the exit code."""
    screen = pexpect.spawn(sys.executable, ["-m", "installer.cli", "lab", "console", "--dir", str(folder), "m1"], timeout=30)
    screen.expect("attached; Ctrl-] leaves")
    screen.expect(r"[.a-z]")
    screen.send(b"\x1d")
    screen.expect(pexpect.EOF)
    screen.close()
    assert screen.exitstatus is not None
    return screen.exitstatus


def wait_for(text: str, log: Path, wait_s: float) -> bool:
    until = time.monotonic() + wait_s
    while time.monotonic() < until:
        if text in log.read_text(errors="replace"):
            return True
        time.sleep(0.1)
    return False


def test_up_power_console_pull_down(lab: RackstrapLab, tmp_path: Path) -> None:
    folder, name = tmp_path / "lab", f"tl{os.getpid()}"
    done = lab("up", str(tmp_path / "rack.yaml"), "--accel", "tcg")
    assert done.returncode == 0, done.stderr
    secret = folder / "secrets" / "m1"
    assert (folder / "bmc.csv").read_text() == "serial,address,user,secret,uefi\nS1,192.168.124.162,admin,secrets/m1,no\n"
    password = load_secret(secret)
    status = json.loads(lab("status", "--json").stdout)
    assert (status["up"], status["machines"][0]["power"]) == (True, "off")

    ipmi = ["ipmitool", "-I", "lanplus", "-C", "3", "-H", "192.168.124.162", "-U", "admin", "-f", str(secret)]
    assert lab("run", "--", *ipmi, "chassis", "power", "on").stdout == "Chassis Power Control: Up/On\n"
    assert wait_for("SeaBIOS", folder / "m1.console.log", 30)
    assert "SeaBIOS" in lab("console", "m1", "--log").stdout
    assert lab("screen", "m1", str(tmp_path / "screen.png")).returncode == 0
    assert (tmp_path / "screen.png").read_bytes().startswith(b"\x89PNG")
    assert leave_console(folder) == 0
    status = json.loads(lab("status", "--json").stdout)
    machine = find_process(status["machines"][0]["pid"])
    assert machine is not None
    assert lab("run", "--", *ipmi, "lan", "print").stdout.count(": 192.168.124.162\n") == 1
    assert password not in Path(f"/proc/{machine.pid}/cmdline").read_text()

    assert lab("power", "m1", "pull").stdout == "m1 is off\n"
    assert not is_running(machine)
    assert lab("run", "--", *ipmi, "chassis", "power", "status").stdout == "Chassis Power is off\n"

    helpers = load_processes(folder / "processes.json")
    assert sorted(process.what for process in helpers) == ["ipmi_sim", "lldpd"]
    assert lab("down").returncode == 0
    assert [process for process in helpers if is_running(process)] == []
    assert netns.find_namespace(name) == 0
    assert not lldp.find_rooms(name).exists()
    assert (folder / "m1" / "disk0.raw").stat().st_size == 16 * 2**20


def test_lldp_speaks_for_the_switch(lab: RackstrapLab, tmp_path: Path) -> None:
    assert lab("up", str(tmp_path / "rack.yaml"), "--accel", "tcg").returncode == 0
    plug = str(lldp.find_rooms(f"tl{os.getpid()}") / "tap0-0.sock")
    until = time.monotonic() + 10
    said: dict[str, str] = {}
    while time.monotonic() < until and "leaf7" not in said.get("chassis", ""):
        ask = lab("run", "--", "lldpcli", "-u", plug, "-f", "json", "show", "interfaces", "ports", "tap0-0")
        said = {"chassis": ask.stdout, "errors": ask.stderr}
        time.sleep(0.1)
    port = json.loads(said["chassis"])["lldp"]["interface"]["tap0-0"]
    assert port["chassis"]["leaf7"]["id"] == {"type": "local", "value": "leaf7"}
    assert (port["port"]["id"]["value"], port["port"]["descr"]) == ("Ethernet3", "Ethernet3")


def test_up_again_cleans_its_own_and_refuses_anothers(lab: RackstrapLab, tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    assert lab("up", str(tmp_path / "rack.yaml"), "--accel", "tcg").returncode == 0
    password = load_secret(folder / "secrets" / "m1")
    (folder / "m1" / "disk0.raw").write_bytes(b"kept")
    earlier = load_processes(folder / "processes.json")
    run_stop(next(process for process in earlier if process.what == "ipmi_sim"), grace_s=0)
    assert lab("up", str(tmp_path / "rack.yaml"), "--accel", "tcg").returncode == 0
    assert [process for process in earlier if is_running(process)] == []
    assert load_secret(folder / "secrets" / "m1") == password
    assert (folder / "m1" / "disk0.raw").read_bytes() == b"kept"

    argv = [sys.executable, "-m", "installer.cli", "lab", "up", str(tmp_path / "rack.yaml"), "--dir", str(tmp_path / "other")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        f"rackstrap: there is a network namespace tl{os.getpid()} that is not this rack's",
    )
    assert lab("up", str(tmp_path / "rack.yaml"), "--accel", "tcg", "--fresh").returncode == 0
    assert (folder / "m1" / "disk0.raw").read_bytes() == bytes(16 * 2**20)


def test_run_passes_everything_through(lab: RackstrapLab, tmp_path: Path) -> None:
    assert lab("run", "--", "true").returncode == 2
    assert lab("up", str(tmp_path / "rack.yaml"), "--accel", "tcg").returncode == 0
    done = lab("run", "--", "sh", "-c", "ip -br -4 addr show br0; ls /sys/fs; exit 7")
    assert done.returncode == 7
    assert "192.168.124.10/24 192.168.124.162/32" in done.stdout
    assert done.stdout.splitlines()[1:] == sorted(os.listdir("/sys/fs"))  # noqa: PTH208
    assert lab("power", "nobody", "on").stderr.startswith("rackstrap: the rack has no machine nobody\n")


def test_a_rack_needs_a_file_without_problems(lab: RackstrapLab, tmp_path: Path) -> None:
    (tmp_path / "rack.yaml").write_text("name: r\n")
    done = lab("up", str(tmp_path / "rack.yaml"))
    assert done.returncode == 1
    assert f"{tmp_path}/rack.yaml:1:1: admin: " in done.stderr
    with pytest.raises(RackstrapError):
        load_rack(tmp_path / "missing.yaml")
