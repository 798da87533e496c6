"""Slow baselines: measured on request, kept with commit and machine in tests/baselines.json."""

from __future__ import annotations

import importlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

KEPT: Final = Path(__file__).with_name("baselines.json")


@dataclass(frozen=True, slots=True)
class Baseline:
    """Seconds that the usual way took, and on what it was measured."""

    seconds: float
    how: str
    machine: str

    @property
    def text(self) -> str:
        return f"baseline: {self.seconds:.1f} s, {self.how} [{self.machine}]"


def load_baseline(name: str, *, measure: bool) -> Baseline | None:
    """The kept baseline, measured anew when asked (tests/baseline_NAME.py: `measure() -> (seconds, how)`)."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if measure:
        from tests.bench import describe_machine

        seconds, how = importlib.import_module(f"tests.baseline_{name}").measure()
        kept[name] = asdict(Baseline(seconds, how, describe_machine()))
        KEPT.write_text(json.dumps(kept, indent=2) + "\n")
    return Baseline(**kept[name]) if name in kept else None
