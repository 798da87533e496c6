"""`rackstrap backup`: a tar of the state with its manifest first, gzip, then age. Whole under its name, or not there."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

from installer import __version__
from installer.keep.age import WORK, Sealer
from installer.keep.gather import STORE, Gathered, gather_state
from installer.keep.manifest import NAME, Manifest, Member, dump_manifest
from installer.model.problems import RackstrapError

SPARE_BYTES: Final = 2**20  # headers of tar and age, and what gzip adds to what does not shrink
COPY_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was written: of what, and what could not be taken."""

    manifest: Manifest
    left_out: tuple[str, ...]


def run_backup(state: Path, out: IO[bytes], passphrase: str, root: Path | None = None, room: int = 0, work: int = WORK) -> Made:
    """Write the backup of this state folder to `out`, which its caller makes durable.

    `room`: bytes that there are for it, 0 when unknown. `root`: where an installed admin node's own files are. `work`:
    log2 of scrypt's cost. Raises RackstrapError, before a byte is written where something is missing.
    """
    check_state(state)
    with make_scratch(state) as scratch:
        found = gather_state(state, scratch, root)
        manifest = make_manifest(state, found)
        if room and manifest.bytes + SPARE_BYTES > room:
            raise RackstrapError(
                f"the backup may take {render_size(manifest.bytes + SPARE_BYTES)}, there is room for {render_size(room)}",
                "make room there, or name another place",
            )
        sealer = Sealer(out, passphrase, work)
        with tarfile.open(fileobj=sealer, mode="w|gz", format=tarfile.USTAR_FORMAT) as tar:
            _add(tar, NAME, dump_manifest(manifest))
            for member in manifest.members:
                if member.name == f"state/{STORE}" and found.store is not None:
                    with found.store.open("rb") as file:
                        tar.addfile(_make_info(member.name, member.bytes), file)
                else:
                    _add(tar, member.name, found.files[member.name])
        sealer.finish()
    return Made(manifest, found.left_out)


def check_state(state: Path) -> None:
    """Raise RackstrapError where there is nothing to keep, or only a rehearsal's."""
    from installer.engine.folders import check_live

    check_live(state)
    if not any((state / name).exists() for name in ("site.yaml", STORE, "draft.yaml", "tls")):
        raise RackstrapError(f"there is nothing to keep in {state}", "name the folder of the state with --state")


@contextmanager
def make_scratch(state: Path) -> Iterator[Path]:
    """A folder for the copy of the store, inside the state folder: nowhere else may it be read, or found later."""
    size = (state / STORE).stat().st_size if (state / STORE).exists() else 0
    room = find_room(state)
    if size + SPARE_BYTES > room:
        raise RackstrapError(
            f"the copy of the store takes {render_size(size)}, {state} has room for {render_size(room)}", "make room there"
        )
    for old in state.glob(".backup-*"):  # of one that was killed
        if old.stat().st_mtime < time.time() - 86400:
            shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=state) as folder:
        yield Path(folder)


def make_manifest(state: Path, found: Gathered) -> Manifest:
    members = [Member(name, len(content), sha256(content).hexdigest()) for name, content in sorted(found.files.items())]
    if found.store is not None:
        with found.store.open("rb") as file:
            digest = hash_stream(file)
        members.append(Member(f"state/{STORE}", found.store.stat().st_size, digest))
    site, address = find_site(found.files.get("state/site.yaml"))
    made_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return Manifest(__version__, site, address, str(state.absolute()), made_at, tuple(members))


def find_site(text: bytes | None) -> tuple[str, str]:
    """The site's name and the admin node's address; "" twice where there is no site that can be read."""
    from installer.site.load import parse_site

    site = parse_site(text, "site.yaml").site if text else None
    return (site.name, str(site.admin.address)) if site is not None else ("", "")


def hash_stream(file: IO[bytes]) -> str:
    digest = sha256()
    while chunk := file.read(COPY_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def find_room(folder: Path) -> int:
    """Bytes that root may still write there."""
    found = os.statvfs(folder)
    return found.f_bfree * found.f_frsize


def render_size(size: int) -> str:
    """12 kB, 3.4 MB, 5.6 GB."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{-(-size // 1000)} kB"


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_make_info(name, len(content)), io.BytesIO(content))


def _make_info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, int(time.time())
    return info
