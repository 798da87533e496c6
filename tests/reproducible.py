"""`make reproducible`: two cold builds of the ISO from the same downloads are the same file.

They differ in all that must not matter: folder, time zone, language, umask (of the checkout too) and clock. The second one's
clock is a day and some hours ahead, in the chroots as well: libfaketime is preloaded by a path through this process's own root,
which leads to it wherever /proc is mounted. Not further ahead, because Debian's signed indexes are valid for a week.

Usage: python -m tests.reproducible [--keep] [--work DIR]; as root. Exit code 1 where the two differ, with the names of the files.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.iso_difference import find_differences

ROOT = Path(__file__).resolve().parent.parent
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
DOWNLOADS = ("debs", "wheels")


@dataclass(frozen=True)
class Surroundings:
    """Where and when one of the builds is made. `shift`: of its clock, as libfaketime reads it."""

    folder: str
    umask: int
    words: Mapping[str, str]
    shift: str = ""


TWO = (
    Surroundings("one", 0o022, {"TZ": "UTC", "LANG": "C.UTF-8", "HOME": "/root"}),
    Surroundings("another/in-a-longer-path", 0o077, {"TZ": "America/St_Johns", "LANG": "C", "HOME": "/nonexistent"}, "+26h17m"),
)


def make_environment(there: Surroundings) -> dict[str, str]:
    """The environment of one build; nothing of ours but what chooses mirror and compression."""
    kept = ("PATH", "RACKSTRAP_MIRROR", "RACKSTRAP_SQUASHFS_LEVEL", "RACKSTRAP_SUITE", "http_proxy", "https_proxy", "no_proxy")
    words = {name: value for name, value in os.environ.items() if name in kept or name.startswith(("PIP_", "PYENV_", "SSL_"))}
    words |= there.words
    if there.shift:
        # Times of files and timers stay: only the clock is wrong.
        words |= {"FAKETIME": there.shift, "NO_FAKE_STAT": "1", "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DISABLE_SHM": "1"}
        words["LD_PRELOAD"] = f"/proc/{os.getpid()}/root{FAKETIME}"
    return words


def run_build(work: Path, there: Surroundings, commit: str) -> Path:
    """Clone, copy the downloads into the clone's cache, and build; gives the ISO."""
    clone = work / there.folder
    clone.parent.mkdir(parents=True, exist_ok=True)
    before = os.umask(there.umask)
    try:
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(ROOT), str(clone)], check=True)
        subprocess.run(["git", "-C", str(clone), "checkout", "-q", "--detach", commit], check=True)
        cache = clone / "build/cache"
        for name in DOWNLOADS:
            (cache / name).mkdir(parents=True)
            for file in (ROOT / "build/cache" / name).glob("*.*"):
                shutil.copy2(file, cache / name)
        begin = time.monotonic()
        iso = clone / "build/rackstrap.iso"
        build = ["nice", "-n", "5", str(clone / "build_iso.sh"), "--out", str(iso)]
        with (work / "build.log").open("ab") as log:
            code = subprocess.run(build, env=make_environment(there), stdout=log, stderr=log, check=False).returncode
    finally:
        os.umask(before)
    if code:
        sys.exit(f"the build in {clone} ended with {code}: see {work / 'build.log'}")
    print(f"{there.folder}: {iso.stat().st_size / 1e6:.1f} MB in {time.monotonic() - begin:.0f} s", flush=True)
    kept = iso.rename(work / f"{len(list(work.glob('*.iso'))) + 1}.iso")
    # Each build's cache is gigabytes.
    shutil.rmtree(work / Path(there.folder).parts[0])
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the ISO twice and compare.")
    parser.add_argument("--work", type=Path, default=ROOT / "build/reproducible", help="where to build; what is there is removed")
    parser.add_argument("--keep", action="store_true", help="keep the two ISOs")
    args = parser.parse_args()
    if os.geteuid() or not FAKETIME.exists():
        sys.exit("reproducible: this needs root and libfaketime\n  sudo apt-get install libfaketime")
    shutil.rmtree(args.work, ignore_errors=True)
    args.work.mkdir(parents=True)
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    one, two = (run_build(args.work.resolve(), there, commit) for there in TWO)
    differences = find_differences(one, two)
    print("\n".join(differences) or f"the two are equal: sha256 {make_digest(one)}")
    if not (args.keep or differences):
        shutil.rmtree(args.work)
    return 1 if differences else 0


def make_digest(path: Path) -> str:
    return subprocess.run(["sha256sum", str(path)], check=True, capture_output=True, text=True).stdout.split()[0]


if __name__ == "__main__":
    sys.exit(main())
