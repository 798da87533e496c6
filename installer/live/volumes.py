"""Removable volumes: read without mounting, written without mounting, and only the one that the operator chose.

Mounting replays journals and lets a kernel parse what a stranger brought; FAT is read and written by mtools, ISO 9660 is read
by xorriso. In the live system every partition is read-only; the chosen one is opened for the time of one copy.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from installer.model.problems import RackstrapError

BY_ID: Final = Path("/dev/disk/by-id")
LABEL: Final = "RACKSTRAP"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SITE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}\.ya?ml", re.IGNORECASE)
TIMEOUT_S: Final = 30.0
MOST_SITES: Final = 20
MOST_BYTES: Final = 8 * 2**20
FAT: Final = "vfat"
ISO: Final = "iso9660"


@dataclass(frozen=True, slots=True)
class Volume:
    """A removable volume that a file may be saved to or read from. `sites`: names of site files on it."""

    id: str  # what the device is called for good: /dev/disk/by-id/… without the folder
    title: str  # "KINGSTON DT, 4 GB, label RACKSTRAP"
    filesystem: str
    label: str = ""
    sites: tuple[str, ...] = ()


def find_volumes() -> tuple[Volume, ...]:
    """Every removable volume with a filesystem, with the site files on those that can be read here."""
    import pyudev

    found = []
    for device in pyudev.Context().list_devices(subsystem="block", ID_FS_USAGE="filesystem"):
        parent = device.find_parent("block", "disk") or device
        volume = parse_volume(dict(device.properties), parent.attributes.get("removable") == b"1")
        if volume is not None:
            found.append(add_sites(volume, BY_ID / volume.id))
    return tuple(sorted(found, key=lambda volume: volume.id))


def parse_volume(properties: Mapping[str, str], is_removable: bool) -> Volume | None:
    """The volume that udev's properties of a block device tell of; None for what is not removable or has no lasting name."""
    if not is_removable and properties.get("ID_BUS") != "usb":
        return None
    prefix = f"{BY_ID}/"
    names = sorted(link.removeprefix(prefix) for link in properties.get("DEVLINKS", "").split() if link.startswith(prefix))
    if not names:
        return None
    label = _make_label(properties.get("ID_FS_LABEL", ""))
    model = _make_label(f"{properties.get('ID_VENDOR', '')} {properties.get('ID_MODEL', '')}".replace("_", " "))
    size = int(properties.get("ID_FS_SIZE", "0") or 0) if properties.get("ID_FS_SIZE", "0").isdigit() else 0
    words = [model or names[0], f"{size / 1e9:.1f} GB" if size else "", f"label {label}" if label else "no label"]
    return Volume(names[0], ", ".join(word for word in words if word), properties.get("ID_FS_TYPE", ""), label)


def _make_label(text: str) -> str:
    return "".join(c for c in text if c.isascii() and c.isprintable())[:40].strip()


def add_sites(volume: Volume, device: Path) -> Volume:
    """The volume with the names of the site files in its topmost folder, where it is labelled for us."""
    if volume.label.upper() != LABEL:
        return volume
    try:
        names = list_files(volume.filesystem, device)
    except RackstrapError:
        return volume
    return replace(volume, sites=tuple(sorted(name for name in names if SITE_NAME.fullmatch(name)))[:MOST_SITES])


def list_files(filesystem: str, device: Path) -> list[str]:
    """The names in the topmost folder. Raises RackstrapError where they cannot be read."""
    if filesystem == FAT:
        said = run_tool("mdir", "-b", "-i", str(device), "::/")
        return [line.removeprefix("::/") for line in said.decode(errors="replace").splitlines() if not line.endswith("/")]
    if filesystem == ISO:
        said = run_tool("xorriso", "-indev", f"stdio:{device}", "-find", "/", "-maxdepth", "1", "-type", "f")
        return [line.strip("'").removeprefix("/") for line in said.decode(errors="replace").splitlines()]
    raise RackstrapError(f"{filesystem or 'this filesystem'} is not read here", "use a volume with FAT")


def read_file(filesystem: str, device: Path, name: str) -> bytes:
    """One file of the topmost folder. Raises RackstrapError."""
    _check_name(name)
    return read_path(filesystem, device, name, MOST_BYTES)


