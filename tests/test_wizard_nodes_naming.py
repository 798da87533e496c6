"""Names on the pages of stage Nodes: given one by one or by a pattern, changed, and written so that the plan gives the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from installer.wizard.nodes_file import find_members, make_match
from installer.wizard.page import Ask, Told
from installer.wizard.pages.node_naming import check_pattern, make_names, make_renamings
from installer.wizard.pages.nodes import make_nodes_page
from tests.nodes_pages import do, follow, look, make_rack, name_nodes, take
from tests.plan_samples import make_machine


def test_naming_one_machine_writes_an_entry_of_its_own() -> None:
    view = look()
    outcome = do(make_nodes_page(view, ""), "e", view, "m-2", answers=["db1"])
    draft = take(view, outcome)
    assert name_nodes(view, draft) == {"m-2": "db1"}
    assert "match:\n" in draft.text or "match: {serial: S2}" in draft.text
    assert draft.site is not None
    assert draft.site.nodes[0].match.serial == "S2"


def test_names_by_a_pattern_follow_the_table_and_pass_over_what_is_taken() -> None:
    view = look(make_rack(4), "nodes: [{name: rack1-02, match: {serial: S4}}]\n")
    outcome = do(make_nodes_page(view, ""), "e", view, "m-3", "m-1", "m-2", answers=["rack1-%02d"])
    names = {"m-1": "rack1-01", "m-2": "rack1-03", "m-3": "rack1-04", "m-4": "rack1-02"}
    assert name_nodes(view, take(view, outcome)) == names


def test_names_are_proposed_for_all_that_have_none() -> None:
    view = look(make_rack(3), "nodes: [{name: node1, match: {serial: S2}}]\n")
    outcome = do(make_nodes_page(view, ""), "p", view)
    assert name_nodes(view, take(view, outcome)) == {"m-1": "node2", "m-2": "node1", "m-3": "node3"}
    done = look(make_rack(1), "nodes: [{name: node1, match: {serial: S1}}]\n")
    assert do(make_nodes_page(done, ""), "p", done) == Told("every machine has a name already")


@pytest.mark.parametrize("text", ["node", "node%d%d", "%s", "Node%d", "node%d from x", "\x1b[2J%d", "x" * 5000 + "%d", "", "-%d"])
def test_patterns_that_give_no_names_are_refused(text: str) -> None:
    assert check_pattern(text) is not None


def test_patterns_number_names() -> None:
    assert make_names("n%03d-a from 9", 2, {"n009-a"}) == ["n010-a", "n011-a"]


@pytest.mark.parametrize("text", ["", "admin", "node 1", "Web", "node2", "a" * 64, "bmc", "\x1b[1m"])
def test_names_that_cannot_be_given_are_refused_where_they_are_typed(text: str) -> None:
    view = look(make_rack(2), "nodes: [{name: node2, match: {serial: S2}}]\n")
    outcome = do(make_nodes_page(view, ""), "e", view, "m-1")
    assert isinstance(outcome, Ask)
    problem = outcome.asks.check(text)
    assert problem is not None
    assert problem.hint


def test_a_machine_that_shares_its_entry_gets_one_that_takes_along_what_it_says() -> None:
    view = look(make_rack(3), "nodes: [{match: {product: R1}, expect: 3, group: blue, disk: {largest: true}}]\n")
    draft = take(view, do(make_nodes_page(view, ""), "e", view, "m-2", answers=["db1"]))
    assert draft.site is not None
    shared, own = draft.site.nodes
    assert (shared.expect, own.name, own.match.serial, own.group, own.disk.largest) == (2, "db1", "S2", "blue", True)
    assert name_nodes(view, draft)["m-2"] == "db1"


def test_an_entry_whose_last_machine_left_goes() -> None:
    view = look(make_rack(2), "nodes: [{match: {any: true}, expect: 2}]\n")
    draft = take(view, do(make_nodes_page(view, ""), "e", view, "m-1", "m-2", answers=["web%d"]))
    assert draft.site is not None
    assert [rule.name for rule in draft.site.nodes] == ["web1", "web2"]


def test_a_change_of_all_machines_of_an_entry_changes_the_entry() -> None:
    view = look(make_rack(2), "nodes: [{match: {any: true}, expect: 2}]  # all\n")
    draft = take(view, do(make_nodes_page(view, ""), "g", view, "m-1", "m-2", answers=["blue"]))
    assert draft.site is not None
    assert [(rule.expect, rule.group) for rule in draft.site.nodes] == [(2, "blue")]
    assert "# all" in draft.text


def test_a_node_that_the_ledger_named_is_renamed_there_too() -> None:
    view = look(make_rack(2), "nodes: [{match: {any: true}, expect: 2}]\n", named=True)
    outcome = do(make_nodes_page(view, ""), "e", view, "m-1", answers=["db1"])
    desk, reply = follow(view, outcome)
    assert not reply.is_refused
    assert desk.view.ledger.machines["m-1"].name == "db1"
    assert desk.view.plan is not None
    assert not desk.view.plan.problems
    assert {node.machine: node.name for node in desk.view.plan.nodes} == {"m-1": "db1", "m-2": "node2"}


def test_renamings_that_go_round_in_a_circle_step_aside() -> None:
    view = look(make_rack(3), "nodes: [{match: {any: true}, expect: 3}]\n", named=True)
    members = find_members(view)
    events = make_renamings(members, {"m-1": "node2", "m-2": "node1", "m-3": "node9"})
    held = {member.name: member.key for member in members.all}
    for event in events:
        assert event.data["name"] not in held
        held = {name: key for name, key in held.items() if key != event.host} | {str(event.data["name"]): event.host}
    assert held == {"node2": "m-1", "node1": "m-2", "node9": "m-3"}


def test_machines_are_told_apart_by_what_only_they_have() -> None:
    machine = replace(make_machine(1), uuid="5f1d2a60-0001-4c1e-9d3b-52540012a001")
    assert make_match(machine, ()) == {"serial": "S1"}
    assert make_match(machine, {"S1"}) == {"uuid": machine.uuid}
    assert make_match(replace(machine, serial="None", uuid=""), ()) == {"mac": machine.boot_nic}
    assert make_match(replace(machine, serial="a\x1b[1m", uuid=""), ()) == {"mac": machine.boot_nic}
