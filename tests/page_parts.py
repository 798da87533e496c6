"""The parts of a wizard's page, found by kind and name, and an edit taken as the guide takes it."""

from __future__ import annotations

from dataclasses import replace

from installer.wizard.draft import edit_draft
from installer.wizard.page import Edited, Fields, Line, Lines, Outcome, Page, Row, Table
from installer.wizard.view import View


def find_table(page: Page, name: str = "") -> Table:
    """The page's first table, or the one of this name."""
    return next(part for part in page.parts if isinstance(part, Table) and name in (part.name, ""))


def find_row(page: Page, name: str, key: str) -> Row:
    return next(row for row in find_table(page, name).rows if row.key == key)


def find_fields(page: Page) -> Fields:
    return next(part for part in page.parts if isinstance(part, Fields))


def find_lines(page: Page, name: str) -> tuple[Line, ...]:
    """None where the page has no such part."""
    return next((part.lines for part in page.parts if isinstance(part, Lines) and part.name == name), ())


def take_edit(view: View, outcome: Outcome) -> View:
    """The view after an edit, which must be one that the draft takes."""
    assert isinstance(outcome, Edited), outcome
    draft, problems = edit_draft(view.draft, outcome.edits, view.roles, outcome.origin)
    assert problems == ()
    return replace(view, draft=draft)
