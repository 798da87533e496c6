"""Carry a site out: plan, give, run what is left, plan again when something has happened; until nothing can go on."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from installer.engine.aim import WHOLE, Aim
from installer.engine.effects import Effects, Facts, commit, is_gate
from installer.engine.graph import REMOVED
from installer.engine.heartbeat import Heartbeat
from installer.engine.outlets import Outlet
from installer.engine.scheduler import Scheduler
from installer.engine.status import SiteStatus, make_status
from installer.model.events import Event, Happened
from installer.model.plan import AdminPlace, Plan
from installer.model.problems import Problem
from installer.model.site import Site
from installer.plan.roles import Role
from installer.site.tree import Document

DONE: Final = 0
AT_GATE: Final = 3
SOME_FAILED: Final = 4
INTERRUPTED: Final = 130
# What the engine itself does to steps changes no plan; everything else may.
STEPS: Final = frozenset({Happened.STEP_STARTED, Happened.STEP_DONE, Happened.STEP_FAILED, Happened.STEP_WAITED})
PLAN_EVERY_S: Final = 0.3
SERVE_EVERY_S: Final = 3.0
PLAN_SHARE: Final = 5.0  # planning a large site may take a fifth of the time


@dataclass(slots=True)
class Applying:
    """One run of apply over one site. Everything that it changes goes through `effects` and `facts`."""

    site: Site
    roles: Mapping[str, Role]
    place: AdminPlace
    facts: Facts
    heartbeat: Heartbeat
    effects: Effects
    outlet: Outlet
    document: Document | None = None  # the site file as read: where a problem is
    deadline_s: float = 0.0  # 0: none
    retry_s: float = 5.0
    note: str = ""  # what to add to the last sentence
    keep_serving: Callable[[], object] = lambda: None  # called now and then; blocks shortly
    aim: Aim = WHOLE
    plan: Plan | None = None
    _told: set[Problem] = field(default_factory=set)
    _plan_at: float = 0.0
    _serve_at: float = 0.0
    _is_stopped: bool = False

    async def run(self) -> int:
        """Run to the end. Returns the exit code; SIGINT and SIGTERM stop it between events, with nothing lost."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        began = time.monotonic()
        if self.aim.is_whole:
            await self._forgive()
        async with asyncio.TaskGroup() as group:
            scheduler = Scheduler(group, self.effects, self.facts, self.retry_s, self.aim.is_whole)
            await self._replan(scheduler)
            await self._follow(scheduler, began)
            code, text = self._judge(scheduler, began)
            scheduler.cancel()
        self.outlet.end(code, text + self.note, self._status())
        return code

    def stop(self) -> None:
        self._is_stopped = True

    async def _follow(self, scheduler: Scheduler, began: float) -> None:
        """Until nothing can go on, by a plan that knows of everything that has happened."""
        is_stale = is_touched = False
        while not self._is_stopped and not self._is_late(began):
            new = await self.heartbeat.beat()
            names = {entry.id: entry.name for entry in self.facts.ledger.machines.values()}
            for event in new:
                self.outlet.tell_event(event, names)
            is_touched = is_touched or bool(new)
            is_stale = is_stale or any(event.kind not in STEPS for event in new) or scheduler.wants_plan
            is_settled = scheduler.is_settled() and not new
            if (is_stale and time.monotonic() >= self._plan_at) or (is_settled and is_touched):
                is_stale = is_touched = False
                await self._replan(scheduler)
            elif is_settled and self.aim.ends:
                return
            self.outlet.show(self._status(), len(scheduler.graph.done), len(scheduler.graph.steps))
            await self._see_to_serving()

    async def _see_to_serving(self) -> None:
        if time.monotonic() >= self._serve_at:
            await asyncio.to_thread(self.keep_serving)
            self._serve_at = time.monotonic() + SERVE_EVERY_S

    async def _forgive(self) -> None:
        """Who applies again wants what had failed to be tried again; what was left out stays out."""
        entries = self.facts.ledger.machines.values()
        events = [Event(Happened.NODE_RETRIED, e.id) for e in entries if e.state == "problem" and not e.left_out]
        if events:
            await commit(self.facts, *events)

    async def _replan(self, scheduler: Scheduler) -> None:
        """Plan from what is known now, journal what the plan gives, and hand its steps over."""
        from installer.plan.plan import make_plan

        began = time.monotonic()
        while True:
            known = self.facts.known
            self.plan = make_plan(self.site, known.machines, known.ledger, self.roles, self.place)
            gifts = self.aim.give(self.plan, self.site, known.machines, known.ledger)
            if not gifts:
                break
            await commit(self.facts, *gifts)
        fresh = [problem for problem in self.plan.problems if problem not in self._told]
        self._told.update(fresh)
        self.outlet.tell_problems([locate(problem, self.document) for problem in fresh])
        scheduler.take(self.aim.keep(self.plan.steps))
        ended = time.monotonic()
        self._plan_at = ended + max(PLAN_EVERY_S, (ended - began) * PLAN_SHARE)

    def _judge(self, scheduler: Scheduler, began: float) -> tuple[int, str]:
        """The exit code, and in a sentence why."""
        graph = scheduler.graph
        steps = {key: step for key, step in graph.steps.items() if step.id != REMOVED}
        left = [step for key, step in steps.items() if key not in graph.done]
        wrong = [problem for problem in self.plan.problems if problem.severity == "error"] if self.plan else []
        count = f"{len(steps) - len(left)} of {len(steps)} steps are done"
        if self._is_stopped or self._is_late(began):
            return self._judge_cut(count)
        if scheduler.failed:
            hosts = ", ".join(sorted({key.host for key in scheduler.failed}))
            return SOME_FAILED, f"Failed: {hosts}; {count}. Correct it and run the same command, or `rackstrap node retry NAME`."
        if wrong:
            return (
                SOME_FAILED,
                f"{count}; {'a problem' if len(wrong) == 1 else f'{len(wrong)} problems'} above: the rest cannot be done.",
            )
        gates = [step for step in left if is_gate(step)]
        if gates:
            waits = "; ".join(wait.says for wait in scheduler.waiting_gates())
            return AT_GATE, f"{count}; waits for you: {waits}."
        out = sum(1 for entry in self.facts.ledger.machines.values() if entry.left_out)
        return DONE, f"Done: {count}." + (f" {out} machines were left out." if out else "")

    def _judge_cut(self, count: str) -> tuple[int, str]:
        """The same where it was stopped, or its time was over; for a discovery there is no other end."""
        if not self.aim.ends:
            return DONE, f"Discovery ended: {len(self.facts.ledger.machines)} machines are known; {count}."
        if self._is_stopped:
            return INTERRUPTED, f"Stopped; {count}. Run the same command to go on."
        return SOME_FAILED, f"Out of time after {self.deadline_s:g} s; {count}. Run the same command to go on."

    def _is_late(self, began: float) -> bool:
        return bool(self.deadline_s) and time.monotonic() - began > self.deadline_s

    def _status(self) -> SiteStatus:
        return make_status(self.facts.ledger, self.facts.progress(), time.time())


def locate(problem: Problem, document: Document | None) -> Problem:
    """The problem with line and column, where it is about something in the site file."""
    path = problem.place.path
    if document is None or problem.place.line or path[:1] not in document.values or not path:
        return problem
    return replace(problem, place=document.place(path))
