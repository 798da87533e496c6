"""A rack whose admin node is one of its own machines, started from the ISO.

The host of the test is one more computer on the wire.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.rack.decoys import DECOYS, hash_disk, run
from tests.rack.pace import stretch
from tests.rack.rack import RACKSTRAP, Rack, find_image, make_key
from tests.rack.story import make_decoy
from tests.terminal import Terminal

TOP: Final = Path(__file__).parents[2]
ISO: Final = Path(os.environ.get("RACKSTRAP_ISO", TOP / "build/rackstrap.iso"))
ADMIN: Final = "192.168.124.10"
HOST: Final = "192.168.124.1"
VOLUME_MB: Final = 16
INSTALLED: Final = "test -e /etc/rackstrap/admin.json"  # a command that ends well on the admin node's own disk only
# Ends well once dnsmasq runs and nginx gives boot scripts.
SERVES: Final = f"pidof dnsmasq && curl -fsS -o /dev/null 'http://{ADMIN}/boot/ipxe?mac=52:54:00:00:00:99&uuid=&serial='"
MENU: Final = r"Install Rackstrap \(asks first"
BOOTING: Final = r"Booting `"
BANNER: Final = "Enter  (?:open Rackstrap|watch the rack)"
CHOSEN: Final = {"size": "8G", "bus": "virtio", "serial": "CHOSEN"}
# What a console was sent, less what a terminal does not show: CSI, OSC and charset sequences (ECMA-48), and control characters.
CONTROL: Final = re.compile(
    r"\x1b(?:\[[0-9;?>=!]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9AB]|[=>78DMEHc])|[\r\x00\x07\x08\x0e\x0f]"
)


def make_iso() -> Path:
    """The ISO of this checkout; what did not change is taken from the build's cache."""
    if "RACKSTRAP_ISO" not in os.environ:
        done = subprocess.run([TOP / "build_iso.sh", "--out", ISO], cwd=TOP, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return ISO.resolve()


@dataclass(slots=True)
class IsoRack:
    """A rack, up, with its machine `admin` off. `consoles`: every byte that reached an operator's terminal."""

    rack: Rack
    key: Path
    iso: Path
    written: bytearray = field(default_factory=bytearray)
    console: Terminal | None = None

    @property
    def folder(self) -> Path:
        return self.rack.folder

    @property
    def public(self) -> str:
        return self.key.with_suffix(".pub").read_text().strip()

    def power(self, what: str, name: str = "admin") -> None:
        self.rack.power(name, what)

    def sit_down(self, term: str = "vt220") -> Terminal:
        """Plug a terminal into the admin machine's serial line."""
        assert self.console is None
        words = ["lab", "console", "admin", "--dir", str(self.rack.lab)]
        console = self.console = Terminal([*RACKSTRAP, *words], term=term)
        console.child.delaybeforesend = None
        console.wait("the plug", lambda _: b"attached" in console.written, stretch(20))  # what is typed earlier is lost
        return console

    def leave(self) -> None:
        """The line drops."""
        if self.console is not None:
            self.written += self.console.written
            self.console.hang_up()
            self.console = None

    def listen(self, name: str = "admin", after: int = 0) -> str:
        """What this machine has said on its serial line after this many bytes, as plain text."""
        said = (self.rack.lab / f"{name}.console.log").read_bytes()[after:]
        return CONTROL.sub("", said.decode(errors="replace"))

    def mark(self, name: str = "admin") -> int:
        """How much this machine has said so far, in bytes."""
        return (self.rack.lab / f"{name}.console.log").stat().st_size

    def wait_said(self, pattern: str, deadline_s: float, name: str = "admin", after: int = 0) -> str:
        """Until its serial line has said this; the text so far. Fails with its last words."""
        give_up_at = time.monotonic() + stretch(deadline_s)
        while not re.search(pattern, text := self.listen(name, after)):
            assert time.monotonic() < give_up_at, f"{name} did not say {pattern!r}; it said\n{text[-4000:]}"
            time.sleep(0.2)
        return text

    def ssh(self, command: str, address: str = ADMIN, deadline_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command as root on a machine of the rack, with the operator's key, from the host."""
        options = (
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "ConnectTimeout=20",
            "BatchMode=yes",
            "LogLevel=ERROR",
        )
        ssh = ["ssh", "-i", str(self.key), *(word for option in options for word in ("-o", option))]
        return self.rack.rackstrap(*self.inside(*ssh, f"root@{address}", command), deadline_s=deadline_s)

    def ask(self, command: str, address: str = ADMIN) -> str:
        """The output of a command that ends well."""
        done = self.ssh(command, address)
        assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}\n{self.find_last_words()}"
        return done.stdout.strip()

    def wait_ssh(self, deadline_s: float, address: str = ADMIN, command: str = "true") -> float:
        """Until this command ends well over SSH; seconds since 1970."""
        give_up_at = time.monotonic() + stretch(deadline_s)
        while (done := self.ssh(command, address)).returncode:
            said = f"{address}: {command}: not over SSH within {deadline_s:g} s: {done.stdout}{done.stderr}"
            assert time.monotonic() < give_up_at, f"{said}\n{self.find_last_words()}"
            time.sleep(0.5)
        return time.time()

    def inside(self, *argv: str) -> list[str]:
        """The words of `rackstrap` that run a command in the rack's network."""
        return ["lab", "run", "--dir", str(self.rack.lab), "--", *argv]

    def wait_node(self, condition: Callable[[dict[str, Any]], object], deadline_s: float) -> dict[str, Any]:
        """Until `rackstrap status` on the admin machine has a node that meets this; the node."""
        give_up_at = time.monotonic() + stretch(deadline_s)
        while True:
            done = self.ssh("rackstrap status --json")
            nodes = json.loads(done.stdout)["status"]["nodes"] if done.returncode == 0 else []
            found: dict[str, Any] | None = next((node for node in nodes if condition(node)), None)
            if found is not None:
                return found
            said = f"no such node within {deadline_s:g} s: {done.stdout[-3000:]}{done.stderr}"
            assert time.monotonic() < give_up_at, f"{said}\n{self.find_last_words()}"
            time.sleep(1)

    def find_last_words(self) -> str:
        logs = {
            path.name: CONTROL.sub("", path.read_bytes()[-4000:].decode(errors="replace")) for path in self.rack.lab.glob("*.log")
        }
        return "\n".join(f"--- {name}\n{text}" for name, text in sorted(logs.items()))


def is_done(node: Mapping[str, Any]) -> bool:
    """Whether `rackstrap status` says of this node that it runs from its own disk."""
    return node["name"] != "" and node["state"] in {"installed", "ready"}


def make_admin_machine(medium: Path, decoys: Sequence[Mapping[str, Any]] = (), **changes: Any) -> dict[str, Any]:
    """The admin machine as `rackstrap lab up` reads it, with one blank disk, and those that must survive."""
    return {
        "name": "admin",
        "firmware": "bios",
        "serial": "ISO-ADMIN",
        "uuid": "5f1d2a60-0000-4c1e-9d3b-000000000010",
        "memory_mb": 2048,
        "cpus": 2,
        "iso": str(medium),
        "nics": [{"mac": "52:54:00:4e:00:10", "switch": "leaf1", "port": "1/10"}],
        "disks": [*decoys, CHOSEN],
        **changes,
    }


def make_node(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A blank machine with a BMC beside the admin machine."""
    return {
        "name": f"m{number}",
        "firmware": "bios",
        "serial": f"ISO-M{number}",
        "uuid": f"5f1d2a60-0000-4c1e-9d3b-00000000002{number}",
        "memory_mb": 1280,
        "cpus": 1,
        "nics": [{"mac": f"52:54:00:4e:00:2{number}", "switch": "leaf1", "port": f"1/{number}"}],
        "disks": [{"size": "6G", "bus": "virtio", "serial": f"NODE{number}"}],
        "bmc": {"address": f"192.168.124.{161 + number}", "user": "admin"},
        **changes,
    }


def make_iso_site(public: str, **changes: Any) -> dict[str, Any]:
    """A site file that may erase blank disks, for one admin machine and no node."""
    return {
        "rackstrap": 1,
        "name": "isorack",
        "domain": "iso.example",
        "access": {"ssh_keys": [public]},
        "admin": {"hostname": "admin", "address": ADMIN, "disk": {"serial": CHOSEN["serial"]}},
        "erase": "blank",
        **changes,
    }


def make_volume(path: Path) -> dict[str, Any]:
    """The rack file's entry for a USB stick behind this file."""
    return {"size": f"{VOLUME_MB}M", "bus": "usb", "serial": "VOLUME", "removable": True, "file": str(path)}


def save_volume(path: Path, files: Mapping[str, bytes], label: str = "RACKSTRAP") -> None:
    """Make a FAT volume of this label with these files in it, their folders too."""
    with path.open("wb") as volume:
        volume.truncate(VOLUME_MB * 2**20)
    run("mkfs.vfat", "-n", label, path)
    made: set[Path] = {Path()}
    for name, content in files.items():
        for folder in reversed(Path(name).parents):
            if folder not in made and folder != Path():
                run("mmd", "-i", path, f"::{folder}")
            made.add(folder)
        subprocess.run(["mcopy", "-o", "-i", path, "-", f"::{name}"], input=content, check=True, capture_output=True)


def find_bmc_files(rack: Rack) -> dict[str, bytes]:
    """The CSV of the rack's BMCs, and the secret files that it names, by relative path."""
    secrets = sorted((rack.lab / "secrets").iterdir())
    return {"bmc.csv": (rack.lab / "bmc.csv").read_bytes()} | {f"secrets/{path.name}": path.read_bytes() for path in secrets}


def make_decoys(folder: Path, names: Sequence[str]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Disks that must survive: their entries in the rack file, and the SHA-256 of each file."""
    folder.mkdir(exist_ok=True)
    for name in names:
        DECOYS[name](folder / name)
    return [make_decoy(folder / name) for name in names], hash_decoys(folder, names)


def hash_decoys(folder: Path, names: Sequence[str]) -> dict[str, str]:
    return {name: hash_disk(folder / name) for name in names}


def customize(iso: Path, out: Path, *words: str) -> Path:
    """`rackstrap iso customize`: this ISO with what the words say in it."""
    argv = [*RACKSTRAP, "iso", "customize", str(iso), *words, "--out", str(out)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def render_site(site: Mapping[str, Any]) -> bytes:
    """The site file's text: YAML is a superset of JSON."""
    return (json.dumps(site, indent=2) + "\n").encode()


def wait_tui(made: IsoRack) -> Terminal:
    """From the boot menu through the banner to the first page, as somebody does who waits for it on the serial line."""
    console = choose_install(made)
    console.wait_for(BANNER, stretch(200))
    console.press("enter")
    console.wait_for("Welcome 1/9", stretch(120))
    return console


def choose_install(made: IsoRack) -> Terminal:
    """Press Enter in the boot menu: its first entry."""
    console = made.sit_down()
    made.wait_said(MENU, 40)
    if not re.search(BOOTING, made.listen()):  # a slow host: the menu's time is over, and Enter would go to the system
        console.press("enter")
    return console


@contextmanager
def iso_rack(folder: Path, iso: Path, machines: Sequence[Mapping[str, Any]]) -> Iterator[IsoRack]:
    """The rack, up, every machine off; down again afterwards. The passwords of its BMCs are in lab/secrets from here on."""
    folder.mkdir(parents=True, exist_ok=True)
    rack = Rack(folder, find_image())
    key, _ = make_key(folder)
    rack_file = folder / "rack.yaml"
    described = {"name": f"iso{os.getpid()}", "admin": f"{ADMIN}/24", "host": HOST, "machines": list(machines)}
    rack_file.write_text(json.dumps(described))
    up = rack.rackstrap("lab", "up", rack_file, "--dir", rack.lab)
    assert up.returncode == 0, up.stdout + up.stderr
    made = IsoRack(rack, key, iso)
    try:
        yield made
    finally:
        made.leave()
        rack.rackstrap("lab", "down", "--dir", rack.lab)
