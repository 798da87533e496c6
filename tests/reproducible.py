"""`make reproducible`: two cold builds of the ISO from the same downloads are the same file.

They differ in all that must not matter: folder, time zone, language, home, umask (of the checkout too) and clock. The second
one's is more than a year ahead, in the chroots as well: libfaketime is preloaded by a path through the root of process 1, which
leads to it wherever /proc is mounted in a stage's own process namespace. Outside of one it may be out of reach: no matter.

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
DOWNLOADS = ("debs", "lists", "wheels")


@dataclass(frozen=True)
class Surroundings:
    """Where and when one of the builds is made. `shift`: of its clock, as libfaketime reads it."""

    folder: str
    umask: int
    words: Mapping[str, str]
    shift: str = ""


TWO = (
    Surroundings("one", 0o022, {"TZ": "UTC", "LANG": "C.UTF-8", "HOME": "/root"}),
    Surroundings("another/in-a-longer-path", 0o077, {"TZ": "America/St_Johns", "LANG": "C", "HOME": "/nonexistent"}, "+9613h"),
)


def make_environment(there: Surroundings, clock: Path) -> dict[str, str]:
    """The environment of one build; nothing of ours but what chooses mirror and compression. `clock`: a copy of libfaketime."""
    kept = ("PATH", "RACKSTRAP_MIRROR", "RACKSTRAP_SQUASHFS_LEVEL", "RACKSTRAP_SUITE", "http_proxy", "https_proxy", "no_proxy")
    words = {name: value for name, value in os.environ.items() if name in kept or name.startswith(("PIP_", "PYENV_", "SSL_"))}
    words |= there.words
    if there.shift:
        # Times of files and timers stay: only the clock is wrong.
        words |= {"FAKETIME": there.shift, "NO_FAKE_STAT": "1", "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DISABLE_SHM": "1"}
        words["LD_PRELOAD"] = f"/proc/1/root{clock}"
    return words


def run_build(work: Path, there: Surroundings, commit: str, downloads: Path) -> Path:
    """Clone, build with nothing but `downloads` in the clone's cache, and keep the ISO and what was downloaded.

    The first build asks the package mirror; the second one has to do with what the first one had.
    """
    clone = work / there.folder
    clone.parent.mkdir(parents=True, exist_ok=True)
    before = os.umask(there.umask)
    try:
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(ROOT), str(clone)], check=True)
        subprocess.run(["git", "-C", str(clone), "checkout", "-q", "--detach", commit], check=True)
        cache = clone / "build/cache"
        for name in (name for name in DOWNLOADS if (downloads / name).is_dir()):
            shutil.copytree(downloads / name, cache / name, ignore=shutil.ignore_patterns("partial", "lock"))
        begin = time.monotonic()
        iso = clone / "build/rackstrap.iso"
        build = [str(clone / "build_iso.sh"), "--out", str(iso), *(["--offline"] if there.shift else [])]
        with (work / "build.log").open("ab") as log:
            environment = make_environment(there, work / "clock.so")
            code = subprocess.run(build, env=environment, stdout=log, stderr=log, check=False).returncode
    finally:
        os.umask(before)
    if code:
        sys.exit(f"the build in {clone} ended with {code}: see {work / 'build.log'}")
    print(f"{there.folder}: {iso.stat().st_size / 1e6:.1f} MB in {time.monotonic() - begin:.0f} s", flush=True)
    kept = iso.rename(work / f"{clone.name}.iso")
    for name in DOWNLOADS:
        shutil.rmtree(work / "downloads" / name, ignore_errors=True)
        (cache / name).rename(work / "downloads" / name)
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
    work = args.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    (work / "downloads").mkdir(parents=True)
    # By a name that nobody takes for one of the image's libraries.
    shutil.copy(FAKETIME, work / "clock.so")
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    one = run_build(work, TWO[0], commit, ROOT / "build/cache")
    two = run_build(work, TWO[1], commit, work / "downloads")
    differences = find_differences(one, two)
    print("\n".join(differences) or f"the two are equal: sha256 {make_digest(one)}")
    if not (args.keep or differences):
        shutil.rmtree(work)
    return 1 if differences else 0


def make_digest(path: Path) -> str:
    return subprocess.run(["sha256sum", str(path)], check=True, capture_output=True, text=True).stdout.split()[0]


if __name__ == "__main__":
    sys.exit(main())
