"""The rack as a picture: machines by switch and port, else by group; and what fails with each device."""

from __future__ import annotations

from typing import Final

from installer.model.ledger import MachineEntry
from installer.plan.natural import make_natural_key
from installer.wizard.blast import Blast, find_blast, find_node_blast, say_blast
from installer.wizard.page import Action, Column, Go, Line, Lines, Mood, Outcome, Page, Refused, Row, Selection, Table
from installer.wizard.view import View

SWITCH: Final = "switch:"
NODE: Final = "node:"
PLAN: Final = frozenset({"plan"})
COLUMNS: Final = (
    Column("port", 14),
    Column("node", 12),
    Column("state", 12),
    Column("roles", 20, drop=2, grow=True),
    Column("model", 14, drop=1),
)
HELP: Final = ("Each switch with what hangs on it, by LLDP. Enter says what fails with it.",)


def make_rack_page(view: View, _subject: str = "") -> Page:
    """A row per switch and group, and below it a row per port."""
    places = find_places(view)
    rows: list[Row] = []
    roles = {node.machine: ", ".join(node.roles) for node in view.plan.nodes} if view.plan is not None else {}
    for place in sorted(places, key=lambda name: (not name.startswith(SWITCH), make_natural_key(name))):
        members = sorted(places[place], key=lambda one: (make_natural_key(one[0]), one[1]))
        title = place.removeprefix(SWITCH)
        is_switch = place.startswith(SWITCH)
        cells = (
            title,
            f"{len(members)} link{'' if len(members) == 1 else 's'}" if is_switch else f"{len(members)} found",
            "",
            "",
            "",
        )
        rows.append(Row(place, cells, offered=is_switch))
        rows += [_make_row(view, port, host, roles, f"{place} {at}") for at, (port, host) in enumerate(members)]
    table = Table("rack", COLUMNS, tuple(rows), "No machine has been discovered yet.")
    action = Action("enter", "what fails", _open, "rack", "What fails with this switch or node.")
    return Page("rack", "Rack", "What hangs where?", (table,), (action,), HELP, wants=PLAN)


def find_places(view: View) -> dict[str, list[tuple[str, str]]]:
    """Switch, or group of machines without LLDP -> port and machine id of each."""
    places: dict[str, list[tuple[str, str]]] = {}
    for host, machine in view.machines.items():
        seen = [nic.lldp for nic in machine.nics if nic.lldp]
        for lldp in seen:
            places.setdefault(f"{SWITCH}{lldp.switch}", []).append((lldp.port, host))
        if not seen:
            entry = view.ledger.machines.get(host)
            group = entry.group if entry is not None and entry.group else ""
            places.setdefault(f"group {group}, no LLDP" if group else "no LLDP", []).append(("-", host))
    for lldp in [nic.lldp for nic in view.here.machine.nics if nic.lldp]:
        places.setdefault(f"{SWITCH}{lldp.switch}", []).append((lldp.port, "admin"))
    return places


def _make_row(view: View, port: str, host: str, roles: dict[str, str], key: str) -> Row:
    if host == "admin":
        return Row(f"admin {key}", (f"  {port}", view.here.hostname, "this node", "admin", ""), offered=False)
    entry, machine = view.ledger.machines.get(host, MachineEntry(host)), view.machines[host]
    state = "left out" if entry.left_out else entry.state
    mood: Mood = "FAIL" if entry.state == "problem" else "ok" if entry.state == "ready" else ""
    title = entry.name or entry.code or host
    return Row(f"{NODE}{host} {key}", (f"  {port}", title, state, roles.get(host, "-"), machine.product.strip()), mood=mood)


def _open(_view: View, chosen: Selection) -> Outcome:
    if chosen.row.startswith(SWITCH):
        return Go("device", chosen.row)
    if chosen.row.startswith(NODE):
        return Go("device", NODE + chosen.row.removeprefix(NODE).partition(" ")[0])
    return Refused("this is no device", "choose a switch or a node")


def make_device_page(view: View, subject: str) -> Page:
    """What fails with a switch or a node, in words."""
    if subject.startswith(NODE):
        host = subject.removeprefix(NODE)
        entry = view.ledger.machines.get(host)
        name = entry.name if entry is not None else ""
        title, found = name or host, find_node_blast(view, name) if name else None
    else:
        title = subject.removeprefix(SWITCH)
        found = find_blast(view, title)
    parts = (
        (_make_lines(view, found),)
        if found is not None
        else (Lines("fails", (Line("It is no node yet: nothing fails with it."),)),)
    )
    return Page("device", title, "What fails with it?", parts, help=HELP, subject=subject, wants=PLAN)


def _make_lines(view: View, found: Blast) -> Lines:
    if view.plan is None:
        return Lines("fails", (Line(view.plan_problem or "The plan is being made.", "wait"),))
    mood: Mood = "warn" if found.cut or found.admin or any(found.lost.values()) else ""
    return Lines("fails", tuple(Line(text, mood) for text in say_blast(found)), f"When {found.device} fails")
