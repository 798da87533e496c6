"""The checks again and again in a thread of their own, for a front-end that must never wait for a network."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Final

from installer.preflight.check import Check
from installer.preflight.run import CHECKS, WITHIN_S, run_checks
from installer.preflight.target import Target

EVERY_S: Final = 3.0  # the pause between two rounds
# What others' servers are asked is asked less often while all is well (RFC 4330, 10: not more than every 15 s).
ASK_AGAIN_AFTER_S: Final = {"ntp": 64.0, "dns": 30.0}


class Watching:
    """Runs the checks of a target until it is closed. Every method returns at once and may be called from any thread."""

    def __init__(self, target: Target | None = None, every_s: float = EVERY_S, within_s: float = WITHIN_S) -> None:
        self._every_s: Final = every_s
        self._within_s: Final = within_s
        self._changed: Final = threading.Condition()
        self._target = target
        self._aims = 0  # which target a result belongs to: those of an earlier one are dropped
        self._checks: dict[str, Check] = _make_waiting(target)
        self._known_at: dict[str, float] = {}
        self._at = 0.0
        self._is_due = True
        self._is_closed = False
        self._start()

    def latest(self) -> tuple[tuple[Check, ...], float]:
        """The checks as known now, state `wait` for those not yet known, and when the last became known (seconds since 1970)."""
        with self._changed:
            return tuple(self._checks.values()), self._at

    def aim(self, target: Target | None) -> None:
        """Look at this from now on; None: at nothing. The same target again changes nothing."""
        with self._changed:
            if target == self._target:
                return
            self._target, self._checks, self._at = target, _make_waiting(target), 0.0
            self._known_at.clear()
            self._aims += 1
            self._is_due = True
            self._changed.notify_all()
        self._start()

    def again(self) -> None:
        """Look now, at everything."""
        with self._changed:
            self._known_at.clear()
            self._is_due = True
            self._changed.notify_all()

    def close(self) -> None:
        """End with the round that runs; nothing waits for it."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _start(self) -> None:
        """One thread for each aim: a new one need not wait for a round of the old one, which ends with it."""
        threading.Thread(target=self._run, args=(self._target, self._aims), name="watching", daemon=True).start()

    def _run(self, target: Target | None, aims: int) -> None:
        while target is not None:
            with self._changed:
                self._changed.wait_for(lambda: self._is_due or self._is_over(aims), self._every_s)
                if self._is_over(aims):
                    return
                self._is_due = False
                names = self._find_due()
            for check in run_checks(target, self._within_s, names, partial(self._keep, aims)):
                self._keep(aims, check)

    def _is_over(self, aims: int) -> bool:
        return self._is_closed or aims != self._aims

    def _find_due(self) -> list[str]:
        now = time.monotonic()
        return [name for name in CHECKS if now - self._known_at.get(name, -1e9) >= ASK_AGAIN_AFTER_S.get(name, 0.0)]

    def _keep(self, aims: int, check: Check) -> None:
        with self._changed:
            if self._is_over(aims):
                return
            self._checks[check.name] = check
            self._at = time.time()
            if check.state == "ok":
                self._known_at[check.name] = time.monotonic()


def _make_waiting(target: Target | None) -> dict[str, Check]:
    return {} if target is None else {name: Check(name, "wait", "looking") for name in CHECKS}
