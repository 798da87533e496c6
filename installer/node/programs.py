"""Run one program of the system, with a deadline, and say in one line why it failed."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence

from installer.model.problems import RackstrapError

ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def run_program(argv: Sequence[str], *, stdin: str = "", timeout_s: float = 120) -> str:
    """Its standard output. Raises RackstrapError when it is absent, fails or takes longer than `timeout_s`."""
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            env={**os.environ, **ENVIRONMENT},
        )
    except FileNotFoundError as error:
        raise RackstrapError(f"{argv[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise RackstrapError(f"{argv[0]} took longer than {timeout_s:.0f} s", shlex.join(argv)) from error
    if done.returncode != 0:
        raise RackstrapError(f"{argv[0]}: {find_reason(done.stderr, done.stdout, done.returncode)}", shlex.join(argv))
    return done.stdout


def run_programs(commands: Sequence[Sequence[str]], *, timeout_s: float = 120) -> None:
    """One after another; the first that fails ends it."""
    for argv in commands:
        run_program(argv, timeout_s=timeout_s)


def find_reason(stderr: str, stdout: str, returncode: int) -> str:
    """The last line that a failed program said, or its exit code."""
    lines = [line.strip() for line in (stderr or stdout).splitlines() if line.strip()]
    return lines[-1] if lines else f"exit code {returncode}"
