"""What a start without anyone does to this machine: look at its segment, set its network and see it stand, run the work."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from installer.live.access import save_access
from installer.model.problems import RackstrapError
from installer.model.site import Site
from installer.preflight.check import Check

STANDS_WITHIN_S: Final = 40.0
CONFIRM_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.5
STOPS: Final = frozenset({"link", "dhcp", "address"})  # as apply: the rest is told and waited out
MOST_LINE: Final = 4096
FOLLOW_EVERY_S: Final = 0.1
INTERRUPTED: Final = 130


class Acts(Protocol):
    """The seam to the machine. Everything here may raise RackstrapError."""

    def let_in(self, site: Site) -> bool:
        """Take the site's keys and password for logging in here; False where it has none."""
        ...

    def check(self, site: Site) -> tuple[Check, ...]:
        """The checks of the segment that are no `ok`."""
        ...

    def set_network(self, site: Site) -> str:
        """Give this machine the site's admin address, and keep it once it stands. Returns a sentence."""
        ...

    def run(self, path: Path, beside: Path, told: Callable[[str], object]) -> int:
        """Carry the site file out; each line that it says is told. Returns the exit code."""
        ...


@dataclass(frozen=True, slots=True)
class LiveActs:
    """`words`: the command line up to the site file; `more`: what follows it."""

    state: Path
    words: Sequence[str]
    more: Sequence[str] = ()
    stopped: threading.Event = field(default_factory=threading.Event)
    is_medium: bool = True  # else logins are not ours to change

    def let_in(self, site: Site) -> bool:
        return self.is_medium and save_access(site.access)

    def check(self, site: Site) -> tuple[Check, ...]:
        from installer.network.here import find_nics_here
        from installer.network.links import name_port
        from installer.preflight.run import run_checks
        from installer.preflight.target import make_target_of

        nics = find_nics_here(site.admin.nics)
        target = make_target_of(name_port(site, nics), nics)
        return tuple(check for check in run_checks(target) if check.state != "ok")

    def set_network(self, site: Site) -> str:
        from installer.network.change import confirm_network, revert_network, set_network_of
        from installer.network.here import find_nics_here
        from installer.network.links import find_admin_nics, find_link_names, name_port
        from installer.network.networkd import load_files
        from installer.network.pending import load_record
        from installer.network.render import render_admin_network

        address, nics = str(site.admin.address), find_nics_here(site.admin.nics)
        site = name_port(site, nics)
        chosen, _ = find_admin_nics(site, nics)
        if not site.admin.nics and chosen:
            return f"This machine has the address {address} already, on {chosen[0].name}."
        link = find_link_names(site, chosen)[1]
        is_set = load_files() == render_admin_network(site, nics) and load_record(self.state).pending is None
        if is_set and address in find_addresses(link):
            return f"This machine has the address {address} already, on {link}."
        set_network_of(site, nics, self.state, CONFIRM_WITHIN_S)
        ends_at = time.monotonic() + STANDS_WITHIN_S
        while time.monotonic() < ends_at:
            if address in find_addresses(link):
                return confirm_network(self.state)
            time.sleep(LOOK_EVERY_S)
        with contextlib.suppress(RackstrapError):  # it has gone back by itself
            revert_network(self.state, "the address did not come up")
        raise RackstrapError(
            f"the address {address} did not come up on {link} within {STANDS_WITHIN_S:.0f} s; the network is as it was",
            "are the cables in the ports that admin.nics names?",
        )

    def run(self, path: Path, beside: Path, told: Callable[[str], object]) -> int:
        """The process outlives us: it writes to a file, not to us. Told to stop, we leave it and give INTERRUPTED."""
        log = self.state / "run/headless.log"
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        words = [*self.words, str(path), "--beside", str(beside), *self.more]
        try:
            child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=handle, stderr=handle, start_new_session=True, cwd="/"
            )
        finally:
            os.close(handle)
        with log.open("rb") as lines:
            while child.poll() is None:
                tell_lines(lines, told)
                if self.stopped.wait(FOLLOW_EVERY_S):
                    child.returncode = 0  # let go: else Popen warns that nobody waits for it
                    return INTERRUPTED
            tell_lines(lines, told, to_end=True)
        return child.returncode


def tell_lines(file: BinaryIO, told: Callable[[str], object], *, to_end: bool = False) -> None:
    """Tell the whole lines that were added; a last one without its end only where nothing will follow it."""
    while line := file.readline(MOST_LINE):
        if not line.endswith(b"\n") and len(line) < MOST_LINE and not to_end:
            file.seek(-len(line), os.SEEK_CUR)
            return
        told(line.decode(errors="replace").rstrip())


def make_words(verb: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "installer.cli", verb)


def find_addresses(link: str) -> frozenset[str]:
    """The addresses that this link has now."""
    from installer.probe.record import read_addresses

    return frozenset(row["address"] for row in read_addresses()["addresses"].get(link, ()))
