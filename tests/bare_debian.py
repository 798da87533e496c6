"""Debian as one makes it by hand, from the same package lists as the image: mmdebstrap, mksquashfs and nothing else."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

TOP: Final = Path(__file__).parents[1]
SUITE: Final = os.environ.get("RACKSTRAP_SUITE", "trixie")
LEVEL: Final = int(os.environ.get("RACKSTRAP_SQUASHFS_LEVEL", "3"))  # the Makefile's own default


def find_packages() -> list[str]:
    """The names in iso/packages, sorted."""
    lines = [line for path in sorted((TOP / "iso/packages").glob("*.list")) for line in path.read_text().splitlines()]
    return sorted({line for line in lines if line and not line.startswith("#")})


def run_mmdebstrap(tree: Path, packages: Sequence[str], debs: Path) -> None:
    """Unpack and configure these packages in `tree`; what was downloaded before is taken from `debs`, and added there."""
    archives = '"$1/var/cache/apt/archives"'
    argv = ["mmdebstrap", "--quiet", "--variant=minbase", "--architectures=amd64", "--keyring=/usr/share/keyrings"]
    argv += ["--components=main,non-free-firmware", f"--include={','.join(packages)}"]
    argv += ["--skip=download/empty,essential/unlink,check/empty", f"--setup-hook=mkdir -p {archives}"]
    argv += [f"--setup-hook=find '{debs}' -name '*.deb' -exec cp -l -t {archives} {{}} +"]
    argv += [f"--customize-hook=find {archives} -name '*.deb' -exec cp -lf -t '{debs}' {{}} +"]
    argv += [SUITE, str(tree)]
    mirror = os.environ.get("RACKSTRAP_MIRROR")
    # What mmdebstrap mounts is seen by nobody else and goes with it.
    subprocess.run(["unshare", "--mount", *argv, *([mirror] if mirror else [])], check=True)


def run_mksquashfs(tree: Path, squashfs: Path, level: int) -> None:
    argv = ["mksquashfs", str(tree), str(squashfs), "-quiet", "-no-progress", "-noappend", "-comp", "zstd"]
    subprocess.run([*argv, "-Xcompression-level", str(level)], check=True)
