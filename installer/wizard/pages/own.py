"""This machine's own installation: what it would lose, what is laid there, and the one act that begins it."""

from __future__ import annotations

from typing import Final

from installer.plan.describe import describe_bytes, describe_holds
from installer.wizard import own
from installer.wizard.losses import name_disk
from installer.wizard.page import Action, Bar, Go, Line, Lines, Mood, Page, Part, Row
from installer.wizard.pages import gate
from installer.wizard.view import View

ROW: Final = "this machine"  # of tables of nodes: no node can be called so
WANTS: Final = frozenset({"plan"})
HELP: Final = (
    "This machine runs from the ISO, in memory. Here it gets a disk of its own.",
    "i asks for the site's name, then erases only what is shown here.",
    "Then it starts from that disk, with all that was decided and found out.",
    "Pull the power in between, and the ISO says where it stopped.",
)
_REMEDIES: Final[dict[own.Standing, str]] = {
    "asks": "i asks for the site's name, and installs it",
    "consented": "i installs it",
    "begun": "i goes on where it stopped",
    "unpacked": "it starts from its disk now; this screen comes back by itself",
    "planning": "the plan is being made",
}


def make_own_page(view: View, _subject: str = "") -> Page:
    """Everything about it; nothing to do where this machine was not started from the ISO."""
    standing = own.find_standing(view)
    if standing == "no":
        line = Line("This machine was not started from the admin ISO: it is not installed from here.", notes=("Esc goes back.",))
        return Page("own", "Admin node", "Shall this machine be installed?", (Lines("state", (line,)),), (), HELP, wants=WANTS)
    parts: list[Part] = [Lines("state", (_make_state(view, standing),))]
    if view.own is not None:
        parts += [_make_disk_lines(view, standing), _make_cost_lines(view), *_make_refused(view)]
        parts.append(Lines("files", tuple(Line(file.path) for file in view.own.files) or (Line("none"),), "Files written on it"))
    actions = (
        Action("i", "install", gate.start_own, help="Erase its disk and install this machine, after asking for the site's name."),
        Action("d", "disks", lambda _view, _: Go("disks"), help="Choose the disk, or two as a mirror."),
    )
    return Page("own", "Admin node", "Shall this machine be installed now?", tuple(parts), actions, HELP, wants=WANTS)


def _make_state(view: View, standing: own.Standing) -> Line:
    if standing == "problem":
        message, hint = own.say_problem(view)
        return Line(message, "FAIL", notes=(hint,) if hint else ())
    mood: Mood = "wait" if standing in ("planning", "unpacked") else "ok" if standing in ("consented", "begun") else ""
    how = view.own.consent.how if view.own is not None and view.own.consent is not None else "not yet"
    return Line(f"consent: {how}", mood, "", (_REMEDIES[standing],))


def _make_disk_lines(view: View, standing: own.Standing) -> Lines:
    assert view.own is not None  # noqa: S101 - the caller has looked
    lines = []
    for disk in view.own.disks:
        held = describe_holds(disk) if standing not in ("begun", "unpacked") else ()
        notes = tuple(f"LOST: {text}" for text in held) or ("nothing on it",)
        text = f"{name_disk(disk, view.here.machine)}, {describe_bytes(disk.size_bytes)}"
        lines.append(Line(text, "warn" if held else "", notes=(*notes, f"id {disk.id}")))
    title = "Disks that are lost, as a mirror" if view.own.is_mirror else "Disk that is lost"
    return Lines(
        "disks",
        tuple(lines)
        or (
            Line(
                "none: see Disks",
            ),
        ),
        title,
    )


def _make_cost_lines(view: View) -> Lines:
    assert view.own is not None  # noqa: S101 - the caller has looked
    cost = f"1 restart, {describe_bytes(view.own.write_bytes)} written, about {view.own.minutes:.1f} min"
    consoles = f"consoles: {', '.join(view.own.consoles)}"
    return Lines("cost", (Line(cost), Line(consoles), Line("it takes along: decisions, machines found, keys, the image")))


