"""What is typed in plain mode, and how a page reads there: values in, values out."""

from __future__ import annotations

import pytest

from installer.wizard.page import (
    Action,
    Bar,
    Column,
    Field,
    FieldRow,
    Fields,
    Line,
    Lines,
    Page,
    Refused,
    Row,
    Selection,
    Table,
    Told,
)
from installer.wizard.plain_help import render_help, render_keys
from installer.wizard.plain_sheet import make_ascii, wrap
from installer.wizard.plain_state import find_unread, is_live, make_told, render_changes, render_more, render_page, take_news
from installer.wizard.plain_target import find_action, find_field, find_reason
from installer.wizard.plain_words import Command, parse_command, parse_numbers

LETTERS = {"enter", "b", "w", "l"}


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("", Command("changes")),
        ("n", Command("next")),
        (" B ", Command("back")),
        ("back", Command("back")),
        ("m", Command("more")),
        ("=", Command("page")),
        ("?", Command("help")),
        ("S", Command("save")),
        ("Q", Command("quit")),
        ("/", Command("filter")),
        ("/leaf1 up", Command("filter", text="leaf1 up")),
        ("12", Command("open", numbers=(12,))),
        ("1, 3-4", Command("open", numbers=(1, 3, 4))),
        ("0", Command("open", numbers=(0,))),
        ("b", Command("action", "b")),
        ("w 1-3,7", Command("action", "w", (1, 2, 3, 7))),
        ("w7,1 - 2, 7", Command("action", "w", (7, 1, 2))),
        ("w all", Command("action", "w", is_all=True)),
    ],
)
def test_commands(typed: str, command: Command) -> None:
    assert parse_command(typed, LETTERS, 12) == command


@pytest.mark.parametrize(
    ("typed", "message", "hint"),
    [
        ("x", "that is no command here", "type ? for what can be typed here"),
        ("wall", "that is no command here", "type ? for what can be typed here"),
        ("\u0661", "that is no command here", "type ? for what can be typed here"),
        ("13", "there is no 13 here", "numbers go from 1 to 12"),
        ("w 3-1", "there is no 3-1 here", "numbers go from 1 to 12"),
        ("w 1-99999", "there is no 1-99999 here", "numbers go from 1 to 12"),
        ("w 1,,2", "that is no list of numbers", "write them as 1-3,7"),
        ("w 1 2", "that is no list of numbers", "write them as 1-3,7"),
    ],
)
def test_what_is_no_command(typed: str, message: str, hint: str) -> None:
    assert parse_command(typed, LETTERS, 12) == Refused(message, hint)


def test_numbers_on_an_empty_page() -> None:
    assert parse_numbers("1", 0) == Refused("there is no 1 here", "nothing is numbered here")


def test_ascii() -> None:
    assert make_ascii("café → 2 × ▼ …\x1b[31mred\u202e") == "cafe -> 2 x v ... [31mred "
    assert make_ascii("日本") == "??"
    assert make_ascii("½") == "1?2"
    assert wrap("word " * 40, "  1. ", "     ")[1].startswith("     word")
    assert max(map(len, wrap("x" * 500 + " y", "    "))) == 78


def do_nothing(*_: object) -> Told:
    return Told("")


PORTS = (Column("port", 6), Column("link", 9), Column("address", 15))


def make_page(*rows: Row, marks: bool = True, percent: int = 10, log: tuple[str, ...] = ()) -> Page:
    fields = Fields("way", (FieldRow(Field("address", "Address"), "192.0.2.1/24", "default", "it is taken"),), do_nothing)
    parts = (
        Table("ports", PORTS, rows, "No port: is a card in?", marks, title="Ports"),
        fields,
        Lines("checks", (Line("10.0.0.5 answers", "FAIL", "other DHCP", ("stop it",)),), "Checks"),
        Bar("done", "install", percent, "2 of 3"),
        Lines("log", tuple(Line(text) for text in log), follows=True),
    )
    actions = (
        Action("enter", "Choose", do_nothing, "ports", "Takes this port."),
        Action("w", "power", do_nothing, "ports"),
        Action("c", "check again", do_nothing),
    )
    return Page("network", "Network", "Which port faces the rack?", parts, actions, ("You should see a port.",))


ENS1 = Row("ens1", ("ens1", "up", "192.0.2.9"))
ENS2 = Row("ens2", ("ens2", "no cable", "-"), ("plug it in",), "warn", offered=False)
HEAD = Row("far", ("far ports",), heading=True)

TOLD = """
Network, 2 of 9.
Which port faces the rack?

Ports:
  1. ens1: link up, address 192.0.2.9
far ports:
  2. warn ens2: link no cable (not offered)
       plug it in
  3. Address: 192.0.2.1/24 (default)
       wrong: it is taken

Checks:
  FAIL other DHCP: 10.0.0.5 answers
       stop it
  install: 10 %, 2 of 3
  one
"""


def test_a_page_in_lines() -> None:
    told = make_told(make_page(ENS1, HEAD, ENS2, log=("one",)))
    assert render_page(told, ["Network, 2 of 9."]) == TOLD.splitlines()


def test_an_empty_table_says_why() -> None:
    assert "  No port: is a card in?" in render_page(make_told(make_page()), [])


