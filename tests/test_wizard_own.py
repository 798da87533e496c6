"""This machine's own installation in the wizard: offered on the ISO alone, consented to with the rack's, begun, shown."""

from __future__ import annotations

from dataclasses import replace

from installer.engine.store import Progress
from installer.live.boot import Boot
from installer.model.events import Event, Happened
from installer.model.facts import Signature
from installer.model.folds import make_ledger
from installer.plan.admin import plan_admin
from installer.wizard import own
from installer.wizard.page import Ask, Bar, Refused, Selection, Wished
from installer.wizard.pages import gate
from installer.wizard.pages.deploy import go_on, make_deploy_page, stop
from installer.wizard.pages.disks import make_disks_page
from installer.wizard.pages.done import make_done_page
from installer.wizard.pages.own import ROW, make_own_page
from installer.wizard.pages.review import make_review_page
from installer.wizard.view import Running
from installer.wizard.wishes import Append, Apply, InstallAdmin
from tests.own_views import DISK, LIVE, NOBODY, SSD, TEXT, begin, consent, find_rows, find_texts, make
from tests.wizard_events import NOW, PLACE, ROLES
from tests.wizard_views import plan_view


def test_without_the_iso_nothing_of_it_is_there() -> None:
    for boot in (Boot(), DISK):
        view = make(boot)
        assert (view.own, own.find_standing(view), own.is_wanted(view)) == (None, "no", False)
        assert ROW not in {row.key for page in (make_review_page(view), make_deploy_page(view)) for row in find_rows(page)}
        assert "o" not in {action.key for page in (make_review_page(view), make_done_page(view)) for action in page.actions}
        assert make_own_page(view).actions == ()
        assert isinstance(gate.start(view, NOBODY), Ask)


def test_what_is_planned_is_what_install_plans() -> None:
    view = make()
    assert view.draft.site is not None
    base = ROLES["base"]
    planned = plan_admin(view.draft.site, view.here.machine, view.ledger, PLACE.image, base, machines=view.machines)
    assert view.own == planned
    offered = [row.key for row in find_rows(make_disks_page(view, "")) if row.offered and not row.heading]
    assert {disk.id for disk in planned.disks} <= set(offered)
    assert not {disk.id for disk, _ in planned.refused} & set(offered)


def test_its_disk_comes_first_in_the_review_and_counts() -> None:
    page = make_review_page(make())
    row = find_rows(page)[0]
    assert (row.key, row.cells[0], row.cells[1], row.cells[4]) == (ROW, "admin", "QEMU HARDDISK ..0002", "LOOK")
    assert (row.notes, row.mood) == (('holds xfs "archive"',), "warn")
    assert "the admin node and " in find_texts(page)
    assert "this machine marked LOOK" in find_texts(page)
    live = make_review_page(make(LIVE))
    assert ROW not in {row.key for row in find_rows(live)}
    assert "its own disks are left alone" in find_texts(live)


def test_one_name_consents_to_this_machine_and_the_rack_and_begins_with_this_machine() -> None:
    view = make()
    ask = gate.start(view, NOBODY)
    assert isinstance(ask, Ask)
    assert ask.says[0].startswith("2 disks of the admin node and 1 node will be erased")
    assert ask.says[2] == 'admin: QEMU HARDDISK ..0002, 336 GB: LOSES xfs "archive"'
    assert isinstance(ask.then(view, Selection(text="wrong")), Refused)
    done = ask.then(view, Selection(text="lab"))
    assert isinstance(done, Wished)
    append, install = done.wishes
    assert isinstance(append, Append)
    assert install == InstallAdmin()
    first, second = append.events
    assert (first.kind, first.host, first.data["epoch"]) == (Happened.ADMIN_CONSENTED, "admin", 1)
    assert first.data["machine"] == {"uuid": view.here.machine.uuid, "serial": view.here.machine.serial}
    assert [disk["id"] for disk in first.data["disks"]] == [SSD]
    assert second.kind is Happened.CONSENT_GIVEN


def test_a_disk_that_changed_since_it_was_shown_is_not_consented_to() -> None:
    view = make()
    ask = gate.start(view, NOBODY)
    assert isinstance(ask, Ask)
    machine = view.here.machine
    disks = tuple(replace(disk, holds=()) for disk in machine.disks)
    changed = replace(view, here=replace(view.here, machine=replace(machine, disks=disks)))
    assert own.is_stale(changed)
    assert ask.then(changed, Selection(text="lab")) == gate.ANEW
    other = make(here_changes={"machine": replace(machine, disks=disks)})
    assert ask.then(other, Selection(text="lab")) == gate.CHANGED


def test_live_the_rack_alone_is_applied_and_this_machine_when_it_is_asked_for() -> None:
    view = make(LIVE)
    ask = gate.start(view, NOBODY)
    assert isinstance(ask, Ask)
    assert "admin" not in " ".join(ask.says)
    done = ask.then(view, Selection(text="lab"))
    assert isinstance(done, Wished)
    assert [type(wish) for wish in done.wishes] == [Append, Apply]
    assert "o" in {action.key for action in make_done_page(view).actions}
    page = make_own_page(view)
    assert "LOST: xfs" in find_texts(page)
    ask = next(action for action in page.actions if action.key == "i").does(view, NOBODY)
    assert isinstance(ask, Ask)
    done = ask.then(view, Selection(text="lab"))
    assert isinstance(done, Wished)
    assert [type(wish) for wish in done.wishes] == [Append, InstallAdmin]
    assert isinstance(done.wishes[0], Append)
    assert [event.kind for event in done.wishes[0].events] == [Happened.ADMIN_CONSENTED]


