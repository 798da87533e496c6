"""The main job, told once: what the machines, the disks and the journal showed on the way.

Two machines of the site (BIOS, UEFI) and a foreign one. First a run without consent, then consent in both ways, a run
that is killed while a disk is unpacked, the run that finishes, and a cold cycle of every node.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from installer.engine.journal import Journal
from installer.model.ledger import MachineEntry
from tests.rack.decoys import DECOYS, hash_disk
from tests.rack.rack import Rack, make_key, make_site_text

CANARY_HASH: Final = "$y$j9T$canaryCANARYcanary00$" + "c" * 43
NODES: Final = {"node1": "RACK-BIOS", "node2": "RACK-UEFI"}
CHOSEN: Final = {"node1": "virtio-CHOSEN-BIOS", "node2": "virtio-CHOSEN-UEFI"}
DECOYS_OF: Final[Mapping[str, tuple[str, ...]]] = {"bios": ("ext4", "mirror", "swap"), "uefi": ("xfs", "lvm")}
FOREIGN_MAC: Final = "52:54:00:4c:00:03"


@dataclass(slots=True)
class Story:
    """What was seen, for the tests to judge."""

    rack: Rack
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    gate_exit: int = -1
    gate_output: str = ""
    blocks_at_gate: dict[str, int] = field(default_factory=dict)
    foreign: MachineEntry | None = None
    foreign_script: str = ""
    foreign_blocks: int = -1
    killed_at: dict[str, float] = field(default_factory=dict)
    resumed_exit: int = -1
    again_exit: int = -1
    steps_run_again: int = -1
    waits: dict[str, str] | None = None
    installed: dict[str, MachineEntry] = field(default_factory=dict)
    cycled: dict[str, MachineEntry] = field(default_factory=dict)
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    leases: list[list[str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def make_decoy(file: Path) -> dict[str, Any]:
    """The rack file's entry for a decoy. Its size is the file's own."""
    size = f"{file.stat().st_size // 2**20}M"
    return {"file": str(file), "size": size, "bus": "virtio", "serial": f"KEEP-{file.name.upper()}"}


def make_rack_file(disks: Path) -> dict[str, Any]:
    """The rack as `rackstrap lab up` reads it."""

    def machine(name: str, number: int, firmware: str, chosen: str) -> dict[str, Any]:
        extra = [make_decoy(disks / decoy) for decoy in DECOYS_OF.get(name, ())]
        return {
            "name": name,
            "firmware": firmware,
            "serial": f"RACK-{name.upper()}",
            "uuid": f"5f1d2a60-0000-4c1e-9d3b-00000000000{number}",
            "memory_mb": 1280,
            "cpus": 1,
            "nics": [{"mac": f"52:54:00:4c:00:0{number}", "switch": "leaf1", "port": f"1/{number}"}],
            "disks": [{"size": "6G", "bus": "virtio", "serial": chosen}, *extra],
            "bmc": {"address": f"192.168.124.{161 + number}", "user": "admin"} if name in DECOYS_OF else "none",
        }

    return {
        "name": "racktest",
        "admin": "192.168.124.10/24",
        "machines": [
            machine("bios", 1, "bios", "CHOSEN-BIOS"),
            machine("uefi", 2, "uefi", "CHOSEN-UEFI"),
            machine("foreign", 3, "bios", "FOREIGN"),
        ],
    }


def make_site(rack: Rack, ssh_key: str, erase: Any) -> dict[str, Any]:
    nodes = [{"name": name, "match": {"serial": serial}, "disk": {"by_id": CHOSEN[name]}} for name, serial in NODES.items()]
    return {
        "rackstrap": 1,
        "name": "racktest",
        "domain": "rack.example",
        "access": {"ssh_keys": [ssh_key], "password_hash": CANARY_HASH},
        "admin": {"hostname": "admin", "address": "192.168.124.10"},
        "discovery": {"credentials": str(rack.lab / "bmc.csv"), "admit": "matched"},
        "erase": erase,
        "nodes": nodes,
    }


def find_chosen_disk(rack: Rack, machine: str) -> Path:
    """The image file behind the machine's first disk, the one that the site chooses."""
    return rack.lab / machine / "disk0.raw"


def count_blocks(path: Path) -> int:
    """Blocks that the sparse file really holds: 0 as long as nobody wrote to the disk."""
    return path.stat().st_blocks


def write_site(rack: Rack, ssh_key: str, erase: Any) -> Path:
    path = rack.folder / "site.yaml"
    path.write_text(make_site_text(make_site(rack, ssh_key, erase)))
    path.chmod(0o600)
    return path


def tell_gate(story: Story, ssh_key: str) -> None:
    """Without consent: discovery, then the gate, and not one block written."""
    rack = story.rack
    started = time.monotonic()
    done = rack.rackstrap(*rack.apply_words(write_site(rack, ssh_key, "no")), deadline_s=420)
    story.seconds["to the gate"] = time.monotonic() - started
    story.gate_exit, story.gate_output = done.returncode, done.stdout + done.stderr
    for name in ("bios", "uefi"):
        story.blocks_at_gate[name] = count_blocks(find_chosen_disk(rack, name))


