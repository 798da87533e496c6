"""Welcome: what this machine is, how to reach it, what there is to go on from, and the keyboard."""

from __future__ import annotations

import time
from typing import Final

from installer.model.problems import Problem
from installer.site.save import REMOVED
from installer.wizard.draft import find_value
from installer.wizard.page import (
    Action,
    Ask,
    Column,
    Edited,
    Field,
    Go,
    Line,
    Lines,
    Outcome,
    Page,
    Part,
    Refused,
    Row,
    Selection,
    Table,
    Told,
    Wished,
)
from installer.wizard.section_fields import Leaf, find_leaves
from installer.wizard.sections import check_leaf, find_mood, find_sections
from installer.wizard.view import Here, View
from installer.wizard.wishes import OpenSite, SetKeyboard

_KINDS: Final = {"draft": "unfinished", "applied": "applied", "volume": "on a volume", "file": "file", "offer": "given"}
_RUNS: Final = {
    "discover": "machines are being discovered",
    "apply": "a deployment is running",
    "install": "this machine is being installed",
}
_STAGES: Final = {
    "partition": "partitioning",
    "format": "making filesystems",
    "unpack": "unpacking",
    "configure": "configuring",
    "bootloader": "writing the boot loader",
    "handover": "handing over",
}
_MOST_PROBLEMS: Final = 100
_HELP: Final = (
    "You should see what this machine is, and how to reach it by SSH.",
    "n goes on. Enter on a line under Go on from opens that site file instead.",
    "k changes the keyboard, here and on every node.",
    "l changes to plain lines: numbered questions, for screen readers, slow lines",
    "and terminals that garble this one.",
    "Nothing is installed before the review screen.",
    "No address? Look at the cable, then go on: the next page gives one.",
)


def make_ssh_line(text: str, *, is_first: bool) -> Line:
    """A way to reach this machine, or the host key by which to know it, beside its label."""
    if text.startswith("host key "):
        return Line(text.removeprefix("host key "), "", "host key")
    return Line(text, "", "reach it" if is_first else "or")


def make_welcome_page(view: View, subject: str) -> Page:
    """The first page. Problems of the opened site file come first: they stop everything else."""
    parts: list[Part] = [_make_machine_lines(view)]
    actions = [
        Action("k", "keyboard", _ask_keyboard, "", "Changes the keyboard layout, here and on every node."),
        Action("l", "plain lines", lambda _, __: Go("plain"), "", "Goes on in plain lines; nothing typed is lost."),
    ]
    if any(found.ours and not found.finished for found in view.here.on_disks):
        actions.append(Action("g", "go on", lambda _, __: Go("deploy"), "", "To the installation that stopped."))
    if view.draft.problems if view.draft.file else find_mood(view.draft.problems) == "FAIL":
        parts.append(_make_problems_table(view))
        actions.append(Action("enter", "open", _open_problem, "problems", "Opens the section that the problem is in."))
        actions.append(Action("x", "drop key", _drop_key, "problems", "Takes a key that nothing knows out of the site."))
    if view.here.continuing:
        parts.append(_make_continuing_table(view))
        actions.append(Action("enter", "go on", _continue, "continuing", "Opens that site file."))
    question = "Shall we go on with this site?" if view.draft.file else "A new site: shall we begin?"
    return Page("welcome", "Welcome", question, tuple(parts), tuple(actions), _HELP, subject)


def _make_machine_lines(view: View) -> Lines:
    here, machine = view.here, view.here.machine
    product = " ".join(word for word in (machine.vendor, machine.product) if word) or "unknown product"
    addresses = [f"{address} ({nic.name})" for nic in machine.nics for address in nic.addresses if not address.startswith("fe80")]
    keyboard, _ = find_value(view.draft, ("keyboard",))
    lines = [
        *_make_boot_lines(here),
        Line(f"{product}, serial {machine.serial or 'unknown'}", "", "machine"),
        Line(", ".join(addresses[:4]) or "none yet: the next page gives it one", "", "addresses"),
        *(make_ssh_line(text, is_first=at == 0) for at, text in enumerate(here.ssh)),
        *_make_found_lines(view),
        *(Line(what, "warn", "site file", (remedy,) if remedy else ()) for what, remedy in here.warnings[:4]),
        Line(f"{here.keyboard or keyboard or 'us (not set)'}: press k to change it", "", "keyboard"),
        Line("garbled screen, or a screen reader? press l for plain lines", "", "plain"),
    ]
    asked = view.draft.site.interactive if view.draft.site is not None else ()
    if asked:
        rest = ("all else is fixed by it; the review page ends with the installation",)
        lines.insert(0, Line(f"the site file leaves to you: {', '.join(asked)}", "", "to answer", rest))
    if here.rehearsal:
        touches = "" if "nothing real" in here.rehearsal else ": nothing real is touched"
        lines.insert(0, Line(f"{here.rehearsal.removeprefix('a rehearsal: ')}{touches}", "ok", "rehearsal"))
    if view.running is not None:
        process = f" (process {view.running.pid})" if view.running.pid else ""
        lines.insert(0, Line(f"{_RUNS[view.running.mode]}{process}; the later screens show it", "wait", "running"))
    return Lines("machine", tuple(lines), f"This is {here.hostname or 'the admin node'}")


def _make_boot_lines(here: Here) -> list[Line]:
    """What was started, and where it keeps what is done with it. Nothing in a checkout, or on any other machine."""
    match here.boot.source, here.boot.mode:
        case "medium", "live":
            text = f"{here.version} on the admin ISO, live: no disk is touched unless you ask"
            return [Line(text, "", "Rackstrap", ("everything is in memory, and gone with the power",))]
        case "medium", _:
            return [Line(f"{here.version} on the admin ISO; all is in memory until it is installed", "", "Rackstrap")]
        case "disk", _:
            return [Line(f"{here.version}, installed on this machine's own disk", "", "Rackstrap")]
    return []


