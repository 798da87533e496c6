"""A site's pages for their tests: what they show, and typing into them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from installer.model.site import Network
from installer.wizard.draft import edit_draft
from installer.wizard.page import Edited, Fields, Outcome, Page, Refused, Row, Selection, Table
from installer.wizard.pages.section import make_section_page
from installer.wizard.view import View
from tests.wizard_views import SITE, make_view

SUBJECTS: Final = (
    "general", "access", "admin", "networks", "networks.admin", "networks.storage", "conduits", "conduits.intf0", "services",
    "discovery", "roles", "roles.base", "erase", "nodes", "nodes.0",
)  # fmt: skip


def view_of(text: str = SITE, **changes: Any) -> View:
    return make_view(text=text, planned=False, machines={}, **changes)


def find_table(page: Page, name: str) -> Table:
    return next(part for part in page.parts if isinstance(part, Table) and part.name == name)


def find_fields(page: Page) -> Fields:
    return next(part for part in page.parts if isinstance(part, Fields))


def find_row(page: Page, name: str, key: str) -> Row:
    return next(row for row in find_table(page, name).rows if row.key == key)


def find_shown(page: Page) -> dict[str, tuple[str, str]]:
    return {row.field.name: (row.shown, row.origin) for row in find_fields(page).rows}


def press(page: Page, view: View, key: str, row: str = "", part: str = "", text: str = "") -> Outcome:
    action = next(action for action in page.actions if action.key == key and action.part in (part, ""))
    return action.does(view, Selection(row, (), text))


def type_value(view: View, subject: str, field: str, text: str) -> Outcome:
    """Type into a field of a section's page."""
    fields = find_fields(make_section_page(view, subject))
    return fields.set(view, field, text)


def follow(view: View, outcome: Outcome) -> View:
    """The view after an edit, which must be one that the draft takes."""
    assert isinstance(outcome, Edited), outcome
    draft, problems = edit_draft(view.draft, outcome.edits, view.roles, outcome.origin)
    assert problems == ()
    return replace(view, draft=draft)


def find_refusal(view: View, subject: str, field: str, text: str) -> str:
    outcome = type_value(view, subject, field, text)
    assert isinstance(outcome, Refused), outcome
    row = next(row for row in find_fields(make_section_page(view, subject)).rows if row.field.name == field)
    problem = row.field.check(text)
    assert problem is not None
    assert (problem.message, problem.hint) == (outcome.message, outcome.hint)
    return f"{outcome.message}; {outcome.hint}"


def find_network(view: View, name: str) -> Network:
    assert view.draft.site is not None
    return view.draft.site.network(name)
