"""The image folder, copied onto the new root; every byte is compared with the manifest on its way, and unpacked from there."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

from installer.model.plan import Image
from installer.model.problems import RackstrapError

LAYERS: Final = ("root.squashfs", "admin.squashfs", "rackstrap.squashfs")  # of an admin node, an upper one later
PLACE: Final = "usr/lib/rackstrap/image"
UNLISTED: Final = ("manifest.json", "image.sha256")  # they list the others
CHUNK_BYTES: Final = 2**20
HINT: Final = "compare the medium with its published SHA-256, and write it again"
Progress = Callable[[int], None]


def check_layers(image: Image) -> None:
    """Raise RackstrapError where this image has no admin node in it."""
    missing = [layer for layer in LAYERS if layer not in image.sha256]
    if missing:
        raise RackstrapError(f"the image has no {', '.join(missing)}", "install from the admin ISO: ./build_iso.sh")


def copy_image(source: Path, image: Image, target: Path, progress: Progress) -> Path:
    """Copy what the manifest lists, and the manifest, to a folder beside `target`/usr/lib/rackstrap/image; that folder.

    A site file in the medium is not part of it: nodes may read this folder. Raises RackstrapError where a byte differs.
    """
    fresh = (target / PLACE).with_name("image.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True, mode=0o755)
    total = sum(image.bytes[name] for name in image.sha256) or 1
    done = 0
    for name, digest in sorted(image.sha256.items()):
        path = admit_name(name)
        (fresh / path).parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        base = done
        found = copy_file(source / path, fresh / path, lambda size, base=base: progress((base + size) * 100 // total))  # type: ignore[misc]
        if found != digest:
            raise RackstrapError(f"{name} on the medium is damaged: it is not what its manifest names", HINT)
        done += image.bytes[name]
    for name in UNLISTED:
        if (source / name).is_file():
            copy_file(source / name, fresh / name, lambda _: None)
    return fresh


def copy_file(source: Path, target: Path, told: Callable[[int], None]) -> str:
    """Copy one file (0644); the SHA-256 of what was read. `told` gets the bytes so far."""
    digest, done = hashlib.sha256(), 0
    with source.open("rb") as old, target.open("xb") as new:
        while chunk := old.read(CHUNK_BYTES):
            digest.update(chunk)
            new.write(chunk)
            done += len(chunk)
            told(done)
        new.flush()
        os.fsync(new.fileno())
    target.chmod(0o644)
    return digest.hexdigest()


def place_image(fresh: Path, target: Path) -> None:
    """Put the copied folder into its place, where the layers may have brought a link to the medium."""
    place = target / PLACE
    if place.is_symlink():
        place.unlink()
    elif place.exists():
        shutil.rmtree(place)
    fresh.rename(place)
    place.chmod(0o755)


def admit_name(name: str) -> PurePosixPath:
    """A name of the manifest as a path inside the folder. Raises RackstrapError."""
    path = PurePosixPath(name)
    if str(path) != name or path.is_absolute() or ".." in path.parts or not name.isprintable():
        raise RackstrapError(f"the manifest names {name[:60]!r}", HINT)
    return path


def remove_whiteouts(target: Path) -> int:
    """Remove what an overlay's layer marks as deleted: character devices 0/0 (kernel, overlayfs.rst); how many there were."""
    count = 0
    for folder, _, names in os.walk(target):
        if Path(folder) == target / "dev":
            continue
        for name in names:
            path = Path(folder) / name
            found = path.lstat()
            if (found.st_mode & 0o170000) == 0o020000 and found.st_rdev == 0:
                path.unlink()
                count += 1
    return count
