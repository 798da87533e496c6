"""BMCs and discovery on the pages of stage Nodes."""

from __future__ import annotations

from dataclasses import replace

from installer.model.events import Event, Happened
from installer.wizard.page import Ask, Told, Wished
from installer.wizard.pages.nodes import make_nodes_page
from installer.wizard.view import Running
from installer.wizard.wishes import AddBmc, Discover, ImportBmcs, Request
from tests.nodes_pages import do, find_row, follow, look
from tests.page_parts import find_table
from tests.shelf_desk import ShelfDesk
from tests.wizard_events import NOW


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
