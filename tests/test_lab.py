"""The virtual rack: its file, its command lines, its BMCs, and the processes that it keeps."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import pairwise
from pathlib import Path

import pytest

from installer.lab import bmc
from installer.lab.accel import find_accel, find_kernel
from installer.lab.chassis import get_lan, run_get
from installer.lab.processes import Process, find_process, is_running, load_processes, run_detached, run_stop, save_processes
from installer.lab.qemu import Bench, make_qemu_argv
from installer.lab.rack import Rack, RackBmc, RackDisk, RackMachine, RackNic
from installer.lab.rack_file import load_rack, parse_rack
from installer.lab.verbs import DEMO

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


def test_process_records_are_what_they_say() -> None:
    own = find_process(os.getpid(), "pytest")
    assert own == Process(os.getpid(), own.started if own else 0, "pytest")
