"""A Desk that serves Views from memory, for the tests of pages and front-ends.

It is no mock: Desk is a seam to the world (installer.wizard.desk), this is one more world behind it, in which nothing is slow
and everything that was wished for can be read afterwards.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from installer.engine.status import make_status
from installer.model.events import Event
from installer.model.folds import add_event
from installer.model.problems import RackstrapError
from installer.wizard.draft import Draft
from installer.wizard.view import View
from installer.wizard.wishes import Append, Wish
from tests.wizard_events import number_events
from tests.wizard_views import make_view, plan_view


class ShelfDesk:
    """A Desk (installer.wizard.desk) that serves a View from memory.

    `kept`: every draft with its page; `wishes`: all that were carried out, in order. `fails`: wishes of these types raise that.
    """

    def __init__(self, view: View | None = None, page: str = "") -> None:
        self.view: View = view or make_view()
        self.page = page
        self.kept: list[tuple[Draft, str]] = []
        self.wishes: list[Wish] = []
        self.wanted: list[frozenset[str]] = []
        self.fails: dict[type, RackstrapError] = {}
        self.is_closed = False
        self._has_news = False
        self._is_planned = self.view.plan is not None

    def look(self, wants: frozenset[str]) -> View:
        self.wanted.append(wants)
        self._has_news = False
        return self.view

    def has_news(self) -> bool:
        return self._has_news

    def find_page(self) -> str:
        return self.page

    def keep(self, draft: Draft, page: str) -> None:
        changed = draft.text != self.view.draft.text
        self.kept.append((draft, page))
        self.page = page
        self.show(draft=draft)
        if changed and self._is_planned:
            self.view = plan_view(self.view)

    def carry_out(self, wish: Wish) -> str:
        if type(wish) in self.fails:
            raise self.fails[type(wish)]
        self.wishes.append(wish)
        if isinstance(wish, Append):
            self.push(*wish.events)
            return wish.says
        return ""

    def push(self, *events: Event) -> None:
        """News: these events were appended to the journal."""
        news = [replace(event, at=event.at or self.view.now) for event in number_events(events, self.view.ledger.seq + 1)]
        old = self.view.ledger
        ledger = replace(old, machines=dict(old.machines), bmcs=dict(old.bmcs), steps=dict(old.steps))
        ledger = replace(ledger, services=dict(old.services), asked=dict(old.asked))
        for event in news:
            add_event(ledger, event)
        status = make_status(ledger, self.view.progress, self.view.now)
        self.show(ledger=ledger, status=status, events=(*self.view.events, *news)[-300:])
        if self._is_planned:
            self.view = plan_view(self.view)

    def show(self, **changes: Any) -> None:
        """News of any kind: fields of View."""
        self.view = replace(self.view, **changes)
        self._has_news = True

    def close(self) -> None:
        self.is_closed = True
