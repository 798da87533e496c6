"""Deploy: how far each node is, what waits and for what, what went wrong and what to do; and the log of one node.

Texts hold whole per cent and whole minutes only, so that a line is painted anew seldom.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Final

from installer.engine.node_changes import make_leaving_out, make_retry
from installer.engine.telling import render_event
from installer.model.ledger import MachineEntry
from installer.model.plan import NodePlan
from installer.wizard.outlook import HostOutlook, Outlook, describe_left, make_outlook
from installer.wizard.own import HOST, can_install, is_wanted
from installer.wizard.page import (
    Action,
    Ask,
    Bar,
    Column,
    Field,
    Go,
    Line,
    Lines,
    Mood,
    Outcome,
    Page,
    Refused,
    Row,
    Selection,
    Table,
    Told,
    Wished,
)
from installer.wizard.pages.gate import DEPLOY, check_ready, find_asked, make_wish, start
from installer.wizard.pages.own import ROW, make_bar, make_deploy_row
from installer.wizard.pages.own import make_summary as make_own_summary
from installer.wizard.view import View
from installer.wizard.wishes import Append, Apply, StopApplying

GATES: Final = {
    "admit": "for you to admit: on the review page (Esc), a compares the codes",
    "allocate": "for your consent to erase: on the review page (Esc), i asks for it",
}
SAME: Final = 3  # as many nodes that wait for the same are told of once, above
COLUMNS: Final = (
    Column("node", 10),
    Column("state", 12),
    Column("now", 36, grow=True),
    Column("%", 4, right=True),
    Column("time", 8, drop=1, right=True),
)
HELP: Final = (
    "The work goes on when you close this, or when the line drops.",
    "A node that waits says for what; one with a problem says why.",
    "r tries it again, x goes on without it.",
)


def make_deploy_page(view: View, _subject: str = "") -> Page:
    """One bar for the whole, and a row per node."""
    outlook = make_outlook(view)
    nodes = view.plan.nodes if view.plan is not None else ()
    rows = tuple(_make_row(view, node, outlook.hosts.get(node.name)) for node in nodes)
    shared = find_shared(rows)
    rows = (*make_deploy_row(view), *rows)
    rows = tuple(replace(row, notes=()) if _find_wait(row) in shared else row for row in rows)
    empty = "The plan is being made." if view.plan is None else "No node is planned: name machines on the Nodes page first."
    table = Table("nodes", COLUMNS, rows, view.plan_problem or empty, marks=True)
    bar = Bar("whole", "install", outlook.percent, _say_whole(outlook, is_running=view.running is not None))
    waits = (_say_shared(what, shared[what]) for what in shared)
    summary = Lines("summary", (*make_own_summary(view), *_make_summary(view, outlook), *waits))
    actions = (
        Action("enter", "log", _open_log, "nodes", "What happened to this node."),
        Action("r", "retry", retry, "nodes", "Clear its problem, or bring it back after it was left out."),
        Action("x", "leave out", leave_out, "nodes", "Go on without it. It asks first."),
        Action("s", "stop", stop, help="Stop after the present events. Nothing is lost; it asks first."),
        Action("c", "go on", go_on, help="Go on where it stopped."),
        Action("v", "events", lambda _view, _: Go("events"), help="Everything that happened, in words."),
        *([Action("o", "this machine", lambda _view, _: Go("own"), help="Its own installation.")] if can_install(view) else []),
    )
    return Page(
        "deploy", "Deploy", "How far is it?", (*make_bar(view), bar, summary, table), actions, HELP, wants=frozenset({"plan"})
    )


def _find_wait(row: Row) -> str:
    """What a waiting node waits for, in words that fit its like too; "" for others."""
    if row.mood != "wait" or len(row.notes) != 1:
        return ""
    return re.sub(rf"\b{re.escape(row.key)}\b", "each", row.notes[0])


def find_shared(rows: tuple[Row, ...]) -> dict[str, int]:
    """What so many nodes wait for alike that it is told of once, and how many they are."""
    found = Counter(what for row in rows if (what := _find_wait(row)))
    return {what: number for what, number in found.items() if number >= SAME}


def _say_shared(what: str, number: int) -> Line:
    reason, _, remedy = what.partition(": ")
    return Line(f"{number} nodes wait {reason}", "wait", notes=(remedy,) if remedy else ())


def _say_whole(outlook: Outlook, *, is_running: bool) -> str:
    left = f", {describe_left(outlook.left_s)} left" if is_running and outlook.percent < 100 else ""
    return f"{outlook.done} of {outlook.total}{left}"


def _make_summary(view: View, outlook: Outlook) -> list[Line]:
    """What runs or how it ended, what waits that is no node's, and what failed there."""
    lines = []
    if outlook.percent == 100 and (view.running is None or view.running.mode == "apply"):
        lines.append(Line("everything is done", "ok", notes=("n goes on: how to log in, what to save, the whole rack",)))
    elif view.running is None:
        has_begun = outlook.percent or (is_wanted(view) and view.ledger.admin.has_begun)
        how = "c goes on with what is left" if has_begun else "Esc goes to the review page: i there starts it"
        lines.append(Line(view.last_end or "nothing runs", "warn", notes=(how,)))
    elif view.running.mode == "discover":
        lines.append(
            Line(
                "machines are being discovered; nothing is installed", "wait", notes=("the review page starts the installation",)
            )
        )
    if view.plan is None:
        lines.append(Line(view.plan_problem or "the plan is being made", "FAIL" if view.plan_problem else "wait"))
    names = {node.name for node in view.plan.nodes} if view.plan is not None else set()
    for host, found in outlook.hosts.items():
        now = found.now
        if host not in names and now is not None and now.state in ("waits", "failed"):
            remedy = ("see its log: v shows events; c tries again when nothing runs",) if now.failed else ()
            lines.append(Line(now.failed or f"waits for {now.waits_for}", "FAIL" if now.failed else "wait", host, remedy))
    return lines[:8] + ([Line(f"and {len(lines) - 8} more")] if len(lines) > 8 else [])


