"""The folder in which a rack lives, and what lies where in it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from installer.lab.processes import Process, is_running, load_processes, save_processes
from installer.model.problems import RackstrapError

LONGEST_SOCKET = 107  # bytes of sun_path without its end (unix(7))
CHECKOUT = Path(__file__).parents[2]
if TYPE_CHECKING:  # `lab run` starts before every command: it needs no parser of racks
    from installer.lab.rack import Rack, RackMachine


@dataclass(frozen=True, slots=True)
class Home:
    """`folder` is absolute and mode 0700. A rack that is down leaves its disks and logs here."""

    folder: Path

    @property
    def rack_file(self) -> Path:
        return self.folder / "rack.yaml"

    @property
    def claim(self) -> Path:
        return self.folder / "namespace.json"

    def machine(self, name: str) -> Path:
        return self.folder / name

    def console_log(self, name: str) -> Path:
        return self.folder / f"{name}.console.log"

    def secret(self, name: str) -> Path:
        return self.folder / "secrets" / name

    def disk(self, rack_dir: Path, machine: RackMachine, number: int) -> Path:
        """The image behind a disk: the user's own, or one in the machine's folder."""
        own = machine.disks[number].file
        return rack_dir / own if own else self.machine(machine.name) / f"disk{number}.raw"

    def load(self) -> Rack:
        """The rack that was set up here last. Raises RackstrapError when there was none."""
        from installer.lab.rack_file import load_rack

        if not self.rack_file.exists():
            raise RackstrapError(f"no rack was ever set up in {self.folder}", "rackstrap lab up [FILE] [--dir DIR]")
        return load_rack(self.rack_file)

    def processes(self) -> list[Process]:
        """Helpers (BMCs, LLDP) that were started for this rack and still run; machines are not among them."""
        return [process for process in load_processes(self.folder / "processes.json") if is_running(process)]

    def save_process(self, process: Process) -> None:
        save_processes(self.folder / "processes.json", [*self.processes(), process])

    def save_claim(self, name: str, inode: int) -> None:
        """Remember that the namespace is this rack's: before it exists (inode 0), and which one it then was."""
        self.claim.write_text(json.dumps({"name": name, "inode": inode, "boot": find_boot()}) + "\n")

    def has_claim(self, name: str, inode: int) -> bool:
        """Whether the namespace of this name and inode was made by this rack."""
        return bool(inode) and self.find_claim() in {(name, 0), (name, inode)}

    def find_claim(self) -> tuple[str, int] | None:
        """Name and inode of the namespace that this rack made since the host came up, there or not."""
        try:
            claim = json.loads(self.claim.read_text())
            return (str(claim["name"]), int(claim["inode"])) if claim["boot"] == find_boot() else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def find_boot() -> str:
    """The host's boot id: inodes of namespaces say nothing after a reboot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def find_base() -> Path:
    """Where racks live by default: build/lab of the checkout, or of the working directory."""
    return (CHECKOUT if (CHECKOUT / "pyproject.toml").exists() else Path.cwd()) / "build" / "lab"


def make_home(folder: Path) -> Home:
    return Home(folder.absolute())


def check_sockets(home: Home, rack: Rack) -> None:
    """Raises RackstrapError when sockets in this folder would have names that are too long."""
    for machine in rack.machines:
        if len(os.fsencode(home.machine(machine.name) / "monitor.sock")) > LONGEST_SOCKET:
            raise RackstrapError(f"{home.folder} is too long a path for the sockets in it", "choose a shorter --dir")


def find_home(folder: Path | None) -> Home:
    """The rack that a verb is about: `--dir`, RACKSTRAP_LAB, or the only one that there is."""
    given = folder or (Path(os.environ["RACKSTRAP_LAB"]) if os.environ.get("RACKSTRAP_LAB") else None)
    if given:
        return make_home(given)
    found = sorted(path.parent for path in find_base().glob("*/rack.yaml"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise RackstrapError(f"which rack? There are: {names}", f"say --dir DIR; they live in {find_base()}")
    return make_home(found[0])
