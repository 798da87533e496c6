"""A dry run: the same plan, the same order of steps, and a world that only tells. Nothing is written, sent or journalled."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Final

from installer.engine.conditions import Known, is_met
from installer.engine.effects import Facts
from installer.engine.outlets import Outlet
from installer.engine.store import Progress
from installer.model.events import Event, Happened
from installer.model.facts import Machine
from installer.model.folds import add_event, make_ledger
from installer.model.ledger import Ledger
from installer.model.plan import OrderNode, PlayRole, RunCommand, SetPower, Step, WaitFor, WriteFile


class MemoryFacts:
    """What has happened, with what would happen folded into a copy that ends with the process."""

    def __init__(self, events: Iterable[Event], machines: Mapping[str, Machine]) -> None:
        self.ledger: Final[Ledger] = make_ledger(events)
        self._machines: Final = dict(machines)
        for name in machines:
            if name not in self.ledger.machines:
                data = {"recording": "", "code": "", "key": "", "address": ""}
                self.post(Event(Happened.MACHINE_DISCOVERED, name, data))

    @property
    def known(self) -> Known:
        return Known(self.ledger, self._machines)

    def refresh(self) -> bool:
        return False

    def take_new(self) -> list[Event]:
        return []

    def progress(self) -> dict[str, Progress]:
        return {}

    def post(self, *events: Event, durable: bool = False) -> Future[list[Event]]:
        del durable
        stored = []
        for event in events:
            stored.append(replace(event, at=time.time(), id=self.ledger.seq + 1))
            add_event(self.ledger, stored[-1])
        future: Future[list[Event]] = Future()
        future.set_result(stored)
        return future


@dataclass(frozen=True, slots=True)
class Telling:
    """Tells what each action would do."""

    outlet: Outlet
    facts: Facts

    async def write_file(self, action: WriteFile) -> None:
        self.outlet.tell(f"would write {action.path}: {len(action.text.encode())} bytes, mode {action.mode:o}")

    async def run_command(self, action: RunCommand) -> None:
        self.outlet.tell(f"would run {' '.join(action.argv)}")

    async def set_power(self, action: SetPower, step: Step) -> None:
        boot = f", next boot from {action.boot}" if action.boot else ""
        self.outlet.tell(f"{step.key}: would set the power behind {action.bmc} to {action.power}{boot}")

    async def wait_for(self, action: WaitFor, step: Step) -> None:
        if not is_met(action, self.facts.known):
            self.outlet.tell(f"{step.key}: would wait for {'you: ' if action.gate else ''}{action.says}")

    async def order_node(self, action: OrderNode, step: Step, attempt: int) -> None:
        del attempt
        disks = ", ".join(disk.id for disk in action.install.disks) if action.install else ""
        onto = f" onto {disks}; what they hold is lost" if disks else ""
        self.outlet.tell(f"{step.key}: would order {action.node} to {action.kind}{onto}")

    async def play_role(self, action: PlayRole) -> None:
        self.outlet.tell(f"would converge {action.role} on {', '.join(action.nodes)}")
