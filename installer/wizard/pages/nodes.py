"""Nodes: machines as they are discovered, what they are, what each needs, and all that is done to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from installer.engine.status import NodeStatus
from installer.wizard.nodes_file import Member, Members, find_members
from installer.wizard.page import Action, Column, Go, Line, Lines, Mood, Outcome, Page, Refused, Row, Selection, Table
from installer.wizard.pages import node_actions, node_disks, node_naming, node_power
from installer.wizard.pages.node_actions import find_group
from installer.wizard.pages.node_cells import describe_bmc, describe_disks, describe_memory, describe_port
from installer.wizard.pages.node_notes import SAID_ONCE, Note, find_notes, find_said_once
from installer.wizard.view import View

# Title, widest, and when it vanishes (highest first); the code stays as long as somebody has to compare it.
COLUMNS: Final = (
    ("name", 16, 0), ("state", 12, 0), ("model", 16, 5), ("cpu", 3, 8), ("memory", 6, 6), ("disks", 16, 4), ("switch", 16, 3),
    ("BMC", 15, 7), ("code", 9, 9), ("group", 12, 10), ("address", 15, 11), ("serial", 16, 12), ("firmware", 16, 13),
)  # fmt: skip
RIGHT: Final = frozenset({"cpu", "memory"})
HELP: Final = (
    "Machines that boot by PXE from this admin node appear here within a minute or two. Nothing on them changes.",
    "None appears: is discovery running (s)? Does the machine boot by PXE, on the right card? Does Network show link?",
    "Compare the code of a machine with the one on its console before you admit it: then nobody can stand in for it.",
    "A question mark behind a BMC's address: its user and password are not known yet; c gives them.",
    "Space marks machines; every action then goes to all that are marked. / filters.",
)


def make_nodes_page(view: View, _subject: str = "") -> Page:
    """The table of all machines, and of BMCs and entries whose machine has not been found."""
    members = find_members(view)
    notes = find_notes(view, members)
    once = find_said_once(notes)
    statuses = {status.machine: status for status in view.status.nodes}
    rows = [_make_row(view, member, statuses.get(member.key), notes.get(member.key, ()), once) for member in members.all]
    rows += _make_bmc_rows(view, members)
    is_code_wanted = any(entry.claims or not entry.admitted for entry in view.ledger.machines.values())
    table = Table("machines", _make_columns(rows, is_code_wanted), tuple(rows), _say_empty(view), marks=True)
    said = (*_say_once(once), *_say_matches(members))
    summary = Lines("summary", (replace(_make_summary(members, notes), notes=said),))  # one line: the cursor begins in the table
    answers = Lines("answers", tuple(_say_answers(view)), "Answers")
    parts = (summary, table, answers) if answers.lines else (summary, table)
    return Page("nodes", "Nodes", "Which machines take part?", parts, ACTIONS, HELP)


def _make_row(view: View, member: Member, status: NodeStatus | None, notes: Sequence[Note], once: Mapping[str, int]) -> Row:
    said = [note for note in notes if note.kind not in once]
    texts = tuple(text for note in said for text in (note.reason, note.remedy) if text)
    moods: list[Mood] = [note.mood for note in notes]
    mood: Mood = "FAIL" if "FAIL" in moods else "warn" if "warn" in moods else "wait" if "wait" in moods else ""
    return Row(member.key, _make_cells(view, member, status), texts, mood)


def _make_cells(view: View, member: Member, status: NodeStatus | None) -> tuple[str, ...]:
    machine, entry = member.machine, member.entry
    state = "to come" if not entry.id else status.state if status is not None else entry.state
    if machine is None:
        facts = ("-", "-", "-", "-", "-")
    else:
        facts = (
            machine.product.strip() or "-", str(machine.cpu.threads), describe_memory(machine), describe_disks(machine.disks),
            describe_port(machine),
        )  # fmt: skip
    bmc = describe_bmc(member, view.ledger, view.draft.site) if machine is not None or member.bmc else "-"
    serial, firmware = (machine.serial, machine.firmware.version) if machine is not None else ("", "")
    address = status.address if status is not None else ""
    more = (entry.code, find_group(view, member), address, serial, firmware)
    return (member.name or "(new)", state, *facts, bmc, *(text or "-" for text in more))


def _make_bmc_rows(view: View, members: Members) -> list[Row]:
    """BMCs that answer, and that no machine is known behind."""
    known = {member.bmc for member in members.all}
    rows = []
    for address, bmc in sorted(view.ledger.bmcs.items()):
        if address not in known:
            remedy = (
                "w powers it on to boot by PXE" if bmc.secret else "c gives its user and password; then w powers it on by PXE"
            )
            cells = ("(BMC)", "not seen", "-", "-", "-", "-", "-", address, "-", "-", "-", bmc.serial or "-", "-")
            rows.append(
                Row(f"{node_power.BMC_KEY}{address}", cells, ("a BMC answers, but no machine has reported", remedy), "wait")
            )
    return rows


def _make_columns(rows: Sequence[Row], is_code_wanted: bool) -> tuple[Column, ...]:
    """As wide as what they hold, up to a limit."""
    widths = [max((len(row.cells[at]) for row in rows), default=0) for at in range(len(COLUMNS))]
    drops = [1 if title == "code" and is_code_wanted else drop for title, _, drop in COLUMNS]
    return tuple(
        Column(title, min(max(width, len(title)), most), drop, grow=title == "model", right=title in RIGHT)
        for (title, most, _), width, drop in zip(COLUMNS, widths, drops, strict=True)
    )


def _make_summary(members: Members, notes: Mapping[str, tuple[Note, ...]]) -> Line:
    """`12 machines found: 11 fit, 1 needs you`."""
    found = [member for member in members.all if member.entry.id]
    needing = sum(any(note.needs for note in notes.get(member.key, ())) for member in found)
    waiting = sum(any(note.kind == "admit" for note in notes.get(member.key, ())) for member in found)
    text = f"{len(found)} machine{'' if len(found) == 1 else 's'} found"
    if found:
        text += f": {len(found) - needing} fit" + (f", {needing} need{'s' if needing == 1 else ''} you" if needing else "")
        text += f"; {waiting} to admit" if waiting else ""
    return Line(text, "warn" if needing else "wait" if waiting or not found else "ok")


def _say_once(once: Mapping[str, int]) -> list[str]:
    return [f"{count} {SAID_ONCE[kind]}" for kind, count in once.items()]


def _say_matches(members: Members) -> list[str]:
    return [f"entry {int(p.place.path[1]) + 1}: {p.message}; {p.hint}: m" for p in members.matches.problems[:3]]


def _say_answers(view: View) -> list[Line]:
    """What came of the last requests, for two minutes."""
    names = {entry.id: entry.name or entry.code for entry in view.ledger.machines.values()} if view.answers else {}
    lines = []
    for answer in view.answers[-3:]:
        if view.now - float(answer.get("at", 0.0)) < 120:
            host = str(answer.get("host", ""))
            lines.append(Line(f"{names.get(host, host)}: {answer.get('message', '')}", "ok" if answer.get("ok") else "FAIL"))
    return lines


def _say_empty(view: View) -> str:
    if view.running is not None:
        return "No machine yet. Power them on to boot by PXE; b scans for their BMCs, so that w can do it."
    return "No machine yet. Press s to start discovering, then power them on to boot by PXE."


def _open(view: View, selection: Selection) -> Outcome:
    if selection.row.startswith(node_power.BMC_KEY):
        return Refused("no machine has reported from behind this BMC", "c gives its user and password, w powers it on")
    member = find_members(view).by_key.get(selection.row)
    if member is not None and not member.entry.id:
        return Go("rules", str(member.rule))
    return Go("machine", selection.row) if member is not None else Refused("no machine is chosen", "put the cursor on one")


SHARED: Final = (
    Action("a", "admit", node_actions.admit, help="Let it take part, once its code is the one that its console shows."),
    Action("e", "name", node_naming.name, help="Name it; several by a pattern, in the order of the table."),
    Action("g", "group", node_actions.group, help="Put it into a group: a name that puts nodes together."),
    Action("d", "disk", node_disks.choose, help="Choose the disk, or two as a mirror, for its operating system."),
    Action("l", "light", node_power.light, help="Light the lamp on its front for a minute."),
    Action("w", "power", node_power.power, help="Switch it on, off, or off and on; boot by PXE or from its disk."),
    Action("c", "BMC", node_power.add_login, help="Give its BMC's address, user and password."),
    Action("r", "retry", node_actions.retry, help="Clear its problem, or bring it back after it was left out."),
    Action("x", "leave out", node_actions.leave_out, help="Go on without it."),
    Action("f", "forget", node_actions.forget, help="Delete it: its name and addresses become free. It asks first."),
)  # fmt: skip
ACTIONS: Final = (
    Action("enter", "details", _open, "machines", "Everything that is known about the machine."),
    Action("s", "discover", node_power.discover, help="Serve PXE and wait for machines. Nothing is installed."),
    *SHARED,
    Action("p", "names", node_naming.propose, help="Name every machine that has no name: node1, node2 ..."),
    Action("b", "scan BMCs", node_power.scan, help="Ask every address of some ranges whether a BMC is there."),
    Action("i", "import", node_power.import_list, help="Take in a CSV file of BMCs."),
    Action("m", "rules", lambda _view, _: Go("rules"), help="The entries of the site file, and which machines each fits."),
)
