"""Review, its gate, files and changes: what is lost is said, and nothing else is ever consented to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from installer.model.events import Happened
from installer.model.facts import Signature
from installer.model.folds import add_event
from installer.model.ledger import Installed
from installer.wizard.losses import find_losses, find_standing
from installer.wizard.page import Ask, Go, Lines, Outcome, Refused, Selection, Table, Told, Wished
from installer.wizard.pages import gate
from installer.wizard.pages.files import make_changes_page, make_file_page, make_files_page
from installer.wizard.pages.review import make_node_page, make_review_page, make_totals
from installer.wizard.view import Applied, Running, View
from installer.wizard.wishes import Append, Apply
from tests.page_parts import find_fields, find_table
from tests.wizard_views import FLEET_SITE, HOSTILE, SITE, make_fleet, make_view, plan_view

HELD = Signature("vda", "filesystem", "ext4", 1080, "u", "payroll")


def ask(view: View) -> Ask:
    outcome = gate.start(view, Selection())
    assert isinstance(outcome, Ask)
    return outcome


def answer(asked: Ask, view: View, text: str = "lab") -> Outcome:
    return asked.then(view, Selection(text=text))


def change_entry(view: View, name: str, /, **changes: object) -> View:
    """The view with the node's ledger entry changed, planned anew."""
    entry = view.ledger.node(name)
    assert entry is not None
    machines = {**view.ledger.machines, entry.id: replace(entry, **changes)}  # type: ignore[arg-type]
    return plan_view(replace(view, ledger=replace(view.ledger, machines=machines)))


def change_disk(view: View, name: str, **changes: object) -> View:
    """The view whose machine shows its chosen disk differently; the plan is as it was."""
    assert view.plan is not None
    node = view.plan.node(name)
    assert node is not None
    old = view.machines[node.machine]
    ids = {disk.id for disk in node.disks}
    disks = tuple(replace(d, **changes) if d.id in ids else d for d in old.disks)  # type: ignore[arg-type]
    return replace(view, machines={**view.machines, node.machine: replace(old, disks=disks)})


def test_the_question_lists_every_disk_those_with_data_first() -> None:
    assert ask(make_view(named=True)).says == (
        "4 disks of 4 nodes will be erased for good.",
        "1 disk with something on it, first:",
        'node2: QEMU HARDDISK ..0002, 336 GB: LOSES xfs "archive"',
        "node1: virtio disk pci-0000:00:08.0, 537 GB: nothing on it",
        "node3: QEMU HARDDISK ..0012, 537 GB: nothing on it",
        "node4: QEMU NVMe Ctrl ..E-0001, 537 GB: nothing on it",
        "4 nodes will wait until admitted (a on the review page compares codes).",
    )


def test_the_name_consents_to_exactly_the_disks_shown_and_starts() -> None:
    view = make_view(named=True)
    outcome = answer(ask(view), view)
    assert isinstance(outcome, Wished)
    append, apply = outcome.wishes
    assert isinstance(append, Append)
    assert apply == Apply()
    assert outcome.then == Go("deploy")
    assert view.plan is not None
    given = {(event.host, disk["id"], disk["holds_digest"]) for event in append.events for disk in event.data["disks"]}
    assert given == {(n.machine, d.id, _digest(view, n.machine, d.id)) for n in view.plan.nodes for d in n.disks}
    assert {event.kind for event in append.events} == {Happened.CONSENT_GIVEN}
    assert {event.data["how"] for event in append.events} == {"the site's name, typed on the review screen"}
    assert not any(event.data["own_mark"] for event in append.events)


def _digest(view: View, machine: str, disk_id: str) -> str:
    disk = view.machines[machine].disk(disk_id)
    assert disk is not None
    return disk.holds_digest


@pytest.mark.parametrize("text", ["", "y", "yes", "LAB", "lab2", "la b", "lab.example"])
def test_anything_but_the_name_consents_to_nothing(text: str) -> None:
    view = make_view(named=True)
    asked = ask(view)
    assert asked.asks.check(text) is not None
    assert isinstance(answer(asked, view, text), Refused)


@pytest.mark.parametrize(
    "change",
    [
        lambda view: change_disk(view, "node1", holds=(HELD,)),
        lambda view: change_disk(view, "node1", serial="another"),
        lambda view: change_disk(view, "node1", wwn="0x1"),
        lambda view: change_disk(view, "node1", size_bytes=10**12),
        lambda view: change_disk(view, "node1", id="moved"),
        lambda view: change_entry(view, "node1", epoch=2),
        lambda view: change_entry(view, "node1", key="f" * 64),
        lambda view: change_entry(view, "node1", left_out=True),
        lambda view: change_entry(view, "node1", name="renamed"),
        lambda _: make_view(named=True, text=SITE.replace("  - {name: node4, match: {serial: FK0007}, roles: [base]}\n", "")),
    ],
)  # fmt: skip
def test_what_changed_between_question_and_answer_is_not_consented_to(change: Callable[[View], View]) -> None:
    view = make_view(named=True)
    assert answer(ask(view), change(view)) == gate.CHANGED


