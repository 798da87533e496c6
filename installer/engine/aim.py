"""What one run of apply is for: the whole plan, or only to discover. Chosen once, before the first step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from installer.model.events import Event
from installer.model.facts import Machine
from installer.model.ledger import Ledger
from installer.model.plan import Plan, SetPower, Step, StepKey, WaitFor, WriteFile
from installer.model.site import Site

DISCOVERING: Final = frozenset({"service", "discovered"})


@dataclass(frozen=True, slots=True)
class Aim:
    """`keep`: the steps that are carried out, of a plan's. `give`: what is journalled for good before they are.

    `is_whole`: it carries the whole plan out, so it also forgets steps that are planned no more, and tries again what had
    failed. `ends`: it is over once nothing is left that can go on without a person; else only when it is stopped.
    """

    keep: Callable[[Sequence[Step]], tuple[Step, ...]]
    give: Callable[[Plan, Site, Mapping[str, Machine], Ledger], tuple[Event, ...]]
    is_whole: bool
    ends: bool


def keep_discovery(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps that serve, and that power machines on into discovery: nothing that a person has to agree to, nothing that
    needs such a step, and nothing about a machine that is a node already."""
    kept: dict[StepKey, Step] = {}
    for step in steps:
        if not step.destructive and _discovers(step) and all(need in kept for need in step.needs):
            kept[step.key] = step
    return tuple(kept.values())


def _discovers(step: Step) -> bool:
    about = step.key.host == "admin" or step.key.host.startswith("bmc ")
    return about and all(_is_harmless(action) for action in step.actions)


def _is_harmless(action: object) -> bool:
    match action:
        case WriteFile():
            return True
        case SetPower():
            return action.power != "off"
        case WaitFor():
            return action.fact in DISCOVERING and not action.gate
        case _:
            return False


def _keep_all(steps: Sequence[Step]) -> tuple[Step, ...]:
    return tuple(steps)


def _give_all(plan: Plan, site: Site, machines: Mapping[str, Machine], ledger: Ledger) -> tuple[Event, ...]:
    from installer.plan.gifts import make_gifts

    return make_gifts(plan, site, machines, ledger)


def _give_nothing(*_: object) -> tuple[Event, ...]:
    """Names, addresses and consents are for good: while the operator still decides, none is given."""
    return ()


WHOLE: Final = Aim(_keep_all, _give_all, is_whole=True, ends=True)
DISCOVERY: Final = Aim(keep_discovery, _give_nothing, is_whole=False, ends=False)
