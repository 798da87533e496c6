"""Questions that several pages put the same way: yes or no, a word to type, one of a few, a text that has to pass a check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from installer.model.problems import Place, Problem, RackstrapError
from installer.wizard.page import Ask, Field, Outcome, Refused, Selection, Told
from installer.wizard.view import View

Then = Callable[[View, str], Outcome]  # the view of the answer's moment, and the answer
MOST_SAID: Final = 10
UNCHANGED: Final = Told("nothing has changed")


def ask_yes(label: str, says: Iterable[str], yes: str, then: Callable[[View], Outcome]) -> Ask:
    """Yes or no; `yes` says what yes does. It begins on no: Enter may be pressed twice before a word was read."""
    choices = (("yes", yes), ("no", "nothing changes"))
    return ask_one("sure", label, choices, lambda view, text: then(view) if text == "yes" else UNCHANGED, says, "no")


def ask_word(word: str, label: str, says: Iterable[str], then: Callable[[View], Outcome]) -> Ask:
    """A word that has to be typed in full before something is lost."""

    def check(text: str) -> Problem | None:
        return None if text.strip() == word else make_problem(f"that is not {word}", f"type {word}, or leave with Esc")

    def follow(view: View, chosen: Selection) -> Outcome:
        problem = check(chosen.text)
        return Refused(problem.message, problem.hint) if problem else then(view)

    return Ask(Field("word", label, check=check), follow, shorten(says))


def ask_one(
    name: str, label: str, choices: Sequence[tuple[str, str]], then: Then, says: Iterable[str] = (), start: str = ""
) -> Ask:
    """One of these values."""
    values = {value for value, _ in choices}

    def check(text: str) -> Problem | None:
        return None if text in values else make_problem("that is none of these", "choose one of the values that are listed")

    return _ask(Field(name, label, "choice", choices=tuple(choices), check=check, start=start), then, says)


def ask_text(field: Field, then: Then, says: Iterable[str] = ()) -> Ask:
    """A text that passes the field's check."""
    return _ask(field, then, says)


def _ask(field: Field, then: Then, says: Iterable[str]) -> Ask:
    def follow(view: View, chosen: Selection) -> Outcome:
        problem = field.check(chosen.text)
        if problem is not None:
            return Refused(problem.message, problem.hint)
        try:
            return then(view, chosen.text)
        except RackstrapError as error:
            return Refused(error.message, error.hint)

    return Ask(field, follow, shorten(says))


def shorten(says: Iterable[str]) -> tuple[str, ...]:
    """The first few of these lines, and how many more there are."""
    lines = tuple(says)
    return lines if len(lines) <= MOST_SAID + 1 else (*lines[:MOST_SAID], f"and {len(lines) - MOST_SAID} more")


def make_problem(message: str, hint: str) -> Problem:
    return Problem(Place(), message, hint)


def join_titles(titles: Sequence[str]) -> str:
    """`node1`, `node1 and node2`, `node1, node2 and 10 more`."""
    if len(titles) > 3:
        return f"{', '.join(titles[:2])} and {len(titles) - 2} more"
    return " and ".join((", ".join(titles[:-1]), titles[-1])) if len(titles) > 1 else "".join(titles)
