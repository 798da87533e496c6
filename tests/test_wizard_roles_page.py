"""The page of stage Roles: what is proposed and why, what the operator changes, and what breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from installer.model.events import Event, Happened
from installer.model.facts import Machine
from installer.model.ledger import Ledger
from installer.plan.plan import make_plan
from installer.plan.roles import Role, load_roles
from installer.site.load import parse_site
from installer.wizard.draft import make_draft
from installer.wizard.guide import Guide
from installer.wizard.page import Ask, Edited, Go, Lines, Outcome, Page, Refused, Row, Selection
from installer.wizard.pages.roles import describe_count, make_roles_page
from installer.wizard.plain_sheet import make_sheet
from installer.wizard.view import View
from tests.page_parts import find_row, find_table
from tests.plan_samples import make_disk, make_machine
from tests.shelf_desk import ShelfDesk
from tests.wizard_events import PLACE
from tests.wizard_views import make_view, plan_view

HEAD = """rackstrap: 1
name: lab
domain: lab.example
admin: {hostname: admin, address: 192.168.124.10}
"""
NODES = "nodes: [{match: {product: R1}, expect: 3}]\n"
ROLES = {
    "ring": "title: Keep the ring\nneeds: [proxy]\ncount: {min: 3, odd: true}\nhardware: {prefers: disks, min_disks: 2}\n",
    "proxy": "title: Answer requests\ncount: {min: 1}\nhardware: {prefers: memory}\n",
    "sole": "title: Be alone\nunique: true\nconflicts: [proxy]\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in ROLES.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "role.yaml").write_text(text)
    return tmp_path


def make_rack() -> dict[str, Machine]:
    disks = [make_disk("sda", 600), make_disk("sdb", 600)]
    return {f"m-{n}": make_machine(n, disks, memory_bytes=(32 + n) * 2**30) for n in (1, 2, 3)}


def look(folder: Path, rest: str = NODES) -> View:
    roles, problems = load_roles((folder,))
    view = make_view(machines=make_rack(), text=HEAD + NODES, roles=roles, role_problems=problems, planned=False)
    return plan_view(replace(view, draft=make_draft(HEAD + rest, roles)))


def find_marks(page: Page, role: str) -> list[str]:
    """The matrix's column of this role, node by node."""
    table = find_table(page, "nodes")
    at = [column.title for column in table.columns].index(role)
    return [row.cells[at] for row in table.rows]


def say(page: Page) -> str:
    lines = next(part for part in page.parts if isinstance(part, Lines))
    return "\n".join(text for line in lines.lines for text in (line.text, *line.notes))


def choose(view: View, role: str, *keys: str) -> Outcome:
    page = make_roles_page(view, "")
    action = next(action for action in page.actions if action.key == "r")
    asked = action.does(view, Selection(marked=keys))
    assert isinstance(asked, Ask)
    assert asked.asks.check(role) is None
    return asked.then(view, Selection(marked=keys, text=role))


def follow(view: View, outcome: Outcome) -> View:
    """The view after the outcome, which must not be refused; the saved file alone gives the same roles."""
    assert isinstance(outcome, Edited), outcome
    desk = ShelfDesk(view, "roles")
    reply = Guide(desk).take(outcome)
    assert not reply.is_refused, reply.message
    site = parse_site(desk.view.draft.text.encode(), "site.yaml").site
    assert site is not None
    headless = make_plan(site, view.machines, Ledger(), view.roles, PLACE)
    assert desk.view.plan is not None
    assert {node.machine: node.roles for node in headless.nodes} == {node.machine: node.roles for node in desk.view.plan.nodes}
    return desk.view


def test_a_role_that_is_dropped_in_appears_by_itself(folder: Path) -> None:
    page = make_roles_page(look(folder), "")
    assert find_marks(page, "ring") == ["-", "-", "-"]
    assert find_marks(page, "base") == ["all", "all", "all"]
    assert find_row(page, "roles", "ring").cells == ("ring", "0", "3 or more, odd", "proxy", "Keep the ring")


def test_what_is_proposed_says_why_as_the_plan_does(folder: Path) -> None:
    view = look(folder, NODES.replace("3}]", "3, roles: [ring]}]"))
    page = make_roles_page(view, "")
    assert find_marks(page, "ring") == ["yes", "yes", "yes"]
    assert find_marks(page, "proxy") == ["-", "-", "auto"]
    assert say(page).startswith("3 nodes; every role that is wanted has its place")
    node = make_roles_page(view, "node3")
    assert find_row(node, "roles", "proxy").cells[:3] == ("proxy", "auto", "ring needs it; most memory (37 GB)")
    assert view.plan is not None
    for planned in view.plan.nodes:
        rows = {row.key: row.cells[2] for row in _find_roles(make_roles_page(view, planned.name))}
        assert {role: rows[role] for role in planned.roles} == dict(planned.why)


def _find_roles(page: Page) -> Sequence[Row]:
    return find_table(page).rows


def test_a_role_is_given_to_marked_nodes_and_its_needs_follow(folder: Path) -> None:
    view = follow(look(folder), choose(look(folder), "ring", "m-1", "m-2", "m-3"))
    page = make_roles_page(view, "")
    assert find_marks(page, "ring") == ["yes", "yes", "yes"]
    assert find_marks(page, "proxy") == ["-", "-", "auto"]
    assert view.draft.site is not None
    assert [(rule.expect, rule.roles) for rule in view.draft.site.nodes] == [(3, ("ring",))]


