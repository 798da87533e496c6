"""The admin node's disks: which one it is installed on, or which two as a mirror; and all that is known of one disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from installer.model.facts import Disk
from installer.model.site import DiskChoice
from installer.plan.describe import describe_bytes, describe_holds, join_words
from installer.plan.storage import has_name
from installer.site.tree import Path
from installer.wizard.draft import find_value
from installer.wizard.page import Action, Column, Edited, Go, Line, Lines, Outcome, Page, Part, Refused, Row, Selection, Table
from installer.wizard.pages.disk_words import Offer, choose, describe_contents, describe_kind, make_offer
from installer.wizard.view import View

DISK: Final[Path] = ("admin", "disk")
HELP: Final = (
    "You should see every disk of this machine, by its model, the end of its serial number, and its size.",
    "Enter on a disk chooses it. Everything on it will be lost, but only when you install: nothing is written from here.",
    "For a mirror mark two disks with Space and press Enter: the machine then starts from either.",
    "Disks below `not offered` are never written. The reason stands beside each; a disk that is missing has no power or cable.",
)
READING: Final = "The disks of this machine are being read: a moment."
NO_DISK: Final = "No disk shows up. Look at power, cables and the RAID controller's setup."


def make_disks_page(view: View, subject: str) -> Page:
    """Disks to choose from, and the others with the reason. A subject is not used."""
    offer = make_offer(view)
    rows = (*_make_gone(view), *_make_offered(offer), *_make_refused(offer))
    widths = [max((len(row.cells[at]) for row in rows if not row.heading), default=0) for at in range(4)]
    columns = (
        Column("disk", max(12, min(widths[0], 32))),
        Column("size", max(6, min(widths[1], 8)), right=True),
        Column("kind", max(4, min(widths[2], 5)), drop=1),
        Column("health", max(6, min(widths[3], 7)), drop=2),
        Column("holds today", 20, grow=True),
    )
    start = next((_make_key(disk, offer) for disk in _find_chosen(view, offer)), "")
    table = Table("disks", columns, rows, READING if view.here.reading_disks else NO_DISK, marks=True, start=start)
    actions = (
        Action("enter", "choose", choose_row, "disks", "install on this disk, or on the two that are marked, as a mirror"),
        Action("i", "all about it", lambda _, at: Go("disk", at.row), "disks", "everything that is known about this disk"),
    )
    parts: tuple[Part, ...] = (*_make_note(view), table, _make_choice(view, offer))
    return Page("disks", "Disks", _make_question(view), parts, actions, HELP, subject, frozenset({"plan"}))


def _make_question(view: View) -> str:
    match view.here.boot.source, view.here.boot.mode:
        case "medium", "live":
            return "Where would the admin node live? This system runs live: nothing is installed unless you ask."
        case "disk", _:
            return "Where shall the admin node live when it is installed anew? Nothing changes now."
    return "Where shall the admin node live? Everything on the chosen disk will be lost."


def _make_note(view: View) -> tuple[Lines, ...]:
    """Disks of an admin node that is installed already: the choice may be about them."""
    found = [one for one in view.here.on_disks if one.finished] if view.here.boot.source == "medium" else []
    how = "choosing that disk erases it; started without the ISO, this machine goes on with it"
    lines = tuple(Line(f"{one.hostname} is installed on {one.disk}", "warn", "", (how,)) for one in found)
    return (Lines("installed", lines),) if lines else ()


def _make_key(disk: Disk, offer: Offer) -> str:
    """The stable id; two disks that share it are told apart by what the kernel calls them."""
    twins = [other for other, _ in offer.refused if other.id == disk.id] if disk not in offer.offered else []
    return disk.id if len(twins) < 2 else f"{disk.id} {disk.name}"


def _make_row(disk: Disk, offer: Offer, last: str, *, offered: bool) -> Row:
    health = "-" if disk.health.state == "unknown" else disk.health.state
    cells = (offer.names[disk.name], describe_bytes(disk.size_bytes), describe_kind(disk), health, last)
    return Row(_make_key(disk, offer), cells, offered=offered)


def _make_offered(offer: Offer) -> Iterator[Row]:
    for disk in offer.offered:
        yield _make_row(disk, offer, describe_contents(disk), offered=True)


def _make_refused(offer: Offer) -> Iterator[Row]:
    if offer.refused:
        yield Row("not offered", ("not offered",), heading=True)
    for disk, reason in offer.refused:
        yield _make_row(disk, offer, reason, offered=False)


def _make_gone(view: View) -> Iterator[Row]:
    """Disks that the site file names and that this machine does not show."""
    if view.here.reading_disks:
        return
    notes = ("it is chosen in the site file, and this machine does not show it", "connect it again, or choose another with Enter")
    for kind, word in _list_names(_get_choice(view)):
        if not any(has_name(disk, kind, word) for disk in view.here.machine.disks):
            yield Row(f"gone {word}", (word, "-", "-", "-", "not here"), notes, "FAIL", offered=False)


def _get_choice(view: View) -> DiskChoice:
    return view.draft.site.admin.disk if view.draft.site is not None else DiskChoice()


def _list_names(choice: DiskChoice) -> Iterator[tuple[str, str]]:
    for kind, words in (("by_id", choice.by_id), ("serial", choice.serial), ("wwn", choice.wwn), ("path", choice.path)):
        for word in words:
            yield kind, word


def _find_chosen(view: View, offer: Offer) -> tuple[Disk, ...]:
    return choose(_get_choice(view), offer).disks if offer.machine.disks else ()


def _make_choice(view: View, offer: Offer) -> Lines:
    """What the site file's choice comes to on this machine, and where the choice came from."""
    choice = _get_choice(view)
    found = choose(choice, offer)
    if view.here.reading_disks:
        return Lines("choice", (Line("What the site file chooses is known when they are read.", "wait"),))
    if found.problem:
        hint = "Choose one that is offered." if offer.offered else "Fit a disk, or start this system from another medium."
        return Lines("choice", (Line(_word_problem(choice, offer, found.problem), "FAIL", "", (hint,)),))
    how = "named" if any(_list_names(choice)) else "the largest" if choice.largest else "the smallest that is large enough"
    origin = find_value(view.draft, DISK)[1] or "default"
    words = [f"{offer.names[disk.name]}, {describe_bytes(disk.size_bytes)}" for disk in found.disks]
    lines = [Line(text, "ok", "goes to" if at == 0 else "and to") for at, text in enumerate(words)]
    lines[-1] = replace(lines[-1], notes=(f"{'a mirror of two' if len(words) > 1 else how} ({origin})",))
    lost = [f"{offer.names[d.name]} holds {describe_contents(d)}" for d in found.disks if not d.is_blank]
    lines += [Line(f"{what}: it will be lost.", "warn") for what in lost]
    return Lines("choice", tuple(lines))


