"""Review: what the plan does to each node, what is lost, and the gate before it."""

from __future__ import annotations

from collections import Counter
from typing import Final

from installer.model.facts import Machine
from installer.model.plan import NodePlan
from installer.plan.describe import describe_bytes, describe_holds
from installer.wizard.losses import Standing, find_disks, find_losses, find_standing, name_disk
from installer.wizard.own import OwnLoss, can_install, find_own_losses, is_wanted
from installer.wizard.page import (
    Action,
    Column,
    Field,
    FieldRow,
    Fields,
    Go,
    Line,
    Lines,
    Mood,
    Page,
    Part,
    Refused,
    Row,
    Selection,
    Table,
)
from installer.wizard.pages import gate
from installer.wizard.pages.own import ROW, make_review_row
from installer.wizard.view import View

SAID: Final[dict[Standing, str]] = {
    "asks": "asks you",
    "consented": "consented",
    "begun": "begun",
    "installed": "installed",
    "own": "not here",
    "reinstall": "reinstall",
    "out": "left out",
    "gone": "disk gone",
    "no disk": "no disk",
    "no machine": "to come",
}
REMEDIES: Final[dict[Standing, str]] = {
    "own": "carries an installation of Rackstrap: `rackstrap node reinstall {name}`",
    "gone": "a chosen disk is not there any more: discover it again, or choose another (Nodes)",
    "no disk": "no disk can be chosen: Enter says why",
    "reinstall": "consent comes from `node reinstall`, once it was discovered anew",
}
COLUMNS: Final = (
    Column("node", 10),
    Column("disks that are lost", 38, grow=True),
    Column("layout", 6, drop=2),
    Column("switch", 8, drop=1),
    Column("", 9),
)
HELP: Final = (
    "You see what would be done to each node. LOOK: a disk of it holds something.",
    "Nothing is erased before you typed the site's name, then only what is shown.",
    "All nodes are installed at once: the minutes are those of the slowest.",
)
WANTS: Final = frozenset({"plan"})


def make_review_page(view: View, _subject: str = "") -> Page:
    """Totals, a row per node, the plan's problems, and the gate."""
    plan = view.plan
    rows = tuple(_make_row(view, node) for node in plan.nodes) if plan is not None else ()
    rows = (*make_review_row(view), *rows)
    table = Table(
        "nodes", COLUMNS, rows, view.plan_problem or "The plan is being made." if plan is None else "The site file names no node."
    )
    parts: tuple[Part, ...] = (
        Lines("totals", (make_totals(view), *_make_live(view), *_make_counts(view), *_make_waiting(view))),
        table,
        *_make_problems(view),
        _make_gate(view),
    )
    actions = (
        Action("enter", "node", _open, "nodes", "Everything about the node: what is lost, and why."),
        Action("i", "install", gate.start, help="Erase and install, after asking for the site's name."),
        Action("a", "admit", gate.admit, help="Admit the machines of this plan, after comparing their codes."),
        Action("f", "files", lambda _view, _: Go("files"), help="The files that will be written."),
        *([Action("o", "this machine", lambda _view, _: Go("own"), help="Its own installation.")] if can_install(view) else []),
        Action("d", "changes", lambda _view, _: Go("changes"), help="What differs from what was applied last."),
    )
    return Page("review", "Review", "What will be done, and what is lost?", parts, actions, HELP, wants=WANTS)


def make_totals(view: View) -> Line:
    """`12 nodes, 24 disks erased, 12 reboots, 14 GB written, about 9 min`: of the nodes that are still to be installed."""
    if view.plan is None:
        return Line(view.plan_problem or "the plan is being made", "FAIL" if view.plan_problem else "wait")
    open_nodes = [node for node in view.plan.nodes if find_standing(view, node) in ("asks", "consented")]
    mine = [loss.plan for loss in find_own(view)]
    disks = sum(len(plan.disks) for plan in mine) + sum(len(node.disks) for node in open_nodes)
    reboots = sum(node.reboots for node in open_nodes) + len(mine)
    size = describe_bytes(sum(plan.write_bytes for plan in mine) + sum(node.write_bytes for node in open_nodes))
    # This machine first, then all nodes at once.
    minutes = sum(plan.minutes for plan in mine) + max((node.minutes for node in open_nodes), default=0.0)
    who = [*(["the admin node"] if mine else []), *([count(len(open_nodes), "node")] if open_nodes or not mine else [])]
    texts = (" and ".join(who), f"{count(disks, 'disk')} erased", f"{count(reboots, 'reboot')}", f"{size} written")
    is_any = mine or open_nodes
    return Line(f"{', '.join(texts)}, about {max(1, round(minutes))} min" if is_any else "nothing to install, nothing to erase")


