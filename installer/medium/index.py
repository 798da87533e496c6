"""Where each file of an ISO lies, as xorriso reads it. Nothing is mounted and nothing is written."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from installer.model.problems import RackstrapError

SECTOR: Final = 2048  # ECMA-119, 6.1.2
_READ_FOR_S: Final = 60
_MOST_FILES: Final = 10_000
_VOLUME_AT: Final = 16 * SECTOR  # the primary volume descriptor; ECMA-119, 8.4
_FILE: Final = re.compile(r"File data lba: *(\d+) , *(\d+) , *(\d+) , *(\d+) , (.+)")
_BOOT: Final = re.compile(r"El Torito boot img : +\d+ +(\w+) +y ")
_LABEL: Final = re.compile(r"Volume Id +: (.*)")


@dataclass(frozen=True, slots=True)
class Extent:
    """One file's bytes in the ISO: `begin` and `size`, both in bytes."""

    begin: int
    size: int

    @property
    def end(self) -> int:
        return self.begin + self.size


@dataclass(frozen=True, slots=True)
class Index:
    """What an ISO holds. `files` by absolute path in it; `boots`: what its El Torito entries are for, BIOS and UEFI."""

    path: Path
    size: int
    label: str
    files: Mapping[str, tuple[Extent, ...]]
    boots: tuple[str, ...]
    has_mbr: bool  # starts from a USB stick on BIOS
    has_gpt: bool  # shows its EFI system partition on a USB stick

    def extent(self, name: str) -> Extent:
        """The one piece that this file is. Raises RackstrapError when it is missing, in pieces or shared."""
        pieces = self.files.get(name)
        if not pieces:
            raise RackstrapError(f"{self.path} is an ISO, but not Rackstrap's: it has no {name}", "name one from build_iso.sh")
        whole = Extent(pieces[0].begin, sum(piece.size for piece in pieces))
        others = (piece for other, found in self.files.items() if other != name for piece in found)
        if not _is_whole(pieces) or any(other.size and other.begin < whole.end and whole.begin < other.end for other in others):
            raise RackstrapError(f"{name} in {self.path} is in pieces or shares its place", "build the ISO again")
        return whole


def _is_whole(pieces: tuple[Extent, ...]) -> bool:
    return all(piece.end == following.begin for piece, following in itertools.pairwise(pieces))


def load_index(path: Path) -> Index:
    """Read the ISO's directory. Raises RackstrapError (exit 2) for what is no ISO or cut off, and without xorriso."""
    size = _measure_iso(path)
    if shutil.which("xorriso") is None:
        raise RackstrapError("xorriso is missing: it reads ISO files", "apt-get install xorriso")
    command = ["xorriso", "-no_rc", "-abort_on", "FATAL", "-drive_access", "shared:readonly", "-indev", f"stdio:{path}"]
    command += ["-pvd_info", "-report_el_torito", "plain", "-report_system_area", "plain"]
    command += ["-find", "/", "-type", "f", "-exec", "report_lba", "--"]
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            timeout=_READ_FOR_S,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise RackstrapError(f"{path} could not be read within {_READ_FOR_S} s", "copy the ISO again") from None
    if done.returncode:
        raise RackstrapError(f"{path} is damaged: its directory cannot be read", "copy or build the ISO again")
    return parse_index(done.stdout.decode("utf-8", "replace"), path, size)


def parse_index(text: str, path: Path, size: int) -> Index:
    """What xorriso's reports say. Raises RackstrapError when a file's place is outside of the ISO."""
    lines = text.splitlines()
    rows = [match for line in lines if (match := _FILE.fullmatch(line))]
    if len(rows) > _MOST_FILES:
        raise RackstrapError(f"{path} holds more than {_MOST_FILES} files: it is not Rackstrap's", "name one from build_iso.sh")
    files: dict[str, tuple[Extent, ...]] = {}
    for row in rows:
        name = _parse_name(row[5], path)
        block, blocks, file_size = int(row[2]), int(row[3]), int(row[4])
        extent = Extent(block * SECTOR, min(file_size - sum(e.size for e in files.get(name, ())), blocks * SECTOR))
        if extent.size < 0 or extent.end > size:
            raise RackstrapError(f"{path} is cut off or damaged: {name} lies outside of it", "copy the ISO again")
        files[name] = (*files.get(name, ()), extent)
    label = next((match[1].strip() for line in lines if (match := _LABEL.fullmatch(line))), "")
    boots = tuple(dict.fromkeys(match[1] for line in lines if (match := _BOOT.match(line))))
    system = next((line for line in lines if line.startswith("System area summary:")), "").split()
    return Index(path, size, label, files, boots, "MBR" in system and "grub2-mbr" in system, "GPT" in system)


def _parse_name(quoted: str, path: Path) -> str:
    try:
        words = shlex.split(quoted)
    except ValueError:
        words = []
    if len(words) != 1:
        raise RackstrapError(f"{path} holds a file with an unreadable name", "copy or build the ISO again")
    return words[0]


def _measure_iso(path: Path) -> int:
    """The file's size in bytes, after a look at its volume descriptor."""
    try:
        # A pipe would be waited for, and cannot be read at a place.
        if path.is_fifo() or path.is_char_device():
            raise RackstrapError(f"{path} is not an ISO image", "name a file, or the stick or CD that one was written to")
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(_VOLUME_AT)
            volume = file.read(SECTOR)
    except OSError as error:
        raise RackstrapError(f"cannot read {path}: {error.strerror}", "name an ISO that exists and that you may read") from None
    if len(volume) < SECTOR or volume[:7] != b"\x01CD001\x01":
        raise RackstrapError(f"{path} is not an ISO image", "name one from build_iso.sh")
    whole = int.from_bytes(volume[80:84], "little") * SECTOR  # volume space size; ECMA-119, 8.4.8
    if size < whole:
        raise RackstrapError(f"{path} is cut off: {size} of at least {whole} bytes are there", "copy the ISO again")
    return size


def load_extent(path: Path, extent: Extent, most: int) -> bytes:
    """A file's content out of the ISO. Raises RackstrapError where it is larger than `most` bytes."""
    if extent.size > most:
        raise RackstrapError(f"{path} holds {extent.size} bytes where {most} are the most", "copy or build the ISO again")
    with path.open("rb") as file:
        file.seek(extent.begin)
        content = file.read(extent.size)
    if len(content) != extent.size:
        raise RackstrapError(f"{path} became shorter while it was read", "copy the ISO again")
    return content
