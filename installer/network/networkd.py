"""systemd-networkd of this machine: its files of the running system, and what is said to it (networkctl(1))."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from installer.model.problems import RackstrapError
from installer.network.render import STEM, find_netdevs
from installer.network.state import Method

FILES: Final = Path("/run/systemd/network")  # gone with the next start of this machine
LINKS: Final = Path("/run/systemd/netif/links")
LEASES: Final = Path("/run/systemd/netif/leases")
TIMEOUT_S: Final = 15.0
STARTS_WITHIN_S: Final = 30.0  # the TUI is there before udev, networkd and its bus are, on a slow machine by many seconds
LOOK_EVERY_S: Final = 0.5
_OWNER: Final = (
    "busctl",
    "--system",
    "--timeout=5",
    "call",
    "org.freedesktop.DBus",
    "/org/freedesktop/DBus",
    "org.freedesktop.DBus",
)


def check_networkd() -> None:
    """Raise RackstrapError where systemd-networkd does not run this machine's network. Waits for one that is being started."""
    hint = "set the network with what runs it, or start systemd-networkd"
    if shutil.which("networkctl") is None or shutil.which("busctl") is None:
        raise RackstrapError("this machine's network is not run by systemd-networkd", hint, exit_code=1)
    give_up_at = time.monotonic() + STARTS_WITHIN_S
    while _run(*_OWNER, "NameHasOwner", "s", "org.freedesktop.network1").stdout.strip() != "b true":
        if not is_starting() or time.monotonic() > give_up_at:
            raise RackstrapError("systemd-networkd does not run on this machine", hint, exit_code=1)
        time.sleep(LOOK_EVERY_S)


def is_starting() -> bool:
    """Whether this machine is still being started; False where no systemd answers, as in a container."""
    return _run("systemctl", "is-system-running").stdout.strip() in ("initializing", "starting")


def load_files() -> dict[str, str]:
    """The files of ours that are in force: name → text."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(FILES.glob(f"{STEM}*"))}


def set_files(files: Mapping[str, str]) -> None:
    """Put these in the place of all that are ours, and have networkd do what they say. Raises RackstrapError.

    networkd makes netdevs but neither changes nor removes one: those that differ are deleted, the outer ones first.
    """
    before = load_files()
    old, new = find_netdevs(before), find_netdevs(dict(files))
    FILES.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name in before.keys() - files.keys():
        (FILES / name).unlink(missing_ok=True)
    for name, text in files.items():
        _save(FILES / name, text)
    for name, text in reversed(old.items()):
        if new.get(name) != text and name in _find_names():
            tell("delete", name)
    tell("reload")


def reconfigure(names: list[str]) -> None:
    """Have networkd set up anew those of these links that exist."""
    there = [name for name in names if name in _find_names()]
    if there:
        tell("reconfigure", *there)


def tell(*words: str) -> None:
    """Run networkctl. Raises RackstrapError with what it says."""
    done = _run("networkctl", "--no-pager", *words)
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise RackstrapError(f"networkctl {' '.join(words)}: {said}", "journalctl -u systemd-networkd tells more", exit_code=1)


def find_methods() -> dict[str, Method]:
    """Interface → how it has its address now, for those that have one, or ask for one. Reads files only."""
    found: dict[str, Method] = {}
    for index, name in socket.if_nameindex():
        told = _read_words(LINKS / str(index))
        settings = _read_words(Path(told["NETWORK_FILE"])) if told.get("NETWORK_FILE") else {}
        asks = settings.get("DHCP", "no") in ("yes", "ipv4", "ipv6", "true", "1", "on")
        if (LEASES / str(index)).exists() or asks:
            found[name] = "dhcp"
        elif settings.get("Address"):
            found[name] = "static"
    return found


def _find_names() -> set[str]:
    return {name for _, name in socket.if_nameindex()}


def _read_words(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, mark, value in (line.partition("=") for line in lines) if mark}


def _save(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.chmod(0o644)  # networkd reads them as its own user
    fresh.replace(path)


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired as error:
        hint = "journalctl -u systemd-networkd tells more"
        raise RackstrapError(f"{argv[0]} does not answer within {TIMEOUT_S:.0f} s", hint, exit_code=1) from error
