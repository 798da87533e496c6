"""Deploy, log and done: how far it is in whole per cent, what waits, and what the operator can do."""

from __future__ import annotations

from dataclasses import replace

from installer.model.events import Happened
from installer.wizard.outlook import describe_left, make_outlook
from installer.wizard.page import Ask, Bar, Line, Lines, Refused, Selection, Table, Told, Wished
from installer.wizard.pages import deploy
from installer.wizard.pages.done import make_done_page, make_events_page, save_both
from installer.wizard.view import Running
from installer.wizard.wishes import Append, Apply, SaveReport, SaveSite, StopApplying
from tests.page_parts import find_table
from tests.wizard_views import SITE, VOLUMES, make_view


def test_stages_come_from_the_plan_with_whole_per_cent() -> None:
    view = make_view(deploying=True)
    hosts = make_outlook(view).hosts
    assert [(s.name, s.state, s.percent) for s in hosts["node2"].stages] == [
        ("admit", "done", 100),
        ("allocate", "done", 100),
        ("install", "runs", 54),
        ("boot", "left", 0),
    ]
    assert [s.state for s in hosts["node4"].stages] == ["done", "done", "failed", "left"]


def test_it_never_claims_all_before_the_end() -> None:
    view = make_view(deploying=True)
    assert view.plan is not None
    keys = [step.key for step in view.plan.steps]
    assert make_outlook(replace(view, done=frozenset(keys) - {keys[0]})).percent == 99
    assert make_outlook(replace(view, done=frozenset(keys))).percent == 100
    assert make_outlook(replace(view, done=frozenset(keys))).done == 4


def test_rows_say_what_runs_what_waits_and_the_remedy() -> None:
    rows = find_table(deploy.make_deploy_page(make_view(deploying=True))).rows
    assert rows[1].cells == ("node2", "installing", "unpacking 61 %", rows[1].cells[3], "4 min")
    assert rows[2].notes == ("for the BMC of node3: try 3 of 5, next in 20 s",)
    assert rows[3].mood == "FAIL"
    assert rows[3].notes[1] == "r tries again, x leaves it out, Enter opens its log"


def test_gates_say_what_to_do() -> None:
    view = make_view(named=True)
    summary = next(part for part in deploy.make_deploy_page(view).parts if isinstance(part, Lines))
    assert {(row.cells[2], row.notes) for row in find_table(deploy.make_deploy_page(view)).rows} == {("waits for you: admit", ())}
    told = Line("4 nodes wait for you to admit", "wait", notes=("on the review page (Esc), a compares the codes",))
    assert summary.lines[-1] == told, "once for all, since all wait for the same"


def test_the_end_says_what_comes_next() -> None:
    view = make_view(deploying=True)
    assert view.plan is not None
    over = replace(view, done=frozenset(step.key for step in view.plan.steps))
    summary = deploy.make_deploy_page(over).parts[1]
    assert isinstance(summary, Lines)
    assert summary.lines == (Line("everything is done", "ok", notes=("n goes on: how to log in, what to save, the whole rack",)),)


def test_nothing_changes_within_a_second_of_work() -> None:
    view = replace(make_view(deploying=True), running=Running(1, "apply", 0.0))
    later = replace(view, now=view.now + 1)
    assert deploy.make_deploy_page(view).parts == deploy.make_deploy_page(later).parts


def test_actions() -> None:
    view = make_view(deploying=True)
    tried = deploy.retry(view, Selection("node4"))
    assert isinstance(tried, Wished)
    assert isinstance(tried.wishes[0], Append)
    assert [event.kind for event in tried.wishes[0].events] == [Happened.NODE_RETRIED]
    assert isinstance(deploy.retry(view, Selection("node1")), Refused)
    asked = deploy.leave_out(view, Selection("node4"))
    assert isinstance(asked, Ask)
    assert asked.then(view, Selection(text="no")) == Told("nothing has changed")
    left = asked.then(view, Selection(text="yes"))
    assert isinstance(left, Wished)
    assert isinstance(left.wishes[0], Append)
    assert [event.kind for event in left.wishes[0].events] == [Happened.NODE_LEFT_OUT]
    assert isinstance(deploy.stop(view, Selection()), Refused)
    running = replace(view, running=Running(1, "apply", 0.0))
    stopping = deploy.stop(running, Selection())
    assert isinstance(stopping, Ask)
    stopped = stopping.then(running, Selection(text="yes"))
    assert isinstance(stopped, Wished)
    assert stopped.wishes == (StopApplying(),)
    goes = deploy.go_on(view, Selection())
    assert isinstance(goes, Wished)
    assert goes.wishes == (Apply(),)
    assert isinstance(deploy.go_on(running, Selection()), Refused)


def test_the_bar_and_the_log() -> None:
    bar = deploy.make_deploy_page(make_view(deploying=True)).parts[0]
    assert isinstance(bar, Bar)
    assert 0 < bar.percent < 100
    assert [describe_left(s) for s in (5, 70, 600, 7200)] == ["a few seconds", "about 1 min", "about 10 min", "about 2.0 h"]
    log = deploy.make_log_page(make_view(deploying=True), "node1").parts[0]
    assert isinstance(log, Lines)
    assert log.follows
    assert log.lines[-1].text == "node1: ready"


def test_done_shows_health_and_saves_both() -> None:
    view = make_view(deploying=True)
    health, table, _ = make_done_page(view).parts
    assert isinstance(health, Lines)
    assert health.lines[0].text == "1 of 4 nodes installed"
    assert isinstance(table, Table)
    assert table.rows[0].cells[:3] == ("node1", "ready", "192.168.124.81")
    asked = save_both(view, Selection())
    assert isinstance(asked, Ask)
    target = f"volume:{VOLUMES[0].id}"
    saved = asked.then(view, Selection(text=target))
    assert isinstance(saved, Wished)
    assert saved.wishes == (SaveSite(target, over=True), SaveReport(target, over=True))
    assert isinstance(save_both(replace(view, here=replace(view.here, volumes=())), Selection()), Refused)
    events = make_events_page(view).parts[0]
    assert isinstance(events, Lines)
    assert len(events.lines) == len(view.events)


def test_going_on_shows_first_what_the_file_alone_consents_to() -> None:
    text = SITE.replace("nodes:\n", "erase: blank\ndiscovery: {admit: matched}\nnodes:\n")
    asked = deploy.go_on(make_view(text=text), Selection())
    assert isinstance(asked, Ask)
    assert "Consented to before, and erased too: 3 disks (file: erase blank)" in asked.says
