#!/usr/bin/python3
"""Print what an ISO is made of, as JSON: its packages and wheels with their sums, and each file with size and SHA-256.

Usage: manifest.py ROOT IMAGE ISO_DIR ID VERSION: the folder of the medium's own files, the image directory that goes in as
/rackstrap, and iso/ of the repository.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

# The ISO's maker writes its own place into the first one; the others are the room for what `rackstrap iso customize` puts in.
CHANGING = {"/boot/grub/eltorito.img", "/boot/grub/site.cfg", "/rackstrap/site.tar"}


def parse_packages(text: str, layer: str) -> list[dict[str, str]]:
    """Rows of a packages.lock: name, version, SHA-256 of the .deb."""
    rows = (line.split() for line in text.splitlines())
    return [{"name": name, "version": version, "sha256": digest, "layer": layer} for name, version, digest in rows]


def parse_wheels(text: str) -> list[dict[str, str]]:
    """Rows of python.lock: NAME==VERSION --hash=sha256:DIGEST."""
    rows = (line.split(" --hash=sha256:") for line in text.splitlines())
    return [{"name": pin.split("==")[0], "version": pin.split("==")[1], "sha256": digest} for pin, digest in rows]


def make_files(root: Path, image: Path) -> dict[str, dict[str, str | int]]:
    """Path on the medium → size and sum. The image's own sums are in its manifest already."""
    known = json.loads((image / "manifest.json").read_text())["sha256"]
    paths = {f"/{path.relative_to(root)}": path for path in root.rglob("*") if path.is_file()}
    paths |= {f"/rackstrap/{path.relative_to(image)}": path for path in image.rglob("*") if path.is_file()}
    files: dict[str, dict[str, str | int]] = {}
    for name, path in sorted(paths.items()):
        if name not in CHANGING:
            digest = known.get(name.removeprefix("/rackstrap/")) or hashlib.sha256(path.read_bytes()).hexdigest()
            files[name] = {"bytes": path.stat().st_size, "sha256": digest}
    return files


def main() -> None:
    """Print the manifest, sorted, so that two builds are equal."""
    root, image, iso = map(Path, sys.argv[1:4])
    packages = parse_packages((image / "packages.lock").read_text(), "root")
    packages += parse_packages((image / "packages-admin.lock").read_text(), "admin")
    manifest = {
        "version": sys.argv[5],
        "id": sys.argv[4],
        "kernel": json.loads((image / "manifest.json").read_text())["kernel"],
        "packages": packages,
        "wheels": parse_wheels((iso / "python.lock").read_text()),
        "files": make_files(root, image),
    }
    print(json.dumps(manifest, indent=1, sort_keys=True))  # noqa: T201


if __name__ == "__main__":
    main()