def _make_refused(view: View) -> list[Lines]:
    assert view.own is not None  # noqa: S101 - the caller has looked
    lines = tuple(Line(name_disk(disk, view.here.machine), notes=(reason,)) for disk, reason in view.own.refused)
    return [Lines("refused", lines, "Disks that are left alone")] if lines else []


def make_review_row(view: View) -> tuple[Row, ...]:
    """The first row of the review, where this machine is to be installed."""
    if not own.is_wanted(view):
        return ()
    standing = own.find_standing(view)
    losses = own.find_own_losses(view, standing) if standing in ("asks", "consented") else ()
    held = [text for loss in losses for disk in loss.disks for text in describe_holds(disk)]
    notes = tuple(f"holds {text}" for text in held[:4]) + ((f"and {len(held) - 4} more: Enter shows them",) if held[4:] else ())
    layout = "mirror" if view.own is not None and view.own.is_mirror else "single"
    mood: Mood = "FAIL" if standing == "problem" else "warn" if held else "wait" if standing in ("planning", "unpacked") else ""
    if standing == "problem":
        notes = tuple(text for text in own.say_problem(view) if text)
    last = "LOOK" if held else own.SAID[standing]
    return (Row(ROW, (_find_name(view), own.name_disks(view), layout, "-", last), notes, mood),)


def make_deploy_row(view: View) -> tuple[Row, ...]:
    """The first row of the deployment: this machine, while it is being installed and after it was."""
    admin, name = view.ledger.admin, _find_name(view)
    if view.here.boot.source == "disk" and admin.installed is not None:
        return (Row(ROW, (name, "ready", "runs from its own disk", "100", _say_time(view)), mood="ok"),)
    if not own.can_install(view) or not (own.is_wanted(view) or admin.has_begun):
        return ()
    state, now, percent, mood, notes = _find_progress(view)
    return (Row(ROW, (name, state, now, percent, "-"), notes, mood),)


def _find_progress(view: View) -> tuple[str, str, str, Mood, tuple[str, ...]]:
    """State, what is done now, per cent, and what is wrong with it."""
    standing, (percent, stage) = own.find_standing(view), own.find_percent(view)
    if standing == "unpacked":
        return "installed", "starts from its disk now", "99", "wait", ()
    if view.ledger.admin.has_begun and view.running is not None:
        return "installing", stage or "begins", f"{percent}", "", ()
    if failure := own.find_failure(view):
        return "problem", "failed", "-", "FAIL", (failure, "put that right; c goes on with the consent that was given")
    if standing == "problem":
        return "problem", "not begun", "-", "FAIL", tuple(text for text in own.say_problem(view) if text)
    if view.ledger.admin.has_begun:
        return "stopped", stage or "begun", f"{percent}", "warn", ("c goes on with it; v shows what happened",)
    return "in memory", f"not begun: {own.SAID[standing]}", "-", "", ()


def _say_time(view: View) -> str:
    seconds = int(sum(view.ledger.admin.phases.values()))
    return f"{seconds // 60}:{seconds % 60:02}" if seconds else "-"


def _find_name(view: View) -> str:
    return view.draft.site.admin.hostname if view.draft.site is not None else "admin"


def make_bar(view: View) -> tuple[Bar, ...]:
    """How far this machine's own installation is, while it runs."""
    if view.running is None or view.running.mode != "install":
        return ()
    percent, stage = own.find_percent(view)
    return (Bar("own", "this machine", percent, stage or "begins"),)


def make_summary(view: View) -> tuple[Line, ...]:
    """What the deployment's first lines say of it; nothing where it is not at work."""
    if own.find_standing(view) == "unpacked":
        text = "this machine now starts from its disk; this screen comes back by itself"
        return (Line(text, "wait", "", ("the rack is gone on with from there",)),)
    if own.can_install(view) and view.ledger.admin.has_begun and view.running is not None:
        return (Line("this machine is installed first; the rack follows by itself", "wait"),)
    return ()
