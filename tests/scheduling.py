"""A world in which the scheduler's tests run steps: what each effect does is told, and what ran is remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from installer.engine.conditions import is_met
from installer.engine.dry import MemoryFacts
from installer.engine.effects import Facts, StepError
from installer.engine.heartbeat import Heartbeat
from installer.engine.scheduler import Scheduler
from installer.engine.waits import Waits
from installer.model.events import Event
from installer.model.plan import OrderNode, PlayRole, RunCommand, SetPower, Step, StepKey, WaitFor, WriteFile

FOUND = {"recording": "", "code": "ABCD-EFGH", "key": "k"}


@dataclass
class World:
    """Records which programs ran; those named in `fails` fail that many times, `hang` never end."""

    facts: Facts
    waits: Waits
    fails: dict[str, int] = field(default_factory=dict)
    hangs: set[str] = field(default_factory=set)
    final: set[str] = field(default_factory=set)
    ran: list[str] = field(default_factory=list)

    async def write_file(self, action: WriteFile) -> None:
        self.ran.append(action.path)

    async def run_command(self, action: RunCommand) -> None:
        name = action.argv[0]
        self.ran.append(name)
        await asyncio.sleep(0)
        if name in self.hangs:
            await asyncio.Event().wait()
        if self.fails.get(name, 0) > 0:
            self.fails[name] -= 1
            raise StepError(f"{name} broke", is_final=name in self.final)

    async def set_power(self, action: SetPower, step: Step) -> None:
        del step
        self.ran.append(f"power {action.bmc}")

    async def wait_for(self, action: WaitFor, step: Step) -> None:
        del step
        await self.waits.until(lambda known: is_met(action, known), self.facts.known)

    async def order_node(self, action: OrderNode, step: Step, attempt: int) -> None:
        self.ran.append(f"order {step.key} {action.node} {attempt}")

    async def play_role(self, action: PlayRole) -> None: ...


def make_step(name: str, *needs: str, id: str = "1", host: str = "admin", attempts: int = 3, deadline_s: float = 60) -> Step:
    keys = tuple(StepKey(host, need) for need in needs)
    return Step(StepKey(host, name), id, name, (RunCommand((name,)),), keys, deadline_s, attempts)


def make_gate(name: str, node: str) -> Step:
    return Step(StepKey(node, name), "1", name, (WaitFor("admitted", node, f"{node} to be admitted", gate=True),))


def run(
    facts: Facts,
    plans: Sequence[Sequence[Step]],
    prepare: Callable[[World], None] = lambda _: None,
    between: Callable[[Facts], None] = lambda _: None,
    most_beats: int = 100,
) -> tuple[World, Scheduler]:
    """Run the plans one after the other: each is taken once the one before has settled, after `between`."""

    async def drive() -> tuple[World, Scheduler]:
        heartbeat = Heartbeat(facts)
        world = World(facts, heartbeat.waits)
        prepare(world)
        async with asyncio.TaskGroup() as group:
            scheduler = Scheduler(group, world, facts, retry_s=0.01)
            for n, steps in enumerate(plans):
                if n:
                    between(facts)
                    facts.refresh()
                scheduler.take(steps)
                for _ in range(most_beats):
                    await asyncio.sleep(0.002)
                    facts.take_new()
                    heartbeat.waits.look(facts.known)
                    if scheduler.wants_plan:
                        scheduler.take(steps)
                    if scheduler.is_settled():
                        break
            done = frozenset(scheduler.graph.done)
            scheduler.cancel()
        scheduler.graph.done.update(done)
        return world, scheduler

    return asyncio.run(drive())


def make_facts(*events: Event) -> MemoryFacts:
    return MemoryFacts([replace(event, id=n) for n, event in enumerate(events, 1)], {})


@st.composite
def graphs(draw: st.DrawFn) -> list[Step]:
    steps: list[Step] = []
    for n in range(draw(st.integers(1, 25))):
        needs = draw(st.lists(st.integers(0, max(0, n - 1)), max_size=4, unique=True)) if n else []
        steps.append(make_step(f"s{n}", *(f"s{need}" for need in needs)))
    return steps
