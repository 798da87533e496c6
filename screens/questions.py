"""The questions that the front-end itself puts, and what is asked of an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from installer.model.problems import Place, Problem, RackstrapError
from installer.wizard.page import Ask, Field, Fields, Go, Outcome, Told

if TYPE_CHECKING:
    from installer.wizard.view import View  # the frame is painted before this is imported


def try_check(check: Callable[[str], Problem | None], text: str) -> Problem | None:
    try:
        return check(text)
    except RackstrapError as error:
        return Problem(Place(), error.message, error.hint)


def find_words(problem: Problem | None) -> tuple[str, ...]:
    return tuple(word for word in (problem.message, problem.hint) if word) if problem is not None else ()


def make_field_question(part: Fields, name: str) -> Outcome:
    """The question for a field; one that is no value is answered at once."""
    field = next(row.field for row in part.rows if row.field.name == name)
    return Ask(field, lambda view, chosen: part.set(view, name, chosen.text))


def make_leaving(view: View) -> Outcome:
    """Asked, unless nothing could have been done here that would be left."""
    if view.here.only_looks:
        return Go("quit")
    choices = (("leave", "what runs goes on; `rackstrap tui` comes back to this place"), ("stay", ""))
    field = Field("leave", "Leave?", "choice", "", choices, start="leave")
    return Ask(field, lambda _, chosen: Go("quit") if chosen.text == "leave" else Told(""))
