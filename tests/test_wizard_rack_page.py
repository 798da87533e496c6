"""The rack as a picture, and what fails with each device."""

from __future__ import annotations

from installer.wizard.blast import find_blast, say_blast
from installer.wizard.page import Go, Lines, Refused, Selection, Table
from installer.wizard.pages.rack import make_device_page, make_rack_page
from tests.wizard_views import FLEET_SITE, make_fleet, make_view

VIEW = make_view(machines=make_fleet(60), text=FLEET_SITE, named=True)


def test_machines_stand_below_their_switch_in_the_order_of_ports() -> None:
    table = make_rack_page(VIEW).parts[0]
    assert isinstance(table, Table)
    switches = [row.cells[:2] for row in table.rows if row.key.startswith("switch:")]
    assert switches == [("leaf1", "50 links"), ("leaf2", "13 links"), ("management", "1 link")]
    assert len({row.key for row in table.rows}) == len(table.rows)
    assert all(text.isascii() for row in table.rows for text in row.cells)


def test_what_fails_with_a_switch() -> None:
    found = find_blast(VIEW, "leaf2")
    assert (len(found.cut), found.lost_roles, found.admin, found.unknown) == (12, (), "thinned", 0)
    assert say_blast(found)[1].startswith("12 nodes cut off: ")
    assert find_blast(VIEW, "leaf1").admin == "thinned"
    assert say_blast(find_blast(VIEW, "nowhere")) == ("nothing that is known hangs on it",)


def test_enter_opens_the_device() -> None:
    page = make_rack_page(VIEW)
    enter = page.actions[0].does
    assert enter(VIEW, Selection("switch:leaf1")) == Go("device", "switch:leaf1")
    assert isinstance(enter(VIEW, Selection("admin x")), Refused)
    host = next(iter(VIEW.machines))
    lines = make_device_page(VIEW, f"node:{host}").parts[0]
    assert isinstance(lines, Lines)
    assert lines.lines[0].text.startswith("1 node cut off: ")