def _make_row(view: View, node: NodePlan, host: HostOutlook | None) -> Row:
    entry = view.ledger.machines.get(node.machine)
    if entry is None or host is None:
        return Row(node.name, (node.name, "to come", "no machine fits yet", "-", "-"), mood="wait")
    state = "left out" if entry.left_out else entry.state
    time = _say_time(host, view.now)
    if entry.left_out:
        return Row(node.name, (node.name, state, entry.reason or "the others go on", "-", time), ("r brings it back",))
    stage = host.now
    if stage is None:
        if not node.disks:
            return Row(
                node.name, (node.name, state, "not installed: it has no disk", "-", time), ("Enter on the review page says why",)
            )
        return Row(node.name, (node.name, state, "done", "100", time), mood="ok")
    if stage.state == "failed" or entry.state == "problem":
        reason = entry.reason or stage.failed
        return Row(
            node.name,
            (node.name, "problem", stage.name, f"{host.percent}", time),
            (reason, "r tries again, x leaves it out, Enter opens its log"),
            "FAIL",
        )
    row = view.progress.get(entry.id)
    shows = row is not None and stage.state == "runs" and row.at >= stage.started_at and entry.state == "installing"
    text = f"{row.stage} {row.percent} %" if row is not None and shows else stage.name
    mood: Mood = "wait" if stage.state == "waits" else ""
    notes: tuple[str, ...] = ()
    if stage.is_gate:
        mood, text = "wait", f"waits for you: {stage.name}"
        notes = (GATES.get(stage.name, f"for you: {stage.title}: `rackstrap node show` says what to do"),)
    elif stage.waits_for:
        text, notes = f"waits: {stage.name}", (f"for {stage.waits_for}",)
    return Row(node.name, (node.name, state, text, f"{host.percent}", time), notes, mood)


def _say_time(host: HostOutlook, now: float) -> str:
    """Of a finished node, minutes and seconds that its steps took; of one at work, whole minutes since it began."""
    work = [stage for stage in host.stages if not stage.is_gate]
    if host.percent == 100:
        seconds = int(sum(stage.seconds for stage in work))
        return f"{seconds // 60}:{seconds % 60:02}" if seconds else "-"
    began = min((stage.started_at for stage in work if stage.started_at), default=0.0)
    return f"{int(max(0.0, now - began) // 60)} min" if began else "-"


def _open_log(view: View, chosen: Selection) -> Outcome:
    if chosen.row == ROW:
        return Go("log", HOST)
    node = view.plan.node(chosen.row) if view.plan is not None else None
    return Go("log", node.machine or node.name) if node is not None else Refused("no node is chosen", "put the cursor on one")


