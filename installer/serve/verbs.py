"""`rackstrap serve`: run DHCP, TFTP, DNS and HTTP for the nodes, in the background or in sight."""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from installer.model.problems import RackstrapError

READY_WITHIN_S: Final = 60.0  # one that ends says so at once; a machine that has just started is busy
STOP_WITHIN_S: Final = 20.0
CHECKOUT: Final = Path(__file__).parents[2]
INSTALLED_IMAGE: Final = Path("/usr/lib/rackstrap/image")


def add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state", type=Path, metavar="DIR", default=find_state_dir(), help="where everything is kept (RACKSTRAP_STATE)"
    )
    parser.add_argument("--image", type=Path, metavar="DIR", default=find_image_dir(), help="the built image (RACKSTRAP_IMAGE)")
    parser.add_argument(
        "--interface", metavar="NAME", help="the interface on the admin network; found by the admin address without this"
    )
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--detach", action="store_true", help="go on in the background once it serves")
    ways.add_argument("--stop", action="store_true", help="end the one that runs")


def run_serve(args: argparse.Namespace) -> int:
    state = args.state.absolute()
    if args.stop:
        if not find_serving(state):
            print(f"nothing serves {state}")  # noqa: T201
        return stop_serving(state)
    if args.detach:
        start_serving(state, args.image.absolute(), args.interface)
        return 0
    return _run_foreground(state, args.image.absolute(), args.interface)


def find_state_dir() -> Path:
    return Path(os.environ.get("RACKSTRAP_STATE") or "/var/lib/rackstrap")


def find_image_dir() -> Path:
    """RACKSTRAP_IMAGE, else build/image in a checkout, else where the package has it."""
    if named := os.environ.get("RACKSTRAP_IMAGE"):
        return Path(named)
    return CHECKOUT / "build/image" if (CHECKOUT / "pyproject.toml").exists() else INSTALLED_IMAGE


def find_serving(state: Path) -> int:
    """The process id of the one that serves this state directory; 0 when none does."""
    try:
        lock = os.open(state / "serve.lock", os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return 0
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.pread(lock, 32, 0).decode().strip() or -1)
    else:
        return 0
    finally:
        os.close(lock)


def check_applied(state: Path) -> None:
    """Refuse a folder in which no site is applied, or a rehearsal's, before anything is made in it. Raises RackstrapError."""
    from installer.engine.folders import check_live

    check_live(state)
    if not (state / "site.yaml").exists():
        raise RackstrapError(f"no site is applied in {state}", "rackstrap apply SITE")


def start_serving(state: Path, image: Path, interface: str | None) -> int:
    """Start a process that outlives this one and return its id once it serves; the one that runs is left alone.

    Raises RackstrapError with the last line of its log when it does not come up.
    """
    if pid := find_serving(state):
        return pid
    check_applied(state)
    run = state / "run"
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    (run / "serve.ready").unlink(missing_ok=True)
    words = [sys.executable, "-m", "installer.cli", "serve", "--state", str(state), "--image", str(image)]
    words += ["--interface", interface] if interface else []
    with (run / "serve.log").open("ab") as log:
        started = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/")
    ends_at = time.monotonic() + READY_WITHIN_S
    while started.poll() is None and time.monotonic() < ends_at:
        if (run / "serve.ready").exists():
            return started.pid
        time.sleep(0.05)
    if started.poll() is None:
        started.terminate()
    lines = (run / "serve.log").read_text(encoding="utf-8", errors="replace").splitlines()
    raise RackstrapError(f"rackstrap serve did not come up: {' '.join(lines[-2:])}", f"all of it: {run}/serve.log")


def stop_serving(state: Path) -> int:
    """End the one that runs, and wait for its end. 0 also when there was none."""
    pid = find_serving(state)
    if pid <= 0:
        return 0
    os.kill(pid, signal.SIGTERM)
    ends_at = time.monotonic() + STOP_WITHIN_S
    while find_serving(state) == pid:
        if time.monotonic() > ends_at:
            raise RackstrapError(f"process {pid} does not end", f"kill -9 {pid}")
        time.sleep(0.05)
    return 0


def _run_foreground(state: Path, image: Path, interface: str | None) -> int:
    from installer.serve.interface import find_interface
    from installer.serve.place import make_place
    from installer.serve.run import run_serving
    from installer.site.load import load_site

    check_applied(state)
    lock = os.open(state / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RackstrapError("another process serves this already", "rackstrap serve --stop") from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    site = load_site(state / "site.yaml").site
    if site is None:
        raise RackstrapError(f"{state}/site.yaml cannot be read", "rackstrap apply SITE", exit_code=1)
    run_serving(make_place(state, image, interface or find_interface(site.admin.address)))
    return 0
