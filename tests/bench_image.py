"""The image's build from a clean clone against bare mmdebstrap and mksquashfs of the same packages, in the same run.

Both take the packages from the same cache of downloads and pack at the same level. Then the rebuild after a change of
Rackstrap's own code only.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.bare_debian import LEVEL, TOP, find_packages, run_mksquashfs, run_mmdebstrap

GOAL_RATIO: Final = 1.3
GOAL_REBUILD_S: Final = 30.0
CHANGED: Final = "installer/__init__.py"


def measure(what: Callable[[], None]) -> float:
    started = time.perf_counter()
    what()
    return time.perf_counter() - started


def copy_debs(target: Path) -> Path:
    """The downloads so far, in a folder of their own; hard links where the filesystem allows it."""
    target.mkdir(parents=True)
    for deb in (TOP / "build/cache/debs").glob("*.deb"):
        try:
            os.link(deb, target / deb.name)
        except OSError:
            shutil.copy(deb, target / deb.name)
    return target


def run_build(clone: Path) -> None:
    env = os.environ | {"RACKSTRAP_SQUASHFS_LEVEL": str(LEVEL)}
    subprocess.run([clone / "build_iso.sh", "--image"], cwd=clone, env=env, check=True, stdout=subprocess.DEVNULL)


def run_bare(folder: Path) -> None:
    run_mmdebstrap(folder / "tree", find_packages(), folder / "debs")
    run_mksquashfs(folder / "tree", folder / "root.squashfs", LEVEL)


def run_change(clone: Path) -> None:
    with (clone / CHANGED).open("a") as code:
        code.write("# changed\n")


def run_versions(folder: Path) -> dict[str, float]:
    """Seconds of each build. The one that is bare goes second: what the disk's cache gives, it gives to it."""
    clone, bare = folder / "clone", folder / "bare"
    subprocess.run(["git", "clone", "-q", str(TOP), str(clone)], check=True)
    copy_debs(clone / "build/cache/debs")
    copy_debs(bare / "debs")
    seconds = {"cold": measure(lambda: run_build(clone)), "bare": measure(lambda: run_bare(bare))}
    before = (clone / "build/image/manifest.json").read_text()
    run_change(clone)
    seconds["rebuild"] = measure(lambda: run_build(clone))
    assert (clone / "build/image/manifest.json").read_text() != before
    seconds["unchanged"] = measure(lambda: run_build(clone))
    return seconds


def main(argv: Sequence[str] | None = None) -> int:
    argparse.ArgumentParser(prog="bench_image", description=__doc__).parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="rackstrap-image-") as folder:
        seconds = run_versions(Path(folder))
    ratio = seconds["cold"] / seconds["bare"]
    print(f"image, cold: {seconds['cold']:.1f} s, {ratio:.2f} of bare mmdebstrap and mksquashfs, {seconds['bare']:.1f} s", end="")
    print(f" (zstd level {LEVEL}; goal {GOAL_RATIO})")
    print(
        f"image, own code changed: {seconds['rebuild']:.1f} s (goal {GOAL_REBUILD_S:.0f}); nothing: {seconds['unchanged']:.1f} s"
    )
    return 0 if ratio <= GOAL_RATIO and seconds["rebuild"] < GOAL_REBUILD_S else 1