def _pick(view: View, chosen: Selection) -> list[MachineEntry]:
    names = set(chosen.rows)
    nodes = view.plan.nodes if view.plan is not None else ()
    return [view.ledger.machines[n.machine] for n in nodes if n.name in names and n.machine in view.ledger.machines]


def retry(view: View, chosen: Selection) -> Outcome:
    picked = [entry for entry in _pick(view, chosen) if entry.state == "problem" or entry.left_out]
    if not picked:
        return Refused("there is nothing to try again", "choose a node with a problem, or one that was left out")
    events = tuple(event for entry in picked for event in make_retry(entry).events)
    says = f"{_join(picked)}: tried again" + ("" if view.running else "; c goes on")
    return Wished((Append(events, says),), says)


def leave_out(view: View, chosen: Selection) -> Outcome:
    """Ask, then go on without these."""
    picked = [entry for entry in _pick(view, chosen) if not entry.left_out]
    if not picked:
        return Refused("no node is chosen that could be left out", "put the cursor on one")
    keys = [entry.id for entry in picked]

    def follow(now: View, answer: Selection) -> Outcome:
        if answer.text != "yes":
            return Told("nothing has changed")
        found = [now.ledger.machines[key] for key in keys if key in now.ledger.machines]
        events = tuple(event for entry in found for event in make_leaving_out(entry).events)
        says = f"{_join(found)}: left out; r brings it back"
        return Wished((Append(events, says),), says)

    says = (
        f"Leave out {_join(picked)}?",
        "The others go on. What was written stays; its power is not touched.",
        "r brings it back at any time.",
    )
    return Ask(_make_question("Leave out", "the others go on without it"), follow, says)


def stop(view: View, _chosen: Selection) -> Outcome:
    if view.running is None:
        return Refused("nothing runs", "c goes on with what is left")
    if view.running.mode == "install":
        return Refused("the installation of this machine is not stopped half-way", "wait for its end: it takes some minutes")

    def follow(now: View, answer: Selection) -> Outcome:
        if answer.text != "yes":
            return Told("nothing has changed")
        return Wished((StopApplying(),), "stopped; c goes on where it was") if now.running else Told("it has ended by itself")

    says = (
        "No further step begins; services for the nodes stop too.",
        "A node that is unpacking now goes on by itself. c goes on later.",
    )
    return Ask(_make_question("Stop", "the deployment stops"), follow, says)


def _make_question(label: str, yes: str) -> Field:
    return Field("sure", label, "choice", choices=(("yes", yes), ("no", "nothing changes")), start="no")


def go_on(view: View, chosen: Selection) -> Outcome:
    """Apply again. It gives no consent: what needs one waits for the review page."""
    if view.running is not None and view.running.mode != "discover":
        return Refused("it runs already", "s stops it; Enter on a node shows what it is at")
    problem = check_ready(view)
    if problem is not None:
        return problem
    if not is_wanted(view) and view.plan is not None and all(step.key in view.done for step in view.plan.steps):
        return Told("everything is done: nothing is left to do")
    if view.plan is not None and (view.plan.consents or find_asked(view, "all", "asks").own or find_given(view)):
        return start(view, chosen)  # to disks that nobody was shown yet consents the file, or nobody: they are shown first
    if is_wanted(view):
        return Wished((make_wish(view),), "it goes on with this machine, then with the rack", DEPLOY)
    return Wished((Apply(),), "it goes on; what waits for your consent waits on the review page", DEPLOY)


def find_given(view: View) -> bool:
    """Whether the file consents to erase this machine's disks, which nobody has begun yet."""
    return is_wanted(view) and view.own is not None and view.own.given is not None


def make_log_page(view: View, subject: str) -> Page:
    """What happened to one machine, in words, and what the services logged of it."""
    entry = view.ledger.find(subject)
    title = entry.name or entry.code or subject if entry is not None else subject
    found = view.logs.get(subject, ())
    if not found:
        hosts = {subject, *((entry.id, entry.name) if entry is not None else ())} - {""}
        names = {entry.id: entry.name} if entry is not None else {}
        found = tuple(render_event(event, names) for event in view.events if event.host in hosts)
    lines = tuple(Line(text) for text in found) or (Line("nothing is known of it yet"),)
    return Page(
        "log",
        f"Log of {title}",
        "What happened to it?",
        (Lines("log", lines, follows=True),),
        subject=subject,
        wants=frozenset({f"log:{subject}"}),
    )


def _join(entries: list[MachineEntry]) -> str:
    names = [entry.name or entry.code or entry.id for entry in entries]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
