"""`make prove`: the full matrix of real boots, a scenario at a time. Stopped and called again, it goes on where it was.

Results are kept in build/prove.json by commit; `--again` forgets those of this commit.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

KEPT: Final = Path("build/prove.json")
ONE_BY_ONE: Final = tuple(
    f"tests/rack/test_{name}.py"
    for name in ("scenarios", "iso", "iso_scenarios", "iso_mirror", "iso_same", "iso_sights", "iso_live")
)
WHOLE: Final = ("tests/rack/test_main_job.py", "tests/rack/test_wizard.py")


def find_scenarios(words: str) -> list[str]:
    """Test ids of every scenario; the main job and the wizard, each whole file as one."""
    argv = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-o", "addopts=", *ONE_BY_ONE]
    argv += ["-k", words] if words else []
    listing = subprocess.run(argv, check=False, capture_output=True, text=True)
    found = [line for line in listing.stdout.splitlines() if "::" in line]
    return found if words else [*found, *WHOLE]


def run_scenario(scenario: str) -> dict[str, object]:
    started = time.monotonic()
    argv = [sys.executable, "-m", "pytest", "-o", "addopts=", "-q", scenario]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout[-6000:], flush=True)
    return {"passed": done.returncode == 0, "seconds": round(time.monotonic() - started)}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="prove", description=__doc__)
    parser.add_argument("--again", action="store_true", help="forget what passed at this commit")
    parser.add_argument("-k", dest="words", default="", help="only scenarios whose name fits (pytest -k)")
    args = parser.parse_args(argv)
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], check=True, capture_output=True, text=True).stdout.strip()
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    results = {} if args.again else kept.get(commit, {})
    scenarios = find_scenarios(args.words)
    for scenario in scenarios:
        if results.get(scenario, {}).get("passed"):
            print(f"ok    {scenario} (before)", flush=True)
            continue
        results[scenario] = run_scenario(scenario)
        print(f"{'ok   ' if results[scenario]['passed'] else 'FAIL '} {scenario} {results[scenario]['seconds']} s", flush=True)
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps({**kept, commit: results}, indent=1) + "\n")
    failed = [s for s in scenarios if not results[s]["passed"]]
    print(f"{len(scenarios) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
