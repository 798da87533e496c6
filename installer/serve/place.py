"""Where this admin node serves: the built image, the interface, the certificate's pin."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from installer.model.plan import AdminPlace, Image
from installer.model.problems import RackstrapError
from installer.serve.certificate import save_certificate

NEEDED: Final = ("vmlinuz", "initrd", "root.squashfs", "rackstrap.squashfs")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def load_image(image_dir: Path) -> Image:
    """The image that manifest.json in `image_dir` describes. Raises RackstrapError when it is missing or incomplete."""
    hint = "build it: ./build_iso.sh --image, or name its folder with --image"
    try:
        raw: Any = json.loads((image_dir / "manifest.json").read_text(encoding="utf-8"))
        image = parse_image(raw)
    except OSError as error:
        raise RackstrapError(f"there is no image in {image_dir}: {error.strerror}", hint) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RackstrapError(f"{image_dir}/manifest.json is damaged: {error}", hint) from error
    for name in NEEDED:
        path = image_dir / name
        if not path.is_file() or path.stat().st_size != image.bytes[name]:
            raise RackstrapError(f"{path} is not the file that manifest.json names", hint)
    return image


def parse_image(raw: Any) -> Image:
    """An Image from manifest.json's object. Raises ValueError, KeyError or TypeError."""
    sha256 = {str(name): str(value) for name, value in raw["sha256"].items()}
    sizes = {str(name): int(value) for name, value in raw["bytes"].items()}
    for name in NEEDED:
        if not _SHA256.fullmatch(sha256[name]) or sizes[name] <= 0:
            raise ValueError(f"{name} has no SHA-256 or no size")
    return Image(str(raw["version"]), str(raw["kernel"]), sha256, sizes, int(raw["root_bytes"]), int(raw.get("admin_bytes", 0)))


def make_place(state_dir: Path, image_dir: Path, interface: str) -> AdminPlace:
    """The place, with the serving certificate made when there is none yet. Raises RackstrapError."""
    state_dir, image_dir = state_dir.absolute(), image_dir.absolute()
    return AdminPlace(str(state_dir), str(image_dir), interface, save_certificate(state_dir), load_image(image_dir))
