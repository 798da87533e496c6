"""The entries under `nodes:` of the site file: what each matches, which machines it fits now, and changing them."""

from __future__ import annotations

from functools import partial
from typing import Final

from installer.model.site import Match, NodeRule
from installer.site.save import REMOVED
from installer.wizard.nodes_file import Members, find_members
from installer.wizard.page import (
    Action,
    Column,
    Edited,
    Fields,
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
)
from installer.wizard.pages.asking import ask_one, ask_yes, join_titles
from installer.wizard.pages.node_actions import find_site, guarded
from installer.wizard.pages.node_disks import RULES, SPELLED
from installer.wizard.pages.node_naming import give_names_to
from installer.wizard.pages.rule_adding import add
from installer.wizard.pages.rule_fields import KEYS, make_field_row, set_value
from installer.wizard.view import View

COLUMNS: Final = (
    Column("entry", 5, right=True), Column("fits", 26, grow=True), Column("name", 14, 1), Column("expects", 7, 2, right=True),
    Column("found", 6, right=True), Column("machines", 20, 3), Column("roles", 20, 4), Column("group", 10, 5),
)  # fmt: skip
HELP: Final = (
    "An entry says which machine, or how many of a kind, become nodes. Entries that name one machine choose first, then those",
    "for a kind of machine, `any` last; each in the order of the file.",
    "Too many fit? Nothing is bound until the match is narrower, or the entry expects so many.",
)


def make_rules_page(view: View, subject: str = "") -> Page:
    """All entries; with a subject, the one at this position (from 0)."""
    site = view.draft.site
    if site is None:
        return _make_broken(view)
    if subject.isascii() and subject.isdigit() and int(subject) < len(site.nodes):
        return _make_rule_page(view, site.nodes[int(subject)], int(subject))
    members = find_members(view)
    rows = tuple(_make_row(members, rule, index) for index, rule in enumerate(site.nodes))
    empty = "No entry yet: no machine becomes a node. a adds one; on the Nodes page, e and p make one for each machine."
    lines = Lines("summary", (Line(_summarize(members, len(site.nodes))),))
    table = Table("rules", COLUMNS, rows, empty, marks=True)
    return Page("rules", "Match rules", "Which machine becomes which node?", (lines, table), ACTIONS, HELP)


def _make_broken(view: View) -> Page:
    lines = tuple(Line(problem.message, "FAIL", notes=(problem.hint,)) for problem in view.draft.problems[:5])
    return Page("rules", "Match rules", "What is wrong with the site file?", (Lines("problems", lines),), help=HELP)


def _summarize(members: Members, count: int) -> str:
    free = sum(member.rule < 0 for member in members.all)
    none = f"; {free} machine{'s' if free != 1 else ''} that no entry fits" if free else ""
    return f"{count} entr{'ies' if count != 1 else 'y'}{none}"


def _make_row(members: Members, rule: NodeRule, index: int) -> Row:
    found, fitting = members.matches.found.get(index, ()), members.matches.fitting.get(index, 0)
    notes: tuple[str, ...] = ()
    mood: Mood = "ok"
    if fitting > rule.expect:
        mood = "warn"
        notes = (f"{fitting} machines fit where {rule.expect} may: not bound", f"narrow the match, or expect {fitting}")
    elif len(found) < rule.expect:
        mood, notes = "wait", (f"{rule.expect - len(found)} still to come: power on, or correct the match",)
    titles = join_titles([members.by_key[key].title for key in found if key in members.by_key]) or "-"
    cells = (
        str(index + 1), describe_match(rule.match), rule.name or "-", str(rule.expect), str(fitting), titles,
        ", ".join(rule.roles) or "-", rule.group or "-",
    )  # fmt: skip
    return Row(str(index), cells, notes, mood)


