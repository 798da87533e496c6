"""A machine's own page and the page of rules: what they show, and what their actions come to."""

from __future__ import annotations

import pytest

from installer.model.events import Happened
from installer.wizard.page import Ask, Go, Refused, Selection, Wished
from installer.wizard.pages.machine import make_machine_page
from installer.wizard.pages.rules import make_rules_page
from installer.wizard.wishes import Append, Request
from tests.nodes_pages import do, find_row, follow, look, make_rack, name_nodes, take, text_of
from tests.page_parts import find_fields
from tests.wizard_views import make_view


def test_the_machine_page_shows_all_and_does_the_same() -> None:
    view = make_view(deploying=True)
    entry = next(entry for entry in view.ledger.machines.values() if entry.state == "ready")
    page = make_machine_page(view, entry.id)
    text = text_of(page)
    machine = view.machines[entry.id]
    for word in (machine.serial, machine.uuid, entry.code, entry.addresses["admin"], "node installed", "the review screen"):
        assert word in text
    assert page.wants == {f"log:{entry.id}", "plan"}
    lit = do(page, "l", view, "a disk's row")
    assert isinstance(lit, Wished)
    assert lit.wishes[0] == Request(entry.id, {"verb": "identify", "seconds": 60})
    assert do(page, "o", view) == Go("log", entry.id)
    assert "not known any more" in text_of(make_machine_page(view, "gone"))


@pytest.mark.parametrize(("key", "kind"), [("t", Happened.NODE_RESET), ("i", Happened.REINSTALL_ASKED)])
def test_reset_and_reinstallation_ask_for_the_name(key: str, kind: Happened) -> None:
    view = make_view(deploying=True)
    entry = next(entry for entry in view.ledger.machines.values() if entry.state == "ready")
    page = make_machine_page(view, entry.id)
    asked = do(page, key, view)
    assert isinstance(asked, Ask)
    assert entry.name in asked.asks.label
    assert any("lost" in line or "forgotten" in line for line in asked.says)
    assert isinstance(asked.then(view, Selection(text="yes")), Refused)
    outcome = asked.then(view, Selection(text=entry.name))
    assert isinstance(outcome, Wished)
    assert isinstance(outcome.wishes[0], Append)
    assert [event.kind for event in outcome.wishes[0].events] == [kind]
    assert any(line.startswith("erases ") for line in asked.says) == (key == "i")


def test_rules_show_what_they_fit() -> None:
    view = look(make_rack(3), "nodes:\n- {match: {product: R1}, expect: 2}\n- {name: db1, match: {serial: X9}}\n")
    page = make_rules_page(view, "")
    assert find_row(page, "0").notes == ("3 machines fit where 2 may: not bound", "narrow the match, or expect 3")
    assert find_row(page, "1").notes == ("1 still to come: power on, or correct the match",)
    assert find_row(page, "0").cells[:5] == ("1", "R1", "-", "2", "3")


def test_rules_are_added_changed_and_removed() -> None:
    view = look(make_rack(3))
    desk, reply = follow(view, do(make_rules_page(view, ""), "a", view, answers=["product", "R1", "3"]))
    assert reply.page.subject == "0"
    assert desk.view.plan is not None
    assert len(desk.view.plan.nodes) == 3
    fields = find_fields(reply.page)
    by_name = {row.field.name: row for row in fields.rows}
    assert (by_name["expect"].shown, by_name["expect"].origin) == ("3", "typed")
    assert by_name["match.uuid"].field.check("no uuid") is not None
    assert by_name["expect"].field.check("many") is not None
    changed = take(desk.view, fields.set(desk.view, "match.min_disks", "5"))
    assert changed.site is not None
    assert changed.site.nodes[0].match.min_disks == 5
    gone = take(desk.view, do(make_rules_page(desk.view, ""), "x", desk.view, "0", answers=["yes"]))
    assert gone.site is not None
    assert gone.site.nodes == ()


def test_an_entry_renamed_on_its_own_page_renames_the_node() -> None:
    view = look(make_rack(2), "nodes:\n- {name: db1, match: {serial: S1}}\n", named=True)
    fields = find_fields(make_rules_page(view, "0"))
    desk, reply = follow(view, fields.set(view, "name", "db9"))
    assert not reply.is_refused
    assert desk.view.ledger.machines["m-1"].name == "db9"
    assert desk.view.plan is not None
    assert [node.name for node in desk.view.plan.nodes] == ["db9"]


def test_any_machine_needs_a_count_and_gets_one() -> None:
    view = look(make_rack(2))
    draft = take(view, do(make_rules_page(view, ""), "a", view, answers=["any", "2"]))
    assert set(name_nodes(view, draft)) == {"m-1", "m-2"}
    refused = do(make_rules_page(view, ""), "a", view, answers=["serial"])
    assert isinstance(refused, Ask)
    assert refused.asks.check("None") is not None
