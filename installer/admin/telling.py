"""What an installation says while it runs: plain lines, or a line of JSON each. A reader that goes away stops nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from installer.model.problems import Problem

STEP: Final = 10  # per cent between two lines of one stage


@dataclass(slots=True)
class Telling:
    """As JSON: `problem`, `told`, `progress` ({stage, percent, text}), at last `result` ({code, text})."""

    is_json: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)
    _stage: str = ""
    _percent: int = 0

    def problems(self, problems: Sequence[Problem]) -> None:
        from installer.site.verbs import make_row, render_problem  # a start of the live system does without what they need

        for problem in problems:
            self._put({"problem": make_row(problem)}, render_problem(problem))

    def tell(self, *lines: str) -> None:
        for line in lines:
            self._put({"told": line}, line)

    def plan(self, plan: Mapping[str, Any], lines: Sequence[str]) -> None:
        self._put({"plan": dict(plan)}, "\n".join(lines))

    def progress(self, stage: str, percent: int, text: str) -> None:
        """A line where a stage or its text begins, and at every tenth of it."""
        key = f"{stage} {text}"
        if key == self._stage and percent < self._percent + STEP:
            return
        self._stage, self._percent = key, percent
        shown = f"{text}: {percent} %" if percent else text
        self._put({"progress": {"stage": stage, "percent": percent, "text": text}}, shown)

    def result(self, code: int, text: str) -> int:
        self._put({"result": {"code": code, "text": text}}, text)
        return code

    def _put(self, value: Mapping[str, Any], line: str) -> None:
        shown = json.dumps(value, separators=(",", ":")) if self.is_json else line
        with suppress(OSError, ValueError):
            print(shown, file=self.out, flush=True)
