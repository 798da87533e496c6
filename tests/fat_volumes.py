"""FAT volumes in files, as on a stick."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

NOTHING: Final = MappingProxyType[str, bytes]({})


def make_fat(path: Path, label: str = "RACKSTRAP", files: Mapping[str, bytes] = NOTHING, *, size_bytes: int = 2 << 20) -> Path:
    """A volume with this label and these files; a name may have one folder before it."""
    path.write_bytes(b"")
    os.truncate(path, size_bytes)
    subprocess.run(["mkfs.vfat", "-n", label, str(path)], check=True, capture_output=True)
    for folder in sorted({name.partition("/")[0] for name in files if "/" in name}):
        subprocess.run(["mmd", "-i", str(path), f"::/{folder}"], check=True, capture_output=True)
    for name, content in files.items():
        subprocess.run(["mcopy", "-i", str(path), "-", f"::/{name}"], check=True, input=content, capture_output=True)
    return path
