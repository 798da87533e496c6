"""A rack of one machine: the shape of most scenarios and measurements."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from installer.model.ledger import MachineEntry
from tests.rack.rack import Rack, find_image, make_key, make_site_text
from tests.rack.story import end_rack

ADDRESS: Final = "192.168.124.10"
ONE_DISK: Final = ({"size": "6G", "bus": "virtio", "serial": "ONE"},)


@dataclass(frozen=True, slots=True)
class One:
    """One machine `m1` (serial ONE-M1), and the node `node1` that it becomes."""

    rack: Rack
    key: Path
    site: Path

    def apply(self, deadline_s: float = 600) -> int:
        done = self.rack.rackstrap(*self.rack.apply_words(self.site), deadline_s=deadline_s)
        assert done.returncode in {0, 3, 4}, done.stdout + done.stderr
        return done.returncode

    def entry(self) -> MachineEntry:
        return next(iter(self.rack.ledger().machines.values()))

    def ask(self, command: str) -> str:
        return self.rack.ssh(self.key, self.entry(), command)

    def wait_ssh(self, deadline_s: float) -> float:
        """Seconds since 1970 at which SSH first answered."""
        give_up_at = time.monotonic() + deadline_s
        address = self.entry().addresses["admin"].split("/")[0]
        probe = f"exec 3<>/dev/tcp/{address}/22 && read -t 2 -r line <&3 && echo $line"
        while time.monotonic() < give_up_at:
            done = self.rack.rackstrap("lab", "run", "--dir", self.rack.lab, "--", "timeout", "3", "bash", "-c", probe)
            if done.stdout.startswith("SSH-"):
                return time.time()
            time.sleep(0.2)
        raise AssertionError("SSH does not answer\n" + self.rack.find_last_words())

    def cold_boot(self, deadline_s: float = 300) -> MachineEntry:
        """Pull the plug, give the power back, and wait until the installed system has reported a cold boot."""
        before = self.entry().installed
        assert before is not None
        self.rack.power("m1", "pull")
        self.rack.power("m1", "on")

        def find(journal: Any) -> MachineEntry | None:
            entry = next(iter(journal.ledger.machines.values()))
            now = entry.installed
            return entry if now is not None and now.cold and now.boot_id != before.boot_id else None

        found: MachineEntry = self.rack.wait_for("a cold boot from the disk", find, deadline_s)
        return found


def make_machine(firmware: str, disks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The machine as `rackstrap lab up` reads it."""
    return {
        "name": "m1",
        "firmware": firmware,
        "serial": "ONE-M1",
        "uuid": "5f1d2a60-0001-4c1e-9d3b-000000000001",
        "memory_mb": 1280,
        "cpus": 1,
        "nics": [{"mac": "52:54:00:4d:00:01", "switch": "leaf1", "port": "1/1"}],
        "disks": list(disks),
        "bmc": {"address": "192.168.124.162", "user": "admin"},
    }


def make_site(ssh_key: str, credentials: Path | None, node: Mapping[str, Any]) -> dict[str, Any]:
    """A site file that may erase blank disks; `credentials` is None for a machine without a BMC."""
    return {
        "rackstrap": 1,
        "name": "rackone",
        "domain": "one.example",
        "access": {"ssh_keys": [ssh_key]},
        "admin": {"hostname": "admin", "address": ADDRESS},
        "discovery": {"admit": "matched", **({"credentials": str(credentials)} if credentials else {})},
        "erase": "blank",
        "nodes": [{"name": "node1", "match": {"serial": "ONE-M1"}, **node}],
    }


@contextmanager
def one_machine(
    folder: Path,
    *,
    firmware: str = "bios",
    disks: Sequence[Mapping[str, Any]] = ONE_DISK,
    machine: Mapping[str, Any] | None = None,
    site: Mapping[str, Any] | None = None,
    node: Mapping[str, Any] | None = None,
) -> Iterator[One]:
    """A rack of one machine, up, with a site file that may erase blank disks; ended afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    rack = Rack(folder, find_image())
    key, public = make_key(folder)
    described = {**make_machine(firmware, disks), **(machine or {})}
    machines = [{key: value for key, value in described.items() if value is not None}]
    rack_file = folder / "rack.yaml"
    rack_file.write_text(json.dumps({"name": f"rack{os.getpid()}", "admin": f"{ADDRESS}/24", "machines": machines}))
    decided = {**make_site(public, rack.lab / "bmc.csv" if described["bmc"] else None, node or {}), **(site or {})}
    site_file = folder / "site.yaml"
    site_file.write_text(make_site_text(decided))
    site_file.chmod(0o600)
    up = rack.rackstrap("lab", "up", rack_file, "--dir", rack.lab)
    assert up.returncode == 0, up.stdout + up.stderr
    try:
        yield One(rack, key, site_file)
    finally:
        end_rack(rack)
