"""Runs what a plan leaves to do: every step whose needs are met, at once; each with a deadline and bounded retries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from installer.engine.effects import Effects, Facts, StepError, commit, is_gate, is_reached, is_watching, run_actions, tell_wait
from installer.engine.graph import Graph, make_graph, make_removals
from installer.model.events import Event, Happened
from installer.model.plan import Step, StepKey, WaitFor
from installer.model.problems import RackstrapError

LONGEST_PAUSE_S: Final = 60.0


@dataclass(slots=True)
class _Run:
    """One step in flight. `task` is set right after its start."""

    step: Step
    is_waiting: bool
    task: asyncio.Task[None] | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that used up its attempts. `at`: the number of the event that says so."""

    step: Step
    reason: str
    at: int


@dataclass(slots=True)
class Scheduler:
    """Owns the tasks of one apply; lives in one event loop."""

    group: asyncio.TaskGroup
    effects: Effects
    facts: Facts
    retry_s: float = 5.0
    forgets: bool = True  # what is planned no more; not where only a part of the plan is handed over
    graph: Graph = field(default_factory=Graph)
    failed: dict[StepKey, Failure] = field(default_factory=dict)
    running: dict[StepKey, _Run] = field(default_factory=dict)
    wants_plan: bool = False  # a destructive step waits for a plan that knows of everything so far
    _planned_seq: int = -1
    _planned: asyncio.Event = field(default_factory=asyncio.Event)
    _out: frozenset[str] = frozenset()

    def take(self, steps: Sequence[Step]) -> None:
        """Go over to this plan, made from the ledger as it is now. What runs and is planned still, runs on."""
        ledger = self.facts.ledger
        removals = make_removals(steps, ledger) if self.forgets else ()
        self.graph = make_graph((*steps, *removals), ledger)
        self._planned_seq, self.wants_plan = ledger.seq, False
        self._planned.set()
        self._planned = asyncio.Event()
        self._out = frozenset(entry.name for entry in ledger.machines.values() if entry.left_out and entry.name)
        for key, failure in list(self.failed.items()):
            planned = self.graph.steps.get(key)
            entry = ledger.steps.get(key)
            was_retried = entry is not None and not entry.failed
            if planned is None or planned.id != failure.step.id or was_retried:
                del self.failed[key]
        for key, run in self.running.items():
            planned = self.graph.steps.get(key)
            if (
                run.is_waiting
                and run.task is not None
                and (planned is None or planned.id != run.step.id or key.host in self._out)
            ):
                run.task.cancel()
        for step in self.graph.ready():
            self._start(step)

    def is_settled(self) -> bool:
        """Whether nothing is left that can go on without a person."""
        known = self.facts.known
        return all(is_gate(run.step) and not is_reached(run.step, known) for run in self.running.values())

    def cancel(self) -> None:
        """End every task: what was under way is done again by the next apply."""
        self.graph = Graph()
        for run in self.running.values():
            if run.task is not None:
                run.task.cancel()

    def waiting_gates(self) -> list[WaitFor]:
        """What a person is waited for."""
        actions = (action for run in self.running.values() for action in run.step.actions)
        return [action for action in actions if isinstance(action, WaitFor) and action.gate]

    def _start(self, step: Step) -> None:
        failure = self.failed.get(step.key)
        has_failed = failure is not None and failure.step.id == step.id
        if step.key in self.running or has_failed or step.key.host in self._out:
            return
        run = _Run(step, is_waiting=is_watching(step))
        self.running[step.key] = run
        run.task = self.group.create_task(self._run(run), name=str(step.key))
        run.task.add_done_callback(lambda _: self._end(run))

    def _end(self, run: _Run) -> None:
        """Make room. A step that a newer plan wants otherwise, or that was cancelled for it, starts anew."""
        key = run.step.key
        if self.running.get(key) is run:
            del self.running[key]
        planned = self.graph.steps.get(key)
        was_cut = run.task is not None and run.task.cancelled()
        if planned is not None and (was_cut or planned.id != run.step.id) and self._is_ready(planned):
            self._start(planned)

    def _is_ready(self, step: Step) -> bool:
        return step.key not in self.graph.done and self.graph.missing.get(step.key) == 0

    async def _run(self, run: _Run) -> None:
        for attempt in range(1, run.step.attempts + 1):
            if run.step.destructive and not await self._renew(run):
                return
            step, started = run.step, time.monotonic()
            await self._post(step, Happened.STEP_STARTED, is_durable=not is_watching(step), attempt=attempt)
            try:
                await self._attempt(run, attempt)
            except StepError as error:
                is_last = error.is_final or attempt == step.attempts
                failed = await self._post(step, Happened.STEP_FAILED, attempt=attempt, reason=error.reason)
                if is_last:
                    await self._give_up(step, error.reason, failed.id)
                    return
                await self._pause(run, attempt)
            else:
                await self._post(step, Happened.STEP_DONE, seconds=round(time.monotonic() - started, 3))
                self._succeed(run)
                return

    async def _renew(self, run: _Run) -> bool:
        """Take the step as a plan has it that knows of all that has happened: the operator may just have said otherwise.

        False when it is not to be done now, or not so.
        """
        seq = self.facts.ledger.seq
        was_waiting, run.is_waiting = run.is_waiting, True
        while self._planned_seq < seq:
            self.wants_plan = True
            await self._planned.wait()
        run.is_waiting = was_waiting
        planned = self.graph.steps.get(run.step.key)
        if planned is None or planned.id != run.step.id or not self._is_ready(planned) or planned.key.host in self._out:
            return False
        run.step = planned
        return True

    async def _attempt(self, run: _Run, attempt: int) -> None:
        """Run the actions once. Every foreseen failure becomes a StepError."""
        step = run.step
        try:
            async with asyncio.timeout(None if is_gate(step) else step.deadline_s):
                await run_actions(step, attempt, self.effects, self.facts)
        except TimeoutError:
            waits = next((a.says for a in step.actions if isinstance(a, WaitFor)), "")
            reason = f"not done within {step.deadline_s:g} s" + (f"; waited for: {waits}" if waits else "")
            raise StepError(reason) from None
        except RackstrapError as error:
            raise StepError(f"{error.message}; {error.hint}" if error.hint else error.message) from error

    def _succeed(self, run: _Run) -> None:
        """Start what waited for this step, unless a newer plan wants the step done otherwise."""
        key = run.step.key
        self.running.pop(key, None)
        planned = self.graph.steps.get(key)
        if planned is not None and planned.id == run.step.id and self.graph.missing[key] == 0:
            for freed in self.graph.finish(key):
                self._start(freed)

    async def _pause(self, run: _Run, attempt: int) -> None:
        pause_s = min(LONGEST_PAUSE_S, self.retry_s * 2 ** (attempt - 1))
        tell_wait(self.facts, run.step, f"its next attempt, in {pause_s:g} s")
        was_waiting, run.is_waiting = run.is_waiting, True
        await asyncio.sleep(pause_s)
        run.is_waiting = was_waiting

    async def _give_up(self, step: Step, reason: str, at: int) -> None:
        """The node sits out with its reason; the others go on."""
        self.failed[step.key] = Failure(step, reason, at)
        entry = self.facts.known.nodes.get(step.key.host)
        if entry is not None:
            data = {"state": "problem", "reason": f"{step.key.name}: {reason}"}
            await commit(self.facts, Event(Happened.NODE_STATE, entry.id, data))

    async def _post(self, step: Step, kind: Happened, *, is_durable: bool = True, **data: object) -> Event:
        event = Event(kind, step.key.host, {"name": step.key.name, "id": step.id, **data})
        future = self.facts.post(event, durable=is_durable)
        if not is_durable:
            return event
        return (await asyncio.wrap_future(future))[0]
