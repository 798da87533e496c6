"""Giving a node's agent an order, and seeing it through: consent first, durable before the deed, resumed when interrupted."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import asdict, dataclass
from typing import Protocol

from installer.engine.conditions import Known, is_discovered, is_unpacked
from installer.engine.effects import Condition, Facts, StepError, commit, tell_wait
from installer.model.events import Event, Happened
from installer.model.ledger import MachineEntry
from installer.model.orders import InstallSpec
from installer.model.plan import OrderNode, SetPower, Step


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an agent may say nothing before its machine is taken for dead.

    An agent polls every 25 s, so at first it has soon seen its order and said so. Making filesystems on large, slow
    disks says nothing for a while.
    """

    at_first_s: float = 60.0
    at_work_s: float = 300.0


class Reach(Protocol):
    """What an order needs of the world."""

    @property
    def facts(self) -> Facts: ...

    @property
    def patience(self) -> Patience: ...

    async def set_power(self, action: SetPower, step: Step) -> None: ...

    async def until(self, condition: Condition) -> None: ...


async def run_order(action: OrderNode, step: Step, attempt: int, reach: Reach) -> None:
    """Give the order and wait for its end. Raises StepError: final when only the operator can help."""
    entry = find_entry(action.node, reach.facts.known)
    given = entry.order if attempt == 1 else None
    order = str(given["order"]) if given is not None and _is_same(given, action) else ""
    is_silent = False
    while not is_past(action, find_entry(action.node, reach.facts.known)):
        order = order or await _give(action, step, reach, is_retry=attempt > 1 or is_silent, is_silent=is_silent)
        tell_wait(reach.facts, step, f"the agent of {action.node}")
        if not await _is_ended(action.node, order, reach):
            order, is_silent = "", True
            continue
        entry = find_entry(action.node, reach.facts.known)
        if order not in entry.orders_done:
            raise StepError(entry.order_failed or "the order was withdrawn")
        return


def is_past(action: OrderNode, entry: MachineEntry) -> bool:
    """Whether this installation has been laid on the disk already."""
    return action.install is not None and is_unpacked(entry, action.install.epoch)


def find_entry(node: str, known: Known) -> MachineEntry:
    entry = known.nodes.get(node)
    if entry is None:
        raise StepError(f"no machine is {node} any more", is_final=True)
    return entry


async def _give(action: OrderNode, step: Step, reach: Reach, *, is_retry: bool, is_silent: bool) -> str:
    """Check consent, bring the machine back to discovery on a retry, then give the order. Returns the order's id."""
    entry = find_entry(action.node, reach.facts.known)
    resumes = action.install is not None and entry.installing_epoch == action.install.epoch
    if action.install is not None:
        check_leave(action.node, action.install, resumes, reach.facts.known)
    if is_retry or resumes:
        await _withdraw(action.node, reach)
        await bring_back(action.node, step, reach, is_silent=is_silent)
    events = []
    if action.install is not None:
        check_leave(action.node, action.install, resumes, reach.facts.known)
        if not resumes:
            events.append(Event(Happened.INSTALL_STARTED, entry.id, {"epoch": action.install.epoch}))
    order = uuid.uuid4().hex
    install = asdict(action.install) if action.install is not None else None
    data = {"order": order, "kind": action.kind, "install": install, "resumes": resumes}
    events.append(Event(Happened.ORDER_GIVEN, entry.id, data))
    await commit(reach.facts, *events)
    return order


def check_leave(node: str, install: InstallSpec, resumes: bool, known: Known) -> None:
    """Raises a final StepError unless the operator's consent covers exactly what this installation would write."""
    from installer.plan.consent import check_consent

    entry = find_entry(node, known)
    machine = known.machines.get(entry.id)
    if not entry.admitted:
        raise StepError(f"{node} is not admitted", is_final=True)
    if entry.left_out:
        raise StepError(f"{node} was left out by the operator", is_final=True)
    if entry.consent is None or machine is None:
        raise StepError(f"nobody has consented to erase disks of {node}", is_final=True)
    if entry.epoch != install.epoch or not install.disks or not set(install.disks) <= set(entry.consent.disks):
        raise StepError("the plan would write to other disks than consent was given for", is_final=True)
    problems = check_consent(entry.consent, machine, install.epoch, resumes)
    if problems:
        reasons = "; ".join(f"{problem.message} ({problem.hint})" if problem.hint else problem.message for problem in problems)
        raise StepError(reasons, is_final=True)


async def bring_back(node: str, step: Step, reach: Reach, *, is_silent: bool) -> None:
    """Power-cycle the machine into discovery and wait until it has enrolled anew.

    Without a BMC a person is asked to, but only where the agent is silent: one that reported its failure is still there.
    """
    entry = find_entry(node, reach.facts.known)
    bmc = reach.facts.ledger.bmcs.get(reach.facts.known.bmc_of.get(entry.id, ""))
    if bmc is not None and (bmc.secret or bmc.address.startswith("manual:")):
        power = SetPower(bmc.address, "cycle", "pxe", bmc.uefi)
    elif is_silent:
        power = SetPower(f"manual:{node}", "cycle", "pxe")
    else:
        return
    tell_wait(reach.facts, step, f"{node} to be discovered anew")
    await reach.set_power(power, step)
    before = entry.discovered_at

    def is_back(known: Known) -> bool:
        now = known.nodes.get(node)
        return now is None or (now.discovered_at > before and is_discovered(now))

    await reach.until(is_back)


async def _is_ended(node: str, order: str, reach: Reach) -> bool:
    """Wait for the order's end. False when the agent has gone silent: its machine hangs, or lost its power."""

    def is_over(known: Known) -> bool:
        entry = known.nodes.get(node)
        return entry is None or entry.order is None or entry.order.get("order") != order

    started = time.time()
    while True:
        entry = find_entry(node, reach.facts.known)
        row = reach.facts.progress().get(entry.id)
        heard = max(started, row.at if row is not None else 0.0)
        is_at_work = row is not None and row.at > started
        silent_s = reach.patience.at_work_s if is_at_work else reach.patience.at_first_s
        left_s = heard + silent_s - time.time()
        if left_s <= 0:
            return False
        try:
            async with asyncio.timeout(left_s):
                await reach.until(is_over)
            return True
        except TimeoutError:
            continue


async def _withdraw(node: str, reach: Reach) -> None:
    """Take an open order back, so that the machine does not begin with an old one when it has come up again."""
    entry = find_entry(node, reach.facts.known)
    if entry.order is not None:
        data = {"order": entry.order["order"], "reason": "withdrawn: the agent said nothing for too long, or had failed"}
        await commit(reach.facts, Event(Happened.ORDER_FAILED, entry.id, data))


def _is_same(given: object, action: OrderNode) -> bool:
    """Whether an open order is this action's: the same kind, for the same installation."""
    if not isinstance(given, dict) or given.get("kind") != action.kind:
        return False
    install = given.get("install")
    epoch = install.get("epoch") if isinstance(install, dict) else None
    return epoch == (action.install.epoch if action.install is not None else None)
