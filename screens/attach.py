"""One tmux session for all consoles: a dropped line loses nothing, and another console takes over.

tmux also brings terminfo, which Textual does not consult, and sends a slow line only what changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from installer.model.problems import RackstrapError
from screens.charset import find_locale

HERE: Final = Path(__file__).parent
SESSION: Final = "rackstrap"
IDLE_S: Final = 1800.0  # a console that nobody touches lets go of the session
LOOK_EVERY_S: Final = 30.0
PAINTED_WITHIN_S: Final = 1.0
LONGEST_SOCKET: Final = 107  # bytes of sun_path without its end (unix(7))


def find_socket(state: Path) -> Path:
    """The session's socket: one for each state folder, in a folder that only this user may enter.

    Raises RackstrapError when that folder belongs to someone else.
    """
    if os.geteuid() == 0:
        folder = Path("/run/rackstrap")
    else:
        base = os.environ.get("XDG_RUNTIME_DIR")
        name = f"/tmp/rackstrap-{os.geteuid()}"  # noqa: S108 -- its owner and mode are checked below
        folder = Path(base) / "rackstrap" if base else Path(name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = folder.lstat()
    if info.st_uid != os.geteuid() or info.st_mode & 0o022 or folder.is_symlink():
        raise RackstrapError(f"{folder} can be written by others", "remove it")
    return folder / f"tui-{hashlib.sha256(str(state).encode()).hexdigest()[:12]}"


def remove_dead_sockets(folder: Path) -> None:
    """What sessions that were killed have left behind: nobody listens there any more."""
    for path in folder.glob("tui-*"):
        try:
            with socket.socket(socket.AF_UNIX) as caller:
                caller.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError:
            continue


def make_tmux(address: Path) -> list[str]:
    """The tmux command for this socket. Raises RackstrapError when tmux is missing."""
    tmux = shutil.which("tmux")
    if tmux is None:
        raise RackstrapError("tmux is not installed", "apt install tmux, or leave --attach out")
    return [tmux, "-S", str(address), "-f", str(HERE / "tmux.conf")]


def has_session(tmux: Sequence[str]) -> bool:
    return subprocess.run([*tmux, "has-session", "-t", SESSION], check=False, capture_output=True).returncode == 0


def start_session(tmux: Sequence[str], argv: Sequence[str], state: Path) -> None:
    """Start the session with the TUI in it, in a window as large as this terminal. Raises RackstrapError."""
    size = shutil.get_terminal_size((80, 24))
    command = [str(HERE / "session.sh"), sys.executable, "-m", "installer.cli", *argv]
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "RACKSTRAP_REASON": str(state / "run" / "tui.log")}
    environment.pop("TMUX", None)
    room = ["-x", str(size.columns), "-y", str(size.lines)]
    words = [*tmux, "new-session", "-d", "-s", SESSION, *room, *command]
    done = subprocess.run(words, check=False, capture_output=True, text=True, env=environment)
    if done.returncode and not has_session(tmux):  # another console may have been quicker
        raise RackstrapError(f"no session could be started: {done.stderr.strip()}", "rackstrap tui works without one")


def wait_painted(tmux: Sequence[str]) -> None:
    """Until the TUI has taken its screen, for a moment: who joins earlier gets an empty one first, byte by byte."""
    ends_at = time.monotonic() + PAINTED_WITHIN_S
    while time.monotonic() < ends_at:
        asked = [*tmux, "display-message", "-p", "-t", SESSION, "#{alternate_on}"]
        if subprocess.run(asked, check=False, capture_output=True, text=True).stdout.strip() == "1":
            return
        time.sleep(0.05)


def run_attach(state: Path, argv: Sequence[str]) -> int:
    """Show what this is, then join the session, which is started where there is none. Returns the exit code.

    `argv`: the words of `rackstrap` that the session runs. Raises RackstrapError.
    """
    if os.environ.get("TERM", "dumb") in {"", "dumb", "unknown"}:
        raise RackstrapError("this terminal can only print", "rackstrap tui --plain reads and writes lines")
    address = find_socket(state)
    tmux = make_tmux(address)
    if not has_session(tmux):
        remove_dead_sockets(address.parent)
        start_session(tmux, argv, state)
        wait_painted(tmux)
    print("Rackstrap: the session that every console shares. Ctrl-b d leaves it as it is.", flush=True)  # noqa: T201
    environment = {name: value for name, value in os.environ.items() if name != "TMUX"}
    # To lock and unlock at once makes tmux wait for this line's size before it paints: it paints once, not twice.
    words = [*tmux, *find_charset(environment), "attach-session", "-t", SESSION, ";", "lock-client"]
    client = subprocess.Popen(words, env=environment)
    code = wait_for(tmux, client)
    if has_session(tmux):
        print("The session goes on; rackstrap tui --attach comes back to it.", flush=True)  # noqa: T201
    return code


def find_charset(environment: Mapping[str, str]) -> list[str]:
    """`-u` unless the locale names another charset: a serial line's login often has no locale, and its terminal does UTF-8."""
    charset = find_locale(environment).partition(".")[2]
    return [] if charset and charset != "utf8" else ["-u"]


def wait_for(tmux: Sequence[str], client: subprocess.Popen[bytes]) -> int:
    """Until this console leaves, or is idle for long. Returns the client's exit code."""
    while True:
        try:
            return client.wait(LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            let_go_when_idle(tmux, client.pid)
        except KeyboardInterrupt:
            continue


def let_go_when_idle(tmux: Sequence[str], pid: int) -> None:
    """Detach this console when nobody has pressed a key for long: the next one may be another person."""
    listing = subprocess.run(
        [*tmux, "list-clients", "-F", "#{client_pid} #{client_tty} #{client_activity}"],
        check=False,
        capture_output=True,
        text=True,
    )
    for line in listing.stdout.splitlines():
        number, tty, active = line.split()
        if number == str(pid) and is_idle(float(active)):
            subprocess.run([*tmux, "detach-client", "-t", tty], check=False, capture_output=True)


def is_idle(active_at: float) -> bool:
    """Whether the last key (seconds since 1970) is long ago."""
    return time.time() - active_at > IDLE_S
