"""Make the recordings in tests/machines anew: `python -m tests.make_recordings [NAME …]`, as root, with an image built.

Each machine of tests.recorded_machines is started once, one after the other, with real firmware, and boots the image as any
blank machine does; the probe's recording comes out of a virtio port. All of it happens in a network namespace that ends with it.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from installer.lab.bmc import EMULATOR
from installer.lab.qemu import VARS
from installer.probe.parse import parse_recording
from installer.probe.verbs import dump_recording
from tests.recorded_machines import MACHINES, MachineSpec, NicSpec
from tests.recorded_qemu import PORT_NAME, Room, make_argv, make_grub_config

TOP: Final = Path(__file__).parents[1]
KEPT: Final = TOP / "tests/machines"
INSIDE: Final = "RACKSTRAP_RECORDING_INSIDE"
BOOT_TIMEOUT_S: Final = 420
BMC_PORT: Final = 9002
# What the guest runs in place of the agent, as the agent's own unit starts it. {neighbours} NICs must have heard their switch.
SCRIPT: Final = """\
for second in $(seq 90); do
    [ "$(lldpctl -f keyvalue | grep -c chassis.name=)" -ge {neighbours} ] && break
    sleep 1
done
read -r start idle </proc/uptime
rackstrap probe --record /dev/virtio-ports/{port}
read -r end idle </proc/uptime
echo "the probe ran from $start to $end s" >/dev/ttyS0
times >/dev/ttyS0
systemctl poweroff --force --force
"""
UNIT: Final = """\
[Service]
ExecStart=
ExecStart=/bin/sh /etc/record.sh
"""
LAN_CONF: Final = """\
name "bmc"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 623
    priv_limit admin
    allowed_auths_admin none
    lan_config_program "{program}"
  endlan
  serial 15 127.0.0.1 {port} codec VM
  startnow false
"""


class Server(http.server.ThreadingHTTPServer):
    """Says nothing when a client hangs up early: that is how wget asks for a size."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class Files(http.server.SimpleHTTPRequestHandler):
    """Serves one folder, silently."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serve_folder(folder: Path) -> Iterator[None]:
    """Serve this folder over HTTP on port 80 of the namespace."""
    handler = functools.partial(Files, directory=str(folder))
    with Server(("127.0.0.1", 80), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


@contextmanager
def start(argv: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that ends with the block."""
    with log.open("wb") as output, subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output) as process:
        try:
            yield process
        finally:
            process.kill()


def run(*argv: str) -> None:
    subprocess.run(argv, check=True)


def prepare_switch(number: int, nic: NicSpec, folder: Path) -> list[str]:
    """A tap for this NIC's cable; the command line of the lldpd that speaks on it as the switch (lldpd(8))."""
    tap = f"tap{number}"
    run("ip", "tuntap", "add", tap, "mode", "tap")
    run("ip", "link", "set", tap, "up")
    config = folder / f"{tap}.conf"
    config.write_text(
        f'configure system hostname "{nic.switch}"\nconfigure system chassisid "{nic.switch}"\n'
        f'configure ports {tap} lldp portidsubtype local "{nic.port}" description "{nic.port}"\n'
        "configure lldp tx-interval 2\nresume\n"
    )
    argv = ["lldpd", "-dd", "-k", "-I", tap, "-C", tap, "-m", "!*", "-O", str(config), "-S", "a switch"]
    return [*argv, "-u", str(folder / f"{tap}.sock"), "-p", str(folder / f"{tap}.pid")]


def prepare_bmc(folder: Path) -> list[str]:
    """The command line of an ipmi_sim that is a BMC with an address of its own (ipmi_sim(1), ipmi_lan(5))."""
    lan = {
        "ip_addr": "192.168.124.162",
        "ip_addr_src": "static",
        "mac_addr": "02:bc:c0:a8:7c:a2",
        "subnet_mask": "255.255.255.0",
        "default_gw_ip_addr": "192.168.124.1",
    }
    cases = "".join(f'{name}) echo "{name}:{value}" ;;\n' for name, value in lan.items())
    other = '*mac*) echo "$word:00:00:00:00:00:00" ;;\n*) echo "$word:0.0.0.0" ;;\n'
    program = folder / "lan"
    program.write_text(f'#!/bin/sh\n[ "$1" = get ] || exit 1\nshift\nfor word; do case $word in\n{cases}{other}esac; done\n')
    program.chmod(0o755)
    (folder / "bmc.emu").write_text(EMULATOR)
    (folder / "bmc.conf").write_text(LAN_CONF.format(program=program, port=BMC_PORT))
    return ["ipmi_sim", "-c", str(folder / "bmc.conf"), "-f", str(folder / "bmc.emu"), "-s", str(folder), "-n"]


