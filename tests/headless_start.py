"""A start that nobody watches on a machine that does what it is told, for its tests."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from installer.engine.journal import Journal
from installer.engine.prepare import load_input
from installer.engine.store import make_who
from installer.live.headless import Headless
from installer.live.sources import Look, Part, Sighted
from installer.live.telling import Telling
from installer.model.events import Event, Happened
from installer.model.problems import RackstrapError
from installer.model.site import Site
from installer.preflight.check import Check

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAFroTJnxFXeOCx6F/r5Loyq6sLLCI/SWhHafajcd5fa operator@desk"
SITE = f"""rackstrap: 1
name: lab
domain: lab.example
access: {{ssh_keys: [{KEY}]}}
admin: {{address: 192.168.124.10, hostname: admin}}
"""
LISTED = SITE + "erase:\n  - {machine: ABC123, disks: [wwn-0x5000]} # the old one\n"


def sight(text: str, doubt: str = "", files: dict[str, Part] | None = None) -> Sighted:
    def read(name: str) -> Part:
        if name not in (files or {}):
            raise RackstrapError(f"no {name} there", "put it there")
        return (files or {})[name]

    return Sighted(text.encode(), "volume", "site.yaml on a stick", "site.yaml", doubt, read)


@dataclass
class Bench:
    """A machine that does what it is told, and remembers it. `checks`, `ends`: what comes next, the last one for good."""

    checks: list[tuple[Check, ...]] = field(default_factory=lambda: [()])
    ends: list[int] = field(default_factory=lambda: [0])
    refusal: str = ""
    did: list[str] = field(default_factory=list)

    def let_in(self, site: Site) -> bool:
        self.did.append("let in")
        return bool(site.access.ssh_keys)

    def check(self, site: Site) -> tuple[Check, ...]:
        del site
        return self.checks.pop(0) if len(self.checks) > 1 else self.checks[0]

    def set_network(self, site: Site) -> str:
        if self.refusal:
            raise RackstrapError(self.refusal, "look at it")
        self.did.append("network")
        return f"this machine has {site.admin.address}"

    def run(self, path: Path, beside: Path, told: Callable[[str], object]) -> int:
        assert beside == path.parent
        site = load_input(path, beside).site
        assert site is not None
        self.did.append(f"install {site.name}, erase {site.erase}")
        told(f"installing {site.name}")
        return self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]


@dataclass
class Start:
    runner: Headless
    bench: Bench
    out: io.StringIO
    looks: list[list[Look]]

    @property
    def said(self) -> str:
        return self.out.getvalue()


def begin(tmp_path: Path, *looks: list[Look], bench: Bench | None = None, once: bool = False) -> Start:
    """`looks`: what is found at each look; the last one for good."""
    bench, out, left = bench or Bench(), io.StringIO(), list(looks)

    def look(is_settled: bool) -> Iterable[Look]:
        del is_settled
        return left.pop(0) if len(left) > 1 else left[0]

    telling = Telling(tuple, tmp_path / "run/notice", out)
    runner = Headless(tmp_path, look, bench, telling, once, waits_s=(0.01, 0.02), again_s=0.01)
    return Start(runner, bench, out, left)


@contextmanager
def running(start: Start) -> Iterator[list[int]]:
    """The rounds in a thread of their own, ended with the block. Gives what they ended with."""
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(start.runner.run()))
    thread.start()
    try:
        yield codes
    finally:
        start.runner.stopped.set()
        thread.join(10)
        assert not thread.is_alive()


def wait(what: Callable[[], object]) -> None:
    ends_at = time.monotonic() + 10
    while not what():
        assert time.monotonic() < ends_at
        time.sleep(0.005)


def journal_begun(state: Path) -> None:
    with Journal(state / "store.db", make_who("install")) as journal:
        journal.append(Event(Happened.ADMIN_INSTALL_STARTED, "admin", {"epoch": 1}), durable=True)
