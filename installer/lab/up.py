"""Set a rack up, take it down, and what is up."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from installer.lab import bmc, lldp, netns, qemu
from installer.lab.accel import Accel
from installer.lab.chassis import find_machine, run_power_off
from installer.lab.home import Home, check_sockets
from installer.lab.processes import Process, find_process, run_detached, run_stop
from installer.lab.rack import Rack, RackMachine
from installer.lab.rack_file import load_rack
from installer.model.problems import RackstrapError
from installer.power.secrets import load_secret, save_secret

NEEDED = ("ip", "nsenter", "ipmi_sim", "qemu-system-x86_64", "lldpd")
VM_PORT = 9000
LISTEN_S = 10.0


@dataclass(frozen=True, slots=True)
class Host:
    """What the host offers: how to run machines, and which QEMU."""

    accel: Accel
    qemu_version: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Setup:
    """One setting up: which rack, where, on what. `rack_dir` is what paths in its file are relative to."""

    home: Home
    rack: Rack
    host: Host
    rack_dir: Path
    is_fresh: bool


def find_qemu_version() -> tuple[int, int]:
    """Major and minor. Raises RackstrapError when a program that the lab needs is not there."""
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        hint = "apt-get install qemu-system-x86 ovmf ipxe-qemu openipmi lldpd iproute2 util-linux"
        raise RackstrapError(f"the lab needs {', '.join(missing)}", hint)
    said = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = said.split("version ")[1].split(".")[:2]
    return int(major), int(minor)


def run_up(home: Home, rack_file: Path, host: Host, is_fresh: bool = False) -> Rack:
    """Set the rack up, all machines switched off; whatever an earlier one left here is ended first.

    Disks are kept from one time to the next, unless `is_fresh`; the user's own images always.
    """
    if os.geteuid():
        raise RackstrapError("the lab needs root: it makes a network namespace")
    rack = load_rack(rack_file)
    check_sockets(home, rack)
    check_media(rack, rack_file.resolve().parent)
    inode = netns.find_namespace(rack.name)
    if inode and not home.has_claim(rack.name, inode):
        hint = f"name the rack otherwise, or, if nobody uses it: ip netns delete {rack.name}"
        raise RackstrapError(f"there is a network namespace {rack.name} that is not this rack's", hint, exit_code=1)
    home.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if home.rack_file.exists():
        run_down(home)
    if rack_file.resolve() != home.rack_file.resolve():
        home.rack_file.write_text(rack_file.read_text())
    home.save_claim(rack.name, 0)
    home.save_claim(rack.name, netns.run_build(rack))
    (home.folder / "bmc.csv").write_text(bmc.render_bmc_csv(rack))
    setup = Setup(home, rack, host, rack_file.resolve().parent, is_fresh)
    for number in range(len(rack.machines)):
        _run_machine(setup, number)
    return rack


def _run_machine(setup: Setup, number: int) -> None:
    """One machine's folder, disks, NVRAM, BMC and switch ports."""
    home, rack, machine = setup.home, setup.rack, setup.rack.machines[number]
    folder = home.machine(machine.name)
    folder.mkdir(mode=0o700, exist_ok=True)
    for stale in ("boot", "identify", "qemu.pid"):
        (folder / stale).unlink(missing_ok=True)
    disks = _make_disks(setup, machine)
    if machine.firmware != "bios" and (setup.is_fresh or not (folder / "vars.fd").exists()):
        shutil.copyfile(qemu.VARS[machine.firmware], folder / "vars.fd")
    if "ttyS1" in machine.consoles:
        (folder / "spcr.bin").write_bytes(qemu.render_spcr())
    port = VM_PORT + number if machine.bmc else 0
    taps = netns.make_taps(rack, number)
    log = home.console_log(machine.name)
    medium = setup.rack_dir / machine.medium if machine.medium else None
    bench = qemu.Bench(folder, log, taps, disks, port, setup.host.accel, setup.host.qemu_version, medium)
    argv = {"network": qemu.make_qemu_argv(machine, bench, "network"), "disk": qemu.make_qemu_argv(machine, bench, "disk")}
    lan = bmc.make_lan(rack, machine.bmc) if machine.bmc else {}
    (folder / "machine.json").write_text(json.dumps({"argv": argv, "lan": lan, "qmp": True}, indent=1) + "\n")
    log.touch()
    if machine.bmc:
        run_bmc(home, rack, number)
    rooms = lldp.find_rooms(rack.name)
    for nic, tap in zip(machine.nics, taps, strict=True):
        lldp.save_lldpd(rooms, tap, nic)
        _start(home, rack, lldp.make_lldpd(rooms, tap), folder / f"{tap}.lldp.log")


