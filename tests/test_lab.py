"""The virtual rack: its file, its command lines, and one real machine from power-off to firmware and back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import pairwise
from pathlib import Path

import pexpect
import pytest

from installer.lab import bmc, lldp, netns
from installer.lab.accel import find_accel, find_kernel
from installer.lab.chassis import get_lan, run_get
from installer.lab.processes import Process, find_process, is_running, load_processes, run_detached, run_stop, save_processes
from installer.lab.qemu import Bench, make_qemu_argv
from installer.lab.rack import Rack, RackBmc, RackDisk, RackMachine, RackNic
from installer.lab.rack_file import load_rack, parse_rack
from installer.lab.verbs import DEMO
from installer.model.problems import RackstrapError
from installer.power.secrets import load_secret

MACHINE = RackMachine(
    name="m1",
    serial="S-1",
    uuid="5f1d2a60-0001-4c1e-9d3b-52540012a001",
    memory_mb=256,
    nics=(RackNic("52:54:00:12:a0:01"), RackNic("52:54:00:12:a0:02", model="e1000e")),
    disks=(RackDisk("1G", serial="D1"),),
)
BENCH = Bench(
    Path("/lab/m1"), Path("/lab/m1.console.log"), ("tap0-0", "tap0-1"), (Path("/lab/m1/disk0.raw"),), 9000, "tcg", (7, 2)
)
HEAD = (
    "name: r\nadmin: 192.168.124.10/24\nmachines:\n  - name: m1\n    serial: S1\n    uuid: 5f1d2a60-0001-4c1e-9d3b-52540012a001\n"
)


def find_values(argv: tuple[str, ...], option: str) -> list[str]:
    return [value for name, value in pairwise(argv) if name == option]


def test_the_packaged_rack() -> None:
    rack = load_rack(DEMO)
    rows = [(m.serial, m.firmware, m.memory_mb, m.cpus, [d.size_bytes for d in m.disks], m.bmc) for m in rack.machines]
    assert [row[:5] for row in rows] == [
        ("DEMO-0001", "bios", 1536, 1, [8 * 2**30]),
        ("DEMO-0002", "uefi", 1536, 1, [8 * 2**30]),
    ]
    assert [str(bmc.address) for *_, bmc in rows if bmc] == ["192.168.124.162", "192.168.124.163"]
    assert (rack.name, str(rack.admin), rack.bridge) == ("rack", "192.168.124.10/24", "br0")


@pytest.mark.parametrize(
    ("extra", "shown"),
    [
        ("    colour: red\n", "r.yaml:7:13: machines.0.colour: Unexpected keyword argument"),
        ("    firmware: coreboot\n", "r.yaml:7:15: machines.0.firmware: Input should be 'bios', 'uefi' or 'secure-boot'"),
        ("    bmc: {address: 10.0.0.1}\n", "r.yaml:7:20: machines.0.bmc.address: 10.0.0.1 is outside of 192.168.124.0/24"),
        ("    bmc: {address: 192.168.124.10}\n", "r.yaml:7:20: machines.0.bmc.address: 192.168.124.10 is already taken"),
        ("    disks: [{size: 8}]\n", "r.yaml:7:20: machines.0.disks.0.size: Input should be a valid string"),
        ("    disks: [{size: 8G, serial: 'a,b'}]\n", "r.yaml:7:32: machines.0.disks.0.serial"),
        ("    disks: [{size: 8G, wwn: '0x5000c500a1b2c3d4'}]\n", "r.yaml:7:29: machines.0.disks.0.wwn: a virtio disk has no WWN"),
        ("    disks: [{size: 8G, bus: sata, sector_bytes: 4096}]\n", "r.yaml:7:49: machines.0.disks.0.sector_bytes: QEMU's SATA"),
        ("    nics: [{mac: 52:54}]\n", "r.yaml:7:18: machines.0.nics.0.mac: String should match pattern"),
        ("  - [\n", "r.yaml:"),
    ],
)
def test_problems_have_places(extra: str, shown: str) -> None:
    _, problems = parse_rack(HEAD + extra, "r.yaml")
    assert str(problems[0]).startswith(shown)


def test_machines_may_share_what_real_ones_share() -> None:
    """Twins with the same UUID, and two disks with one serial number, are what the probe is tested on."""
    machine = HEAD.split("machines:\n")[1]
    text = HEAD + "    disks: [{size: 1G, serial: X}, {size: 1G, serial: X}]\n" + machine.replace("m1", "m2")
    rack, problems = parse_rack(text)
    assert problems == []
    assert rack is not None
    assert len(rack.machines) == 2
    _, problems = parse_rack(HEAD + machine)
    assert [str(problem) for problem in problems] == [":7:11: machines.1.name: m1 is already taken; give each its own"]


def test_network_comes_first_unless_a_boot_flag_says_disk() -> None:
    usual = find_values(make_qemu_argv(MACHINE, BENCH, "network"), "-device")
    assert "virtio-net-pci,netdev=net0,mac=52:54:00:12:a0:01,bootindex=0" in usual
    assert "e1000e,netdev=net1,mac=52:54:00:12:a0:02,bootindex=1" in usual
    assert "virtio-blk-pci,drive=disk0,bootindex=2,serial=D1" in usual
    once = find_values(make_qemu_argv(MACHINE, BENCH, "disk"), "-device")
    assert "virtio-blk-pci,drive=disk0,bootindex=0,serial=D1" in once
    assert "virtio-net-pci,netdev=net0,mac=52:54:00:12:a0:01,bootindex=1" in once


@pytest.mark.parametrize(
    ("disk", "devices"),
    [
        (RackDisk("1G", "sata", "S", "0x5000c500a1b2c3d4"), ["ide-hd,drive=disk0,bootindex=2,serial=S,wwn=0x5000c500a1b2c3d4"]),
        (
            RackDisk("1G", "scsi", "S", sector_bytes=4096),
            [
                "virtio-scsi-pci,id=scsi0",
                "scsi-hd,bus=scsi0.0,scsi-id=0,drive=disk0,bootindex=2,logical_block_size=4096,physical_block_size=4096,serial=S",
            ],
        ),
        (RackDisk("1G", "nvme", "S"), ["nvme,id=nvme0,serial=S,drive=disk0,bootindex=2"]),
        (
            RackDisk("1G", "nvme", "S", "0x5000c500a1b2c3d4"),
            ["nvme,id=nvme0,serial=S", "nvme-ns,bus=nvme0,eui64=0x5000c500a1b2c3d4,drive=disk0,bootindex=2"],
        ),
        (
            RackDisk("1G", "usb", removable=True),
            ["qemu-xhci,id=xhci", "usb-storage,bus=xhci.0,removable=on,drive=disk0,bootindex=2"],
        ),
    ],
)
def test_disks(disk: RackDisk, devices: list[str]) -> None:
    found = find_values(make_qemu_argv(replace(MACHINE, disks=(disk,)), BENCH, "network"), "-device")
    assert [device for device in found if not device.startswith(("virtio-net", "e1000e", "virtio-rng", "ipmi", "isa"))] == devices


def test_firmware_and_accelerator() -> None:
    bios = make_qemu_argv(MACHINE, BENCH, "network")
    assert find_values(bios, "-machine") == ["q35,graphics=off"]
    assert (find_values(bios, "-accel"), find_values(bios, "-cpu")) == (["tcg,thread=multi"], ["max"])
    uefi = make_qemu_argv(replace(MACHINE, firmware="uefi"), replace(BENCH, accel="kvm"), "network")
    assert (find_values(uefi, "-accel"), find_values(uefi, "-cpu")) == (["kvm"], ["host"])
    assert find_values(uefi, "-drive")[:2] == [
        "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd",
        "if=pflash,format=raw,file=/lab/m1/vars.fd",
    ]
    assert "virtio-net-pci,netdev=net0,mac=52:54:00:12:a0:01,bootindex=0,romfile=" in find_values(uefi, "-device")
    secure = make_qemu_argv(replace(MACHINE, firmware="secure-boot"), BENCH, "network")
    assert find_values(secure, "-machine") == ["q35,graphics=off,smm=on"]
    assert find_values(secure, "-global") == ["driver=cfi.pflash01,property=secure,value=on", "ICH9-LPC.disable_s3=1"]


def test_the_bmc_is_seen_in_band_by_any_qemu() -> None:
    old, new = (make_qemu_argv(MACHINE, replace(BENCH, qemu_version=v), "network") for v in ((7, 2), (10, 0)))
    assert "socket,id=ipmi0,host=127.0.0.1,port=9000,reconnect=2" in find_values(old, "-chardev")
    assert "socket,id=ipmi0,host=127.0.0.1,port=9000,reconnect-ms=2000" in find_values(new, "-chardev")
    without = make_qemu_argv(MACHINE, replace(BENCH, ipmi_port=0), "network")
    assert not [word for word in without if "ipmi" in word]


def test_commas_in_paths_stay_in_them() -> None:
    argv = make_qemu_argv(MACHINE, replace(BENCH, disks=(Path("/a,b/disk"),)), "network")
    assert find_values(argv, "-drive") == ["if=none,id=disk0,file=/a,,b/disk,format=raw,cache=unsafe,discard=unmap"]


def test_bmc_files() -> None:
    machine = replace(MACHINE, firmware="uefi", bmc=RackBmc(IPv4Address("192.168.124.162")))
    rack = Rack(load_rack(DEMO).admin, (machine,))
    assert bmc.render_bmc_csv(rack) == ("serial,address,user,secret,uefi\nS-1,192.168.124.162,admin,secrets/m1,yes\n")
    assert machine.bmc is not None
    conf = bmc.render_lan_conf(machine, machine.bmc, "pass", 9000, Path("/lab/m1"))
    assert '  user 2 true "admin" "pass" admin 10 none md2 md5 straight\n' in conf
    assert '  chassis_control "/lab/m1/bmc chassis"\n' in conf
    assert bmc.make_lan(rack, machine.bmc)["mac_addr"] == "02:bc:c0:a8:7c:a2"


def test_chassis_answers_what_ipmi_sim_asks(tmp_path: Path) -> None:
    (tmp_path / "machine.json").write_text(json.dumps({"lan": {"ip_addr": "192.0.2.1"}}))
    assert run_get(tmp_path, ["power", "boot"]) == ["power:0", "boot:none"]
    assert get_lan(tmp_path, ["ip_addr", "backup_gw_mac_addr", "subnet_mask"]) == [
        "ip_addr:192.0.2.1",
        "backup_gw_mac_addr:00:00:00:00:00:00",
        "subnet_mask:0.0.0.0",
    ]


def test_a_pid_that_another_process_has_now_is_left_alone(tmp_path: Path) -> None:
    process = run_detached(["sleep", "60"], tmp_path / "log", "sleep")
    assert process is not None
    assert is_running(process)
    stranger = process._replace(started=process.started - 1)
    assert not is_running(stranger)
    run_stop(stranger)
    assert is_running(process)
    save_processes(tmp_path / "pids", [process])
    assert load_processes(tmp_path / "pids") == [process]
    run_stop(process)
    assert find_process(process.pid) is None
    (tmp_path / "pids").write_text("[[1")
    assert load_processes(tmp_path / "pids") == []


def test_without_a_kernel_to_boot_there_is_no_proof_of_kvm(tmp_path: Path) -> None:
    assert find_accel(None, tmp_path / "kvm.json") == "tcg"
    assert find_kernel(tmp_path) in {None, *Path("/boot").glob("vmlinuz-*")}


# --- one real machine ---

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


def test_process_records_are_what_they_say() -> None:
    own = find_process(os.getpid(), "pytest")
    assert own == Process(os.getpid(), own.started if own else 0, "pytest")
