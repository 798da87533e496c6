"""The main job on a virtual rack of two blank machines: what `make demo` runs.

Every step is a `rackstrap` command that an operator could type; the demo prints each before it runs it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from installer.engine.journal import Journal
from installer.model.ledger import MachineEntry
from installer.model.problems import RackstrapError
from installer.site.load import load_site
from installer.site.save import edit_site, save_text

HERE: Final = Path(__file__).parent
RACKSTRAP: Final = Path(sys.executable).with_name("rackstrap")
EXAMPLE: Final = HERE.parent / "site" / "examples" / "demo.yaml"
ASK: Final = """
echo "name      $(hostname -f)"
echo "address   $(ip -4 -o -br address show scope global | awk '{print $3}' | paste -sd ' ')"
echo "root      $(findmnt -no SOURCE /)"
part=$(findmnt -no SOURCE /); disk=$(lsblk -no PKNAME "$part" | head -n 1)
for id in /dev/disk/by-id/*; do [ "$(readlink -f "$id")" = "/dev/$disk" ] && echo "disk      ${id##*/}"; done
echo "boot id   $(cat /proc/sys/kernel/random/boot_id)"
"""


@dataclass(frozen=True, slots=True)
class Demo:
    """Where the demo keeps its rack, its site file and the admin node's state."""

    folder: Path

    @property
    def lab(self) -> Path:
        return self.folder.parent / "lab" / self.folder.name

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def site(self) -> Path:
        return self.folder / "site.yaml"

    @property
    def key(self) -> Path:
        return self.folder / "id_ed25519"

    def run(self, *argv: str, check: bool = True) -> int:
        """Show a `rackstrap` command and run it. Raises RackstrapError when it fails and `check` is set."""
        say("$ rackstrap " + " ".join(argv))
        code = subprocess.run([sys.executable, "-m", "installer.cli", *argv], check=False).returncode
        if check and code:
            raise RackstrapError(f"that command ended with exit code {code}", "its own words are above", exit_code=code)
        return code

    def inside(self, *argv: str, check: bool = True) -> int:
        """Run a `rackstrap` command on the admin node: inside the rack's network namespace."""
        rackstrap = (sys.executable, "-m", "installer.cli")
        return self.run("lab", "run", "--dir", str(self.lab), "--", *rackstrap, *argv, check=check)

    def ssh(self, entry: MachineEntry) -> list[str]:
        """The SSH command to a node, its host key checked against what it reported."""
        address = entry.addresses["admin"].split("/")[0]
        known = f"UserKnownHostsFile={self.state / 'known_hosts'}"
        options = ["-i", str(self.key), "-o", known, "-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=10"]
        return ["ssh", *options, f"root@{address}"]


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def prepare_site(demo: Demo) -> None:
    """The example site file, with this demo's own SSH key and the virtual BMCs."""
    demo.folder.mkdir(parents=True, exist_ok=True)
    if not demo.key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "rackstrap-demo", "-f", str(demo.key)], check=True)
    public = demo.key.with_suffix(".pub").read_text().strip()
    loaded = load_site(EXAMPLE)
    text = edit_site(loaded, {("access", "ssh_keys"): [public], ("discovery", "credentials"): str(demo.lab / "bmc.csv")})
    save_text(demo.site, text)


def find_entries(demo: Demo) -> tuple[MachineEntry, ...]:
    journal = Journal(demo.state / "store.db")
    try:
        journal.refresh()
        return tuple(sorted((m for m in journal.ledger.machines.values() if m.name), key=lambda m: m.name))
    finally:
        journal.close()