def check_media(rack: Rack, rack_dir: Path) -> None:
    """Raises RackstrapError when the file of a CD or a stick is not there."""
    for machine in rack.machines:
        if machine.medium and not (file := rack_dir / machine.medium).is_file():
            raise RackstrapError(f"{machine.name} has no medium: {file} is missing", "./build_iso.sh --out build/rackstrap.iso")


def _make_disks(setup: Setup, machine: RackMachine) -> tuple[Path, ...]:
    """The images behind the machine's disks, in order; those that are missing are made, blank and sparse."""
    files = tuple(setup.home.disk(setup.rack_dir, machine, number) for number in range(len(machine.disks)))
    for disk, file in zip(machine.disks, files, strict=True):
        if setup.is_fresh and not disk.file:
            file.unlink(missing_ok=True)
        if not file.exists():
            with file.open("xb") as image:
                image.truncate(disk.size_bytes)
    return files


def run_bmc(home: Home, rack: Rack, number: int) -> None:
    """Start a machine's BMC, with the password that it had before or a new one, and wait until it listens."""
    machine = rack.machines[number]
    if machine.bmc is None:
        return
    folder, secret = home.machine(machine.name), home.secret(machine.name)
    if not secret.exists():
        save_secret(secret, secrets.token_hex(8))
    control = folder / "bmc"
    control.write_text(bmc.render_control(folder))
    control.chmod(0o700)
    conf = bmc.render_lan_conf(machine, machine.bmc, load_secret(secret), VM_PORT + number, folder)
    save_secret(folder / "lan.conf", conf.rstrip("\n"))
    (folder / "sim.emu").write_text(bmc.EMULATOR)
    (folder / "sim").mkdir(exist_ok=True)
    argv = ["ipmi_sim", "-n", "-c", str(folder / "lan.conf"), "-f", str(folder / "sim.emu"), "-s", str(folder / "sim")]
    process = _start(home, rack, argv, folder / "ipmi_sim.log")
    _wait_listening(process, str(machine.bmc.address), folder / "ipmi_sim.log")


def _start(home: Home, rack: Rack, argv: list[str], log: Path) -> Process:
    """Start a helper inside the namespace, in a session of its own, and record it."""
    log.unlink(missing_ok=True)
    process = run_detached(netns.make_inside(rack.name, argv), log, argv[0])
    if process is None:
        raise RackstrapError(f"{argv[0]} ended at once: {log.read_text(errors='replace').strip()}", f"see {log}")
    home.save_process(process)
    return process


def _wait_listening(process: Process, address: str, log: Path) -> None:
    """Until a UDP socket on this address and IPMI's port exists inside the namespace (/proc/net/udp, proc(5))."""
    wanted = f"{socket.inet_aton(address)[::-1].hex().upper()}:{bmc.PORT:04X}"
    until = time.monotonic() + LISTEN_S
    while time.monotonic() < until and find_process(process.pid):
        try:
            if wanted in Path(f"/proc/{process.pid}/net/udp").read_text():
                return
        except OSError:
            break
        time.sleep(0.02)
    raise RackstrapError(f"{process.what} does not listen on {address}: {log.read_text(errors='replace').strip()}", f"see {log}")


def run_down(home: Home) -> list[int]:
    """Pull every plug, end every helper, remove the namespace. Pids of strangers that were inside are returned, alive."""
    rack = home.load()
    for machine in rack.machines:
        run_power_off(home.machine(machine.name))
    for process in reversed(home.processes()):
        run_stop(process)
    (home.folder / "processes.json").unlink(missing_ok=True)
    lldp.run_clean(rack.name)
    inode = netns.find_namespace(rack.name)
    strangers = []
    if home.has_claim(rack.name, inode):
        strangers = netns.find_inhabitants(rack.name)
        netns.run_ip("netns", "delete", rack.name)
    home.claim.unlink(missing_ok=True)
    return strangers


def find_status(home: Home) -> dict[str, Any]:
    """The rack, its machines and whether each is switched on, as JSON-able values."""
    rack = home.load()
    inode = netns.find_namespace(rack.name)
    rows = []
    for machine in rack.machines:
        process = find_machine(home.machine(machine.name))
        row: dict[str, Any] = {
            "name": machine.name,
            "firmware": machine.firmware,
            "serial": machine.serial,
            "power": "on" if process else "off",
        }
        row |= {"pid": process.pid if process else None, "bmc": str(machine.bmc.address) if machine.bmc else ""}
        rows.append(row | {"macs": [nic.mac for nic in machine.nics], "console": str(home.console_log(machine.name))})
    is_up = home.has_claim(rack.name, inode)
    return {"name": rack.name, "dir": str(home.folder), "up": is_up, "admin": str(rack.admin), "machines": rows}