def read_path(filesystem: str, device: Path, path: str, most_bytes: int) -> bytes:
    """One file by its path from the topmost folder. Raises RackstrapError, also for one larger than `most_bytes`.

    The program that copies it out is stopped by the kernel past that size: memory is all that a live system has.
    """
    for part in path.split("/"):
        _check_name(part)
    with tempfile.TemporaryDirectory(prefix="rackstrap-volume-") as folder:
        copy = Path(folder) / "copy"
        limit = ("prlimit", f"--fsize={most_bytes}", "--core=0", "--")
        try:
            if filesystem == FAT:
                run_tool(*limit, "mcopy", "-n", "-i", str(device), f"::/{path}", str(copy))
            elif filesystem == ISO:
                run_tool(*limit, "xorriso", "-indev", f"stdio:{device}", "-osirrox", "on", "-extract", f"/{path}", str(copy))
            else:
                raise RackstrapError(f"{filesystem or 'this filesystem'} is not read here", "use a volume with FAT")
        except RackstrapError:
            if copy.exists() and copy.stat().st_size >= most_bytes:
                raise RackstrapError(f"{path} is larger than {most_bytes} bytes", "is it the right file?") from None
            raise
        if not copy.is_file() or copy.is_symlink():
            raise RackstrapError(f"{path} is not a plain file", "put a plain file there")
        return copy.read_bytes()


def write_file(filesystem: str, device: Path, name: str, content: bytes) -> None:
    """Write one file of the topmost folder, in place of one with that name. Raises RackstrapError."""
    _check_name(name)
    if filesystem != FAT:
        raise RackstrapError(f"{filesystem or 'this filesystem'} is not written here", "use a volume with FAT, or name a path")
    with tempfile.TemporaryDirectory(prefix="rackstrap-volume-") as folder, writable(device):
        copy = Path(folder) / "copy"
        copy.write_bytes(content)
        run_tool("mcopy", "-o", "-i", str(device), str(copy), f"::/{name}")
        written = read_file(filesystem, device, name)
    if written != content:
        raise RackstrapError(f"{name} reads back otherwise than it was written", "use another volume")


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise RackstrapError(f"{name[:64]!r} is no name for a file there", "letters, digits, dots and hyphens")


@contextmanager
def writable(device: Path) -> Iterator[None]:
    """Take the read-only flag from this one partition, and set it again; a plain file, or one without the flag, stays as is.

    The kernel refuses to write to a partition as long as its whole disk has the flag (bdev_read_only in linux/blkdev.h), so
    that is lifted too; the disk's other partitions keep their own.
    """
    real = device.resolve()
    locked = [str(one) for one in _find_above(real) if run_tool("blockdev", "--getro", str(one)).strip() == b"1"]
    with contextlib.ExitStack() as lifted:
        for one in locked:
            lifted.callback(run_tool, "blockdev", "--setro", one)
            run_tool("blockdev", "--setrw", one)
        yield
        _sync(real)


def _find_above(device: Path) -> tuple[Path, ...]:
    """The whole disk and the partition; the disk alone where it is one; nothing for a plain file."""
    if not device.is_block_device():
        return ()
    place = (Path("/sys/class/block") / device.name).resolve()
    return (device.with_name(place.parent.name), device) if (place / "partition").exists() else (device,)


def _sync(device: Path) -> None:
    with contextlib.suppress(RackstrapError):
        run_tool("sync", str(device))


def run_tool(*argv: str, within_s: float = TIMEOUT_S) -> bytes:
    """The program's standard output. Raises RackstrapError with its last words; those after `--` are its own."""
    name = argv[argv.index("--") + 1] if "--" in argv else argv[0]
    try:
        done: Any = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=within_s)
    except FileNotFoundError:
        raise RackstrapError(f"{name} is not installed here", "name a path in place of a volume") from None
    except subprocess.TimeoutExpired as error:
        raise RackstrapError(f"{name} did not end within {within_s:.0f} s", "pull the volume out and try another") from error
    except OSError as error:
        raise RackstrapError(f"{name} did not start: {error.strerror}", "pull the volume out and try another") from error
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines() or [f"ended with {done.returncode}"]
        raise RackstrapError(f"{name}: {words[-1]}", "is the volume still there, and has it room?")
    return bytes(done.stdout)


def find_volume(volumes: tuple[Volume, ...], target: str) -> tuple[Volume, str]:
    """The volume that `volume:ID` or `volume:ID/NAME` means, and the file's name. Raises RackstrapError."""
    word, _, name = target.removeprefix("volume:").partition("/")
    for volume in volumes:
        if volume.id == word:
            return volume, name
    raise RackstrapError(f"there is no volume {word[:64]!r} any more", "put it in again, or choose another place")
