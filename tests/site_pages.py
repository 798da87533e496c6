"""A site's pages for their tests: what they show, and typing into them."""

from __future__ import annotations

from typing import Any, Final

from installer.model.site import Network
from installer.wizard.page import Outcome, Page, Refused, Selection
from installer.wizard.pages.section import make_section_page
from installer.wizard.view import View
from tests.page_parts import find_fields
from tests.wizard_views import SITE, make_view

SUBJECTS: Final = (
    "general", "access", "admin", "networks", "networks.admin", "networks.storage", "conduits", "conduits.intf0", "services",
    "discovery", "roles", "roles.base", "erase", "nodes", "nodes.0",
)  # fmt: skip


def view_of(text: str = SITE, **changes: Any) -> View:
    return make_view(text=text, planned=False, machines={}, **changes)


def find_shown(page: Page) -> dict[str, tuple[str, str]]:
    return {row.field.name: (row.shown, row.origin) for row in find_fields(page).rows}


def press(page: Page, view: View, key: str, row: str = "", part: str = "", text: str = "") -> Outcome:
    action = next(action for action in page.actions if action.key == key and action.part in (part, ""))
    return action.does(view, Selection(row, (), text))


def type_value(view: View, subject: str, field: str, text: str) -> Outcome:
    """Type into a field of a section's page."""
    fields = find_fields(make_section_page(view, subject))
    return fields.set(view, field, text)


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
