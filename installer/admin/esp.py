"""Files on an ESP, read and written by mtools: nothing is mounted, so nothing else on the disk is looked at or replayed.

`image` names the filesystem as mtools does: a partition's device node, or FILE@@OFFSET inside a file.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path, PurePosixPath
from typing import IO, Final

from installer.model.problems import RackstrapError

TIMEOUT_S: Final = 120.0
# No configuration of this machine, and no complaint about a geometry that no program has used for 20 years.
ENVIRONMENT: Final = {"MTOOLSRC": "/dev/null", "MTOOLS_SKIP_CHECK": "1", "MTOOLS_LOCK_TIMEOUT": "20", "LC_ALL": "C.UTF-8"}
_ABSENT: Final = ("not found", "No such file", "does not exist")


def has_file(image: str, path: str) -> bool:
    """Whether this file is there. Raises RackstrapError when the filesystem cannot be read."""
    done = _run("mdir", "-b", "-i", image, f"::{path}")
    return done.returncode == 0 or _explain(done, image)


def read_file(image: str, path: str, most_bytes: int) -> bytes | None:
    """Its content; None where there is no such file. Raises RackstrapError when it cannot be read, or is larger."""
    with tempfile.TemporaryFile() as out:
        done = _run("mcopy", "-n", "-i", image, f"::{path}", "-", out=out, most_bytes=most_bytes)
        if done.returncode != 0:
            if out.seek(0, os.SEEK_END) > most_bytes:
                raise RackstrapError(f"{path} on the disk is larger than {most_bytes} bytes", "it is not one of ours")
            _explain(done, image)
            return None
        out.seek(0)
        return out.read(most_bytes)


def save_file(image: str, path: str, content: bytes | Path) -> None:
    """Write it whole, over an older one; the folders above it are made. Raises RackstrapError."""
    for folder in reversed(PurePosixPath(path).parents):
        if str(folder) != "/" and not has_file(image, str(folder)):
            _check("mmd", "-D", "s", "-i", image, f"::{folder}")
    if isinstance(content, Path):
        _check("mcopy", "-D", "o", "-n", "-i", image, str(content), f"::{path}")
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        _check("mcopy", "-D", "o", "-n", "-i", image, file.name, f"::{path}")


def remove_file(image: str, path: str) -> None:
    """Remove it where it is there. Raises RackstrapError."""
    if has_file(image, path):
        _check("mdel", "-i", image, f"::{path}")


def sync_image(image: str) -> None:
    """Return once what was written is on the disk itself."""
    handle = os.open(image.partition("@@")[0], os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _explain(done: subprocess.CompletedProcess[bytes], image: str) -> bool:
    """False where a file is just not there. Raises RackstrapError for everything else."""
    said = done.stderr.decode(errors="replace").strip()
    if any(word in said for word in _ABSENT) and "init" not in said:
        return False
    raise RackstrapError(f"{image} cannot be read: {said.splitlines()[-1] if said else 'mtools failed'}", "look at the disk")


def _check(*argv: str) -> None:
    done = _run(*argv)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise RackstrapError(f"{argv[0]}: {said[-1] if said else f'exit code {done.returncode}'}", "look at the disk")


def _run(*argv: str, out: int | IO[bytes] = subprocess.DEVNULL, most_bytes: int = 0) -> subprocess.CompletedProcess[bytes]:
    """Run mtools. With `most_bytes` the kernel ends it once its output is longer (RLIMIT_FSIZE, setrlimit(2))."""
    words = ["prlimit", f"--fsize={most_bytes + 1}", *argv] if most_bytes else list(argv)
    try:
        return subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            check=False,
            timeout=TIMEOUT_S,
            env={**os.environ, **ENVIRONMENT},
        )
    except FileNotFoundError as error:
        raise RackstrapError(f"{error.filename} is not installed", "this runs on the admin ISO") from error
    except subprocess.TimeoutExpired as error:
        raise RackstrapError(f"{argv[0]} took longer than {TIMEOUT_S:.0f} s", "look at the disk") from error
