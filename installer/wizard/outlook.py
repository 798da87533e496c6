"""How far a deployment is and what is left of it, from the plan's steps, the ledger and the progress rows. Pure.

A stage is whatever the plan's steps are called, so one that is added later appears here by itself. All nodes are installed
at the same time, so what is left of the site is what is left of its slowest host.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from installer.engine.store import Progress
from installer.model.ledger import MachineEntry, StepEntry
from installer.model.plan import Action, NodePlan, OrderNode, PlayRole, SetPower, Step, StepKey, WaitFor
from installer.plan.estimate import DISCOVER_S, HANDOVER_S
from installer.wizard.view import View

State = Literal["done", "runs", "waits", "failed", "left"]
LEAST_S: Final = 10.0
ROLE_S: Final = 60.0  # a role's play: not measured yet, so the scale below corrects it as soon as one is done
# Where each stage of an installation begins and ends, in per cent: unpacking takes nearly all of it (see plan.estimate).
SPANS: Final = {
    "partition": (0, 3),
    "format": (3, 8),
    "unpack": (8, 85),
    "unpacking": (8, 85),
    "configure": (85, 88),
    "bootloader": (88, 96),
    "handover": (96, 99),
}


@dataclass(frozen=True, slots=True)
class StageOutlook:
    """One step of one host. `percent` is whole, and 100 only when it is done. `waits_for`, `failed`: in words."""

    name: str
    title: str
    state: State
    percent: int
    left_s: float
    is_gate: bool = False
    waits_for: str = ""
    failed: str = ""
    started_at: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class HostOutlook:
    """One host: "admin", a node's name, "bmc ADDRESS", "rule N". Stages in the order of the plan."""

    host: str
    machine: str
    stages: tuple[StageOutlook, ...]
    percent: int
    left_s: float
    is_left_out: bool = False

    @property
    def now(self) -> StageOutlook | None:
        """What failed, else what runs, else what waits, else what comes next; None when all is done."""
        for state in ("failed", "runs", "waits", "left"):
            found = next((stage for stage in self.stages if stage.state == state), None)
            if found is not None:
                return found
        return None


@dataclass(frozen=True, slots=True)
class Outlook:
    """The whole: `done` of `total` nodes that are not left out: installed, with nothing left to do."""

    hosts: Mapping[str, HostOutlook]
    percent: int
    left_s: float
    done: int
    total: int


def make_outlook(view: View) -> Outlook:
    """The outlook of the view's plan; of no plan: nothing done, nothing left."""
    if view.plan is None:
        return Outlook({}, 0, 0.0, 0, 0)
    nodes = {node.name: node for node in view.plan.nodes}
    handover_s = HANDOVER_S[view.draft.site.handover] if view.draft.site is not None else HANDOVER_S["soft-reboot"]
    costs = {step.key: estimate_step_s(step, nodes.get(step.key.host), handover_s) for step in view.plan.steps}
    scale = find_scale(view, costs)
    by_host: dict[str, list[Step]] = {}
    for step in view.plan.steps:
        by_host.setdefault(step.key.host, []).append(step)
    hosts = {}
    for host, steps in by_host.items():
        entry = view.ledger.machines.get(nodes[host].machine) if host in nodes else None
        hosts[host] = _make_host(view, host, steps, entry, {step.key: costs[step.key] * scale for step in steps})
    return _sum_up(view, hosts, costs, [node for node in nodes.values() if node.machine])


def _sum_up(view: View, hosts: Mapping[str, HostOutlook], costs: Mapping[StepKey, float], nodes: list[NodePlan]) -> Outlook:
    counted = [host for host in hosts.values() if not host.is_left_out]
    weights = {key: max(cost, 0.1) for key, cost in costs.items()}
    whole = sum(weights[StepKey(host.host, stage.name)] for host in counted for stage in host.stages)
    so_far = sum(weights[StepKey(host.host, stage.name)] * stage.percent for host in counted for stage in host.stages)
    is_over = all(stage.state == "done" for host in counted for stage in host.stages)
    percent = 100 if is_over and counted else min(99, int(so_far / whole)) if whole else 0
    mine = [hosts[node.name] for node in nodes if node.name in hosts and not hosts[node.name].is_left_out]
    # A machine without a disk has no step left either, and is not installed for all that.
    there = {node.name for node in nodes if node.disks or _is_installed(view, node)}
    done = sum(host.percent == 100 and host.host in there for host in mine)
    return Outlook(hosts, percent, max((host.left_s for host in counted), default=0.0), done, len(mine))


def estimate_step_s(step: Step, node: NodePlan | None, handover_s: float) -> float:
    """Seconds that a step takes by the plan. A gate takes none: nobody knows how long a person takes."""
    return sum(_estimate_action_s(action, node, handover_s) for action in step.actions)


