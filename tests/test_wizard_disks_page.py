"""The disks page over every recorded machine: what is offered, what is not and why, and what a choice writes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from installer.model.facts import Disk, Health
from installer.plan.storage import find_offered
from installer.wizard.guide import Guide
from installer.wizard.page import Edited, Go, Line, Outcome, Refused, Row, Selection
from installer.wizard.pages.disk_words import LEAST_BYTES, name_disks
from installer.wizard.pages.disks import make_disk_page, make_disks_page
from installer.wizard.view import View
from tests.page_parts import find_lines, find_table, take_edit
from tests.shelf_desk import ShelfDesk
from tests.wizard_views import HOSTILE, NAMES, SITE, load_machine, make_view

WDC, SSD = "wwn-0x50014ee2b0000001", "wwn-0x5002538d40000002"


def list_rows(view: View) -> tuple[Row, ...]:
    return find_table(make_disks_page(view, "")).rows


def press(view: View, key: str, **selection: Any) -> Outcome:
    action = next(action for action in make_disks_page(view, "").actions if action.key == key)
    return action.does(view, Selection(**selection))


def show(here: str, *disks: Disk, **changes: Any) -> View:
    return make_view(here_changes={"machine": replace(load_machine(here), disks=disks)}, planned=False, **changes)


@pytest.mark.parametrize("roomy", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_the_page_offers_what_the_planner_offers(name: str, roomy: bool) -> None:
    own = load_machine(name, roomy=roomy)
    view = make_view(here_changes={"machine": own}, machines={}, planned=False)
    offered, refused = find_offered(own, frozenset(), LEAST_BYTES)
    rows = [row for row in list_rows(view) if not row.heading]
    assert [row.key for row in rows if row.offered] == [disk.id for disk in offered]
    assert [row.key for row in rows if not row.offered] == [disk.id for disk, _ in refused]
    assert all(row.cells[4] for row in rows)
    assert len({row.key for row in rows}) == len(own.disks)
    assert len({row.cells[0] for row in rows}) == len(own.disks), "no two disks go by the same name"
    assert all(isinstance(press(view, "enter", row=row.key), Edited if row.offered else Refused) for row in rows)


@pytest.mark.parametrize("name", NAMES)
def test_no_disk_goes_by_its_kernel_name(name: str) -> None:
    words = {word for row in list_rows(make_view(here=name, planned=False)) for cell in row.cells for word in cell.split()}
    assert {disk.name for disk in load_machine(name).disks} & words == set()


def test_a_row_tells_model_end_of_serial_size_kind_health_and_what_is_lost() -> None:
    rows = list_rows(make_view(here="secure-boot-sata"))
    assert rows[0].cells == ("WDC WD10EZEX ..0001", "537 GB", "disk", "ok", "nothing")
    assert rows[1].cells == ("QEMU HARDDISK ..0002", "336 GB", "SSD", "ok", 'xfs "archive"')


def test_serials_with_the_same_end_are_shown_as_far_as_they_differ() -> None:
    one, two = (Disk("a", "sda", 1, serial="AX-0001", model="M"), Disk("b", "sdb", 1, serial="BX-0001", model="M"))
    assert name_disks([one, two]) == {"sda": "M ..AX-0001", "sdb": "M ..BX-0001"}
    same = [replace(one, serial="X1234"), replace(two, serial="X1234", by_path="pci-0000:00:04.0-scsi-0:0:1:0")]
    assert name_disks(same) == {"sda": "M ..1234 at sda", "sdb": "M ..1234 at 0:0:1:0"}
    assert name_disks([Disk("c", "vdc", 1, transport="virtio")]) == {"vdc": "virtio disk no serial"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"removable": True}, "removable"),
        ({"transport": "usb"}, "on USB"),
        ({"transport": "iscsi"}, "reached over iSCSI"),
        ({"read_only": True}, "read-only"),
        ({"health": Health("failing", "5 sectors")}, "health is failing: 5 sectors"),
        ({"size_bytes": 10**8}, "too small: 1.15 GB are needed"),
    ],
)
def test_a_disk_that_is_not_offered_says_why(change: dict[str, Any], reason: str) -> None:
    wdc, ssd = load_machine("secure-boot-sata").disks
    rows = list_rows(show("secure-boot-sata", wdc, replace(ssd, **change)))
    assert [row.key for row in rows] == [WDC, "not offered", SSD]
    assert (rows[1].heading, rows[2].offered, rows[2].cells[4]) == (True, False, reason)


def test_what_this_system_runs_from_is_not_offered() -> None:
    wdc, ssd = load_machine("secure-boot-sata").disks
    own = replace(load_machine("secure-boot-sata"), disks=(wdc, ssd))
    view = make_view(here_changes={"machine": own, "boot_disks": frozenset({SSD})})
    assert list_rows(view)[-1].cells[4] == "this system runs from it"
    assert find_lines(make_disks_page(view, ""), "choice")[0].text == "WDC WD10EZEX ..0001, 537 GB"
    stick = replace(own, disks=(wdc, replace(ssd, removable=True)))
    assert list_rows(make_view(here_changes={"machine": stick, "boot_disks": frozenset({SSD})}))[-1].cells[4] == "this installer"


def test_a_disk_that_another_machine_sees_too_is_a_san() -> None:
    view = make_view(here="secure-boot-sata", named=True)
    other = next(key for key, machine in view.machines.items() if machine.serial == "BV0001")
    shared = replace(view.machines[other].disks[0], wwn="0x5002538d40000002")
    wwn = load_machine("secure-boot-sata").disks[1].wwn
    machines = {**view.machines, other: replace(view.machines[other], disks=(replace(shared, wwn=wwn),))}
    row = list_rows(replace(view, machines=machines))[-1]
    assert (row.key, row.offered, row.cells[4]) == (SSD, False, "seen by node1 too: SAN")


def test_this_machine_among_the_discovered_ones_is_no_san() -> None:
    own = load_machine("secure-boot-sata")
    view = make_view(here="secure-boot-sata", machines={"m-self": own}, planned=False)
    assert [row.offered for row in list_rows(view)] == [True, True]


def test_one_disk_is_written_by_its_id_and_the_guide_goes_on() -> None:
    guide = Guide(ShelfDesk(make_view(here="secure-boot-sata"), "disks"))
    reply = guide.take(press(guide.view, "enter", row=WDC))
    assert (reply.page.name, reply.message, reply.is_refused) == ("site", "the admin node goes to WDC WD10EZEX ..0001", False)
    site = guide.view.draft.site
    assert site is not None
    assert site.admin.disk.by_id == (WDC,)
    page = make_disks_page(guide.view, "")
    assert find_table(page).start == WDC
    assert find_lines(page, "choice")[0] == Line("WDC WD10EZEX ..0001, 537 GB", "ok", "goes to", ("named (typed)",))


def test_two_marked_disks_become_a_mirror() -> None:
    view = make_view(here="secure-boot-sata")
    assert isinstance(press(view, "enter", row=SSD, marked=(WDC,)), Refused), "which of the two is meant?"
    assert isinstance(press(view, "enter", row=SSD, marked=(WDC, SSD, "third")), Refused)
    after = take_edit(view, press(view, "enter", row=WDC, marked=(WDC, SSD)))
    assert after.draft.site is not None
    assert after.draft.site.admin.disk.mirror
    lines = find_lines(make_disks_page(after, ""), "choice")
    assert [line.label for line in lines] == ["goes to", "and to", ""]
    assert lines[1].notes == ("a mirror of two (typed)",)
    assert lines[2] == Line('QEMU HARDDISK ..0002 holds xfs "archive": it will be lost.', "warn")
    single = take_edit(after, press(after, "enter", row=SSD))
    assert single.draft.site is not None
    assert (single.draft.site.admin.disk.by_id, single.draft.site.admin.disk.mirror) == ((SSD,), False)


def test_without_a_choice_the_default_is_shown_with_its_reason() -> None:
    lines = find_lines(make_disks_page(make_view(here="secure-boot-sata"), ""), "choice")
    assert lines[0] == Line("QEMU HARDDISK ..0002, 336 GB", "ok", "goes to", ("the smallest that is large enough (default)",))


def test_a_chosen_disk_that_vanished_is_a_problem_row() -> None:
    view = make_view(here="secure-boot-sata", text=SITE.replace("  hostname", "  disk: {by_id: ata-GONE}\n  hostname"))
    row = list_rows(view)[0]
    assert (row.key, row.cells[0], row.mood, row.offered) == ("gone ata-GONE", "ata-GONE", "FAIL", False)
    assert row.notes[1] == "connect it again, or choose another with Enter"
    line = find_lines(make_disks_page(view, ""), "choice")[0]
    assert (line.mood, line.notes) == ("FAIL", ("Choose one that is offered.",))
    assert isinstance(press(view, "enter", row="gone ata-GONE"), Refused)


def test_a_chosen_disk_that_is_not_offered_says_why() -> None:
    wdc, ssd = load_machine("secure-boot-sata").disks
    text = SITE.replace("  hostname", f"  disk: {{by_id: {SSD}}}\n  hostname")
    view = show("secure-boot-sata", wdc, replace(ssd, read_only=True), text=text)
    line = find_lines(make_disks_page(view, ""), "choice")[0]
    assert line.text == "QEMU HARDDISK ..0002 is chosen, and it is not offered: read-only."


def test_disks_that_are_still_read_are_not_missing() -> None:
    text = SITE.replace("  hostname", f"  disk: {{by_id: {SSD}}}\n  hostname")
    page = make_disks_page(make_view(here="no-disk", text=text, here_changes={"reading_disks": True}), "")
    assert find_table(page).rows == ()
    assert find_table(page).empty == "The disks of this machine are being read: a moment."
    assert [line.mood for line in find_lines(page, "choice")] == ["wait"]


def test_a_machine_without_disks_says_what_to_do() -> None:
    page = make_disks_page(make_view(here="no-disk"), "")
    assert find_table(page).rows == ()
    assert "RAID controller" in find_table(page).empty
    assert find_lines(page, "choice")[0].mood == "FAIL"


def test_everything_about_a_disk() -> None:
    view = make_view(here="secure-boot-sata")
    assert press(view, "i", row=SSD) == Go("disk", SSD)
    page = make_disk_page(view, SSD)
    assert page.question == "QEMU HARDDISK ..0002, 336 GB"
    facts = {line.label: line.text for line in find_lines(page, "facts")}
    assert facts["serial"] == "SSD-000000002"
    assert facts["size"] == "336 GB (335544320000 bytes, sectors of 512)"
    assert facts["kind"] == "SSD, connected by sata"
    assert facts["stable name"] == SSD
    assert [line.text for line in find_lines(page, "holds")] == ['xfs "archive"']
    assert find_lines(page, "offered") == (Line("It can be chosen.", "ok"),)
    assert find_lines(make_disk_page(view, "nothing"), "facts")[0].mood == "FAIL"


@pytest.mark.parametrize("name", NAMES)
def test_every_disk_has_a_page_of_its_own(name: str) -> None:
    view = make_view(here=name, planned=False)
    rows = [row for row in list_rows(view) if not row.heading]
    pages = [make_disk_page(view, row.key) for row in rows]
    assert [page.question for page in pages] == [f"{row.cells[0]}, {row.cells[1]}" for row in rows]


def test_hostile_words_are_carried_as_data() -> None:
    view = make_view(here="secure-boot-sata", hostile=True)
    rows = list_rows(view)
    assert HOSTILE in rows[0].cells[0]
    assert make_disk_page(view, rows[0].key).question.startswith("WDC WD10EZEX")
    assert isinstance(press(view, "enter", row=rows[0].key), Edited | Refused)
