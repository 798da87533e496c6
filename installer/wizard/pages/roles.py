"""Roles: a matrix of nodes and roles, proposed from the hardware; one node's roles with why; and what each role asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from installer.model.problems import Problem, RackstrapError
from installer.plan.placement import find_misfit
from installer.plan.roles import Role
from installer.wizard.nodes_file import Member
from installer.wizard.page import Action, Column, Edited, Go, Line, Lines, Mood, Outcome, Page, Refused, Row, Selection, Table
from installer.wizard.pages.asking import ask_one, join_titles
from installer.wizard.pages.node_actions import guarded
from installer.wizard.role_choice import Placement, find_placement, sort_for_people, toggle_role
from installer.wizard.view import View
from installer.wizard.wishes import Append

HELP: Final = (
    "yes: by your word, in the site file. auto: proposed from the hardware, and free to move as long as you say nothing.",
    "A role is proposed when it is set up below (o) or another one needs it, for the nodes that suit it best.",
    "Enter on a node shows all of its roles with why. What breaks a constraint is said above the table at once.",
    "A role is a folder: put into the roles folder, it appears here by itself.",
)
NODE_COLUMNS: Final = (
    Column("role", 16),
    Column("has it", 6),
    Column("why, or what it lacks", 40, grow=True),
    Column("title", 24, 1),
)
ROLE_COLUMNS: Final = (
    Column("role", 16), Column("nodes", 5, right=True), Column("may have it", 14, 2), Column("needs", 16, 3),
    Column("title", 24, 1, grow=True),
)  # fmt: skip
SAID: Final = 3
SHORT: Final = 9  # cells of a role's name above its column


def make_roles_page(view: View, subject: str = "") -> Page:
    """The matrix; with a node's name as the subject, the roles of that node."""
    found = find_placement(view)
    member = next((member for member in found.members if member.name == subject), None) if subject else None
    if member is not None:
        return _make_node_page(view, found, member)
    names = sort_for_people(view.roles)
    columns = (Column("node", 16), *_make_columns(names))
    rows = tuple(_make_row(found, member, names) for member in found.members)
    empty = "No node yet: name machines on the Nodes page, or write entries that fit them."
    matrix = Table("nodes", columns, rows, empty, marks=True)
    roles = Table(
        "roles", ROLE_COLUMNS, tuple(_make_role_row(view, found, name) for name in names), "no role is known", title="Roles"
    )
    summary = Lines("summary", tuple(_summarize(view, found)))
    broken = Lines(
        "broken", tuple(Line(f"{p.place.file}: {p.message}", "warn", notes=(p.hint,)) for p in view.role_problems), "Broken roles"
    )
    parts = (summary, matrix, roles, broken) if broken.lines else (summary, matrix, roles)
    return Page("roles", "Roles", "Which node does what?", parts, ACTIONS, HELP, wants=frozenset({"plan"}))


def _make_columns(names: Sequence[str]) -> list[Column]:
    """One per role. The last vanish first where there is no room: a node's own page has them all."""
    titles: dict[str, None] = {}
    for name in names:
        title = name if len(name) <= SHORT else f"{name.partition('-')[0][:2]}-{name.rpartition('-')[2]}"[:SHORT]
        while title in titles:
            title = f"{title[: SHORT - 2]}{len(titles)}"[:SHORT]
        titles[title] = None
    return [Column(title, max(len(title), 4), drop) for drop, title in enumerate(titles, 1)]


def _make_row(found: Placement, member: Member, names: Sequence[str]) -> Row:
    return Row(member.key, (member.name, *(find_mark(found, member, name) for name in names)))


def find_mark(found: Placement, member: Member, role: str) -> str:
    """`yes` by the operator's word, `auto` proposed, `all` where every node has it, `-`."""
    if role not in found.why[member.name]:
        return "-"
    return "yes" if role in found.given[member.name] else "all" if found.why[member.name][role] == "every node has it" else "auto"


def _summarize(view: View, found: Placement) -> list[Line]:
    """What is wrong, each with its remedy; else that all is well."""
    problems = [*found.problems, *_find_more(view, found.problems)]
    most = SAID if len(problems) <= SAID else SAID - 1  # few lines: the cursor begins in the matrix
    lines = [Line(p.message, "FAIL" if p.severity == "error" else "warn", notes=(p.hint,)) for p in problems[:most]]
    lines += [Line(f"and {len(problems) - most} more: see the roles below", "FAIL")] if len(problems) > most else []
    if view.draft.site is None:
        return [Line("the site file cannot be read as it stands: no role can be placed", "FAIL", notes=("correct it first",))]
    if not problems:
        proposed = sum(role not in found.given[m.name] for m in found.members for role in found.why[m.name])
        return [Line(f"{len(found.members)} nodes; every role that is wanted has its place; {proposed} proposed", "ok")]
    return lines


def _find_more(view: View, known: Sequence[Problem]) -> list[Problem]:
    """What the plan says of roles besides, as that a role's network does not exist."""
    messages = {problem.message for problem in known}
    problems = view.plan.problems if view.plan is not None else ()
    return [p for p in problems if p.place.path[:1] == ("roles",) and p.message not in messages]