def _word_problem(choice: DiskChoice, offer: Offer, problem: str) -> str:
    if not offer.offered:
        return "No disk here can be chosen: each has its reason above." if offer.names else "There is no disk to choose."
    for kind, word in _list_names(choice):
        for disk in offer.machine.disks:
            if has_name(disk, kind, word) and offer.reason(disk):
                return f"{offer.names[disk.name]} is chosen, and it is not offered: {offer.reason(disk)}."
    return f"The choice in the site file does not come out: {problem}."


def choose_row(view: View, at: Selection) -> Outcome:
    """One disk, or the two marked ones as a mirror; on to the next stage."""
    offer = make_offer(view)
    keys = at.rows
    if len(keys) > 2:
        return Refused(f"{len(keys)} disks are marked", "mark one disk, or two for a mirror")
    if len(at.marked) == 1 and at.row not in (*at.marked, ""):
        return Refused("one disk is marked, and the cursor is on another", "mark both for a mirror, or take the mark away")
    by_key = {_make_key(disk, offer): disk for disk in (*offer.offered, *(disk for disk, _ in offer.refused))}
    chosen = [by_key.get(key) for key in keys]
    disks = [disk for disk in chosen if disk is not None]
    if not disks or None in chosen:
        return Refused("this disk is not here any more", "choose another")
    for disk in disks:
        if disk not in offer.offered:
            return Refused(f"{offer.names[disk.name]} is not offered: {offer.reason(disk)}", "choose another disk")
    value: dict[str, object] = {"by_id": [disk.id for disk in disks]}
    if len(disks) > 1:
        value["mirror"] = True
    names = join_words(offer.names[disk.name] for disk in disks)
    says = f"the admin node goes to {names}" + (" as a mirror" if len(disks) > 1 else "")
    return Edited(((DISK, value),), says, then=Go("next"))


def make_disk_page(view: View, subject: str) -> Page:
    """Everything about one disk of this machine; the subject is its row's key."""
    offer = make_offer(view)
    disk = next((d for d in view.here.machine.disks if _make_key(d, offer) == subject), None)
    if disk is None:
        gone = Line("This disk is not here any more.", "FAIL", "", ("Look at its power and its cable, or press Esc to go back.",))
        return Page("disk", "Disk", subject, (Lines("facts", (gone,)),), (), HELP, subject)
    reason = offer.reason(disk)
    offered = Line(f"It is not offered: {reason}.", "FAIL") if reason else Line("It can be chosen.", "ok")
    facts = tuple(Line(text, label=label) for label, text in _list_facts(disk) if text)
    holds = tuple(Line(text, "warn") for text in describe_holds(disk)) or (Line("nothing: no signature was found on it", "ok"),)
    parts = (Lines("offered", (offered,)), Lines("facts", facts), Lines("holds", holds, "What it holds, and would lose"))
    question = f"{offer.names[disk.name]}, {describe_bytes(disk.size_bytes)}"
    return Page("disk", "Disk", question, parts, (), ("You should see all that the disk tells about itself.",), subject)


def _list_facts(disk: Disk) -> Iterator[tuple[str, str]]:
    yield "model", disk.model
    yield "serial", disk.serial or "none: it is known by the place where it is connected"
    yield "size", f"{describe_bytes(disk.size_bytes)} ({disk.size_bytes} bytes, sectors of {disk.sector_bytes})"
    yield "kind", f"{describe_kind(disk)}, connected by {disk.transport}" + (", removable" if disk.removable else "")
    state = {"ok": "the disk says that it is well", "failing": "the disk says that it fails"}.get(disk.health.state, "not told")
    yield "health", f"{state}{': ' if disk.health.detail else ''}{disk.health.detail}"
    yield "WWN", disk.wwn
    yield "stable name", disk.id
    for name in disk.by_id:
        if name != disk.id:
            yield "also", name
    yield "place", disk.by_path
    yield "now called", f"{disk.name}, which may change at the next start"
    yield "writing", "the disk refuses it: it is read-only" if disk.read_only else ""
