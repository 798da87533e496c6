"""The apply process, or the one that installs this machine: it outlives whoever started it.

It is followed by its lock and its log, and ended by a signal.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from installer.engine.lock import find_holder, stop_holder
from installer.model.problems import RackstrapError
from installer.site.save import save_text
from installer.wizard.view import Running

BEGINS_WITHIN_S: Final = 120.0  # one that ends is seen at once; a slow processor needs half a minute for the imports alone
READ_WITHIN_S: Final = 600.0  # whoever was started has read its site file long before
LOOK_EVERY_S: Final = 0.05
DISCOVERED: Final = "discover.yaml"  # apart from site.yaml: by that a headless start knows that its questions were answered
INSTALL_LOCK: Final = "install.lock"  # as installer.admin.run takes it
TAIL_BYTES: Final = 2 * 2**20  # the last line holds the status of every node


class Launcher:
    """Starts one kind of process over a state folder. `words`: its command line up to the site file; `env`: added to ours.

    `name`: of its log.
    """

    def __init__(self, state: Path, words: Sequence[str], env: dict[str, str] | None = None, name: str = "apply") -> None:
        self.state: Final = state
        self._name: Final = name
        self._words: Final = tuple(words)
        self._env: Final = {**os.environ, **(env or {})}
        self._children: list[subprocess.Popen[bytes]] = []
        self._end_stamp = (0, 0)
        self._last_end = ""

    @property
    def log(self) -> Path:
        return self.state / f"run/{self._name}.log"

    @property
    def ended_at(self) -> float:
        """When its log was written last, seconds since 1970; 0 before any was."""
        return self.log.stat().st_mtime if self.log.exists() else 0.0

    @property
    def _wanted(self) -> Path:
        return self.state / "run/wanted/site.yaml"

    def find_discovered(self) -> str:
        """The site file's text by which discovery was started last; "" for none."""
        path = self._wanted.with_name(DISCOVERED)
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def find_running(self) -> Running | None:
        self._children = [child for child in self._children if child.poll() is None]
        holder = find_holder(self.state)
        return Running(holder.pid, holder.mode, holder.since) if holder is not None else None

    def find_own(self, child: subprocess.Popen[bytes]) -> tuple[bool, bool]:
        """Whether what runs is this child, and whether it has begun: is past all that could be refused."""
        holder = find_holder(self.state)
        is_it = holder is not None and holder.pid == child.pid
        return is_it, is_it and holder is not None and holder.has_begun

    def find_last_end(self) -> str:
        """The last sentence of the apply that ended last; "" before any has."""
        try:
            found = self.log.stat()
        except FileNotFoundError:
            return ""
        stamp = (found.st_size, found.st_mtime_ns)
        if stamp != self._end_stamp:
            self._end_stamp, self._last_end = stamp, read_last_end(self.log)
        return self._last_end

    def start(self, text: str, *more: str) -> int:
        """Start on this site file's text; its process id once it has begun. Raises RackstrapError with its last words."""
        site = self._save_wanted(text, DISCOVERED if "--discover" in more else self._wanted.name)
        words = [*self._words, str(site), "--state", str(self.state), "--json", *more]
        handle = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=handle, stderr=handle, start_new_session=True, cwd="/", env=self._env
            )
        finally:
            os.close(handle)
        self._children.append(child)
        return self._see_begin(child)

    def _save_wanted(self, text: str, name: str) -> Path:
        """A file that holds this text and never another: a second screen may start something before this one is read."""
        folder = self._wanted.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in folder.glob("site-*.yaml"):
            with contextlib.suppress(FileNotFoundError):
                if old.stat().st_mtime < time.time() - READ_WITHIN_S:
                    old.unlink()
        save_text(folder / name, text)
        site = folder / f"site-{sha256(text.encode()).hexdigest()[:16]}.yaml"
        save_text(site, text)
        return site

    def _see_begin(self, child: subprocess.Popen[bytes]) -> int:
        ends_at = time.monotonic() + BEGINS_WITHIN_S
        while time.monotonic() < ends_at:
            if child.poll() is not None:
                break
            if self.find_own(child)[1]:
                return child.pid
            time.sleep(LOOK_EVERY_S)
        else:
            if self.find_own(child)[0]:
                return child.pid  # it looks for other DHCP servers, or waits for its services: that may take long
        if child.returncode == 0:
            return child.pid  # done before we looked
        if child.poll() is None:
            child.terminate()
        message, _, hint = (read_last_end(self.log) or "it did not begin").partition("\n")
        raise RackstrapError(message, hint.strip() or f"all of its words: {self.log}")

    def close(self) -> None:
        """Let go of what still runs: it goes on."""
        for child in self._children:
            let_go(child)

    def stop(self) -> str:
        """End the one that runs, between two events."""
        return "stopped; nothing is lost" if stop_holder(self.state) else "nothing was running"


class Installing(Launcher):
    """Starts `rackstrap install`, which has a lock of its own."""

    def find_running(self) -> Running | None:
        self._children = [child for child in self._children if child.poll() is None]
        lock = self.state / INSTALL_LOCK
        return Running(0, "install", lock.stat().st_mtime) if is_held(lock) else None

    def find_own(self, child: subprocess.Popen[bytes]) -> tuple[bool, bool]:
        """It has begun once it tells how far it is: only then are its consent and its disks known to be good."""
        del child
        try:
            return is_held(self.state / INSTALL_LOCK), b'{"progress"' in self.log.read_bytes()
        except OSError:
            return False, False


def is_held(lock: Path) -> bool:
    """Whether a process holds this lock file (flock(2))."""
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def let_go(child: subprocess.Popen[bytes]) -> None:
    """Part from a process that is meant to outlive us; else Popen warns that nobody waits for it."""
    if child.poll() is None:
        child.returncode = 0


def read_last_end(log: Path) -> str:
    """The last sentence of the last run in this log: its result, else the last error with its hint on a second line."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    for number in range(len(lines) - 1, -1, -1):
        line = lines[number]
        if line.startswith('{"result":'):
            return _find_text(line)
        if line.startswith("rackstrap: "):
            return "\n".join([line.removeprefix("rackstrap: "), *lines[number + 1 : number + 2]])
    errors = [text for line in lines if (text := _find_problem(line))]
    return errors[0] if errors else ""


def _find_text(line: str) -> str:
    try:
        return str(json.loads(line)["result"]["text"])
    except (ValueError, KeyError, TypeError):
        return ""


def _find_problem(line: str) -> str:
    try:
        row = json.loads(line).get("problem", {})
    except (ValueError, AttributeError):
        return ""
    return f"{row['message']}\n{row['hint']}" if row.get("severity") == "error" else ""


def make_live_words(verb: str = "apply") -> tuple[str, ...]:
    return (sys.executable, "-m", "installer.cli", verb)


def make_environment(roles_dirs: Sequence[Path]) -> dict[str, str]:
    """What an apply process must be told of our folders of roles."""
    folders = [os.environ.get("RACKSTRAP_ROLES", ""), *(str(folder.absolute()) for folder in roles_dirs)]
    return {"RACKSTRAP_ROLES": ":".join(folder for folder in folders if folder)}
