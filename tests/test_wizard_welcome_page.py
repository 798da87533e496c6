"""The welcome page: what this is, what there is to go on from, what is wrong with the opened file, and the keyboard."""

from __future__ import annotations

from dataclasses import replace

from installer.wizard.draft import find_value, make_draft
from installer.wizard.page import Ask, Edited, Go, Lines, Page, Refused, Selection, Told, Wished
from installer.wizard.pages.welcome import make_welcome_page
from installer.wizard.view import Continuing
from installer.wizard.wishes import OpenSite, SetKeyboard
from tests.page_parts import find_table, take_edit
from tests.site_pages import press, view_of
from tests.wizard_events import ROLES
from tests.wizard_views import SITE


def find_lines(page: Page) -> dict[str, str]:
    return {line.label: line.text for part in page.parts if isinstance(part, Lines) for line in part.lines}


def test_welcome_says_what_this_is_and_how_to_reach_it() -> None:
    view = view_of()
    lines = find_lines(make_welcome_page(view, ""))
    assert lines == {
        "machine": "Rackstrap Virtual, serial FN0004",
        "addresses": "10.0.2.15/24 (enp0s6)",
        "reach it": "ssh root@10.0.2.15",
        "keyboard": "us: press k to change it",
        "plain": "garbled screen, or a screen reader? press l for plain lines",
    }
    practice = view_of(here_changes={"rehearsal": "recorded machines, simulated rack"})
    assert (
        find_lines(make_welcome_page(practice, ""))["rehearsal"] == "recorded machines, simulated rack: nothing real is touched"
    )
    assert press(make_welcome_page(view, ""), view, "l") == Go("plain")


def test_welcome_opens_what_there_is_to_go_on_from() -> None:
    found = (
        Continuing("draft", "the draft of Monday", "/s/draft.yaml", 1_700_000_000.0 - 7200),
        Continuing("volume", "a.yaml", "volume:X"),
    )
    view = view_of(here_changes={"continuing": found})
    page = make_welcome_page(view, "")
    assert [row.cells for row in find_table(page, "continuing").rows] == [
        ("unfinished", "the draft of Monday", "2 h ago"), ("on a volume", "a.yaml", "-"),
    ]  # fmt: skip
    assert press(page, view, "enter", "1", "continuing") == Wished((OpenSite("volume:X"),), "Opened a.yaml.")
    assert isinstance(press(page, view, "enter", "7", "continuing"), Told)
    own = replace(view, draft=replace(view.draft, file="/s/draft.yaml"))
    assert press(make_welcome_page(own, ""), own, "enter", "0", "continuing") == Go("next")


def test_welcome_lists_the_problems_of_the_opened_file() -> None:
    text = SITE.replace("lab.example", "_") + "networks:\n  admin:\n  x: {subnet: 10.0.0.0/30, vlan: 9}\nnonsense: 1\n"
    view = view_of(text)
    view = replace(view, draft=make_draft(text, ROLES, file="/media/site.yaml"))
    page = make_welcome_page(view, "")
    rows = find_table(page, "problems").rows
    assert [(row.mood, row.cells[0]) for row in rows] == [("FAIL", "line 3"), ("FAIL", "line 16"), ("FAIL", "line 17")]
    assert find_table(page, "problems").title == "Problems of /media/site.yaml"
    opened = [press(page, view, "enter", row.key, "problems") for row in rows]
    assert opened[:2] == [Go("section", "general"), Go("section", "networks.x")]
    assert opened[2] == Told("Did you mean nodes? Press x to take the key out, or write it right in the file.")
    after = take_edit(view, press(page, view, "x", rows[2].key, "problems"))
    assert "nonsense" not in after.draft.text
    assert isinstance(press(page, view, "x", rows[0].key, "problems"), Refused)
    assert "problems" not in [part.name for part in make_welcome_page(view_of(), "").parts]


def test_the_keyboard_is_set_here_and_for_every_node() -> None:
    view = view_of()
    ask = press(make_welcome_page(view, ""), view, "k")
    assert isinstance(ask, Ask)
    assert (ask.asks.kind, ask.asks.start) == ("choice", "us")
    assert ask.asks.check("fr") is None
    assert ask.asks.check("\x1b") is not None
    outcome = ask.then(view, Selection(text="fr"))
    assert isinstance(outcome, Edited)
    assert outcome.wishes == (SetKeyboard("fr"),)
    assert find_value(take_edit(view, outcome).draft, ("keyboard",)) == ("fr", "typed")
    assert isinstance(ask.then(view, Selection(text="")), Told)
