"""A virtual rack under test: real QEMU machines, real BMCs, and the `rackstrap` command as an operator types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from installer.engine.journal import Journal
from installer.model.ledger import Ledger, MachineEntry
from tests.rack.pace import stretch

RACKSTRAP: Final = (sys.executable, "-m", "installer.cli")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rack:
    """One rack in one folder: `lab` holds the machines, `state` the admin node's memory."""

    folder: Path
    image: Path

    @property
    def lab(self) -> Path:
        return self.folder / "lab"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def rackstrap(self, *argv: str | Path, deadline_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a verb on the host; the output is returned and kept in the folder's log."""
        words = [str(a) for a in argv]
        done = subprocess.run([*RACKSTRAP, *words], check=False, capture_output=True, text=True, timeout=stretch(deadline_s))
        with (self.folder / "commands.log").open("a") as log:
            log.write(f"$ rackstrap {' '.join(words)}\n{done.stdout}{done.stderr}= {done.returncode}\n")
        return done

    def admin(self, *argv: str | Path, deadline_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a verb on the admin node, inside the rack's namespace."""
        return self.rackstrap("lab", "run", "--dir", self.lab, "--", *RACKSTRAP, *argv, deadline_s=deadline_s)

    def apply_words(self, site: Path) -> list[str]:
        words = ["apply", str(site), "--state", str(self.state), "--image", str(self.image), "--interface", "br0", "--json"]
        return ["lab", "run", "--dir", str(self.lab), "--", *RACKSTRAP, *words]

    def start_apply(self, site: Path, name: str) -> subprocess.Popen[bytes]:
        """`rackstrap apply` in a session of its own, so that it can be killed as a whole."""
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen([*RACKSTRAP, *self.apply_words(site)], stdout=log, stderr=log, start_new_session=True)

    def power(self, name: str, what: str) -> None:
        done = self.rackstrap("lab", "power", name, what, "--dir", self.lab)
        assert done.returncode == 0, done.stderr

    def journal(self) -> Journal:
        journal = Journal(self.state / "store.db")
        journal.refresh()
        return journal

    def wait_for(self, what: str, condition: Callable[[Journal], T | None], deadline_s: float) -> T:
        """Poll the journal until `condition` gives something true. Fails with what was waited for, and the last words."""
        give_up_at = time.monotonic() + stretch(deadline_s)
        while not (self.state / "store.db").exists():
            assert time.monotonic() < give_up_at, f"no store while waiting for {what}"
            time.sleep(0.2)
        journal = self.journal()
        try:
            while True:
                journal.refresh()
                found = condition(journal)
                if found:
                    return found
                assert time.monotonic() < give_up_at, f"{what}: not within the deadline\n{self.find_last_words()}"
                time.sleep(0.3)
        finally:
            journal.close()

    def find_last_words(self) -> str:
        """The ends of every log: what one reads first when a machine did not come."""
        logs = sorted([*self.folder.glob("*.log"), *self.lab.glob("**/*.log"), *self.state.glob("run/*.log")])
        return "\n".join(f"--- {log}\n{log.read_bytes()[-1500:].decode(errors='replace')}" for log in logs)

    def ledger(self) -> Ledger:
        journal = self.journal()
        try:
            return journal.ledger
        finally:
            journal.close()

    def ssh(self, key: Path, entry: MachineEntry, command: str) -> str:
        """Run a command on an installed node, its host key checked against the store's known_hosts."""
        address = entry.addresses["admin"].split("/")[0]
        known = f"UserKnownHostsFile={self.state / 'known_hosts'}"
        ssh = ["ssh", "-i", str(key), "-o", known, "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=20"]
        done = self.rackstrap("lab", "run", "--dir", self.lab, "--", *ssh, f"root@{address}", command)
        assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()


def make_site_text(base: Mapping[str, Any]) -> str:
    """YAML is a superset of JSON: the tests write their site files so."""
    return json.dumps(base, indent=2)


def make_key(folder: Path) -> tuple[Path, str]:
    """An SSH key pair: the private half's path and the public line."""
    key = folder / "id_ed25519"
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "rack-test", "-f", str(key)], check=True)
    return key, key.with_suffix(".pub").read_text().strip()


def find_image() -> Path:
    return Path(os.environ.get("RACKSTRAP_IMAGE", "build/image")).resolve()
