"""What a front-end shows and offers: pages made of values. The TUI and the plain mode render the same ones.

A page is made anew, purely, from a View; a front-end compares it with the one it shows and repaints what differs. Cursor,
marks and filter are the front-end's own. Every text may hold hostile words: front-ends pass it through `make_safe`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from installer.model.problems import Problem
from installer.wizard.wishes import Wish

if TYPE_CHECKING:
    from installer.wizard.view import View

Mood = Literal["", "ok", "warn", "FAIL", "wait"]  # shown as this word first; colour only adds
Kind = Literal["text", "number", "choice", "flag", "list", "secret", "keys", "action"]
Origin = Literal["default", "file", "discovered", "typed", ""]


@dataclass(frozen=True, slots=True)
class Column:
    """`width`: cells that it needs. On a narrow line, columns with the highest `drop` vanish first; 0 never does.

    `grow`: takes what room is left. `right`: numbers, aligned to the right.
    """

    title: str
    width: int
    drop: int = 0
    grow: bool = False
    right: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. `key` is stable while the thing exists. `notes` follow it, indented: reason, then remedy.

    A `heading` has one cell and cannot be chosen; neither can a row that is not `offered`, but the cursor reaches it.
    """

    key: str
    cells: tuple[str, ...]
    notes: tuple[str, ...] = ()
    mood: Mood = ""
    offered: bool = True
    heading: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to look at or to choose from. `marks`: Space marks several. `start`: the row that the cursor begins on."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    empty: str = ""  # what stands here when there are no rows: why, and what to do
    marks: bool = False
    start: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """One value that a person gives. `choices`: (value, what it means). `check` says what is wrong with a text.

    A `secret` is masked while typed and shown as "set" or "not set" for ever after.
    """

    name: str
    label: str
    kind: Kind = "text"
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    check: Callable[[str], Problem | None] = field(default=lambda _: None, compare=False, repr=False)
    start: str = ""  # the text that editing begins with; "" for a secret


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field with its value as shown, and where the value came from."""

    field: Field
    shown: str
    origin: Origin = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Fields:
    """Values to edit, one a line. Enter asks for the field under the cursor; `set` turns what was typed into an outcome."""

    name: str
    rows: tuple[FieldRow, ...]
    set: Callable[[View, str, str], Outcome] = field(compare=False, repr=False)  # view, field name, text
    title: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text. With a mood, that word stands before it; `label` is a short name after the mood."""

    text: str
    mood: Mood = ""
    label: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lines:
    """Text. `follows`: a log; the newest line stays in sight unless the reader scrolled away."""

    name: str
    lines: tuple[Line, ...]
    title: str = ""
    follows: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """How far something is: `percent` of 100, whole."""

    name: str
    label: str
    percent: int
    text: str = ""


Part = Table | Fields | Lines | Bar


@dataclass(frozen=True, slots=True)
class Selection:
    """What an action is done to: the row or field under the cursor, the marked rows (empty: none), the answer typed."""

    row: str = ""
    marked: tuple[str, ...] = ()
    text: str = ""

    @property
    def rows(self) -> tuple[str, ...]:
        """The marked rows, else the one under the cursor."""
        return self.marked or ((self.row,) if self.row else ())


@dataclass(frozen=True, slots=True)
class Edited:
    """A new draft: the front-end keeps and saves it. `says` is shown once. `then` follows: another page.

    `wishes` are carried out, in this order, once the edit was taken; nothing of them where it was refused.
    """

    edits: tuple[tuple[tuple[str | int, ...], object], ...]  # key path -> value, or REMOVED: see site.save
    says: str = ""
    origin: Origin = "typed"
    then: Go | None = None
    wishes: tuple[Wish, ...] = ()


@dataclass(frozen=True, slots=True)
class Wished:
    """Something to carry out, in this order."""

    wishes: tuple[Wish, ...]
    says: str = ""
    then: Go | None = None


@dataclass(frozen=True, slots=True)
class Go:
    """To another page: "next", "back", "quit", "plain" (quit, and go on in plain mode), or a page's name with its subject."""

    page: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """A question first; `then` gets the answer as `Selection.text`. `says` stands above it: what it means, what is lost."""

    asks: Field
    then: Callable[[View, Selection], Outcome] = field(compare=False, repr=False)
    says: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Not so, and what to do instead. Shown where it was typed or pressed; nothing has changed."""

    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """Nothing to do; a sentence for the message line."""

    text: str


Outcome = Edited | Wished | Go | Ask | Refused | Told


@dataclass(frozen=True, slots=True)
class Action:
    """What a key does on this page. `key`: "enter" or one lower-case letter; `part`: where the cursor has to be ("" anywhere).

    `n` (next), `?`, `/`, Space (mark), `S` (save), `Q` (quit) and Esc are the front-end's own. `label`: one or two words for
    the line of keys.
    """

    key: str
    label: str
    does: Callable[[View, Selection], Outcome] = field(compare=False, repr=False)
    part: str = ""
    help: str = ""  # a sentence for the help page


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `help`: what you should see now, and what to do when you do not."""

    name: str
    title: str
    question: str
    parts: tuple[Part, ...]
    actions: tuple[Action, ...] = ()
    help: tuple[str, ...] = ()
    subject: str = ""
    wants: frozenset[str] = frozenset()  # what the view must hold for it: "plan", "applied", "log:HOST", "preflight"
