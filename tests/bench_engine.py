"""The engine's own cost: 10,000 steps over 500 hosts whose effects are nothing, with the store's full durability.

Every STEP_STARTED is on the disk (synchronous FULL) before its action begins. Measured at several sizes, to show that
time grows linearly: the ratio printed is time per step at the largest size against the smallest.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from installer.engine.heartbeat import Heartbeat
from installer.engine.journal import Journal
from installer.engine.scheduler import Scheduler
from installer.model.plan import OrderNode, PlayRole, RunCommand, SetPower, Step, StepKey, WaitFor, WriteFile

GOAL_S: Final = 5.0
HOSTS: Final = 500


class NoEffects:
    """A world in which everything is done at once."""

    async def write_file(self, action: WriteFile) -> None: ...

    async def run_command(self, action: RunCommand) -> None: ...

    async def set_power(self, action: SetPower, step: Step) -> None: ...

    async def wait_for(self, action: WaitFor, step: Step) -> None: ...

    async def order_node(self, action: OrderNode, step: Step, attempt: int) -> None: ...

    async def play_role(self, action: PlayRole) -> None: ...


def make_steps(count: int, hosts: int = HOSTS) -> list[Step]:
    """Chains on every host; each host's chain begins after one step of the admin node."""
    first = Step(StepKey("admin", "prepare"), "0", "Prepare", (WriteFile("/nowhere", ""),))
    steps = [first]
    for n in range(count - 1):
        host, place = f"node{n % hosts}", n // hosts
        needs = (StepKey(host, f"step{place - 1}") if place else first.key,)
        steps.append(Step(StepKey(host, f"step{place}"), f"{n}", "Do nothing", (WriteFile("/nowhere", ""),), needs))
    return steps


async def run_steps(journal: Journal, steps: Sequence[Step]) -> None:
    async with asyncio.TaskGroup() as group:
        heartbeat = Heartbeat(journal)
        scheduler = Scheduler(group, NoEffects(), journal)
        scheduler.take(steps)
        while not scheduler.is_settled():
            await heartbeat.beat()


def measure(count: int) -> tuple[float, float]:
    """Seconds to run `count` steps, and to find in a new process's place that all of them are done."""
    steps = make_steps(count)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state" / "store.db"
        with Journal(path) as journal:
            began = time.perf_counter()
            asyncio.run(run_steps(journal, steps))
            run_s = time.perf_counter() - began
        began = time.perf_counter()
        with Journal(path) as journal:
            assert all(journal.ledger.steps[step.key].done_id == step.id for step in steps)
            asyncio.run(run_steps(journal, steps))
            resume_s = time.perf_counter() - began
            assert journal.ledger.seq == 2 * count
    return run_s, resume_s


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench_engine", description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    args = parser.parse_args(argv)
    per_step = []
    for count in (args.steps // 4, args.steps // 2, args.steps):
        run_s, resume_s = measure(count)
        per_step.append(run_s / count)
        each_us = run_s / count * 1e6
        print(f"{count} steps over {HOSTS} hosts: {run_s:.2f} s, {each_us:.0f} us a step; resumed in {resume_s:.2f} s")
    total_s = per_step[-1] * args.steps
    print(f"engine: {args.steps} steps in {total_s:.2f} s, {total_s / GOAL_S:.2f} of the goal")
    print(f"linear: a step of {args.steps} costs {per_step[-1] / per_step[0]:.2f} of a step of {args.steps // 4}")
    return 0 if total_s < GOAL_S else 1


if __name__ == "__main__":
    raise SystemExit(main())