def tell_foreign(story: Story) -> None:
    """A machine that no rule names: it is discovered, and gets nothing else."""
    rack = story.rack
    rack.power("foreign", "on")

    def find(journal: Journal) -> str | None:
        return next((i for i, m in journal.machines().items() if m.serial == "RACK-FOREIGN"), None)

    foreign = rack.wait_for("the foreign machine's discovery", find, 300)
    words = f"mac={quote(FOREIGN_MAC)}&uuid=&serial=RACK-FOREIGN"
    url = f"http://192.168.124.10/boot/ipxe?{words}"
    story.foreign_script = rack.rackstrap("lab", "run", "--dir", rack.lab, "--", "curl", "-fsS", url).stdout
    time.sleep(2)
    story.foreign = rack.ledger().machines[foreign]
    rack.power("foreign", "pull")


def tell_killed_install(story: Story, ssh_key: str) -> None:
    """Consent in both ways; `apply` is killed while a disk is being unpacked, and run again to the end."""
    rack = story.rack
    done = rack.admin("node", "allocate", "node1", "--erase", "--yes", "--state", rack.state)
    assert done.returncode == 0, done.stdout + done.stderr
    site = write_site(rack, ssh_key, [{"machine": NODES["node2"], "disks": [CHOSEN["node2"]]}])
    started = time.monotonic()
    apply = rack.start_apply(site, "apply-killed")

    def find_unpacking(journal: Journal) -> dict[str, float]:
        return {h: p.percent for h, p in journal.progress().items() if p.stage == "unpack" and 3 <= p.percent <= 90}

    story.killed_at = rack.wait_for("a disk being unpacked", find_unpacking, 300)
    os.killpg(apply.pid, signal.SIGKILL)
    apply.wait()
    resumed = rack.rackstrap(*rack.apply_words(site), deadline_s=600)
    story.resumed_exit = resumed.returncode
    story.seconds["install, killed and resumed"] = time.monotonic() - started
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr + rack.find_last_words()
    steps = rack.ledger().steps
    story.again_exit = rack.rackstrap(*rack.apply_words(site), deadline_s=120).returncode
    story.steps_run_again = sum(1 for key, step in rack.ledger().steps.items() if step.done_seq != steps[key].done_seq)
    story.installed = find_nodes(rack)
    status = rack.admin("status", "--json", "--state", rack.state)
    story.waits = json.loads(status.stdout)["status"]["waits"]


def find_nodes(rack: Rack) -> dict[str, MachineEntry]:
    return {m.name: m for m in rack.ledger().machines.values() if m.name}


def tell_cold_cycle(story: Story) -> None:
    """node1 is switched off and on through its BMC; node2's plug is pulled first."""
    rack = story.rack
    boots = {name: entry.installed.boot_id for name, entry in story.installed.items() if entry.installed}
    rack.power("uefi", "pull")
    assert rack.admin("node", "power", "node1", "off", "--state", rack.state).returncode == 0
    started = time.monotonic()
    for name in NODES:
        assert rack.admin("node", "power", name, "on", "--state", rack.state).returncode == 0

    def find_all_cold(journal: Journal) -> bool:
        nodes = {m.name: m.installed for m in journal.ledger.machines.values() if m.name}
        return all((i := nodes[name]) is not None and i.cold and i.boot_id != boots[name] for name in NODES)

    rack.wait_for("every node up from its own disk", find_all_cold, 300)
    story.seconds["cold cycle"] = time.monotonic() - started
    story.cycled = find_nodes(rack)


def tell_answers(story: Story, key: Path) -> None:
    """What each node says of itself over SSH."""
    asked = {
        "hostname": "hostname -f",
        "root": "findmnt -no SOURCE /",
        "fstype": "findmnt -no FSTYPE /",
        "boot_id": "cat /proc/sys/kernel/random/boot_id",
        "failed": "systemctl --failed --no-legend --plain | awk '{print $1}'",
        "by_id": "r=$(findmnt -no SOURCE /); for i in /dev/disk/by-id/*; do test $i -ef $r && echo ${i##*/}; done; true",
        "mode": "test -d /sys/firmware/efi && echo uefi || echo bios",
    }
    for name, entry in story.cycled.items():
        story.answers[name] = {what: story.rack.ssh(key, entry, command) for what, command in asked.items()}


def tell_story(rack: Rack) -> Story:
    """The whole of it, from an empty folder to a cold-cycled rack."""
    story = Story(rack)
    key, ssh_key = make_key(rack.folder)
    disks = rack.folder / "decoys"
    disks.mkdir(exist_ok=True)
    for name, make in DECOYS.items():
        make(disks / name)
        story.before[name] = hash_disk(disks / name)
    rack_file = rack.folder / "rack.yaml"
    rack_file.write_text(json.dumps(make_rack_file(disks)))
    up = rack.rackstrap("lab", "up", rack_file, "--dir", rack.lab)
    assert up.returncode == 0, up.stdout + up.stderr
    tell_gate(story, ssh_key)
    tell_foreign(story)
    tell_killed_install(story, ssh_key)
    tell_cold_cycle(story)
    tell_answers(story, key)
    story.foreign_blocks = count_blocks(find_chosen_disk(rack, "foreign"))
    story.after = {name: hash_disk(disks / name) for name in DECOYS}
    leases = (rack.state / "run" / "leases").read_text()
    story.leases = [line.split() for line in leases.splitlines() if len(line.split()) >= 5 and ":" in line.split()[1]]
    return story


def end_rack(rack: Rack) -> None:
    """Stop the services and the machines, each by its own verb."""
    rack.admin("serve", "--stop", "--state", rack.state)
    rack.rackstrap("lab", "down", "--dir", rack.lab)