def _make_found_lines(view: View) -> list[Line]:
    """Installations of an admin node that are on this machine's disks, where it was not started from one of them."""
    lines = []
    for found in view.here.on_disks if view.here.boot.source != "disk" else ():
        if found.finished:
            how = "to go on with it, start this machine again without the ISO; nothing here touches it by itself"
            whose = "" if found.ours else " (of another machine)"
            lines.append(Line(f"{found.hostname}{whose} is installed on {found.disk}", "warn", "on disk", (how,)))
            continue
        if not found.ours:
            text = f"an unfinished installation of {found.hostname}, of another machine, is on {found.disk}"
            lines.append(Line(text, "warn", "on disk"))
            continue
        stage = f" while {_STAGES.get(found.stage, found.stage)}" if found.stage else ""
        at = f" at {time.strftime('%H:%M', time.localtime(found.at))}" if found.at else ""
        text = f"An installation of {found.hostname} on {found.disk} stopped{stage}{at}"
        lines.append(Line(text, "warn", "on disk", ("g goes on with it: what was decided and found out is here again",)))
    return lines


def _make_continuing_table(view: View) -> Table:
    columns = (Column("what", 11), Column("site file", 50, grow=True), Column("saved", 9, drop=1))
    rows = tuple(
        Row(f"{at}", (_KINDS.get(found.kind, found.kind), found.title, _say_age(view.now - found.at) if found.at else "-"))
        for at, found in enumerate(view.here.continuing)
    )
    return Table("continuing", columns, rows, title="Go on from")


def _say_age(seconds: float) -> str:
    for size, word in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {word} ago"
    return "just now"


def _continue(view: View, chosen: Selection) -> Outcome:
    found = dict(enumerate(view.here.continuing)).get(int(chosen.row) if chosen.row.isdecimal() else -1)
    if found is None:
        return Told("That is not there any more.")
    if found.kind == "draft" and found.target == view.draft.file:
        return Go("next")
    return Wished((OpenSite(found.target),), f"Opened {found.title}.")


def _make_problems_table(view: View) -> Table:
    problems = view.draft.problems
    rows = [_make_problem_row(at, problem) for at, problem in enumerate(problems[:_MOST_PROBLEMS])]
    more = len(problems) - len(rows)
    title = f"Problems of {view.draft.file or 'the site file'}{f' (and {more} more)' if more else ''}"
    return Table("problems", (Column("where", 9, drop=1), Column("", 50, grow=True)), tuple(rows), title=title)


def _make_problem_row(at: int, problem: Problem) -> Row:
    where = f"line {problem.place.line}" if problem.place.line else ".".join(map(str, problem.place.path)) or "-"
    return Row(str(at), (where, problem.message), (problem.hint,) if problem.hint else (), find_mood((problem,)))


def _open_problem(view: View, chosen: Selection) -> Outcome:
    at = int(chosen.row) if chosen.row.isdecimal() else -1
    problem = view.draft.problems[at] if 0 <= at < len(view.draft.problems) else None
    if problem is None:
        return Told("That problem is gone.")
    if _is_unknown_key(problem):
        return Told(f"{problem.hint[:1].upper()}{problem.hint[1:]} Press x to take the key out, or write it right in the file.")
    return find_page_of(problem) or Told(f"This has no form: write it right in the file, line {problem.place.line}.")


def _is_unknown_key(problem: Problem) -> bool:
    return problem.message.startswith("unknown key ") and bool(problem.place.path)


def _drop_key(view: View, chosen: Selection) -> Outcome:
    at = int(chosen.row) if chosen.row.isdecimal() else -1
    problem = view.draft.problems[at] if 0 <= at < len(view.draft.problems) else None
    if problem is None or not _is_unknown_key(problem):
        return Refused("only a key that nothing knows can be dropped here", "open the problem with Enter, and change its value")
    return Edited(((problem.place.path, REMOVED),), f"{problem.place.path[-1]} is taken out.")


def find_page_of(problem: Problem) -> Go | None:
    """The page where the value that a problem is about can be changed; None where there is none."""
    path = problem.place.path
    if path[:1] == ("nodes",):
        return Go("nodes")
    for section in find_sections():
        if path and path[0] in section.keys:
            is_entry = section.name in ("networks", "conduits", "roles") and len(path) > 1
            return Go("section", f"{section.name}.{path[1]}" if is_entry else section.name)
    return None


def _ask_keyboard(view: View, _: Selection) -> Outcome:
    choices = tuple((layout, "") for layout in view.here.keyboards)
    leaf = _find_keyboard_leaf()

    def take(_: View, chosen: Selection) -> Outcome:
        layout = chosen.text.strip()
        if not layout:
            return Told("The keyboard is as it was.")
        return Edited(((leaf.path, layout),), "", wishes=(SetKeyboard(layout),))

    start = view.here.keyboard or "us"
    field = Field(
        "keyboard",
        "Keyboard layout",
        "choice" if choices else "text",
        leaf.help,
        choices,
        lambda text: check_leaf(view, leaf, text),
        start,
    )
    serial = "Over a serial line or SSH the keyboard is your own terminal's: nothing changes there."
    return Ask(field, take, ("It counts at once on this machine's screen, and on every node that is installed.", serial))


def _find_keyboard_leaf() -> Leaf:
    general = find_sections()[0]
    return next(leaf for leaf in find_leaves(list(general.parts)) if leaf.path == ("keyboard",))
