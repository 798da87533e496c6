"""A root that has nothing but busybox and some scripts, as the initramfs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def make_root(folder: Path, *scripts: Path) -> Path:
    """Fill this folder: busybox with all its names, /dev/null, and the scripts at the top."""
    for name in ("bin", "dev"):
        (folder / name).mkdir()
    (folder / "dev/null").touch()
    shutil.copy("/bin/busybox", folder / "bin/busybox")
    for script in scripts:
        shutil.copy(script, folder)
    names = subprocess.run(["/bin/busybox", "--list"], check=True, capture_output=True, text=True).stdout.split()
    for name in set(names) - {"busybox"}:
        (folder / "bin" / name).symlink_to("busybox")
    return folder


def run_inside(root: Path, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the text as a shell script in there."""
    return subprocess.run(
        ["unshare", "--map-root-user", "chroot", root, "/bin/sh", "-c", script],
        env={"PATH": "/bin:/usr/sbin:/usr/bin:/sbin", **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
