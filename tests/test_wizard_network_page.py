"""The network page over every recorded machine: what it shows, what each key comes to, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from installer.model.facts import Machine
from installer.preflight.check import Check
from installer.wizard.guide import Guide
from installer.wizard.page import Ask, Edited, Go, Outcome, Page, Refused, Selection, Wished
from installer.wizard.pages.network import describe_duration, describe_speed, make_network_page
from installer.wizard.view import View
from installer.wizard.wishes import CheckAgain, ConfirmNetwork, RenewDhcp, SetNetwork
from tests.page_parts import find_fields, find_lines, find_table, take_edit
from tests.shelf_desk import ShelfDesk
from tests.wizard_events import NOW
from tests.wizard_views import HOSTILE, NAMES, SITE, load_machine, make_view

FIRST, SECOND = "52:54:00:04:00:01", "52:54:00:04:00:02"


def make_page(view: View) -> Page:
    return make_network_page(view, "")


def press(view: View, key: str, **selection: Any) -> Outcome:
    action = next(action for action in make_page(view).actions if action.key == key)
    return action.does(view, Selection(**selection))


def list_keys(view: View) -> str:
    return "".join(action.key[0] for action in make_page(view).actions)


def type_in(view: View, key: str, text: str, **selection: Any) -> Outcome:
    asked = press(view, key, **selection)
    assert isinstance(asked, Ask), asked
    return asked.then(view, Selection(text=text))


@pytest.mark.parametrize("name", NAMES)
def test_every_port_of_every_recorded_machine_has_a_row(name: str) -> None:
    view = make_view(here=name, planned=False)
    table = find_table(make_page(view))
    nics = load_machine(name).nics
    assert [row.key for row in table.rows] == [nic.mac for nic in nics]
    assert [row.cells[0] for row in table.rows] == [nic.name for nic in nics]
    assert sum(column.width for column in table.columns if column.drop < 3) + 2 * 4 <= 76, "fits 80 columns without the driver"
    assert all(len(cell) <= 40 for row in table.rows for cell in row.cells)
    assert table.marks


def test_a_row_tells_link_speed_driver_switch_port_and_address() -> None:
    rows = find_table(make_page(make_view())).rows
    assert rows[0].cells == ("enp0s6", "up", "virtio_net", FIRST, "leaf1 Ethernet1", "10.0.2.15")
    assert rows[3].cells == ("enp0s9", "up 1 G", "e1000e", "52:54:00:04:00:04", "management ge-0/0/3", "-")


def test_a_port_without_link_says_so_and_can_be_chosen_all_the_same() -> None:
    own = load_machine("four-nics")
    machine = replace(own, nics=(replace(own.nics[0], has_link=False), *own.nics[1:]))
    view = make_view(here_changes={"machine": machine})
    assert find_table(make_page(view)).rows[0].cells[1] == "no link"
    chosen = press(view, "enter", row=FIRST)
    assert isinstance(chosen, Edited)
    assert chosen.says == "enp0s6 faces the rack; it has no link yet"


@pytest.mark.parametrize(("mbps", "text"), [(10000, "10 G"), (2500, "2.5 G"), (100, "100 M"), (None, ""), (-1, "")])
def test_speeds(mbps: int | None, text: str) -> None:
    assert describe_speed(mbps) == text


def test_a_machine_without_ports_says_what_to_do() -> None:
    empty: Machine = replace(load_machine("four-nics"), nics=())
    table = find_table(make_page(make_view(here_changes={"machine": empty})))
    assert table.rows == ()
    assert "Fit a card" in table.empty


def test_enter_chooses_a_port_by_its_mac_and_enter_again_goes_on() -> None:
    view = make_view()
    after = take_edit(view, press(view, "enter", row=SECOND))
    site = after.draft.site
    assert site is not None
    assert site.admin.nics == (SECOND,)
    page = make_page(after)
    assert find_fields(page).rows[0].shown == "enp0s7"
    assert find_fields(page).rows[0].origin == "typed"
    assert find_table(page).start == SECOND
    assert press(after, "enter", row=SECOND) == Go("next")


def test_marked_ports_become_a_bond() -> None:
    view = make_view()
    assert isinstance(press(view, "b", row=FIRST, marked=(FIRST,)), Refused)
    assert isinstance(press(view, "enter", row=FIRST, marked=(FIRST, SECOND)), Refused)
    assert isinstance(type_in(view, "b", "xor", marked=(FIRST, SECOND)), Refused)
    after = take_edit(view, type_in(view, "b", "802.3ad", row=FIRST, marked=(SECOND, FIRST)))
    site = after.draft.site
    assert site is not None
    assert (site.admin.nics, site.admin.bond_mode) == ((FIRST, SECOND), "802.3ad")
    assert find_fields(make_page(after)).rows[0].shown == "enp0s6 and enp0s7 as a bond, 802.3ad"


def test_a_port_of_the_file_that_is_missing_is_a_problem_row() -> None:
    view = make_view(text=SITE.replace("  hostname: admin", "  hostname: admin\n  nics: [eno7]"))
    row = find_table(make_page(view)).rows[-1]
    assert (row.cells[0], row.mood, row.offered) == ("eno7", "FAIL", False)
    assert row.notes[1] == "choose another with Enter, or put the card back"
    assert find_fields(make_page(view)).rows[0].shown == "eno7 (missing)"
    assert isinstance(press(view, "u"), Refused)


@pytest.mark.parametrize(
    ("key", "text", "field", "shown"),
    [
        ("v", "200", 2, "200"),
        ("v", " none ", 2, "none"),
        ("a", "192.168.124.11", 1, "192.168.124.11/24 static"),
        ("a", "192.168.124.11/24", 1, "192.168.124.11/24 static"),
    ],
)
def test_values_that_are_typed(key: str, text: str, field: int, shown: str) -> None:
    view = take_edit(make_view(), press(make_view(), "enter", row=FIRST))  # a VLAN has to be on a port
    assert find_fields(make_page(take_edit(view, type_in(view, key, text)))).rows[field].shown == shown


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("vlan", "abc"), ("vlan", "0"), ("vlan", "5000"), ("vlan", "9" * 10000), ("vlan", "²"),
        ("address", "300.1.1.1"), ("address", "10.9.9.9"), ("address", ""), ("address", "\x1b[2J"), ("address", "1" * 10000),
        ("router", "no way"), ("router", "10.0.0.1"), ("nics", "a b c d e f g h i j"),
    ],
)  # fmt: skip
def test_what_is_typed_wrong_is_refused_where_it_is_typed(name: str, text: str) -> None:
    view = make_view(planned=False)
    field = next(row.field for row in find_fields(make_page(view)).rows if row.field.name == name)
    problem = field.check(text)
    assert problem is not None
    assert problem.message
    assert problem.hint
    guide = Guide(ShelfDesk(view, "network"))
    outcome = find_fields(guide.page).set(view, name, text)
    assert guide.take(outcome).is_refused
    assert guide.view.draft.text == view.draft.text


def test_every_value_says_where_it_came_from() -> None:
    assert [row.origin for row in find_fields(make_page(make_view())).rows] == ["default", "file", "", "default"]


def test_dhcp_and_static_change_places_and_a_given_address_is_taken() -> None:
    own = load_machine("four-nics")
    given = replace(own, nics=(replace(own.nics[0], addresses=("192.168.124.10/24",)), *own.nics[1:]))
    given = replace(given, nics=(replace(given.nics[0], addresses=("192.168.124.11/24",)), *own.nics[1:]))
    view = make_view(here_changes={"machine": given})
    view = take_edit(view, press(view, "enter", row=FIRST))
    view = take_edit(view, press(view, "d"))
    assert find_fields(make_page(view)).rows[1].shown == "192.168.124.11/24 by DHCP"
    assert next(action.label for action in make_page(view).actions if action.key == "d") == "static"
    assert find_fields(make_page(take_edit(view, press(view, "d")))).rows[1].shown == "192.168.124.11/24 static"


def test_renewing_asks_for_the_port_under_the_cursor_and_refuses_a_static_one() -> None:
    view = make_view()
    assert press(view, "r", row=FIRST) == Wished((RenewDhcp("enp0s6"),))
    assert isinstance(press(view, "r"), Refused)
    static = make_view(here_changes={"methods": {"enp0s6": "static"}})
    assert isinstance(press(static, "r", row=FIRST), Refused)


def test_the_address_is_set_by_a_wish_and_kept_by_another() -> None:
    view = make_view()
    assert isinstance(press(view, "u"), Refused)
    view = take_edit(view, press(view, "enter", row=FIRST))
    assert press(view, "u") == Wished((SetNetwork(),))
    assert "k" not in list_keys(view)
    changed = replace(view, here=replace(view.here, confirm_by=NOW + 41.6))
    assert press(changed, "k") == Wished((ConfirmNetwork(),))
    assert "goes back by itself in 42 seconds" in find_lines(make_page(changed), "confirmation")[0].text
    late = replace(view, here=replace(view.here, confirm_by=NOW - 1))
    assert find_lines(make_page(late), "confirmation") == ()
    assert (describe_duration(1.2), describe_duration(-3)) == ("1 second", "0 seconds")


def test_checks_stand_with_their_word_and_their_remedy() -> None:
    view = make_view()
    lines = find_lines(make_page(view), "checks")
    assert [(line.mood, line.label) for line in lines] == [
        ("wait", "own address"), ("ok", "link"), ("FAIL", "other DHCP"), ("ok", "address"), ("wait", "gateway"), ("ok", "DNS"),
        ("warn", "time"), ("ok", "MTU"),
    ]  # fmt: skip
    assert lines[2].notes == ("stop it, move the cable, or serve beside it (proxy)",)
    assert press(view, "c") == Wished((CheckAgain(),), "checking again")
    assert make_page(view).wants == {"preflight"}
    assert find_lines(make_page(make_view(checks=())), "checks")[-1].text.startswith("no check has answered yet")


def test_proxy_is_offered_only_beside_another_server_and_can_be_taken_back() -> None:
    view = make_view()
    beside = take_edit(view, press(view, "p"))
    assert beside.draft.site is not None
    assert beside.draft.site.services.dhcp == "proxy"
    alone = take_edit(beside, press(beside, "p"))
    assert alone.draft.site is not None
    assert alone.draft.site.services.dhcp == "own"
    assert "p" not in list_keys(make_view(checks=(Check("dhcp", "ok", "nobody answers"),)))


def test_a_broken_draft_still_shows_ports_and_values() -> None:
    view = make_view(text="rackstrap: 1\nname: [\n")
    page = make_page(view)
    assert len(find_table(page).rows) == 4
    assert isinstance(press(view, "u"), Refused)


def test_hostile_words_are_carried_as_data_and_change_no_key() -> None:
    view = make_view(hostile=True)
    page = make_page(view)
    assert all(row.key.startswith("52:54:") for row in find_table(page).rows)
    assert HOSTILE in find_table(page).rows[0].cells[0]
    site = take_edit(view, press(view, "enter", row=FIRST)).draft.site
    assert site is not None
    assert site.admin.nics == (FIRST,)