def test_words_below_a_page_and_behind_the_question_mark() -> None:
    assert render_keys(make_page(ENS1)) == [
        "",
        "A number: choose, change that value.",
        "A letter and numbers, as w 1-3,7 or w all: w power.",
        "A letter, with numbers where they matter, as c 1-3,7 or c all: c check again.",
        "n next, B back, / filter, ? help, S save, Q quit, Enter what is new.",
    ]
    said = render_help(make_page(ENS1))
    assert said[1] == "You should see a port."
    assert "  number: Takes this port." in said


def test_enter_tells_only_what_is_different() -> None:
    told = make_told(make_page(ENS1, ENS2, log=("one", "two")))
    was = told.take(make_page(Row("ens1", ("ens1", "up", "192.0.2.10")), Row("ens3", ("ens3", "up", "-")), log=("two", "three")))
    assert render_changes(told, was) == [
        "  1. ens1: link up, address 192.0.2.10",
        "  4. ens3: link up",
        "  three",
        "     2 is gone: warn ens2: link no cable (not offered)",
    ]
    assert render_changes(told, told.take(told.page)) == []


def test_numbers_keep_their_meaning_while_rows_come_and_go() -> None:
    told = make_told(make_page(ENS1, ENS2))
    told.take(make_page(ENS2))
    told.take(make_page(Row("ens0", ("ens0", "up", "-")), ENS1, ENS2))
    assert {key: number for (_, key), number in told.numbers.items()} == {"ens1": 1, "ens2": 2, "address": 3, "ens0": 4}


def test_news_are_one_line_and_counting_up_is_none() -> None:
    told = make_told(make_page(ENS1, ENS2, percent=10))
    assert take_news(told, make_page(Row("ens1", ("ens1", "up", "192.0.2.77")), ENS2, percent=19)) == []
    long = Row("ens1", ("ens1", "down " * 30, "-"))
    news = take_news(told, make_page(long, ENS2, percent=20, log=("a", "b")))
    assert news == ["1. ens1: link down down down down down down down down d... (and 3 more: Enter)"]
    assert len(news[0]) == 78
    assert take_news(told, make_page(long, ENS2, percent=20, log=("a", "b"))) == []
    assert is_live(told.page)


def test_long_tables_are_read_on_twenty_rows_at_a_time() -> None:
    rows = tuple(Row(f"p{n}", (f"p{n}", "up", "-")) for n in range(1, 46))
    told = make_told(make_page(*rows, log=tuple(f"line {n}" for n in range(30))))
    page = render_page(told, [])
    assert " 20. p20: link up" in page
    assert "  (25 more: M)" in page
    assert "  (10 earlier: M)" in page
    block = find_unread(told)
    assert block is not None
    assert render_more(told, block)[-1] == "  (5 more: M)"
    block = find_unread(told)
    assert block is not None
    assert render_more(told, block) == [f" {n}. p{n}: link up" for n in range(41, 46)]
    block = find_unread(told)
    assert block is not None
    assert render_more(told, block) == [f"  line {n}" for n in range(10)]
    assert find_unread(told) is None


def test_a_filter_keeps_the_numbers() -> None:
    told = make_told(make_page(ENS1, HEAD, ENS2))
    told.filter = "CABLE"
    page = render_page(told, [])
    assert "Only what holds 'CABLE': 1 of 2. / shows all." in page
    assert "  2. warn ens2: link no cable (not offered)" in page
    assert "  1. ens1: link up, address 192.0.2.9" not in page


def find_selection(page: Page, command: Command) -> tuple[str, Selection] | Refused:
    found = find_action(make_told(page), command)
    return found if isinstance(found, Refused) else (found[0].label, found[1])


def test_what_commands_are_aimed_at() -> None:
    page = make_page(ENS1, ENS2, Row("ens3", ("ens3", "up", "-")))
    assert find_selection(page, Command("open", numbers=(1,))) == ("Choose", Selection("ens1"))
    assert find_selection(page, Command("action", "w", (3, 1))) == ("power", Selection("ens3", ("ens3", "ens1")))
    assert find_selection(page, Command("action", "w", is_all=True)) == ("power", Selection("ens1", ("ens1", "ens3")))
    assert find_selection(page, Command("action", "c")) == ("check again", Selection())
    assert find_selection(page, Command("action", "w")) == Refused("power: which one?", "type its number after it, as w 1")
    assert find_selection(page, Command("action", "w", (4,))) == Refused(
        "that does nothing with this number", "type ? for what can be typed here"
    )
    assert find_selection(make_page(ENS1), Command("action", "w")) == ("power", Selection("ens1"))
    assert find_selection(make_page(), Command("action", "w")) == Refused("there is nothing to do that to")
    both = find_selection(make_page(ENS1, ENS2, marks=False), Command("action", "w", (1, 2)))
    assert both == Refused("power takes one at a time", "name one number")


def test_a_row_that_went_meanwhile_is_not_taken_for_another() -> None:
    told = make_told(make_page(ENS1, ENS2))
    told.take(make_page(ENS1))
    assert find_action(told, Command("action", "w", (2,))) == Refused("that row is gone", "type = for the page as it is now")


def test_what_is_not_offered_cannot_be_chosen_but_looked_at() -> None:
    told = make_told(make_page(ENS1, ENS2))
    choose, power = told.page.actions[0], told.page.actions[1]
    assert find_reason(told, choose, Selection("ens2")) == Refused("this one is not offered", "plug it in")
    assert find_reason(told, choose, Selection("ens1")) is None
    assert find_reason(told, power, Selection("ens2")) is None
    found = find_field(told, 3)
    assert found is not None
    assert found[1] == "address"
    assert find_field(told, 1) is None
