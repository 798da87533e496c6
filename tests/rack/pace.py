"""How fast this machine is, measured once: every deadline of the rack is stretched by it."""

from __future__ import annotations

import functools
import os
import time

REFERENCE_S = 0.55  # the loop below on the machine whose times are written in the tests


@functools.cache
def measure_pace() -> float:
    """1.0 on the reference machine, 2.0 on one half as fast; never below 1, nor below RACKSTRAP_PACE (a host that others use)."""
    best = min(_time_loop() for _ in range(3))
    return max(1.0, best / REFERENCE_S, float(os.environ.get("RACKSTRAP_PACE", "1")))


def _time_loop() -> float:
    started = time.perf_counter()
    total = 0
    for number in range(10_000_000):
        total += number
    return time.perf_counter() - started


def stretch(seconds: float) -> float:
    """A deadline written for the reference machine, for this one."""
    return seconds * measure_pace()