def test_giving_a_role_to_one_more_node_leaves_it_where_it_was_proposed(folder: Path) -> None:
    before = look(folder, NODES + "roles: {proxy: {}}\n")
    assert find_marks(make_roles_page(before, ""), "proxy") == ["-", "-", "auto"]
    view = follow(before, choose(before, "proxy", "m-1"))
    assert find_marks(make_roles_page(view, ""), "proxy") == ["yes", "-", "yes"]
    view = follow(view, choose(view, "proxy", "m-3"))
    assert find_marks(make_roles_page(view, ""), "proxy") == ["yes", "-", "-"]


def test_taking_the_last_of_a_wanted_role_is_refused_with_why(folder: Path) -> None:
    view = look(folder, NODES + "roles: {proxy: {}}\n")
    refused = choose(view, "proxy", "m-3")
    assert refused == Refused(
        "proxy would be proposed for node3 again: the site file sets its options; most memory (37 GB)",
        "give proxy to another node first",
    )
    assert isinstance(choose(view, "proxy", "m-1", "m-2", "m-3"), Edited)  # not all have it: all get it


def test_what_breaks_is_explained_as_it_breaks(folder: Path) -> None:
    view = follow(look(folder), choose(look(folder), "ring", "m-1", "m-2"))
    assert find_marks(make_roles_page(view, ""), "ring") == ["yes", "yes", "-"]
    assert "FAIL" in {line.mood for part in make_roles_page(view, "").parts if isinstance(part, Lines) for line in part.lines}
    assert "role ring is on 2 nodes, it needs 3\ngive it to more nodes" in say(make_roles_page(view, ""))
    assert "role ring is on 2 nodes, a quorum needs an odd number\nadd or remove one" in say(make_roles_page(view, ""))
    view = look(folder, NODES.replace("}]", ", roles: [sole, proxy]}]").replace("expect: 3}", "expect: 3"))
    page = make_roles_page(view, "")
    assert "node1 has the roles sole and proxy, which do not go together\nmove one of them to another node" in say(page)
    assert "role sole is on 3 nodes (node1, node2, node3), at most 1 may have it\ntake it from some" in say(page)
    assert find_row(page, "roles", "sole").mood == "FAIL"
    assert "which do not go together" in say(make_roles_page(view, "node1"))


def test_roles_that_the_ledger_keeps_are_changed_there_too(folder: Path) -> None:
    desk = ShelfDesk(look(folder))
    desk.push(Event(Happened.ROLES_SET, "m-1", {"roles": ["sole"]}))
    outcome = choose(desk.view, "proxy", "m-1")
    assert not Guide(desk).take(outcome).is_refused
    assert desk.view.ledger.machines["m-1"].roles == ("sole", "proxy")
    assert desk.view.draft.site is not None
    assert ("sole", "proxy") in [rule.roles for rule in desk.view.draft.site.nodes]


def test_one_node_is_changed_on_its_own_page_and_esc_leads_back(folder: Path) -> None:
    view = look(folder)
    desk = ShelfDesk(view, "roles")
    guide = Guide(desk)
    opened = next(a for a in guide.page.actions if a.key == "enter" and a.part == "nodes").does(view, Selection("m-2"))
    assert opened == Go("roles", "node2")
    page = guide.take(opened).page
    assert guide.depth == 2
    toggled = next(action for action in page.actions if action.key == "enter").does(view, Selection("proxy"))
    page = guide.take(toggled).page
    assert (page.subject, find_row(page, "roles", "proxy").cells[1:3]) == ("node2", ("yes", "named in the site file"))
    options = next(action for action in page.actions if action.key == "o").does(desk.view, Selection("proxy"))
    assert options == Go("section", "roles.proxy")
    assert guide.back().page.subject == ""


def test_what_every_node_has_cannot_be_taken(folder: Path) -> None:
    view = look(folder)
    page = make_roles_page(view, "node1")
    toggled = next(action for action in page.actions if action.key == "enter").does(view, Selection("base"))
    assert toggled == Refused("every node has base", "it is what all other roles stand on")


def test_broken_role_folders_are_listed(folder: Path) -> None:
    (folder / "worse").mkdir()
    (folder / "worse" / "role.yaml").write_text("title: [\n")
    page = make_roles_page(look(folder), "")
    broken = next(part for part in page.parts if part.name == "broken")
    assert isinstance(broken, Lines)
    assert broken.lines[0].text.startswith(f"{folder}/worse/role.yaml: ")


def test_columns_go_from_the_right_and_nothing_hostile_comes_through(folder: Path) -> None:
    view = look(folder)
    table = find_table(make_roles_page(view, ""))
    assert [column.drop for column in table.columns] == list(range(len(table.columns)))
    assert len({column.title for column in table.columns}) == len(table.columns)
    hostile = make_view(hostile=True)
    for entry in make_sheet(make_roles_page(hostile, "")).entries:
        assert "\x1b" not in entry.text
    broken = make_view(text="rackstrap: 1\nname: [\n", planned=False)
    assert "no role can be placed" in say(make_roles_page(broken, ""))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("count: {min: 1, max: 3}\n", "1 to 3"),
        ("unique: true\n", "up to 1"),
        ("everywhere: true\n", "every node"),
        ("", "any number"),
    ],
)
def test_counts_in_words(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "role.yaml").write_text(f"title: One\n{text}")
    role: Role = load_roles((tmp_path,))[0]["one"]
    assert describe_count(role) == words
