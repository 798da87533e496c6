"""The frame as pure lines: where the count stands, what a page begins with, which keys it offers."""

from __future__ import annotations

from installer.wizard.page import Action, Column, Line, Lines, Page, Refused, Row, Table
from screens.frame import Shown, make_frame
from screens.lines import find_text
from screens.state import PageState

ROWS = tuple(Row(f"k{at}", (f"node{at}", "ready")) for at in range(40))
TABLE = Table("nodes", (Column("node", 10, grow=True), Column("switch", 8)), ROWS)
TEXT = Lines("text", tuple(Line(f"line {at}") for at in range(30)), "Text")
KEYS = (Action("a", "act", lambda _view, _: Refused("no")),)


def draw(page: Page, state: PageState, position: tuple[int, int] = (2, 9), depth: int = 1) -> list[str]:
    state.take(page)
    shown = Shown(page, state, "(rehearsal)  lab", position, depth)
    return [find_text(line) for line in make_frame(shown, 80, 24, str).lines]


def test_the_count_of_rows_cuts_no_column() -> None:
    lines = draw(Page("nodes", "Nodes", "Which?", (TABLE,)), PageState())
    assert lines[2] == f"{'Which?':<70}1-18 of 40"
    assert lines[3].endswith("switch")


def test_a_page_that_begins_with_a_long_text_is_read_from_its_top_and_left_by_its_end() -> None:
    page, state = Page("machine", "node1", "What?", (TEXT, TABLE)), PageState()
    lines = draw(page, state)
    assert (state.focus, lines[4].strip()) == ("text", "line 0")
    assert state.move(page, 10**9)
    draw(page, state)
    assert not state.move(page, 1), "the next step is the next part's"


def test_only_keys_that_do_something_are_offered() -> None:
    page = Page("nodes", "Nodes", "Which?", (TABLE,), KEYS)
    assert draw(page, PageState(), (1, 9))[-1].endswith("n next   Q leave")
    assert draw(page, PageState(), (9, 9))[-1].endswith("Esc back   Q leave")
    assert draw(page, PageState(), (3, 9), depth=2)[-1].endswith("/ filter   Esc back")


def test_parts_stand_apart_where_there_is_room() -> None:
    small = Lines("small", (Line("first"),))
    other = Lines("other", (Line("second"),))
    assert draw(Page("x", "X", "What?", (small, other)), PageState())[3:6] == ["first", "", "second"]
