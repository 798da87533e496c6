"""The page of stage Nodes: what it says of machines, and what its actions come to when they are saved."""

from __future__ import annotations

import time
from dataclasses import replace

from installer.model.events import Event, Happened
from installer.model.facts import Disk
from installer.wizard.page import Ask, Edited, Refused, Selection, Table, Told, Wished
from installer.wizard.pages.machine import make_machine_page
from installer.wizard.pages.node_notes import find_odd_ones
from installer.wizard.pages.nodes import make_nodes_page
from installer.wizard.pages.rules import make_rules_page
from installer.wizard.view import View
from installer.wizard.wishes import Append, Request
from tests.nodes_pages import do, find_row, follow, look, make_rack, plan, take, text_of
from tests.page_parts import find_table
from tests.shelf_desk import ShelfDesk
from tests.wizard_views import FLEET_SITE, make_fleet, make_view


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
