"""The first loaders, copied from the image to where TFTP and HTTP boot find them."""

from __future__ import annotations

import shutil
from pathlib import Path

from installer.model.problems import RackstrapError


def save_loaders(image_dir: Path, state_dir: Path) -> None:
    """Make `state_dir`/tftp hold every loader of the image; a file that is the same already is left alone."""
    source, target = image_dir / "tftp", state_dir / "tftp"
    if not source.is_dir():
        raise RackstrapError(f"{source} with the boot loaders is missing", "build the image: ./build_iso.sh --image")
    (target / "grub").mkdir(mode=0o755, parents=True, exist_ok=True)
    for loader in sorted(path for path in source.iterdir() if path.is_file()):
        copy = target / loader.name
        if copy.exists() and copy.stat().st_size == loader.stat().st_size and copy.read_bytes() == loader.read_bytes():
            continue
        fresh = target / f".{loader.name}.new"
        shutil.copyfile(loader, fresh)
        fresh.chmod(0o644)
        fresh.replace(copy)
