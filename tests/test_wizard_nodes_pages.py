"""The pages of stage Nodes: what they say of machines, and what their actions come to when they are followed to the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from installer.model.events import Event, Happened
from installer.model.facts import Disk, Machine
from installer.model.plan import Plan
from installer.plan.plan import make_plan
from installer.site.load import parse_site
from installer.wizard.draft import Draft, edit_draft
from installer.wizard.guide import Guide, Reply
from installer.wizard.nodes_file import find_members, make_match
from installer.wizard.page import Action, Ask, Edited, Fields, Go, Outcome, Page, Refused, Row, Selection, Table, Told, Wished
from installer.wizard.pages.machine import make_machine_page
from installer.wizard.pages.node_naming import check_pattern, make_names, make_renamings
from installer.wizard.pages.node_notes import find_odd_ones
from installer.wizard.pages.nodes import make_nodes_page
from installer.wizard.pages.rules import make_rules_page
from installer.wizard.plain_sheet import make_sheet
from installer.wizard.view import Running, View
from installer.wizard.wishes import AddBmc, Append, Discover, ImportBmcs, Request
from tests.plan_samples import make_disk, make_machine
from tests.wizard_views import FLEET_SITE, NOW, PLACE, ROLES, ShelfDesk, make_fleet, make_view

HEAD = """rackstrap: 1
name: lab
domain: lab.example
admin: {hostname: admin, address: 192.168.124.10}
"""
DISKS = [make_disk(f"sd{letter}", 600, by_path=f"pci-0000:02:00.0-sas-phy{at}-lun-0") for at, letter in enumerate("abcd")]


def make_rack(count: int = 4, **changes: Any) -> dict[str, Machine]:
    return {
        f"m-{n}": replace(make_machine(n, [replace(d, serial=f"{n}-{d.name}") for d in DISKS]), **changes)
        for n in range(1, count + 1)
    }


def look(machines: Mapping[str, Machine] | None = None, nodes: str = "nodes: []\n", **changes: Any) -> View:
    return make_view(machines=make_rack() if machines is None else machines, text=HEAD + nodes, **changes)


def find_table(page: Page, name: str = "machines") -> Table:
    return next(part for part in page.parts if isinstance(part, Table) and part.name == name)


def find_row(page: Page, key: str) -> Row:
    return next(row for part in page.parts if isinstance(part, Table) for row in part.rows if row.key == key)


def do(page: Page, key: str, view: View, *rows: str, answers: Sequence[str] = ()) -> Outcome:
    """What the action of this key comes to for these rows, once each question has this answer, which has to pass its check."""
    action: Action = next(action for action in page.actions if action.key == key)
    outcome = action.does(view, Selection(rows[0] if len(rows) == 1 else "", rows if len(rows) > 1 else ()))
    for answer in answers:
        assert isinstance(outcome, Ask), outcome
        assert outcome.asks.check(answer) is None, outcome.asks.check(answer)
        outcome = outcome.then(view, Selection(rows[0] if rows else "", rows, answer))
    return outcome


def take(view: View, outcome: Outcome) -> Draft:
    """The draft that the edit makes, which must bring no error along."""
    assert isinstance(outcome, Edited), outcome
    draft, problems = edit_draft(view.draft, outcome.edits, view.roles)
    assert not problems
    assert parse_site(draft.text.encode(), "site.yaml").site == draft.site, "the saved file replays"
    return draft


def follow(view: View, outcome: Outcome) -> tuple[ShelfDesk, Reply]:
    desk = ShelfDesk(view, "nodes")
    guide = Guide(desk)
    return desk, guide.take(outcome)


def plan(view: View, draft: Draft) -> Plan:
    """The plan of the saved file alone."""
    site = parse_site(draft.text.encode(), "site.yaml").site
    assert site is not None
    return make_plan(site, view.machines, view.ledger, ROLES, PLACE)


def name_nodes(view: View, draft: Draft) -> dict[str, str]:
    """Machine id -> the name that a plan gives."""
    return {node.machine: node.name for node in plan(view, draft).nodes}


def text_of(page: Page) -> str:
    return "\n".join(line for entry in make_sheet(page).entries for line in (entry.text, *entry.notes))


def test_the_summary_counts_those_that_fit_and_those_that_need_somebody() -> None:
    machines = make_rack()
    machines["m-4"] = replace(machines["m-4"], disks=machines["m-4"].disks[:2] + machines["m-4"].disks[3:])
    view = look(machines, "nodes: [{match: {product: R1}, expect: 4}]\n")
    page = make_nodes_page(view, "")
    assert "warn 4 machines found: 3 fit, 1 needs you; 4 to admit" in text_of(page)
    assert find_row(page, "m-4").notes[0] == "one disk fewer than its twins: slot 2 does not answer"
    assert find_row(page, "m-1").cells[:6] == ("node1", "discovered", "R1", "32", "60 G", "4x 600 G")
    assert find_row(page, "m-1").mood == ""


def test_machines_stand_by_name_then_by_switch_and_port() -> None:
    fleet = make_fleet(60)
    by_serial = {machine.serial: key for key, machine in fleet.items()}
    nodes = "nodes:\n- {name: node10, match: {serial: FL00050}}\n- {name: node2, match: {serial: FL00003}}\n"
    rows = find_table(make_nodes_page(look(fleet, nodes), "")).rows
    order = ["FL00003", "FL00050", *(f"FL{n:05}" for n in range(1, 61) if n not in (3, 50))]
    assert [row.key for row in rows] == [by_serial[serial] for serial in order]
    assert rows[2].cells[6] == "leaf1 Eth1"


def test_what_many_machines_share_is_said_once() -> None:
    page = make_nodes_page(look(make_rack(9)), "")
    assert all(row.notes == () for row in find_table(page).rows)
    assert "9 fit no entry of the site file: e names them, p names all" in text_of(page)
    few = make_nodes_page(look(make_rack(2)), "")
    assert find_row(few, "m-1").notes == (
        "no entry of the site file is for it", "e names it, p names all that have no name",
        "not admitted yet", "if its console shows 0000-0000 too: a admits it",
        "no BMC found", "power it by hand, or press c to give its address",
    )  # fmt: skip


def test_a_fact_that_an_entry_does_not_fit_is_named() -> None:
    page = make_nodes_page(look(make_rack(1), "nodes: [{name: db1, match: {serial: S1, product: R2, min_disks: 6}}]\n"), "")
    assert find_row(page, "m-1").notes[:2] == (
        "db1 does not fit: product is R1, not R2; 4 disks, not 6", "correct that entry: m; or e names it anew",
    )  # fmt: skip
    assert find_row(page, "rule 0").cells[:2] == ("db1", "to come")


def test_twins_are_compared_by_parts_and_by_firmware() -> None:
    machines = make_rack(5)
    machines["m-2"] = replace(machines["m-2"], memory_bytes=32 * 2**30, nics=machines["m-2"].nics[:1])
    machines["m-3"] = replace(machines["m-3"], firmware=replace(machines["m-3"].firmware, version="1.1"))
    odd = find_odd_ones(machines)
    assert [reason for reason, _ in odd["m-2"]] == [
        "32 G of memory where its twins have 60 G; 1 network cards where its twins have 2"
    ]
    assert [reason for reason, _ in odd["m-3"]] == ["firmware 1.1 where its twins have none"]
    assert set(odd) == {"m-2", "m-3"}
    assert find_odd_ones({key: machines[key] for key in ("m-1", "m-2")}) == {}


def test_columns_go_one_after_the_other_where_there_is_no_room() -> None:
    columns = find_table(make_nodes_page(look(), "")).columns
    by_drop = [column.title for column in sorted(columns, key=lambda column: -column.drop)]
    assert by_drop[-3:] == ["code", "name", "state"]  # the code stays while somebody has to be admitted
    assert [column.title for column in columns if column.drop == 0] == ["name", "state"]
    admitted = make_view(named=True, deploying=True)
    assert next(c.drop for c in find_table(make_nodes_page(admitted, "")).columns if c.title == "code") in (1, 9)


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


def test_admitting_compares_the_codes_first() -> None:
    view = look()
    asked = do(make_nodes_page(view, ""), "a", view, "m-1", "m-2")
    assert isinstance(asked, Ask)
    assert [line.strip() for line in asked.says[1:]] == [
        "0000-0000  0000-0000",
        f"{view.ledger.machines['m-2'].code}  {view.ledger.machines['m-2'].code}",
    ]
    desk, _ = follow(view, do(make_nodes_page(view, ""), "a", view, "m-1", "m-2", answers=["yes"]))
    assert [e.admitted for e in desk.view.ledger.machines.values()] == [True, True, False, False]
    assert do(make_nodes_page(view, ""), "a", view, "m-1", answers=["no"]) == Told("nothing has changed")


def test_a_machine_that_enrolled_while_the_codes_were_compared_is_not_admitted() -> None:
    view = look()
    asked = do(make_nodes_page(view, ""), "a", view, "m-1")
    assert isinstance(asked, Ask)
    desk = ShelfDesk(view)
    other = {"recording": "r" * 64, "code": "ZZZZ-ZZZZ", "key": "f" * 64}
    desk.push(Event(Happened.MACHINE_DISCOVERED, "m-1", other))
    assert isinstance(asked.then(desk.view, Selection(text="yes")), Refused)


def test_a_claim_is_believed_by_its_code() -> None:
    desk = ShelfDesk(look())
    desk.push(Event(Happened.MACHINE_ADMITTED, "m-1", {}))
    for key in ("ab" * 32, "cd" * 32):
        desk.push(Event(Happened.CLAIM_REFUSED, "m-1", {"key": key, "code": "", "address": "", "reason": ""}))
    page = make_nodes_page(desk.view, "")
    assert find_row(page, "m-1").notes[0] == "someone claims to be this machine"
    asked = do(page, "a", desk.view, "m-1")
    assert isinstance(asked, Ask)
    outcome = asked.then(desk.view, Selection(text=asked.asks.choices[1][0]))
    assert isinstance(outcome, Wished)
    wish = outcome.wishes[0]
    assert isinstance(wish, Append)
    assert [(event.kind, event.data) for event in wish.events] == [(Happened.CLAIM_APPROVED, {"key": "cd" * 32})]


def test_lamp_and_power_are_requests() -> None:
    view = look()
    page = make_nodes_page(view, "")
    lit = do(page, "l", view, "m-1", "m-2")
    assert isinstance(lit, Wished)
    assert lit.wishes == tuple(Request(key, {"verb": "identify", "seconds": 60}) for key in ("m-1", "m-2"))
    cycled = do(page, "w", view, "m-1", answers=["cycle-pxe"])
    assert isinstance(cycled, Wished)
    assert cycled.wishes == (Request("m-1", {"verb": "power", "power": "cycle", "boot": "pxe"}),)


def test_power_of_an_installed_node_is_asked_once_more() -> None:
    view = make_view(deploying=True)
    key = next(entry.id for entry in view.ledger.machines.values() if entry.installed)
    page = make_nodes_page(view, "")
    assert isinstance(do(page, "w", view, key, answers=["off"]), Ask)
    assert do(page, "w", view, key, answers=["off", "no"]) == Told("nothing has changed")
    assert isinstance(do(page, "w", view, key, answers=["off", "yes"]), Wished)
    assert isinstance(do(page, "w", view, key, answers=["on"]), Wished)


def test_disks_are_offered_by_model_serial_and_size() -> None:
    machines = make_rack(1)
    stick = Disk("usb-STICK", "sdx", 4 * 10**9, serial="77A0", model="KINGSTON DT", transport="usb", removable=True)
    machines["m-1"] = replace(machines["m-1"], disks=(*machines["m-1"].disks, stick))
    view = look(machines, "nodes: [{name: node1, match: {serial: S1}}]\n")
    asked = do(make_nodes_page(view, ""), "d", view, "m-1")
    assert isinstance(asked, Ask)
    assert asked.asks.choices[0] == ("ata-DISK_sda", "DISK  ..-sda  600 GB, holds nothing")
    assert "usb-STICK" not in [value for value, _ in asked.asks.choices]
    assert "not offered: KINGSTON DT  ..77A0  4 GB: it is removable" in asked.says
    both = plan(view, take(view, do(make_nodes_page(view, ""), "d", view, "m-1", answers=["ata-DISK_sdc", "ata-DISK_sda"])))
    assert {disk.id for disk in both.nodes[0].disks} == {"ata-DISK_sda", "ata-DISK_sdc"}
    assert both.nodes[0].mirror
    one = plan(view, take(view, do(make_nodes_page(view, ""), "d", view, "m-1", answers=["ata-DISK_sdc", "none"])))
    assert [disk.id for disk in one.nodes[0].disks] == ["ata-DISK_sdc"]


def test_several_machines_take_a_rule_for_their_disks() -> None:
    view = look(make_rack(2), "nodes: [{match: {any: true}, expect: 2}]\n")
    draft = take(view, do(make_nodes_page(view, ""), "d", view, "m-1", "m-2", answers=["two-largest"]))
    assert draft.site is not None
    assert (draft.site.nodes[0].disk.largest, draft.site.nodes[0].disk.mirror) == (True, True)


def test_ranges_of_bmcs_are_kept_and_scanned() -> None:
    view = look()
    desk, reply = follow(
        view, do(make_nodes_page(view, ""), "b", view, answers=["192.168.124.162-192.168.124.170, 192.168.124.200/30"])
    )
    assert not reply.is_refused
    ranges = ["192.168.124.162-192.168.124.170", "192.168.124.201-192.168.124.202"]
    assert desk.wishes == [Request("admin", {"verb": "scan", "ranges": ranges})]
    assert desk.view.draft.site is not None
    assert [f"{a}-{b}" for a, b in desk.view.draft.site.discovery.bmc] == ranges
    again = do(make_nodes_page(desk.view, ""), "b", desk.view)
    assert isinstance(again, Ask)
    assert again.asks.start == ", ".join(ranges)
    assert again.asks.check("10.0.0.0/8") is not None
    assert again.asks.check("") is not None


def test_a_bmc_is_given_with_a_password_that_shows_nowhere() -> None:
    view = look()
    outcome = do(make_nodes_page(view, ""), "c", view, "m-1", answers=["192.168.124.162", "root", "canary-7"])
    assert isinstance(outcome, Wished)
    assert outcome.wishes == (AddBmc("192.168.124.162", "S1", "root", "canary-7"),)
    assert "canary-7" not in repr(outcome)
    asked = do(make_nodes_page(view, ""), "c", view, "m-1", answers=["192.168.124.162", "root"])
    assert isinstance(asked, Ask)
    assert (asked.asks.kind, asked.asks.start) == ("secret", "")


def test_a_bmc_without_a_machine_is_a_row_of_its_own() -> None:
    desk = ShelfDesk(look())
    desk.push(Event(Happened.BMC_FOUND, "bmc 192.168.124.170", {"address": "192.168.124.170"}))
    page = make_nodes_page(desk.view, "")
    assert find_row(page, "bmc 192.168.124.170").notes[0] == "a BMC answers, but no machine has reported"
    outcome = do(page, "w", desk.view, "bmc 192.168.124.170", answers=["on-pxe"])
    assert isinstance(outcome, Wished)
    assert outcome.wishes == (Request("bmc 192.168.124.170", {"verb": "power", "power": "on", "boot": "pxe"}),)
    login = do(page, "c", desk.view, "bmc 192.168.124.170", answers=["admin", "x"])
    assert isinstance(login, Wished)
    assert login.wishes == (AddBmc("192.168.124.170", "", "admin", "x"),)


def test_discovery_starts_once() -> None:
    view = look({})
    page = make_nodes_page(view, "")
    assert "Press s to start discovering" in find_table(page).empty
    started = do(page, "s", view)
    assert isinstance(started, Wished)
    assert started.wishes == (Discover(),)
    assert isinstance(do(page, "s", replace(view, running=Running(7, "discover", NOW))), Told)
    imported = do(page, "i", view, answers=["/root/bmcs.csv"])
    assert isinstance(imported, Wished)
    assert imported.wishes == (ImportBmcs("/root/bmcs.csv"),)


def test_discovery_names_the_bmcs_that_it_switches_before_it_does() -> None:
    desk = ShelfDesk(look({}))
    known = {"address": "192.168.124.170", "serial": "X", "user": "root", "secret": "/root/x"}
    desk.push(Event(Happened.BMC_IMPORTED, "admin", known))
    page = make_nodes_page(desk.view, "")
    assert do(page, "s", desk.view, answers=["no"]) == Told("nothing has changed")
    asked = do(page, "s", desk.view, answers=[])
    assert isinstance(asked, Ask)
    assert "  192.168.124.170" in asked.says
    started = do(page, "s", desk.view, answers=["yes"])
    assert isinstance(started, Wished)
    assert started.wishes == (Discover(),)


def test_forgetting_asks_for_the_name_and_takes_the_entry_out() -> None:
    view = look(make_rack(2), "nodes:\n- {name: db1, match: {serial: S1}}\n- {name: db2, match: {serial: S2}}\n", named=True)
    asked = do(make_nodes_page(view, ""), "f", view, "m-1")
    assert isinstance(asked, Ask)
    assert isinstance(asked.then(view, Selection(text="db2")), Refused)
    desk, _ = follow(view, asked.then(view, Selection(text="db1")))
    assert list(desk.view.ledger.machines) == ["m-2"]
    assert desk.view.draft.site is not None
    assert [rule.name for rule in desk.view.draft.site.nodes] == ["db2"]


def test_an_action_without_a_machine_is_refused() -> None:
    view = look()
    page = make_nodes_page(view, "")
    for action in page.actions:
        if action.key in "aegdlwcrxf":
            assert isinstance(action.does(view, Selection()), Refused), action.key
            assert isinstance(action.does(view, Selection("no such")), Refused), action.key


def test_a_thousand_nodes_are_shown_and_named_at_once() -> None:
    view = make_view(machines=make_fleet(1000), text=FLEET_SITE, planned=False)
    make_nodes_page(look(), "")
    best = min(_time_page(replace(view, ledger=replace(view.ledger))) for _ in range(3))
    assert best < 0.1
    keys = tuple(row.key for row in find_table(make_nodes_page(view, "")).rows)
    draft = take(view, do(make_nodes_page(view, ""), "e", view, *keys, answers=["n%d"]))
    assert draft.site is not None
    assert len(draft.site.nodes) == 1000
    grouped = do(make_nodes_page(view, ""), "g", view, *keys, answers=["blue"])
    assert isinstance(grouped, Edited)
    assert grouped.edits == ((("nodes", 0, "group"), "blue"),)


def _time_page(view: View) -> float:
    began = time.process_time()
    make_nodes_page(view, "")
    return time.process_time() - began


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
    fields = next(part for part in reply.page.parts if isinstance(part, Fields))
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
    fields = next(part for part in make_rules_page(view, "0").parts if isinstance(part, Fields))
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


def test_hostile_words_and_a_broken_file_break_no_page() -> None:
    view = make_view(hostile=True, deploying=True)
    keys = [row.key for row in find_table(make_nodes_page(view, "")).rows]
    for page in (make_nodes_page(view, ""), make_rules_page(view, ""), *(make_machine_page(view, key) for key in keys)):
        assert "\x1b" not in text_of(page)
        for action in page.actions:
            action.does(view, Selection(keys[0]))
    broken = make_view(text="rackstrap: 1\nnodes: 7\n", planned=False)
    assert "12 machines found" in text_of(make_nodes_page(broken, ""))
    assert "FAIL" in text_of(make_rules_page(broken, ""))
    assert isinstance(do(make_nodes_page(broken, ""), "e", broken, next(iter(broken.machines))), Refused)


def test_every_line_that_a_page_says_fits() -> None:
    view = look(make_rack(2), "nodes: [{name: db1, match: {serial: S9}}]\n")
    for page in (make_nodes_page(view, ""), make_rules_page(view, "")):
        notes = [note for part in page.parts if isinstance(part, Table) for row in part.rows for note in row.notes]
        assert all(len(note) <= 74 for note in notes), notes
