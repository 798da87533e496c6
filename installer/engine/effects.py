"""The one seam through which steps touch the world. Chosen once: the live world, or a dry run that only tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, assert_never

from installer.engine.conditions import Known, is_met
from installer.engine.store import Progress
from installer.model.events import Event, Happened
from installer.model.ledger import Ledger
from installer.model.plan import OrderNode, PlayRole, RunCommand, SetPower, Step, WaitFor, WriteFile

Condition = Callable[[Known], bool]


class StepError(Exception):
    """A step failed. `is_final`: trying again cannot help until the operator has changed something."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final


class Facts(Protocol):
    """What has happened so far, and the way to add to it: the journal, or a dry run's copy."""

    @property
    def ledger(self) -> Ledger: ...

    @property
    def known(self) -> Known: ...

    def refresh(self) -> bool:
        """Take in what has happened since. True when there was something."""
        ...

    def take_new(self) -> list[Event]:
        """Refresh; every event that was taken in since this was called last."""
        ...

    def progress(self) -> dict[str, Progress]: ...

    def post(self, *events: Event, durable: bool = False) -> Future[list[Event]]: ...


class Effects(Protocol):
    """One method for each kind of action. Each returns when it is done, or raises StepError."""

    async def write_file(self, action: WriteFile) -> None: ...

    async def run_command(self, action: RunCommand) -> None: ...

    async def set_power(self, action: SetPower, step: Step) -> None: ...

    async def wait_for(self, action: WaitFor, step: Step) -> None: ...

    async def order_node(self, action: OrderNode, step: Step, attempt: int) -> None: ...

    async def play_role(self, action: PlayRole) -> None: ...


async def commit(facts: Facts, *events: Event) -> list[Event]:
    """Append durably without blocking the loop, and see it in the ledger at once."""
    stored = await asyncio.wrap_future(facts.post(*events, durable=True))
    facts.refresh()
    return stored


def tell_wait(facts: Facts, step: Step, what: str) -> None:
    """Journal what the step waits for."""
    facts.post(Event(Happened.STEP_WAITED, step.key.host, {"name": step.key.name, "for": what}))


async def run_actions(step: Step, attempt: int, effects: Effects, facts: Facts) -> None:
    """Run a step's actions, one after the other."""
    for action in step.actions:
        match action:
            case WriteFile():
                await effects.write_file(action)
            case RunCommand():
                await effects.run_command(action)
            case SetPower():
                if not is_reached(step, facts.known):
                    await effects.set_power(action, step)
            case WaitFor():
                await effects.wait_for(action, step)
            case OrderNode():
                await effects.order_node(action, step, attempt)
            case PlayRole():
                await effects.play_role(action)
            case _:
                assert_never(action)


def is_reached(step: Step, known: Known) -> bool:
    """Whether what the step waits for at its end is so already: then no machine needs to be switched for it."""
    goal = step.actions[-1]
    return isinstance(goal, WaitFor) and is_met(goal, known)


def is_gate(step: Step) -> bool:
    """Whether the step waits for a person."""
    return any(isinstance(action, WaitFor) and action.gate for action in step.actions)


def is_watching(step: Step) -> bool:
    """Whether the step has no effect of its own: it only looks."""
    return all(isinstance(action, WaitFor) for action in step.actions)
