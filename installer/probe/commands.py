"""Run the programs that tell about hardware: all with a deadline, none of them trusted to exist or to end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

OUTPUT_LIMIT_BYTES: Final = 4 << 20
ENVIRONMENT: Final = {"LC_ALL": "C", "PATH": "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"}


def run_command(argv: Sequence[str], timeout_s: float) -> dict[str, Any]:
    """Run one command; return {"argv", "exit", "out"}, with "exit" null and "why" where it gave no answer.

    `why` is "absent" (no such program), "timeout" or the system's reason. A program stuck in the kernel (a dead disk) is left
    behind rather than waited for.
    """
    record: dict[str, Any] = {"argv": list(argv), "exit": None, "out": ""}
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT, cwd=os.sep
        )
    except FileNotFoundError:
        return record | {"why": "absent"}
    except OSError as error:
        return record | {"why": error.strerror or "cannot run"}
    try:
        out, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=0.5)
        return record | {"why": "timeout"}
    return record | {"exit": process.returncode, "out": out[:OUTPUT_LIMIT_BYTES].decode(errors="replace")}