def run_cold_cycles(demo: Demo, deadline_s: float) -> None:
    """Take the power from every node and give it back; wait until each has come up from its own disk."""
    before = {e.name: e.installed.boot_id for e in find_entries(demo) if e.installed}
    for name in before:
        demo.inside("node", "power", name, "off", "--state", str(demo.state))
    for name in before:
        demo.inside("node", "power", name, "on", "--state", str(demo.state))
    waiting = set(before)
    give_up_at = time.monotonic() + deadline_s
    while waiting:
        for entry in find_entries(demo):
            if (
                entry.name in waiting
                and entry.installed
                and entry.installed.cold
                and entry.installed.boot_id != before[entry.name]
            ):
                waiting.discard(entry.name)
                say(f"{entry.name} came up from its own disk ({entry.installed.root})")
        if time.monotonic() > give_up_at:
            raise RackstrapError(
                f"{', '.join(sorted(waiting))} did not come back from power-off", "rackstrap lab console NAME", exit_code=4
            )
        time.sleep(1)


def render_phases(entry: MachineEntry) -> Iterator[str]:
    """Seconds from discovered to installed, stage by stage."""
    for stage, seconds in entry.phases.items():
        yield f"{stage} {seconds:.1f} s"
    yield f"discovered to installed {entry.installed_at - entry.discovered_at:.0f} s"


def run_report(demo: Demo) -> None:
    """Ask every node over SSH who it is."""
    for entry in find_entries(demo):
        ssh = demo.ssh(entry)
        argv = [sys.executable, "-m", "installer.cli", "lab", "run", "--dir", str(demo.lab), "--", *ssh, ASK]
        done = subprocess.run(argv, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RackstrapError(f"{entry.name} does not answer over SSH: {done.stderr.strip()}", exit_code=4)
        say(f"\n{entry.name}")
        for line in done.stdout.splitlines():
            say(f"  {line}")
        say("  phases    " + ", ".join(render_phases(entry)))
        say(f"  log in    {RACKSTRAP} lab run --dir {demo.lab} -- " + " ".join(ssh))


def is_up(demo: Demo) -> bool:
    """Whether the demo's rack stands already."""
    argv = [sys.executable, "-m", "installer.cli", "lab", "status", "--dir", str(demo.lab), "--json"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    return done.returncode == 0 and bool(json.loads(done.stdout)["up"]) and demo.site.exists()


def run_up(demo: Demo, image: str) -> int:
    """Everything, from blank machines to a report. Exit code of what failed first, else 0."""
    started = time.monotonic()
    if not is_up(demo):  # else an interrupted demo goes on where it was
        shutil.rmtree(demo.folder, ignore_errors=True)
        demo.run("lab", "up", str(HERE / "demo.yaml"), "--dir", str(demo.lab), "--fresh")
        prepare_site(demo)
    demo.inside("apply", str(demo.site), "--state", str(demo.state), "--image", image, "--interface", "br0")
    installed = time.monotonic()
    run_cold_cycles(demo, deadline_s=600)
    run_report(demo)
    say(f"\nFrom blank to installed: {installed - started:.0f} s; with the cold cycle: {time.monotonic() - started:.0f} s.")
    say("The rack stays up. `make demo-down` ends it.")
    return 0


def run_down(demo: Demo) -> int:
    """Stop the services, pull every plug, remove the namespace."""
    if demo.state.exists():
        demo.inside("serve", "--stop", "--state", str(demo.state), check=False)
    return demo.run("lab", "down", "--dir", str(demo.lab), check=False)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="demo", description="Two blank virtual machines become installed nodes.")
    parser.add_argument("what", choices=("up", "down"))
    parser.add_argument("--dir", type=Path, default=Path("build/demo"))
    args = parser.parse_args(argv)
    demo = Demo(args.dir.resolve())
    try:
        return run_up(demo, os.environ.get("RACKSTRAP_IMAGE", "build/image")) if args.what == "up" else run_down(demo)
    except RackstrapError as error:
        say(f"demo: {error.message}" + (f"\n  {error.hint}" if error.hint else ""))
        return error.exit_code
    except KeyboardInterrupt:
        say("demo: interrupted; what runs goes on until `make demo-down`")
        return 130


if __name__ == "__main__":
    sys.exit(main())
