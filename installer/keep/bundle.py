"""`rackstrap support`: sources read side by side, secrets taken out of each, one tar.xz. A source that fails is noted."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from installer.keep.redact import Redactor
from installer.keep.sources import Command, File, Made, Source
from installer.model.problems import RackstrapError

MOST_BYTES: Final = 16 * 2**20  # of one source: its end is what tells
AT_ONCE: Final = 6
PRESET: Final = 2  # some 20 MiB of memory to compress with: a small machine that fails has no more
ENVIRONMENT: Final = {
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin",
    "SYSTEMD_COLORS": "0",
}
README: Final = """\
This is a support bundle of Rackstrap, made on {host} at {at}.

It holds logs, the journal, what the hardware and the network look like, the
versions of what runs, the site file, the plan and what has happened. Taken out
were: passwords and their hashes, passphrases, private keys, tokens in URLs, and
whatever looks like one of them. Where something was, there is [removed].
Serial numbers, MAC and IP addresses, names and public keys are still in it.

In it:
{there}

Not to be had:
{missing}
"""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was found, secrets taken out: `members` by name; `missing`: (name, why) of the sources that gave nothing."""

    members: dict[str, bytes]
    missing: tuple[tuple[str, str], ...]


def make_bundle(sources: Iterable[Source], redactor: Redactor) -> Bundle:
    """Read every source and clean it. Raises nothing because of a source."""
    members: dict[str, bytes] = {}
    missing: list[tuple[str, str]] = []
    listed = list(sources)
    with ThreadPoolExecutor(AT_ONCE, "support") as pool:
        for source, (content, why) in zip(listed, pool.map(read_source, listed), strict=True):
            if content:
                members[source.name] = clean_member(source.name, content, redactor)
            if why:
                missing.append((source.name, redactor.clean(why.encode()).decode(errors="replace")))
    return Bundle(members, tuple(missing))


def clean_member(name: str, content: bytes, redactor: Redactor) -> bytes:
    """The content without secrets; JSON stays JSON where it was."""
    try:
        if name.endswith(".jsonl"):
            return b"".join(redactor.clean_json(line) for line in content.splitlines())
        if name.endswith(".json"):
            return redactor.clean_json(content)
    except (ValueError, RecursionError):
        pass
    return redactor.clean(content)


def read_source(source: Source) -> tuple[bytes, str]:
    """Its content, and why there is none or not all of it; "" where all is well."""
    try:
        match source:
            case Command():
                return _run(source)
            case File():
                return read_end(source.path), ""
            case Made():
                return source.make().encode(errors="replace")[-MOST_BYTES:], ""
    except OSError as error:
        return b"", error.strerror or str(error)
    except Exception as error:  # noqa: BLE001 -- whatever is broken here is why the bundle is wanted
        return b"", f"{type(error).__name__}: {error}"


def _run(source: Command) -> tuple[bytes, str]:
    # Ours inherits nothing else: an environment may hold what no bundle should.
    try:
        with subprocess.Popen(
            source.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            cwd=find_code(),
        ) as process:
            return _collect(process, source.within_s)
    except FileNotFoundError:
        return b"", f"{source.argv[0]} is not installed"


def _collect(process: subprocess.Popen[bytes], within_s: float) -> tuple[bytes, str]:
    try:
        out, said = process.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, said = process.communicate()
        return cut(out), f"it did not end within {within_s:.0f} s"
    if process.returncode == 0:
        return cut(out), ""
    last = " ".join(said.decode(errors="replace").split())[:300]
    return cut(out), f"exit code {process.returncode}: {last}"


def find_code() -> str:
    """The folder from which `python -m installer.cli` finds this very code."""
    return str(Path(__file__).parents[2])


def read_end(path: Path) -> bytes:
    """The file, of a long one its last lines. Files of /proc have no size, and are read as they come."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        size = os.fstat(handle).st_size
        if size > MOST_BYTES:
            file.seek(size - MOST_BYTES)
            return b"[...]\n" + file.read(MOST_BYTES).partition(b"\n")[2]
        return cut(file.read(MOST_BYTES + 1))


def cut(content: bytes) -> bytes:
    """Its last lines, where it is too long. No line is cut: half of a secret would not be known as one."""
    return content if len(content) <= MOST_BYTES else b"[...]\n" + content[-MOST_BYTES:].partition(b"\n")[2]


def save_bundle(out: IO[bytes], bundle: Bundle, stem: str, at: float) -> None:
    """Write it as a tar.xz whose members lie in the folder `stem`; `at`: seconds since 1970."""
    words = {"host": find_host(), "at": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))}
    there = "\n".join(f"  {name}" for name in sorted(bundle.members)) or "  nothing"
    missing = "\n".join(f"  {name}: {why}" for name, why in bundle.missing) or "  nothing was missing"
    readme = README.format(**words, there=there, missing=missing).encode()
    with tarfile.open(fileobj=out, mode="w:xz", preset=PRESET, format=tarfile.PAX_FORMAT) as tar:
        for name, content in (("README.txt", readme), *sorted(bundle.members.items())):
            info = tarfile.TarInfo(f"{stem}/{name}")
            info.size, info.mode, info.mtime = len(content), 0o600, int(at)
            tar.addfile(info, io.BytesIO(content))


def find_host() -> str:
    """This machine's name as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", socket.gethostname())[:40].strip("-") or "machine"


def make_stem(at: float) -> str:
    """rackstrap-support-HOST-TIME, in UTC."""
    return f"rackstrap-support-{find_host()}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(at))}"


def make_target(named: str, stem: str) -> str:
    """Where the bundle goes: the working folder for "", and the usual name for a folder or a volume without a name."""
    if named.startswith("volume:"):
        return named if "/" in named.rstrip("/") else f"{named.rstrip('/')}/{stem}.tar.xz"
    if not named:
        return f"{stem}.tar.xz"
    path = Path(named)
    if path.is_dir():
        return str(path / f"{stem}.tar.xz")
    if path.suffix not in {".xz", ".txz"}:
        raise RackstrapError(f"{named} is no name for a tar.xz", f"name it {path.name}.tar.xz, or a folder")
    return named
