"""`make demo` from a clean clone: cold (nothing built), then warm."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path


def main(_argv: Sequence[str] = ()) -> int:
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="rackstrap-demo-") as scratch:
        clone = Path(scratch, "clone")
        subprocess.run(["git", "clone", "-q", str(here), str(clone)], check=True)
        for what, goal in (("cold", 15), ("warm", 6)):
            started = time.monotonic()
            with Path(scratch, f"{what}.log").open("wb") as log:
                done = subprocess.run(["make", "demo"], cwd=clone, check=False, stdout=log, stderr=log)
            seconds = time.monotonic() - started
            subprocess.run(["make", "demo-down"], cwd=clone, check=False, capture_output=True)
            if done.returncode:
                print(Path(scratch, f"{what}.log").read_text()[-4000:])
                return done.returncode
            print(f"demo, {what}: {seconds / 60:.1f} min (goal {goal})", flush=True)
    return 0