def _make_role_row(view: View, found: Placement, name: str) -> Row:
    role = view.roles[name]
    broken = [p for p in found.problems if f"role {name} " in p.message or p.place.path[:2] == ("roles", name)]
    mood: Mood = "FAIL" if broken else ""
    notes = tuple(text for problem in broken[:2] for text in (problem.message, problem.hint))
    cells = (name, str(len(found.find_holders(name))), describe_count(role), ", ".join(role.needs) or "-", role.title)
    return Row(name, cells, notes, mood)


def describe_count(role: Role) -> str:
    """How many nodes may have it: `every node`, `one`, `3 or more, odd`."""
    if role.everywhere:
        return "every node"
    least, most = role.count.min, 1 if role.unique else role.count.max
    if most:
        words = str(most) if least == most else f"{least} to {most}" if least else f"up to {most}"
    else:
        words = f"{least} or more" if least else "any number"
    return f"{words}, odd" if role.count.odd else words


def _make_node_page(view: View, found: Placement, member: Member) -> Page:
    names = sort_for_people(view.roles)
    rows = tuple(_make_node_row(view, found, member, name) for name in names)
    why = [problem for problem in found.problems if member.name in problem.message.split()]
    lines = [Line(problem.message, "FAIL", notes=(problem.hint,)) for problem in why]
    lines = lines or [Line(f"{len(found.why[member.name])} roles, in the order in which they are applied", "ok")]
    actions = (
        Action(
            "enter",
            "give or take",
            lambda now, chosen: _toggle(now, (member.name,), chosen.row),
            "roles",
            "Give this role, or take it.",
        ),
        Action("o", "options", lambda _view, chosen: Go("section", f"roles.{chosen.row}"), "roles", "Set the role up."),
        Action("d", "machine", lambda _view, _: Go("machine", member.key), help="Everything about the machine."),
    )
    parts = (Lines("summary", tuple(lines)), Table("roles", NODE_COLUMNS, rows))
    title, question = f"Roles of {member.name}", f"What does {member.name} do?"
    return Page("roles", title, question, parts, actions, HELP, member.name, frozenset({"plan"}))


def _make_node_row(view: View, found: Placement, member: Member, name: str) -> Row:
    role, mark = view.roles[name], find_mark(found, member, name)
    lacks = find_misfit(role.hardware, member.machine) if member.machine is not None else ""
    why = found.why[member.name].get(name, "")
    mood: Mood = "warn" if why and lacks else ""
    text = f"{why}; but {lacks}" if why and lacks else why or lacks or "-"
    return Row(name, (name, mark, text, role.title), mood=mood)


def _toggle(view: View, names: Sequence[str], role: str) -> Outcome:
    try:
        edits, events, says = toggle_role(view, names, role)
    except RackstrapError as error:
        return Refused(error.message, error.hint)
    return Edited(edits, says, wishes=(Append(events, says),) if events else ())


@guarded
def change(view: View, selection: Selection) -> Outcome:
    """Ask which role the chosen nodes get or lose."""
    found = find_placement(view)
    wanted = set(selection.rows)
    names = [member.name for member in found.members if member.key in wanted]
    if not names:
        raise RackstrapError("no node is chosen", "put the cursor on one in the table of nodes, or mark some with Space")
    choices = [
        (name, _describe_choice(found, names, view.roles, name))
        for name in sort_for_people(view.roles)
        if not view.roles[name].everywhere
    ]
    if not choices:
        raise RackstrapError(
            "there is no role to give but those that every node has", "put a role's folder into the roles folder"
        )
    return ask_one("role", "Role", choices, lambda now, role: _toggle(now, names, role), (f"For {join_titles(names)}.",))


def _describe_choice(found: Placement, names: Sequence[str], roles: Mapping[str, Role], role: str) -> str:
    have = sum(role in found.why[name] for name in names)
    does = "take it away" if have == len(names) else "give it" if not have else f"give it to all: {have} of {len(names)} have it"
    return f"{does}: {roles[role].title}"


@guarded
def set_up(view: View, selection: Selection) -> Outcome:
    """The options of the role under the cursor, else of one that is asked for."""
    if selection.row in view.roles:
        return Go("section", f"roles.{selection.row}")
    choices = [(name, view.roles[name].title) for name in sort_for_people(view.roles)]
    return ask_one("role", "Role", choices, lambda _, role: Go("section", f"roles.{role}"))


def _open(view: View, selection: Selection) -> Outcome:
    member = next((member for member in find_placement(view).members if member.key == selection.row), None)
    return Go("roles", member.name) if member is not None else Refused("no node is chosen", "put the cursor on one")


ACTIONS: Final = (
    Action("enter", "all its roles", _open, "nodes", "All roles of this node, and why it has them."),
    Action("enter", "options", set_up, "roles", "What this role can be told."),
    Action("r", "give or take", change, "nodes", "Give a role to this node or to all that are marked, or take it from them."),
    Action("o", "options", set_up, help="What a role can be told, as how many replicas."),
)
