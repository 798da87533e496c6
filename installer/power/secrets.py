"""Password files: one secret a file, readable by its owner only."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from installer.model.problems import RackstrapError

MOST_BYTES: Final = 1024


def load_secret(path: Path) -> str:
    """The secret in this file, without its line end.

    Raises RackstrapError when the file is missing, not a plain file, open to other users, empty or too long.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise RackstrapError(f"cannot read the password file {path}: {error.strerror}", "create it, mode 0600") from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise RackstrapError(f"the password file {path} is not a plain file", "put a file with one line there")
        if status.st_mode & 0o077 or status.st_uid not in {0, os.geteuid()}:
            raise RackstrapError(f"the password file {path} is open to other users", f"chown root {path} && chmod 0600 {path}")
        raw = os.read(handle, MOST_BYTES + 1)
    finally:
        os.close(handle)
    return _parse_secret(raw, path)


def _parse_secret(raw: bytes, path: Path) -> str:
    try:
        text = raw.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise RackstrapError(f"the password file {path} is not UTF-8 text") from error
    if not text or len(raw) > MOST_BYTES or not text.isprintable():
        raise RackstrapError(f"the password file {path} does not hold one line with a password")
    return text


def save_secret(path: Path, secret: str) -> None:
    """Write the secret so that at no moment anyone else can read it; replaces what was there atomically."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(handle)
    fresh.replace(path)
