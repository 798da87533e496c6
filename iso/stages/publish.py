#!/usr/bin/python3
"""Lay the stages' files together as one image directory, with manifest.json and image.sha256.

Usage: publish.py BASE INITRD ADMIN LAYER OUT VERSION: the stages' directories.
Files are hard links where the filesystem allows; OUT is replaced at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path


def make_sha256(path: Path) -> str:
    """Hex SHA-256 of a file, remembered beside it: the stages' results never change."""
    note = path.with_name(path.name + ".sha256")
    if not note.exists():
        fresh = path.with_name(path.name + ".fresh")
        with path.open("rb") as file:
            fresh.write_text(hashlib.file_digest(file, "sha256").hexdigest())
        fresh.replace(note)
    return note.read_text()


def run_link(source: Path, target: Path) -> None:
    """A hard link, or a copy on another filesystem."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def run_publish(base: Path, initrd: Path, admin: Path, layer: Path, out: Path, version: str) -> None:
    """Write OUT.new, then swap it in: who serves OUT never sees half an image."""
    files = {
        "vmlinuz": base / "vmlinuz",
        "initrd": initrd / "initrd",
        "root.squashfs": base / "root.squashfs",
        "admin.squashfs": admin / "admin.squashfs",
        "rackstrap.squashfs": layer / "rackstrap.squashfs",
        "packages.lock": base / "packages.lock",
        "packages-admin.lock": admin / "packages-admin.lock",
        **{f"tftp/{path.name}": path for path in sorted((base / "tftp").iterdir()) if path.suffix in {".efi", ".kpxe"}},
    }
    new = out.with_name(out.name + ".new")
    old = out.with_name(out.name + ".old")
    shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    for name, source in files.items():
        run_link(source, new / name)
    sha256 = {name: make_sha256(source) for name, source in files.items()}
    manifest = {
        "version": version,
        "kernel": (base / "kernel").read_text().strip(),
        "sha256": sha256,
        "bytes": {name: source.stat().st_size for name, source in files.items()},
        "admin_bytes": int((admin / "root_bytes").read_text()),
        "root_bytes": int((base / "root_bytes").read_text()) + int((layer / "root_bytes").read_text()),
    }
    (new / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    (new / "image.sha256").write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(sha256.items())))
    if out.exists():
        out.rename(old)
    new.rename(out)
    shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    try:
        run_publish(*(Path(argument) for argument in sys.argv[1:6]), version=sys.argv[6])  # type: ignore[misc]
    except OSError as error:
        shutil.rmtree(f"{sys.argv[5]}.new", ignore_errors=True)
        sys.exit(f"the image cannot be written: {error}")