def describe_match(match: Match) -> str:
    """What has to fit, in words."""
    given = (
        (match.any, "any machine"),
        (match.serial, f"serial {match.serial}"),
        (match.uuid, f"UUID {match.uuid}"),
        (match.mac, f"MAC {match.mac}"),
        (match.bmc, f"BMC {match.bmc}"),
        (match.product, match.product),
        (match.min_memory_gb, f"{match.min_memory_gb} GB or more"),
        (match.min_disks, f"{match.min_disks} disks or more"),
        (match.switch, f"on {match.switch}"),
    )
    return ", ".join(words for asked, words in given if asked) or "nothing: it fits no machine"


def _make_rule_page(view: View, rule: NodeRule, index: int) -> Page:
    members = find_members(view)
    row = _make_row(members, rule, index)
    fits = [members.by_key[key] for key in members.matches.found.get(index, ()) if key in members.by_key]
    table = Table(
        "machines", (Column("name", 16), Column("serial", 16, grow=True), Column("product", 20, 1)),
        tuple(Row(m.key, (m.title, m.machine.serial or "-", m.machine.product or "-")) for m in fits if m.machine is not None),
        "No machine fits it now.", title="It fits now",
    )  # fmt: skip
    fields = Fields("entry", tuple(make_field_row(view, index, *key) for key in KEYS), partial(_set, index))
    lines = Lines("state", (Line(row.cells[1], row.mood, notes=row.notes),))
    actions = (
        Action("enter", "details", lambda _view, chosen: Go("machine", chosen.row), "machines", "Everything about this machine."),
        Action("d", "disk", lambda _view, _: _ask_disk(index), help="Which disk its nodes are installed on."),
        Action("x", "remove", lambda now, _: remove_entries(now, (index,), Go("back")), help="Take it out of the site file."),
    )
    return Page(
        "rules", f"Entry {index + 1}", "Which machines is this entry for?", (lines, fields, table), actions, HELP, str(index)
    )


def _set(index: int, view: View, name: str, text: str) -> Outcome:
    """A new name also renames the node that the ledger knows; every other value is the file's alone."""
    members = find_members(view)
    found = members.matches.found.get(index, ())
    if name == "name" and text.strip() and len(found) == 1 and members.by_key[found[0]].entry.name:
        return guarded(lambda now, _: give_names_to(now, {found[0]: text.strip()}))(view, Selection())
    return set_value(index, view, name, text)


def _ask_disk(index: int) -> Outcome:
    """The rule by which its nodes' disks are chosen; one machine's own disks are offered on its page."""
    says = ("On its own page, d offers a machine's disks by name.",)
    return ask_one("disk", "Disk", RULES, lambda _, text: Edited(((("nodes", index, "disk"), dict(SPELLED[text])),)), says)


@guarded
def remove(view: View, selection: Selection) -> Outcome:
    """Take the chosen entries out."""
    count = len(find_site(view).nodes)
    chosen = tuple(int(row) for row in selection.rows if row.isascii() and row.isdigit() and int(row) < count)
    return remove_entries(view, chosen, None) if chosen else Refused("no entry is chosen", "put the cursor on one")


def remove_entries(view: View, chosen: tuple[int, ...], then: Go | None) -> Outcome:
    """Ask, then take these entries out, if they still are the ones that were named."""
    rules = [(index, find_site(view).nodes[index]) for index in chosen]
    names = [f"entry {index + 1} ({rule.name or describe_match(rule.match)})" for index, rule in rules]
    edits = tuple((("nodes", index), REMOVED) for index in sorted(chosen, reverse=True))

    def follow(now: View) -> Outcome:
        nodes = find_site(now).nodes
        if any(index >= len(nodes) or nodes[index] != rule for index, rule in rules):
            return Refused("the entries have changed meanwhile", "look at them again, then choose")
        return Edited(edits, f"{join_titles(names)} removed", then=then)

    says = (f"Remove {join_titles(names)} from the site file?",)
    return ask_yes("Remove", says, "take it out; machines and disks are not touched", follow)


ACTIONS: Final = (
    Action(
        "enter", "change", lambda _, chosen: Go("rules", chosen.row), "rules", "What the entry fits, how many, and its values."
    ),
    Action("a", "add", add, help="A new entry: for one machine, or for several of a kind."),
    Action("x", "remove", remove, "rules", "Take the entry, or all that are marked, out of the site file."),
)