def find_own(view: View) -> tuple[OwnLoss, ...]:
    """This machine, where it is to be erased and installed."""
    return (*find_own_losses(view, "asks"), *find_own_losses(view, "consented")) if is_wanted(view) else ()


def _make_live(view: View) -> list[Line]:
    """Where this machine runs live, that its own disks are left alone."""
    if not can_install(view) or is_wanted(view):
        return []
    return [Line("this machine runs live: its own disks are left alone", notes=("o installs it, whenever you ask for it",))]


def _make_counts(view: View) -> list[Line]:
    if view.plan is None:
        return []
    held = sum(not loss.is_blank for loss in (*find_losses(view), *find_losses(view, "consented")))
    own_held = any(not loss.is_blank for loss in find_own(view))
    found = Counter(find_standing(view, node) for node in view.plan.nodes)
    words = [f"{found[way]} {SAID[way]}" for way in SAID if found[way] and way not in ("asks",)]
    lines = [Line(", ".join(words))] if words else []
    who = [*(["this machine"] if own_held else []), *([count(held, "node")] if held else [])]
    return [*lines, *([Line(f"{' and '.join(who)} marked LOOK: a disk holds something", "warn")] if who else [])]


def _make_waiting(view: View) -> list[Line]:
    waiting = gate.find_waiting(view)
    return [Line(f"{count(len(waiting), 'node')} not admitted: the others go on without; a admits", "wait")] if waiting else []


def _make_row(view: View, node: NodePlan) -> Row:
    standing, machine = find_standing(view, node), view.machines.get(node.machine)
    disks = find_disks(machine, node) if machine is not None else ()
    is_lost = standing in ("asks", "consented")
    held = [name for disk in disks for name in describe_holds(disk)] if is_lost else []
    names = " + ".join(name_disk(disk, machine) for disk in disks) if machine is not None else "-"
    layout = "mirror" if node.mirror else "single" if node.disks else "-"
    last = "LOOK" if any(not disk.is_blank for disk in disks) and is_lost else SAID[standing]
    notes = tuple(f"holds {text}" for text in held[:4]) + (
        (f"and {len(held) - 4} more: Enter shows them",) if len(held) > 4 else ()
    )
    remedy = REMEDIES.get(standing, "").format(name=node.name)
    mood: Mood = (
        "warn" if last == "LOOK" or remedy else "ok" if standing == "installed" else "wait" if standing == "no machine" else ""
    )
    return Row(
        node.name, (node.name, names or "-", layout, find_switch(machine), last), (*notes, *([remedy] if remedy else [])), mood
    )


def find_switch(machine: Machine | None) -> str:
    """The switch of the first NIC that LLDP shows one on."""
    return next((nic.lldp.switch for nic in machine.nics if nic.lldp), "-") if machine is not None else "-"


def _make_problems(view: View) -> tuple[Lines, ...]:
    """The plan's problems, each with its remedy; the errors first."""
    problems = sorted(view.plan.problems if view.plan is not None else (), key=lambda problem: problem.severity != "error")
    lines = tuple(
        Line(problem.message, "FAIL" if problem.severity == "error" else "warn", notes=(problem.hint,) if problem.hint else ())
        for problem in problems[:50]
    )
    more = (Line(f"and {len(problems) - 50} more: `rackstrap plan` prints all"),) if len(problems) > 50 else ()
    return (Lines("problems", (*lines, *more), "Problems"),) if lines else ()


