"""The plan as an operator reads it in a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from textwrap import wrap
from typing import Final

from installer.model.plan import DiskPlan, NodePlan, Plan, Step, StepKey
from installer.plan.describe import OWN_INSTALLATION, describe_bytes, join_words

WIDTH: Final = 80
LABEL: Final = 11


def render_plan_text(plan: Plan, done: Container[StepKey] = ()) -> str:
    """Per node what is written where and what is lost, what it costs, every step with its needs, every problem.

    `done`: the steps that are done already, and are marked so.
    """
    lines = [f"Site {plan.site}: {_count(len(plan.nodes), 'node')}, {_count(len(plan.steps), 'step')}"]
    for node in plan.nodes:
        lines += ["", *_node_lines(node)]
    lines += [
        "",
        *_total_lines(plan.nodes),
        "",
        "Steps",
        *(line for step in plan.steps for line in _step_lines(step, step.key in done)),
    ]
    if plan.problems:
        lines += ["", "Problems"]
        for problem in plan.problems:
            mark = "warning: " if problem.severity == "warning" else ""
            hint = f"; {problem.hint}" if problem.hint else ""
            lines += _fold("  ", f"{problem.place}: {mark}{problem.message}{hint}", "    ")
    return "\n".join(lines) + "\n"


def _node_lines(node: NodePlan) -> Iterator[str]:
    where = f"machine {node.machine}" if node.machine else "no machine fits yet"
    group = f", group {node.group}" if node.group else ""
    yield f"{node.name}  ({where}{group})"
    for index, role in enumerate(node.roles):
        yield from _row("roles" if index == 0 else "", f"{role}: {node.why.get(role, '')}")
    for index, (network, address) in enumerate(node.addresses.items()):
        yield from _row("addresses" if index == 0 else "", f"{network} {address}")
    yield from _disk_lines(node)
    for index, (disk, reason) in enumerate(node.refused):
        yield from _row("not used" if index == 0 else "", f"{disk}: {reason}")
    if node.begun:
        yield from _row("writes", "nothing more: its installation has begun or is over")
    elif node.disks:
        cost = f"{describe_bytes(node.write_bytes)}, {_count(node.reboots, 'reboot')}, about {node.minutes:g} minutes"
        yield from _row("writes", cost)


def _disk_lines(node: NodePlan) -> Iterator[str]:
    verb = "installed" if node.begun else "ERASES"
    for disk in node.disks:
        yield from _row(verb, _describe_disk(disk))
        if not node.begun:
            yield from _row("", f"loses: {join_words(disk.holds)}" if disk.holds else "it is blank")
    if node.mirror:
        yield from _row("", "the two become a mirror")
    if node.disks and not node.begun:
        yield from _row("consent", node.consent or f"not given yet: `{_find_verb(node)}`")


def _find_verb(node: NodePlan) -> str:
    """The command that gives consent: disks that Rackstrap installed are erased by `reinstall` alone."""
    is_own = any(OWN_INSTALLATION in disk.holds for disk in node.disks)
    return f"rackstrap node reinstall {node.name}" if is_own else f"rackstrap node allocate {node.name} --erase"


def _describe_disk(disk: DiskPlan) -> str:
    parts = (disk.id, describe_bytes(disk.size_bytes), disk.model, f"serial {disk.serial}" if disk.serial else "")
    return ", ".join(part for part in parts if part)


def _total_lines(nodes: Sequence[NodePlan]) -> list[str]:
    left = [node for node in nodes if not node.begun and node.disks]
    total = sum(node.write_bytes for node in left)
    longest = max((node.minutes for node in left), default=0.0)
    reboots = sum(node.reboots for node in left)
    disks = sum(len(node.disks) for node in left)
    text = f"In all {_count(disks, 'disk')} erased, {describe_bytes(total)} written, {_count(reboots, 'reboot')}"
    return _fold(
        "", f"{text}, about {longest:g} minutes where nodes do not wait for each other." if left else "Nothing to install.", ""
    )


def _step_lines(step: Step, is_done: bool) -> list[str]:
    needs = f" (needs {', '.join(str(need) for need in step.needs)})" if step.needs else ""
    mark = " [done]" if is_done else " [erases]" if step.destructive else ""
    return _fold("  ", f"{step.key}: {step.title}{mark}{needs}", "    ")


def _row(label: str, text: str) -> list[str]:
    return _fold(f"  {label:<{LABEL}}", text, " " * (LABEL + 2))


def _fold(first: str, text: str, rest: str) -> list[str]:
    """Lines of at most WIDTH columns. Long ids and paths are never broken: they are there to be copied."""
    return wrap(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False) or [
        first.rstrip()
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def render_roles_text(rows: Iterable[tuple[str, str, str]]) -> str:
    """Roles as a table: name, title, what it needs."""
    table = list(rows)
    width = max((len(name) for name, _, _ in table), default=0)
    return "".join(f"{name:<{width}}  {title}{f'  ({needs})' if needs else ''}\n" for name, title, needs in table)
