"""This machine, looked at again and again by a thread of its own: nobody who shows it waits for a disk or a switch."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from installer import __version__
from installer.live.volumes import Volume, find_volumes
from installer.model.facts import Cpu, Firmware, Machine
from installer.network.change import read_network
from installer.network.state import NetworkState
from installer.probe import FORMAT, sysfs
from installer.probe.commands import run_command
from installer.probe.parse import parse_recording
from installer.probe.settled import wait_settled

LOOK_EVERY_S: Final = 2.0
REST: Final = 4  # times as long as a look took: a slow machine has other things to do than being looked at
LONGEST_REST_S: Final = 5.0
RENAMED_WITHIN_S: Final = 1.0  # a port that udev renames is nowhere for a moment: one that is gone is looked for again
TOOL_TIMEOUT_S: Final = 5.0
MOST_MANIFEST_BYTES: Final = 2**20
HOST_KEY: Final = Path("/etc/ssh/ssh_host_ed25519_key.pub")
NOBODY: Final = Machine("", "", "", "", Cpu(), 0, Firmware(), (), ())
Recording = dict[str, Any]


class Prober:
    """`machine`, `volumes` and `network` are the last that was seen; `number` grows when one of them has changed.

    `is_reading`: the disks are read for the first time.

    NICs are read every two seconds, on a slow machine less often. Disks are read by a second thread, once, and again when the
    kernel tells of another, because superblocks and health may take seconds, and for ever on a disk that dies.
    """

    def __init__(
        self,
        state: Path,
        record: Callable[[], Recording] | None = None,
        read_links: Callable[[Recording], Recording] | None = None,
    ) -> None:
        self._state: Final = state
        self.machine = NOBODY
        self.network = NetworkState()
        self.volumes: tuple[Volume, ...] = ()
        self.is_reading = True
        self.number = 0
        self._record: Final = record or make_whole_recording
        self._read_links: Final = read_links or make_quick_recording
        self._recording: Recording = make_first_recording()
        self._changing: Final = threading.Lock()
        self._end: Final = threading.Event()
        self._again: Final = threading.Event()
        self._take(parse_machine(self._recording))
        self.look_at_network()
        for run in (self._run_links, self._run_disks):
            threading.Thread(target=run, name="prober", daemon=True).start()

    def close(self) -> None:
        """Tell the threads to end; one that waits for a disk is not waited for."""
        self._end.set()

    def look_again(self) -> None:
        """Read disks and volumes once more: one of them was written to."""
        self._again.set()

    def find_named(self) -> Machine:
        """This machine, its ports read now that udev has named them: what is set by a first name, as eth0, is lost with that."""
        wait_settled(self._end, subsystem="net")
        self._look_at_links()
        return self.machine

    def _look_at_links(self) -> None:
        base = self._recording
        known = {nic.mac for nic in self.machine.nics}
        machine = parse_machine(self._read_links(base))
        if (machine is None or known - {nic.mac for nic in machine.nics}) and not self._end.wait(RENAMED_WITHIN_S):
            machine = parse_machine(self._read_links(base))
        if base is self._recording:  # else the disks were read meanwhile
            self._take(machine)

    def _run_links(self) -> None:
        while not self._end.is_set():
            began = time.monotonic()
            self._look_at_links()
            self.look_at_network()
            self._end.wait(max(LOOK_EVERY_S, min(LONGEST_REST_S, REST * (time.monotonic() - began))))

    def _run_disks(self) -> None:
        known: list[str] | None = None
        while not self._end.is_set():
            names = sysfs.list_block_names()
            if names != known or self._again.is_set():
                wait_settled(self._end)
                self._again.clear()
                known = sysfs.list_block_names()
                self._set_volumes(find_volumes())
                self._recording = self._record()
                self._take(parse_machine(self._recording))
                self._end_reading()
            self._end.wait(LOOK_EVERY_S)

    def _take(self, machine: Machine | None) -> None:
        with self._changing:
            if machine is not None and machine != self.machine:
                self.machine = machine
                self.number += 1

    def _end_reading(self) -> None:
        with self._changing:
            self.number += self.is_reading
            self.is_reading = False

    def look_at_network(self) -> None:
        """Read what is kept about this machine's own network: a few small files."""
        found = read_network(self._state)
        network = replace(found, confirm_by=float(round(found.confirm_by)))
        with self._changing:
            if network != self.network:
                self.network = network
                self.number += 1

    def _set_volumes(self, volumes: tuple[Volume, ...]) -> None:
        with self._changing:
            if volumes != self.volumes:
                self.volumes = volumes
                self.number += 1