def _make_gate(view: View) -> Fields:
    name = view.draft.site.name if view.draft.site is not None else ""
    asks = bool(gate.find_asked(view, "all", "asks").all)
    label = f"Erase and install: asks for the site's name ({name}) first" if asks else "Begin: no disk needs your consent"
    row = FieldRow(Field("start", label, "action", "Enter shows once more what is lost, and asks."), "")
    return Fields("gate", (row,), lambda now, _name, _text: gate.start(now, Selection()))


def _open(view: View, chosen: Selection) -> Go | Refused:
    if chosen.row == ROW:
        return Go("own")
    is_there = view.plan is not None and any(node.name == chosen.row for node in view.plan.nodes)
    return Go("node", chosen.row) if is_there else Refused("no node is chosen", "put the cursor on one")


def make_node_page(view: View, subject: str) -> Page:
    """Everything that the plan says of one node."""
    node = view.plan.node(subject) if view.plan is not None else None
    if node is None:
        gone = (Lines("gone", (Line("The plan has no such node now.", "wait", notes=("Esc goes back.",)),)),)
        return Page("node", subject, "What happens to this node?", gone, subject=subject, wants=WANTS)
    parts = (_make_disk_lines(view, node), _make_cost_lines(view, node), _make_facts(node), *_make_refused(view, node))
    files = Lines("files", tuple(Line(path) for path in node.files) or (Line("none"),), "Files written on it")
    actions = (Action("l", "log", lambda _view, _: Go("log", node.machine or node.name), help="Its log."),)
    return Page("node", node.name, "What happens to this node?", (*parts, files), actions, HELP, subject, WANTS)


def _make_disk_lines(view: View, node: NodePlan) -> Lines:
    machine, standing = view.machines.get(node.machine), find_standing(view, node)
    lines = []
    for disk in find_disks(machine, node) if machine is not None else ():
        assert machine is not None  # noqa: S101 - it has the disk
        is_lost = standing in ("asks", "consented")
        held = tuple(f"{'LOST: ' if is_lost else ''}{text}" for text in describe_holds(disk)) or ("nothing on it",)
        text = f"{name_disk(disk, machine)}, {describe_bytes(disk.size_bytes)}"
        lines.append(Line(text, "" if disk.is_blank or not is_lost else "warn", notes=(*held, f"id {disk.id}")))
    remedy = REMEDIES.get(standing, "").format(name=node.name)
    said = node.consent or ("asked for on the review page" if standing == "asks" else SAID[standing])
    state = Line(f"consent: {said}", notes=(remedy,) if remedy else ())
    return Lines("disks", (*lines, state), "Disks that are lost, as a mirror" if node.mirror else "Disk that is lost")


def _make_cost_lines(view: View, node: NodePlan) -> Lines:
    about = f"{count(node.reboots, 'reboot')}, {describe_bytes(node.write_bytes)} written, about {node.minutes:.1f} min"
    machine = view.machines.get(node.machine)
    who = f"{machine.product.strip() or 'unknown model'}, serial {machine.serial or 'none'}" if machine is not None else "to come"
    return Lines(
        "cost", (Line(about), Line(f"machine: {who}; switch {find_switch(machine)}"), Line(f"group: {node.group or 'none'}"))
    )


def _make_facts(node: NodePlan) -> Lines:
    roles = tuple(Line(f"{role}: {node.why.get(role, '')}".rstrip(": ")) for role in node.roles)
    addresses = tuple(Line(f"{network}: {address}") for network, address in node.addresses.items())
    return Lines("facts", (*roles, *addresses), "Roles and addresses")


def _make_refused(view: View, node: NodePlan) -> tuple[Lines, ...]:
    machine = view.machines.get(node.machine)
    lines = []
    for disk_id, reason in node.refused:
        disk = machine.disk(disk_id) if machine is not None else None
        lines.append(Line(name_disk(disk, machine) if disk and machine else disk_id, notes=(reason,)))
    return (Lines("refused", tuple(lines), "Disks that are left alone"),) if lines else ()


def count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