def save_initrd(script: str, room: Room) -> None:
    """The image's initrd with a few files before it: what lies under /live there goes over the live system."""
    live = room.folder / "live"
    unit = live / "etc/systemd/system/rackstrap-agent.service.d"
    unit.mkdir(parents=True)
    (live / "etc/record.sh").write_text(script)
    (unit / "record.conf").write_text(UNIT)
    names = "\n".join(str(path.relative_to(room.folder)) for path in [live, *sorted(live.rglob("*"))])
    argv = ("cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0")
    first = subprocess.run(argv, input=names.encode(), cwd=room.folder, check=True, capture_output=True).stdout
    (room.folder / "initrd").write_bytes(first + (room.image / "initrd").read_bytes())


def prepare(machine: MachineSpec, room: Room) -> None:
    """The files of one machine: disks with what they held, UEFI variables, what it fetches."""
    for number, disk in enumerate(machine.disks):
        with room.disk(number).open("wb") as file:
            file.truncate(disk.size_mib << 20)
        if disk.fill:
            disk.fill(room.disk(number))
    neighbours = sum(1 for nic in machine.nics if nic.switch)
    save_initrd(SCRIPT.format(neighbours=neighbours, port=PORT_NAME), room)
    (room.folder / "image").symlink_to(room.image)
    if machine.firmware != "bios":
        shutil.copyfile(VARS[machine.firmware], room.folder / "vars.fd")
    if machine.firmware == "secure-boot":
        shutil.copytree(room.image / "tftp", room.folder / "tftp")
        (room.folder / "tftp/grub").mkdir()
        (room.folder / "tftp/grub/grub.cfg").write_text(make_grub_config(machine, room.image))


def record(machine: MachineSpec, image: Path, folder: Path) -> dict[str, Any]:
    """Start one machine and wait until it has recorded itself and is off."""
    room = Room(folder, image, BMC_PORT if machine.has_bmc else 0)
    prepare(machine, room)
    with ExitStack() as stack:
        stack.enter_context(serve_folder(folder))
        if machine.has_bmc:
            stack.enter_context(start(prepare_bmc(folder), folder / "bmc.log"))
        for number, nic in enumerate(machine.nics):
            if nic.switch:
                stack.enter_context(start(prepare_switch(number, nic, folder), folder / f"lldpd{number}.log"))
        qemu = stack.enter_context(start(make_argv(machine, room), folder / "qemu.log"))
        qemu.wait(BOOT_TIMEOUT_S)
    if not room.output.exists() or not room.output.stat().st_size:
        raise SystemExit(f"{machine.name} recorded nothing; see qemu.log and console.log in the folder given by --work")
    recording: dict[str, Any] = json.loads(room.output.read_text())
    parse_recording(recording)
    return recording


def find_last(console: Path) -> str:
    """When the probe ran, in seconds since the machine's kernel started."""
    found = re.findall(r"the probe ran from [\d.]+ to [\d.]+ s", console.read_text(errors="replace"))
    return found[-1] if found else ""


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Make the recordings in tests/machines anew.")
    parser.add_argument("names", nargs="*", choices=[[], *(machine.name for machine in MACHINES)], metavar="NAME")
    parser.add_argument("--work", type=Path, help="keep disks and logs in this folder")
    args = parser.parse_args(argv)
    if INSIDE not in os.environ:
        inside = ["unshare", "--net", "--", sys.executable, "-m", "tests.make_recordings", *argv]
        return subprocess.run(inside, env=os.environ | {INSIDE: "1"}, cwd=TOP, check=False).returncode
    run("ip", "link", "set", "lo", "up")
    image = Path(os.environ.get("RACKSTRAP_IMAGE", TOP / "build/image")).resolve()
    KEPT.mkdir(exist_ok=True)
    for machine in MACHINES:
        if args.names and machine.name not in args.names:
            continue
        begin = time.monotonic()
        with ExitStack() as stack:
            room = args.work / machine.name if args.work else Path(stack.enter_context(tempfile.TemporaryDirectory()), "room")
            shutil.rmtree(room, ignore_errors=True)
            room.mkdir(parents=True)
            room.chmod(0o755)  # lldpd gives root up before it reads there
            text = dump_recording(record(machine, image, room))
            (KEPT / f"{machine.name}.json").write_text(text)
            print(f"{machine.name}: {len(text)} bytes in {time.monotonic() - begin:.0f} s; {find_last(room / 'console.log')}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