def parse_machine(recording: Recording) -> Machine | None:
    """The machine of a recording; None where a device vanished while it was read: the next look tells."""
    try:
        return parse_recording(recording)
    except ValueError:
        return None


def make_whole_recording() -> Recording:
    from installer.probe.record import make_recording

    return make_recording()


def make_first_recording() -> Recording:
    """What the kernel shows at once, without asking any program: NICs and addresses, no disk."""
    from installer.probe.record import read_addresses

    base = {"format": FORMAT, "host": sysfs.read_host(), "dmi": sysfs.read_dmi(), "block": [], "commands": {}}
    return {**base, **read_addresses(), "net": sysfs.read_devices([])["net"]}


def make_quick_recording(whole: Recording) -> Recording:
    """`whole` with NICs, addresses and neighbours as they are now."""
    from installer.probe.record import read_addresses

    commands = {
        **whole["commands"],
        "ip": run_command(("ip", "-j", "-d", "link"), TOOL_TIMEOUT_S),
        "lldp": run_command(("lldpctl", "-f", "json0"), TOOL_TIMEOUT_S),
    }
    return {**whole, **read_addresses(), "net": sysfs.read_devices([])["net"], "commands": commands}


def render_ssh_lines(machine: Machine, fingerprint: str) -> tuple[str, ...]:
    """How to reach this machine, and by what to know it. Nothing where it has no address."""
    addresses = [address.partition("/")[0] for nic in machine.nics for address in nic.addresses]
    lines = [f"ssh root@{address}" for address in addresses]
    return (*lines, f"host key ED25519 {fingerprint}") if lines and fingerprint else tuple(lines)


def find_fingerprint(path: Path = HOST_KEY) -> str:
    """The host key as ssh shows it (`SHA256:` and base64 without padding); "" without one."""
    try:
        key = base64.b64decode(path.read_text().split()[1], validate=True)
    except (OSError, IndexError, ValueError):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def find_hostname() -> str:
    return socket.gethostname()


def find_version(image: Path) -> str:
    """The image's version, by which a medium is known, where there is one; else this program's."""
    try:
        with (image / "manifest.json").open("rb") as file:
            version = json.loads(file.read(MOST_MANIFEST_BYTES))["version"]
    except (OSError, ValueError, KeyError, TypeError):
        return __version__
    return str(version)[:60]


def find_boot_disks(machine: Machine, mounts: str | None = None, block: Path = Path("/sys/dev/block")) -> frozenset[str]:
    """Ids of the disks from which anything is mounted now: they run this system.

    `mounts`: the text of /proc/self/mountinfo (proc(5)), whose third field is the device's number.
    """
    text = mounts if mounts is not None else sysfs.read_text(Path("/proc/self/mountinfo"))
    numbers = {line.split()[2] for line in text.splitlines() if len(line.split()) > 2}
    names = {name for number in numbers for name in _find_whole_names(block / number)}
    return frozenset(disk.id for disk in machine.disks if disk.name in names)


def _find_whole_names(device: Path) -> Iterable[str]:
    """Kernel names of the whole disks below a device: through partitions, mappings, arrays and loops over files."""
    try:
        real = device.resolve(strict=True)
    except OSError:
        return
    slaves = sysfs.list_names(real / "slaves")
    if slaves:
        for slave in slaves:
            yield from _find_whole_names(real / "slaves" / slave)
    else:
        yield real.parent.name if (real / "partition").exists() else real.name