def _estimate_action_s(action: Action, node: NodePlan | None, handover_s: float) -> float:  # noqa: PLR0911 - a kind of action each
    match action:
        case OrderNode(kind="install"):
            return max(LEAST_S, (node.minutes * 60 if node is not None else 0.0) - handover_s)
        case OrderNode():
            return handover_s
        case WaitFor(gate=True):
            return 0.0
        case WaitFor(fact="discovered"):
            return DISCOVER_S
        case WaitFor(fact="installed"):
            return handover_s
        case WaitFor(fact="ready") | PlayRole():
            return ROLE_S
        case SetPower():
            return 2.0
        case _:
            return 0.1


def find_scale(view: View, costs: Mapping[StepKey, float]) -> float:
    """What has been measured so far in proportion to what the plan said: over finished steps of ten seconds and more.

    1.0 before any is finished; never below a tenth or above ten, so that one odd node does not bend all others.
    """
    took = said = 0.0
    for key in view.done:
        entry = view.ledger.steps.get(key)
        if entry is not None and entry.seconds > 0 and costs.get(key, 0.0) >= LEAST_S:
            took, said = took + entry.seconds, said + costs[key]
    return min(10.0, max(0.1, took / said)) if said else 1.0


def _is_installed(view: View, node: NodePlan) -> bool:
    entry = view.ledger.machines.get(node.machine)
    return entry is not None and entry.installed is not None


def _make_host(
    view: View, host: str, steps: list[Step], entry: MachineEntry | None, costs: Mapping[StepKey, float]
) -> HostOutlook:
    row = view.progress.get(entry.id) if entry is not None else None
    stages = tuple(_make_stage(view, step, entry, row, costs[step.key]) for step in steps)
    weights = [max(costs[step.key], 0.1) for step in steps]
    so_far = sum(weight * stage.percent for weight, stage in zip(weights, stages, strict=True)) / sum(weights)
    is_over = all(stage.state == "done" for stage in stages)
    is_left_out = entry is not None and entry.left_out
    left_s = 0.0 if is_left_out else sum(stage.left_s for stage in stages)
    return HostOutlook(host, entry.id if entry else "", stages, 100 if is_over else min(99, int(so_far)), left_s, is_left_out)


def _make_stage(view: View, step: Step, machine: MachineEntry | None, row: Progress | None, cost_s: float) -> StageOutlook:
    entry = view.ledger.steps.get(step.key, StepEntry())
    state = _find_state(view, step, entry, machine)
    is_gate = any(isinstance(action, WaitFor) and action.gate for action in step.actions)
    percent = 100 if state == "done" else 0
    if state == "runs":
        percent = _find_percent(step, entry, row, cost_s, view.now)
    left_s = cost_s * (100 - percent) / 100
    failed = entry.failed if state == "failed" else ""
    waits_for = entry.waits_for if state == "waits" else ""
    return StageOutlook(
        step.key.name, step.title, state, percent, left_s, is_gate, waits_for, failed, entry.started_at, entry.seconds
    )


def _find_state(view: View, step: Step, entry: StepEntry, machine: MachineEntry | None) -> State:
    if step.key in view.done or (machine is not None and _is_open_gate(step, machine)):
        return "done"
    has_failed = machine.state == "problem" if machine is not None else entry.attempts >= step.attempts
    if entry.failed and has_failed:
        return "failed"
    if entry.waits_for:
        return "waits"
    has_begun = entry.id == step.id and entry.started_at > 0 and entry.done_id != step.id
    return "runs" if has_begun and not entry.failed else "left"


def _is_open_gate(step: Step, machine: MachineEntry) -> bool:
    """Whether a person has done already what this step would wait for."""
    for action in step.actions:
        if not (isinstance(action, WaitFor) and action.gate):
            return False
        has_consent = machine.consent is not None and machine.consent.epoch == machine.epoch
        if not (machine.admitted if action.fact == "admitted" else has_consent and action.fact == "allocated"):
            return False
    return bool(step.actions)


def _find_percent(step: Step, entry: StepEntry, row: Progress | None, cost_s: float, now: float) -> int:
    """What the node itself reports, else the time that has passed against the estimate; at most 99."""
    orders = any(isinstance(action, OrderNode) for action in step.actions)
    if orders:
        if row is None or row.at < entry.started_at:
            return 0
        first, last = SPANS.get(row.stage, (0, 99))
        return min(99, first + (last - first) * max(0, min(100, row.percent)) // 100)
    return min(95, max(0, int(100 * (now - entry.started_at) / cost_s))) if cost_s > 1 else 0


def describe_left(left_s: float) -> str:
    """`about 2 min`, in whole minutes, so that it changes seldom; `a few seconds` below half a minute."""
    if left_s < 30:
        return "a few seconds"
    minutes = max(1, round(left_s / 60))
    return f"about {minutes} min" if minutes < 90 else f"about {minutes / 60:.1f} h"