def test_nothing_is_consented_to_while_the_plan_is_made_or_the_name_is_another() -> None:
    view = make_view(named=True)
    asked = ask(view)
    assert isinstance(answer(asked, replace(view, plan=None)), Refused)
    assert isinstance(answer(asked, make_view(named=True, text=SITE.replace("name: lab\n", "name: prod\n"))), Refused)
    assert isinstance(answer(asked, replace(view, running=Running(1, "apply", 0.0))), Refused)


def test_nodes_that_are_consented_to_or_installed_are_not_asked_for_again() -> None:
    view = make_view(named=True)
    outcome = answer(ask(view), view)
    assert isinstance(outcome, Wished)
    assert isinstance(outcome.wishes[0], Append)
    for event in outcome.wishes[0].events:
        add_event(view.ledger, event)
    after = plan_view(view)
    assert find_losses(after) == ()
    again = ask(after)
    assert answer(again, after, "no") == Told("nothing has changed")
    begun = answer(again, after, "yes")
    assert isinstance(begun, Wished)
    assert begun.wishes == (Apply(),)


def test_without_anything_to_erase_it_starts_at_once() -> None:
    view = make_view(named=True)
    for name in ("node1", "node2", "node3", "node4"):
        view = change_entry(view, name, installing_epoch=1, installed=Installed(1, "b", 1, (), "/dev/vda3", "", "", cold=False))
    outcome = gate.start(view, Selection())
    assert isinstance(outcome, Wished)
    assert outcome.wishes == (Apply(),)


def test_an_own_installation_is_not_erased_here() -> None:
    mark = Signature("vda3", "partition", "", 0, "u", "rackstrap-root")
    view = change_disk(make_view(named=True), "node1", holds=(mark,))
    assert view.plan is not None
    assert find_standing(view, view.plan.nodes[0]) == "own"
    assert "node1" not in {loss.node.name for loss in find_losses(view)}
    table = find_table(make_review_page(view))
    assert table.rows[0].notes[-1] == "carries an installation of Rackstrap: `rackstrap node reinstall node1`"


def test_machines_are_admitted_only_by_the_codes_that_were_shown() -> None:
    view = make_view(named=True)
    asked = gate.admit(view, Selection())
    assert isinstance(asked, Ask)
    codes = {entry.code for _, entry in gate.find_waiting(view)}
    assert {line.split()[0] for line in asked.says[1:]} == codes
    outcome = answer(asked, view, "yes")
    assert isinstance(outcome, Wished)
    assert isinstance(outcome.wishes[0], Append)
    assert [event.kind for event in outcome.wishes[0].events] == [Happened.MACHINE_ADMITTED] * 4
    assert isinstance(answer(asked, change_entry(view, "node3", code="AAAA-AAAA"), "yes"), Refused)


def test_totals_rows_and_a_node() -> None:
    view = make_view(named=True)
    assert make_totals(view).text == "4 nodes, 4 disks erased, 0 reboots, 3.46 GB written, about 1 min"
    table = find_table(make_review_page(view))
    assert table.rows[1].cells == ("node2", "QEMU HARDDISK ..0002", "single", "-", "LOOK")
    assert table.rows[1].notes == ('holds xfs "archive"',)
    fields = find_fields(make_review_page(view))
    assert isinstance(fields.set(view, "start", ""), Ask)
    disks = make_node_page(view, "node2").parts[0]
    assert isinstance(disks, Lines)
    assert disks.lines[0].notes == ('LOST: xfs "archive"', "id wwn-0x5002538d40000002")


def test_files_and_changes() -> None:
    view = make_view(named=True)
    assert view.plan is not None
    path = min(view.plan.files)
    table = make_files_page(view).parts[0]
    assert isinstance(table, Table)
    assert [row.key for row in table.rows] == sorted(view.plan.files)
    text = make_file_page(view, path).parts[0]
    assert isinstance(text, Lines)
    assert [line.text for line in text.lines] == view.plan.files[path].splitlines()
    applied = Applied(view.draft.text.replace("lab.example", "old.example"), {**view.plan.files, "gone.conf": "x"})
    site, files = make_changes_page(replace(view, applied=applied)).parts
    assert isinstance(site, Lines)
    assert isinstance(files, Lines)
    assert [line.text for line in site.lines if line.text[:2] in ("-d", "+d")] == ["-domain: old.example", "+domain: lab.example"]
    assert [line.text for line in files.lines] == ["- gone.conf: no longer written"]


def test_hostile_words_and_a_thousand_nodes() -> None:
    hostile = change_disk(make_view(named=True), "node1", model=HOSTILE, serial=HOSTILE, holds=(HELD,))
    assert all(len(line) <= 78 for line in ask(hostile).says)
    view = make_view(machines=make_fleet(1000), text=FLEET_SITE, named=True)
    took = []
    for _ in range(3):
        start = time.process_time()
        make_review_page(view)
        took.append(time.process_time() - start)
    assert min(took) < 0.1
    assert len(ask(view).says) == 2003
