#!/usr/bin/python3
"""Check a site file and all that it names as `rackstrap iso customize` will, before an ISO is built for it.

Usage: site.py FILE, with the repository in PYTHONPATH. Exit code 1 with every problem, 2 where the file cannot be read.
"""

from __future__ import annotations

import sys
from pathlib import Path

from installer.medium.area import make_site_area
from installer.medium.gather import load_gathered
from installer.model.problems import RackstrapError
from installer.site.check import has_errors
from installer.site.verbs import render_problem


def check_site_file(path: Path) -> int:
    """Print what is wrong with it, or does not fit into an ISO; gives the exit code."""
    try:
        gathered = load_gathered(path)
        for problem in gathered.problems:
            print(render_problem(problem))  # noqa: T201
        if gathered.site is None or has_errors(gathered.problems):
            print(f"nothing was built: correct {path} first")  # noqa: T201
            return 1
        make_site_area(gathered.files)
    except RackstrapError as error:
        print(f"rackstrap: {error.message}\n  {error.hint}")  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(check_site_file(Path(sys.argv[1])))
