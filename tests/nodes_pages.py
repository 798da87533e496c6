"""Racks of machines for the tests of stage Nodes, and what a page's actions come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from installer.model.facts import Machine
from installer.model.plan import Plan
from installer.plan.plan import make_plan
from installer.site.load import parse_site
from installer.wizard.draft import Draft, edit_draft
from installer.wizard.guide import Guide, Reply
from installer.wizard.page import Action, Ask, Edited, Outcome, Page, Row, Selection, Table
from installer.wizard.plain_sheet import make_sheet
from installer.wizard.view import View
from tests.plan_samples import make_disk, make_machine
from tests.shelf_desk import ShelfDesk
from tests.wizard_events import PLACE, ROLES
from tests.wizard_views import make_view

HEAD = """rackstrap: 1
name: lab
domain: lab.example
admin: {hostname: admin, address: 192.168.124.10}
"""
DISKS = [make_disk(f"sd{letter}", 600, by_path=f"pci-0000:02:00.0-sas-phy{at}-lun-0") for at, letter in enumerate("abcd")]


def make_rack(count: int = 4, **changes: Any) -> dict[str, Machine]:
    return {
        f"m-{n}": replace(make_machine(n, [replace(d, serial=f"{n}-{d.name}") for d in DISKS]), **changes)
        for n in range(1, count + 1)
    }


def look(machines: Mapping[str, Machine] | None = None, nodes: str = "nodes: []\n", **changes: Any) -> View:
    return make_view(machines=make_rack() if machines is None else machines, text=HEAD + nodes, **changes)


def find_row(page: Page, key: str) -> Row:
    return next(row for part in page.parts if isinstance(part, Table) for row in part.rows if row.key == key)


def do(page: Page, key: str, view: View, *rows: str, answers: Sequence[str] = ()) -> Outcome:
    """What the action of this key comes to for these rows, once each question has this answer, which has to pass its check."""
    action: Action = next(action for action in page.actions if action.key == key)
    outcome = action.does(view, Selection(rows[0] if len(rows) == 1 else "", rows if len(rows) > 1 else ()))
    for answer in answers:
        assert isinstance(outcome, Ask), outcome
        assert outcome.asks.check(answer) is None, outcome.asks.check(answer)
        outcome = outcome.then(view, Selection(rows[0] if rows else "", rows, answer))
    return outcome


def take(view: View, outcome: Outcome) -> Draft:
    """The draft that the edit makes, which must bring no error along."""
    assert isinstance(outcome, Edited), outcome
    draft, problems = edit_draft(view.draft, outcome.edits, view.roles)
    assert not problems
    assert parse_site(draft.text.encode(), "site.yaml").site == draft.site, "the saved file replays"
    return draft


def follow(view: View, outcome: Outcome) -> tuple[ShelfDesk, Reply]:
    desk = ShelfDesk(view, "nodes")
    guide = Guide(desk)
    return desk, guide.take(outcome)


def plan(view: View, draft: Draft) -> Plan:
    """The plan of the saved file alone."""
    site = parse_site(draft.text.encode(), "site.yaml").site
    assert site is not None
    return make_plan(site, view.machines, view.ledger, ROLES, PLACE)


def name_nodes(view: View, draft: Draft) -> dict[str, str]:
    """Machine id -> the name that a plan gives."""
    return {node.machine: node.name for node in plan(view, draft).nodes}


def text_of(page: Page) -> str:
    return "\n".join(line for entry in make_sheet(page).entries for line in (entry.text, *entry.notes))
