"""Where the operator is, and what follows from what they do: the part that TUI and plain mode share."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from installer.model.problems import Place, Problem, RackstrapError
from installer.wizard.desk import Desk
from installer.wizard.draft import edit_draft
from installer.wizard.page import Ask, Edited, Field, Go, Outcome, Page, Refused, Selection, Told, Wished
from installer.wizard.stages import LOOKED_AT, STAGES, Stage, find_page_maker
from installer.wizard.view import View
from installer.wizard.wishes import IsThereError, SaveReport, SaveSite, Wish

_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]")
ONLY_LOOKS: Final = "this screen only shows: nothing was changed"
SHOWN: Final = 2000  # characters of one text that are ever shown


def make_safe(text: str) -> str:
    """The text with control, direction and zero-width characters as a space: it cannot move a cursor or hide a word."""
    return _UNSAFE.sub(" ", text[:SHOWN])


@dataclass(frozen=True, slots=True)
class Reply:
    """What follows: the page to show; perhaps a question to put, or a sentence; or the end.

    `switch`: at the end, the front-end to go on with at the same place: "plain", or "" for none.
    """

    page: Page
    ask: Ask | None = None
    message: str = ""
    hint: str = ""
    is_refused: bool = False
    is_over: bool = False
    switch: str = ""


class Guide:
    """One operator's way through the pages. Called from one worker thread at a time: `take` and `refresh` may take a while."""

    def __init__(self, desk: Desk) -> None:
        self.desk: Final = desk
        self.view: View = desk.look(frozenset())
        self._stack = [Go(desk.find_page() or STAGES[0].name)]
        self.page: Page = self._make_page()

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that are asked: all, or those whose sections `interactive` names or have an error, and those without.

        Who may only look sees the dashboard.
        """
        if self.view.here.only_looks:
            return tuple(stage for stage in STAGES if stage.name in LOOKED_AT)
        asked = self._asked()
        return tuple(stage for stage in STAGES if not asked or not stage.sections or asked & set(stage.sections))

    @property
    def position(self) -> tuple[int, int]:
        """Which stage of how many this page belongs to, from 1."""
        names = [stage.name for stage in self.stages]
        first = self._stack[0].page
        return (names.index(first) + 1 if first in names else 1), len(names)

    @property
    def depth(self) -> int:
        """1 on a stage's own page, more on pages that were opened from it."""
        return len(self._stack)

    def refresh(self) -> Page:
        """Look again, and make the page that is shown anew."""
        self.view = self.desk.look(self.page.wants)
        self.page = self._make_page()
        return self.page

    def take(self, outcome: Outcome) -> Reply:  # noqa: PLR0911 - one way for each outcome
        """Follow an outcome to its end."""
        if self.view.here.only_looks and isinstance(outcome, Edited | Wished | Ask):
            return Reply(self.page, message=ONLY_LOOKS, hint=self.view.here.only_looks, is_refused=True)
        match outcome:
            case Go():
                return self._go(outcome)
            case Edited():
                return self._edit(outcome)
            case Wished():
                return self._carry_out(outcome)
            case Ask():
                return Reply(self.page, ask=outcome)
            case Refused():
                return Reply(self.page, message=outcome.message, hint=outcome.hint, is_refused=True)
            case Told():
                return Reply(self.page, message=outcome.text)

    def next(self) -> Reply:
        return self._go(Go("next"))

    def back(self) -> Reply:
        return self._go(Go("back"))

    def _asked(self) -> set[str]:
        draft = self.view.draft
        if draft.site is None or not draft.site.interactive:
            return set()
        wrong = {str(problem.place.path[0]) for problem in draft.problems if problem.severity == "error" and problem.place.path}
        return {*draft.site.interactive, *wrong}

    def _make_page(self) -> Page:
        here = self._stack[-1]
        return find_page_maker(here.page)(self.view, here.subject)

    def _go(self, go: Go) -> Reply:
        if go.page == "quit":
            return Reply(self.page, is_over=True)
        if go.page == "plain":
            return Reply(self.page, is_over=True, switch="plain")
        names = [stage.name for stage in self.stages]
        first = self._stack[0].page
        at = names.index(first) if first in names else 0
        if go.page == "next":
            self._stack = [Go(names[min(at + 1, len(names) - 1)])]
        elif go.page == "back":
            self._stack = self._stack[:-1] or [Go(names[max(at - 1, 0)])]
        elif not go.subject and any(go.page == stage.name for stage in STAGES):
            self._stack = [go]
        elif go != self._stack[-1]:
            self._stack.append(go)
        said = self._keep_place() if self._stack[0].page != first else ""
        self.page = self._make_page()
        return Reply(self.refresh(), message=said)

    def _keep_place(self) -> str:
        """Save where the operator is. Why that cannot be, where it cannot: nobody is kept from going on by a full disk."""
        try:
            self.desk.keep(self.view.draft, self._stack[0].page)
        except RackstrapError as error:
            return error.message
        return ""

    def _edit(self, edited: Edited) -> Reply:
        try:
            draft, problems = edit_draft(self.view.draft, edited.edits, self.view.roles, edited.origin)
        except RackstrapError as error:
            return self._refuse(error)
        if problems:
            return Reply(self.page, message=problems[0].message, hint=problems[0].hint, is_refused=True)
        self.desk.keep(draft, self._stack[0].page)
        if edited.wishes:
            return self._carry_out(Wished(edited.wishes, edited.says, edited.then))
        return self._follow(edited.then, edited.says)

    def _carry_out(self, wished: Wished) -> Reply:
        told = []
        for wish in wished.wishes:
            try:
                told.append(self.desk.carry_out(wish))
            except IsThereError as error:
                return Reply(self.refresh(), ask=_make_replacing(wished, wish, error))
            except RackstrapError as error:
                self.refresh()
                return self._refuse(error)
        return self._follow(wished.then, wished.says or "; ".join(text for text in told if text))

    def _follow(self, then: Go | None, message: str) -> Reply:
        page = self.refresh()  # first: to go somewhere keeps the view's draft, which has to be the new one
        if then is None:
            return Reply(page, message=message)
        reply = self._go(then)
        message = "; ".join(text for text in (message, reply.message) if text)
        return Reply(reply.page, message=message, is_over=reply.is_over, switch=reply.switch)

    def _refuse(self, error: RackstrapError) -> Reply:
        return Reply(self.page, message=error.message, hint=error.hint, is_refused=True)


