"""The rack's one machine, booted by hand: dnsmasq, nginx and an iPXE script, with nothing of Rackstrap's own serving.

The baselines run on it what people run today, on the same virtual machine, firmware and cable that Rackstrap is measured on.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from installer.lab.chassis import find_machine
from tests.rack.one import ONE_DISK
from tests.rack.pace import stretch
from tests.rack.rack import Rack

NAME: Final = "rackbase"
ADMIN: Final = "192.168.124.10"
MAC: Final = "52:54:00:4d:00:01"
# Router advertisements as Rackstrap's own dnsmasq sends them: without, old iPXE waits 13 s.
PREFIX: Final = "fd77::"
DNSMASQ: Final = (
    "dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=br0 --except-interface=lo --bind-dynamic "
    "--user=root --pid-file= --no-ping --dhcp-authoritative --dhcp-range=192.168.124.100,192.168.124.200,255.255.255.0,1h "
    f"--dhcp-option=option:router --dhcp-boot=http://{ADMIN}/boot.ipxe "
    f"--enable-ra --ra-param=br0,60,0 --dhcp-range={PREFIX},ra-only,64,1h"
)
NGINX: Final = """\
daemon off;
user root;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{}}
http {{
    access_log {folder}/nginx.access.log;
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 0;
    server {{ listen {admin}:80; root {folder}/www; }}
}}
"""
FROM_DISK: Final = "#!ipxe\nsanboot --no-describe --drive 0x80\n"


@dataclass(frozen=True, slots=True)
class HandBooted:
    """The machine `m1`: what it says, what it fetches, its plug."""

    rack: Rack

    @property
    def www(self) -> Path:
        """The folder that the machine sees as http://ADMIN/."""
        return self.rack.folder / "www"

    def boot_with(self, script: str) -> None:
        """What iPXE gets from now on; there is no moment at which it would get half of it."""
        fresh = self.www / "boot.ipxe.new"
        fresh.write_text(script)
        fresh.replace(self.www / "boot.ipxe")

    def power_on(self) -> float:
        """Seconds since 1970 at which the button was pressed."""
        pressed_at = time.time()
        self.rack.power("m1", "on")
        return pressed_at

    def find_processor_s(self) -> float:
        """Seconds of processor that the machine's QEMU has used so far (proc(5), stat): what other load does not change."""
        process = find_machine(self.rack.lab / "m1")
        assert process is not None, self.rack.find_last_words()
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_console(self, pattern: bytes, deadline_s: float) -> float:
        """Seconds since 1970 at which the serial console matched. AssertionError when it does not, or says that it failed."""
        log = self.rack.lab / "m1.console.log"
        give_up_at = time.monotonic() + stretch(deadline_s)
        while not re.search(pattern, said := log.read_bytes()):
            assert time.monotonic() < give_up_at, f"{pattern!r} was not said\n{self.rack.find_last_words()}"
            assert b"baseline: failed" not in said, said[-6000:].decode(errors="replace")
            time.sleep(0.1)
        return time.time()

    def wait_ssh(self, address: str, deadline_s: float) -> float:
        """Seconds since 1970 at which an SSH server first said its banner."""
        probe = f"exec 3<>/dev/tcp/{address}/22 && read -t 2 -r line <&3 && [[ $line == SSH-* ]]"
        loop = 'until timeout 3 bash -c "$0" 2>/dev/null; do sleep 0.2; done; date +%s.%N'
        inside = ("lab", "run", "--dir", self.rack.lab, "--", "bash", "-c", loop, probe)
        return float(self.rack.rackstrap(*inside, deadline_s=deadline_s).stdout)


def make_rack(memory_mb: int, disks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The rack file: the machine of tests.rack.one, in a namespace of its own."""
    machine = {
        "name": "m1",
        "firmware": "bios",
        "serial": "ONE-M1",
        "uuid": "5f1d2a60-0001-4c1e-9d3b-000000000001",
        "memory_mb": memory_mb,
        "cpus": 1,
        "nics": [{"mac": MAC, "switch": "leaf1", "port": "1/1"}],
        "disks": [*ONE_DISK, *disks],
        "bmc": {"address": "192.168.124.162", "user": "admin"},
    }
    return {"name": NAME, "admin": f"{ADMIN}/24", "machines": [machine]}


@contextmanager
def hand_booted(folder: Path, image: Path, memory_mb: int, disks: Sequence[Mapping[str, Any]] = ()) -> Iterator[HandBooted]:
    """The machine, off, with both servers running; everything ends with the block."""
    rack = Rack(folder, image)
    (folder / "www").mkdir(parents=True)
    rack_file = folder / "rack.yaml"
    rack_file.write_text(json.dumps(make_rack(memory_mb, disks)))
    up = rack.rackstrap("lab", "up", rack_file, "--dir", rack.lab)
    assert up.returncode == 0, up.stdout + up.stderr
    try:
        inside = ("nsenter", f"--net=/run/netns/{NAME}", "--")
        subprocess.run([*inside, "ip", "-6", "addr", "add", f"{PREFIX}1/64", "dev", "br0", "nodad"], check=True)
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, admin=ADMIN))
        dnsmasq = [*DNSMASQ.split(), f"--dhcp-leasefile={folder}/leases", f"--log-facility={folder}/dnsmasq.log"]
        with running([*inside, *dnsmasq]), running([*inside, "nginx", "-c", f"{folder}/nginx.conf"]):
            yield HandBooted(rack)
    finally:
        rack.rackstrap("lab", "down", "--dir", rack.lab)


@contextmanager
def running(argv: Sequence[str]) -> Iterator[None]:
    """A server that ends with the block."""
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()
