"""A question in plain mode: what it means, the choices with numbers, and an answer that is right before it is handed on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from installer.wizard.guide import SHOWN, make_safe
from installer.wizard.page import Field
from installer.wizard.plain_line import Line, TooLongError
from installer.wizard.plain_sheet import AT_ONCE, WIDTH, make_ascii, wrap

PROMPT: Final = "? "
LEAVE: Final = "."
EMPTY: Final = "-"
_YES: Final = {"y": "yes", "j": "yes", "n": "no", "true": "yes", "false": "no", "on": "yes", "off": "no"}


def put_question(line: Line, field: Field, says: Sequence[str], now: str = "", *, is_again: bool = False) -> str | None:
    """Ask until the answer passes the field's check. None: it was left. `now`: the value in force, which Enter alone keeps.

    `is_again`: all was said already, and the answer was refused. Raises HungUpError and BreakError as Line.read.
    """
    if not is_again:
        line.write([*(text for sentence in says for text in wrap(sentence)), *_make_introduction(field, now)])
    while True:
        try:
            typed = line.read_secret(PROMPT) if field.kind == "secret" else line.read(PROMPT)
        except TooLongError:
            line.echo("...")
            line.write(refuse("that line is far too long", "type it again, shorter"))
            continue
        if field.kind != "secret":
            line.echo(make_ascii(typed)[: WIDTH - len(PROMPT)])
        if typed.strip() in (LEAVE, "") and not (typed.strip() == "" and field.start and not now):
            return None
        answer = _understand(line, field, typed)
        if answer is None:
            continue
        problem = field.check(answer)
        if problem is None:
            return answer
        line.write(refuse(problem.message, problem.hint))


def refuse(message: str, hint: str = "") -> list[str]:
    """Why not, and what to do instead."""
    return [*wrap(f"No: {message}.".replace("..", "."), "", "    "), *(wrap(hint, "    ") if hint else [])]


def _make_introduction(field: Field, now: str) -> list[str]:
    lines = wrap(f"{field.label}{': ' if field.help else ''}{field.help}")
    if len(field.choices) > AT_ONCE:
        lines += wrap(f"One of {len(field.choices)} values; type a part of one, and those that hold it are shown.", "  ")
    else:
        lines += [text for at, choice in enumerate(field.choices, 1) for text in _make_choice(at, choice)]
    if field.kind == "flag":
        lines += ["  Type yes or no."]
    enter = f"Enter keeps {now}" if now else f"Enter takes {field.start}" if field.start else "Enter alone leaves it"
    if field.kind == "secret":
        lines += ["  What you type is not shown. Enter alone leaves it."]
    else:
        empties = f", {EMPTY} empties it" if (now or field.start) and field.kind != "choice" and field.check("") is None else ""
        lines += wrap(f"({enter}{empties}, {LEAVE} goes back.)", "  ")
    return lines


def _make_choice(at: int, choice: tuple[str, str]) -> list[str]:
    value, meaning = choice
    return wrap(
        f"{value}{': ' if meaning and meaning != value else ''}{meaning if meaning != value else ''}", f"{at:3}. ", "       "
    )


def _understand(line: Line, field: Field, typed: str) -> str | None:
    """The value meant; None after a refusal."""
    typed = typed if field.kind == "secret" else typed.replace("\t", " ")
    if not _is_typable(typed):
        line.write(refuse("there are characters in that which no keyboard types", "type it again, without arrow keys"))
        return None
    if field.kind == "secret":
        return typed
    words = typed.strip() or field.start
    if words == EMPTY and field.check("") is None and field.kind != "choice":
        return ""
    if field.kind == "flag":
        return _YES.get(words.casefold(), words.casefold())
    return _choose(line, field, words) if field.choices else words


def _is_typable(typed: str) -> bool:
    """Whether it is free of control characters and of bytes that are no UTF-8."""
    pieces = (typed[at : at + SHOWN] for at in range(0, len(typed), SHOWN))
    return "\ufffd" not in typed and all(make_safe(piece) == piece for piece in pieces)


def _choose(line: Line, field: Field, words: str) -> str | None:
    """A choice by its value, its number, or a part of it that only one has. Other text is an answer where the kind allows it."""
    values = [value for value, _ in field.choices]
    if words in values:
        return words
    if words.isascii() and words.isdigit() and field.kind != "number" and 1 <= int(words[:6]) <= len(values):
        return values[int(words[:6]) - 1]
    if field.kind != "choice":
        return words
    alike = [(at, c) for at, c in enumerate(field.choices, 1) if words.casefold() in " ".join(c).casefold()]
    if len(alike) == 1:
        return alike[0][1][0]
    if not alike:
        line.write(refuse("that is none of the values", f"type a number from 1 to {len(values)}"))
    for at, choice in alike[:AT_ONCE]:
        line.write(_make_choice(at, choice))
    if len(alike) > AT_ONCE:
        line.write([f"  and {len(alike) - AT_ONCE} more: type a longer part"])
    return None