def test_an_installation_of_rackstrap_is_named_before_it_is_lost() -> None:
    view = make()
    ssd = next(disk for disk in view.here.machine.disks if disk.id == SSD)
    marked = replace(ssd, holds=(Signature(f"{ssd.name}1", "partition", "", label="rackstrap-root"),))
    assert marked.has_own_mark
    machine = replace(view.here.machine, disks=tuple(marked if d.id == SSD else d for d in view.here.machine.disks))
    view = make(here_changes={"machine": machine})
    ask = gate.start(view, NOBODY)
    assert isinstance(ask, Ask)
    assert "This machine's disk carries an INSTALLATION OF RACKSTRAP: it is lost with it." in ask.says
    done = ask.then(view, Selection(text="lab"))
    assert isinstance(done, Wished)
    assert isinstance(done.wishes[0], Append)
    assert done.wishes[0].events[0].data["own_mark"] is True


def test_a_machine_that_cannot_be_installed_says_why_and_nothing_begins() -> None:
    view = make(text=TEXT.replace("  hostname: admin\n", "  hostname: admin\n  disk: {by_id: ata-GONE}\n"))
    assert own.find_standing(view) == "problem"
    refused = gate.start(view, NOBODY)
    assert isinstance(refused, Refused)
    assert refused.message == "this machine cannot be installed: the admin node: no disk has by_id ata-GONE"
    row = find_rows(make_review_page(view))[0]
    assert (row.mood, row.notes[0]) == ("FAIL", "the admin node: no disk has by_id ata-GONE")


def test_another_disk_after_the_consent_asks_again() -> None:
    desk = consent(make())
    assert own.find_standing(desk.view) == "consented"
    ask = gate.start(desk.view, NOBODY)
    assert isinstance(ask, Ask)
    moved = make(text=TEXT.replace("  hostname: admin\n", "  hostname: admin\n  disk: {largest: true}\n"))
    ledger = make_ledger([*moved.events, replace(desk.view.events[-1], id=len(moved.events) + 1)])
    moved = plan_view(replace(moved, ledger=ledger))
    assert own.find_standing(moved) == "asks"
    done = gate.start(moved, NOBODY)
    assert isinstance(done, Ask)
    assert "WDC WD10EZEX ..0001" in " ".join(done.says)


def test_the_deployment_shows_this_machine_first_and_how_far_it_is() -> None:
    view = make()
    assert find_rows(make_deploy_page(view))[0].cells[:3] == ("admin", "in memory", "not begun: asks you")
    desk = begin(view)
    row = {"admin": Progress("admin", "unpack", 61, "root.squashfs", NOW)}
    runs = replace(desk.view, running=Running(0, "install", NOW), progress=row)
    page = make_deploy_page(runs)
    assert find_rows(page)[0].cells[:4] == ("admin", "installing", "unpack 61 %", "54")
    assert page.parts[0] == Bar("own", "this machine", 54, "unpack 61 %")
    assert isinstance(stop(runs, NOBODY), Refused)
    assert isinstance(gate.start(runs, NOBODY), Refused)
    failed = replace(desk.view, progress={"admin": Progress("admin", "failed", 0, "the disk did not answer", NOW)})
    row_now = find_rows(make_deploy_page(failed))[0]
    assert (row_now.mood, row_now.notes[0]) == ("FAIL", "the disk did not answer")
    assert go_on(failed, NOBODY) == Wished((InstallAdmin(),), "it goes on with this machine, then with the rack", gate.DEPLOY)
    desk.push(Event(Happened.ADMIN_UNPACKED, "admin", {"epoch": 1, "phases": {"unpack": 130.0}}))
    leaves = replace(desk.view, running=Running(0, "install", NOW), progress=row)
    assert find_rows(make_deploy_page(leaves))[0].cells[2] == "starts from its disk now"
    assert "this screen comes back by itself" in find_texts(make_deploy_page(leaves))


def test_from_its_own_disk_the_rack_is_gone_on_with() -> None:
    desk = begin(make())
    installed = {"epoch": 1, "boot_id": "b", "disks": [SSD], "address": "192.168.124.10"}
    phases = {"epoch": 1, "phases": {"unpack": 130.0, "format": 2.0}}
    desk.push(Event(Happened.ADMIN_UNPACKED, "admin", phases), Event(Happened.ADMIN_INSTALLED, "admin", installed))
    view = replace(desk.view, here=replace(desk.view.here, boot=DISK), own=None, running=Running(5, "apply", NOW))
    assert find_rows(make_deploy_page(view))[0].cells == ("admin", "ready", "runs from its own disk", "100", "2:12")
    assert "o" not in {action.key for action in make_deploy_page(view).actions}


def test_what_the_file_consents_to_is_shown_before_it_is_begun() -> None:
    machine = make().here.machine
    blank = replace(machine, disks=tuple(replace(disk, holds=()) for disk in machine.disks))
    view = make(text=TEXT + "erase: blank\n", machines={}, here_changes={"machine": blank})
    assert own.find_standing(view) == "consented"
    ask = go_on(view, NOBODY)
    assert isinstance(ask, Ask)
    assert ask.asks.start == "no"
    assert ask.says[0] == "Consented to before, and erased too: 1 disk (file: erase blank)"
    assert ask.then(view, Selection(text="yes")) == Wished(
        (InstallAdmin(),), "this machine is installed first, then it goes on with the rack", gate.DEPLOY
    )