def _make_replacing(wished: Wished, wish: Wish, error: IsThereError) -> Ask:
    """Whether the file that is there may be replaced; what was wished for after it follows then."""
    rest = wished.wishes[wished.wishes.index(wish) :]
    sure = tuple(replace(one, over=True) if isinstance(one, SaveSite | SaveReport) else one for one in rest)

    def follow(_: View, chosen: Selection) -> Outcome:
        return Wished(sure, wished.says, wished.then) if chosen.text == "yes" else Told("nothing was written")

    choices = (("yes", "what is in it now is lost"), ("no", "it stays as it is"))
    return Ask(Field("sure", "Replace it", "choice", choices=choices, start="no"), follow, (f"{error.message}.",))


def make_save(view: View) -> Outcome:
    """The question where to save the site file, with the removable volumes that are there."""
    volumes = tuple((f"volume:{volume.id}", volume.title) for volume in view.here.volumes)
    start = view.draft.file or "site.yaml"
    field = Field("target", "Save as", "text", "a path, or volume: and its name", volumes, _check_target, start)
    return Ask(field, lambda _, chosen: Wished((SaveSite(chosen.text),)), ("The site file holds no secret but the hash.",))


def _check_target(text: str) -> Problem | None:
    if text.strip() and "\0" not in text and len(text) < 4096:
        return None
    return Problem(Place(), "this is no path", "type one, as /root/site.yaml")
