"""A plan's steps against the ledger: which are done, which are left, which have vanished. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from installer.model.ledger import Ledger, StepEntry
from installer.model.plan import Step, StepKey, make_step_id

REMOVED: Final = make_step_id("removed")  # the id under which a vanished key's removal succeeds
UNKNOWN: Final = StepEntry()


@dataclass(slots=True)
class Graph:
    """Steps by key. `missing` counts each open step's needs that are not done; `after` lists who needs a step."""

    steps: dict[StepKey, Step] = field(default_factory=dict)
    done: set[StepKey] = field(default_factory=set)
    missing: dict[StepKey, int] = field(default_factory=dict)
    after: dict[StepKey, list[StepKey]] = field(default_factory=dict)

    def finish(self, key: StepKey) -> list[Step]:
        """Note that the step succeeded; returns the steps whose last unmet need it was."""
        if key in self.done or key not in self.steps:
            return []
        self.done.add(key)
        freed = []
        for other in self.after.get(key, ()):
            self.missing[other] -= 1
            if self.missing[other] == 0:
                freed.append(self.steps[other])
        return freed

    def ready(self) -> list[Step]:
        """The open steps that have all they need, in the plan's order."""
        return [step for key, step in self.steps.items() if key not in self.done and self.missing[key] == 0]


def make_graph(steps: Sequence[Step], ledger: Ledger) -> Graph:
    """The graph of these steps, each after those that it needs. Linear in steps and needs.

    Raises ValueError when a step needs one that does not come before it, or a key comes twice.
    """
    graph = Graph()
    for step in steps:
        if step.key in graph.steps:
            raise ValueError(f"two steps are called {step.key}")
        graph.steps[step.key] = step
        unmet = 0
        for need in dict.fromkeys(step.needs):
            if need not in graph.missing:
                raise ValueError(f"{step.key} needs {need}, which does not come before it")
            graph.after.setdefault(need, []).append(step.key)
            unmet += need not in graph.done
        graph.missing[step.key] = unmet
        if unmet == 0 and is_done(step, ledger.steps):
            graph.done.add(step.key)
    return graph


def is_done(step: Step, entries: Mapping[StepKey, StepEntry]) -> bool:
    """Whether the last success under its key has this id, and no step that it needs has succeeded since."""
    entry = entries.get(step.key, UNKNOWN)
    return entry.done_id == step.id and all(entries.get(need, UNKNOWN).done_seq <= entry.done_seq for need in step.needs)


def make_removals(steps: Iterable[Step], ledger: Ledger) -> tuple[Step, ...]:
    """A step for each key that was done, waited or failed once and is planned no more.

    What this release's steps leave behind is either overwritten as a whole (configuration) or belongs to a machine
    (its installation), so removing is forgetting: a key that comes back is done again.
    """
    planned = {step.key for step in steps}
    vanished = (key for key, entry in ledger.steps.items() if key not in planned and _leaves_traces(entry))
    return tuple(Step(key, REMOVED, f"Forget {key}", ()) for key in vanished)


def _leaves_traces(entry: StepEntry) -> bool:
    return bool(entry.waits_for or entry.failed or entry.done_id not in {"", REMOVED})
