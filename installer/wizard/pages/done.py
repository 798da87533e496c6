"""Done: where everything is and what to do next; the dashboard of the rack from then on. And everything that happened."""

from __future__ import annotations

import re
from typing import Final

from installer.engine.status import NodeStatus, render_age
from installer.engine.telling import render_event
from installer.wizard.outlook import make_outlook
from installer.wizard.own import can_install
from installer.wizard.page import (
    Action,
    Ask,
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
    Wished,
)
from installer.wizard.view import View
from installer.wizard.wishes import SaveReport, SaveSite

QUIET_S: Final = 300.0  # a node reports every minute at most; silent for five, somebody should look
COLUMNS: Final = (
    Column("node", 12),
    Column("state", 12),
    Column("address", 15),
    Column("roles", 20, drop=2, grow=True),
    Column("heard of", 9, drop=1, right=True),
)
UNFINISHED: Final = "d shows what is left of the deployment; c there goes on with it"
OWN_HELP: Final = "Install this admin node on its own disk now: it runs from memory."
HELP: Final = (
    "Every node with its address. u saves site file and report to a stick.",
    "The saved site file brings the same site up again: rackstrap apply FILE.",
)


def make_done_page(view: View, _subject: str = "") -> Page:
    """Health first, then what to do, then a row per machine."""
    roles = {node.machine: ", ".join(node.roles) for node in view.plan.nodes} if view.plan is not None else {}
    rows = tuple(_make_row(status, roles.get(status.machine, "-")) for status in sorted(view.status.nodes, key=_find_order))
    table = Table("nodes", COLUMNS, rows, "No machine has been discovered yet.")
    parts = (Lines("health", tuple(_make_health(view))), table, Lines("next", tuple(_make_next(view)), "What to do next"))
    actions = (
        Action("enter", "log", _open, "nodes", "What happened to this machine."),
        Action("u", "save both", save_both, help="Save the site file and the report to a removable volume."),
        Action("k", "rack", lambda _view, _: Go("rack"), help="What hangs where, and what fails with it."),
        Action("v", "events", lambda _view, _: Go("events"), help="Everything that happened."),
        *([Action("o", "this machine", lambda _view, _: Go("own"), help=OWN_HELP)] if can_install(view) else []),
        Action("d", "deployment", lambda _view, _: Go("deploy"), help="How far the deployment is."),
    )
    return Page("done", "Rack", "How is the rack?", parts, actions, HELP, wants=frozenset({"plan"}))


def _find_order(status: NodeStatus) -> tuple[bool, list[tuple[int, str]]]:
    """Nodes before machines without a name; node2 before node10."""
    return not status.name, [
        (int(word or 0), "") if word.isdecimal() else (0, word) for word in re.split(r"([0-9]+)", status.title)
    ]


def _make_row(status: NodeStatus, roles: str) -> Row:
    is_quiet = status.state == "ready" and status.age_s > QUIET_S
    mood: Mood = "FAIL" if status.state == "problem" else "warn" if is_quiet else "ok" if status.state == "ready" else ""
    notes = (status.reason, "d opens the deployment: r there tries again") if status.state == "problem" else ()
    heard = render_age(status.age_s) if status.age_s >= 60 else "now"
    return Row(
        status.machine, (status.title, status.state, status.address or "-", roles, heard), tuple(n for n in notes if n), mood
    )


def _make_health(view: View) -> list[Line]:
    nodes = [node for node in view.status.nodes if node.name]
    ready = sum(node.state in ("ready", "installed") for node in nodes)
    problems = [node for node in nodes if node.state == "problem"]
    quiet = [node for node in nodes if node.state == "ready" and node.age_s > QUIET_S]
    outlook = make_outlook(view)
    lines = [Line(f"{ready} of {len(nodes)} nodes installed", "ok" if nodes and ready == len(nodes) else "wait", "nodes")]
    if problems:
        lines.append(
            Line(
                f"{len(problems)} with a problem: {_some([n.title for n in problems])}",
                "FAIL",
                notes=("d opens the deployment: r there tries again",),
            )
        )
    if quiet:
        lines.append(
            Line(
                f"{len(quiet)} not heard of for 5 min: {_some([n.title for n in quiet])}",
                "warn",
                notes=("is it powered, and its cable in? Enter opens its log",),
            )
        )
    if view.running is not None:
        lines.append(Line(f"{view.running.mode} runs: {outlook.percent} %", "wait"))
    elif view.last_end:
        lines.append(Line(view.last_end))
    return lines


def _make_next(view: View) -> list[Line]:
    site = view.draft.site
    first = next((node for node in view.status.nodes if node.name and node.address), None)
    nodes = [node for node in view.status.nodes if node.name]
    is_over = bool(nodes) and all(node.state in ("ready", "installed") for node in nodes)
    lines = [Line("u saves site file and report to a stick; then Q leaves, and the services go on" if is_over else UNFINISHED)]
    lines += [Line(f"admin node: {text}") for text in view.here.ssh[:2]]
    if first is not None:
        lines.append(Line(f"log in to a node from here: ssh root@{first.address} ({first.name})"))
    if can_install(view):
        lines.append(Line("this machine runs from memory: o installs it on its own disk; without, all is gone with the power"))
    if site is not None:
        lines.append(Line(f"services: DNS, DHCP, NTP and HTTP at {site.admin.address}"))
    lines.append(Line(f"site file: {view.draft.file or 'not saved yet: S saves it'}"))
    saved = view.ui.get("report", "")
    lines.append(Line(f"report: {saved}" if saved else "report: rackstrap report --out FILE, or u with the site file to a stick"))
    return lines


def _open(_view: View, chosen: Selection) -> Outcome:
    return Go("log", chosen.row) if chosen.row else Refused("no machine is chosen", "put the cursor on one")


def save_both(view: View, _chosen: Selection) -> Outcome:
    """The site file and the report to a removable volume."""
    volumes = tuple((f"volume:{volume.id}", volume.title) for volume in view.here.volumes)
    if not volumes:
        return Refused("no removable volume is there", "plug in a stick, and press u again; S saves to a path")

    def follow(now: View, chosen: Selection) -> Outcome:
        if chosen.text not in {f"volume:{volume.id}" for volume in now.here.volumes}:
            return Refused("that volume is not there any more", "plug it in again, and press u")
        return Wished((SaveSite(chosen.text, over=True), SaveReport(chosen.text, over=True)), "site file and report are saved")

    return Ask(
        Field("volume", "Save both to", "choice", choices=volumes), follow, ("Files of the same name there are replaced.",)
    )


def make_events_page(view: View, _subject: str = "") -> Page:
    """What happened last, in words, the newest last."""
    names = {entry.id: entry.name for entry in view.ledger.machines.values() if entry.name}
    lines = tuple(Line(render_event(event, names)) for event in view.events) or (Line("nothing has happened yet"),)
    return Page("events", "Events", "What happened?", (Lines("events", lines, follows=True),))


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
