"""Consent to this machine's own installation: every way of giving it, and all that it does not cover."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from installer.admin.find import Esp, Installation
from installer.admin.run import check_unfinished
from installer.admin.where import Where, Who
from installer.model.events import Event, Happened
from installer.model.facts import Disk, Signature
from installer.model.folds import make_ledger
from installer.model.orders import make_disk_guid
from installer.model.problems import RackstrapError
from installer.node.admit import check_spec
from installer.node.targets import check_chosen
from installer.plan.storage import make_chosen
from tests.admin_plans import BLANK, HERE, consented, make_own, on, plan, problems_of, started
from tests.plan_samples import EXT4, OWN, TABLE, make_machine


def test_without_consent_the_disk_is_chosen_and_nothing_may_be_written() -> None:
    found = plan()
    assert [disk.name for disk in found.disks] == ["sda"]
    assert (found.chosen, found.consent, found.given, found.problems) == ((), None, None, ())
    assert check_spec(found.spec) == ("an installation takes one disk, or two different ones for a mirror, not 0",)


def test_a_blank_disk_is_consented_to_by_erase_blank_for_this_machine_and_epoch() -> None:
    found = plan(BLANK)
    assert found.chosen == (make_chosen(HERE.disks[0]),)
    assert found.given is not None
    assert found.given["disks"] == [asdict(make_chosen(HERE.disks[0]))]
    assert (found.given["epoch"], found.given["how"], found.given["machine"]) == (
        1,
        "file: erase blank",
        {"uuid": "aaaa", "serial": "S1"},
    )
    assert check_spec(found.spec) == ()


@pytest.mark.parametrize("holds", [(EXT4,), (TABLE,), OWN, (replace(EXT4, kind="other", type="unreadable"),)])
def test_erase_blank_takes_no_disk_that_holds_anything(holds: tuple[Signature, ...]) -> None:
    found = plan(BLANK, here=on(HERE, sda=replace(HERE.disks[0], holds=holds)))
    assert (found.chosen, found.given) == ((), None)


def test_a_list_that_names_this_machine_and_disk_consents_whatever_the_disk_holds() -> None:
    here = on(HERE, sda=replace(HERE.disks[0], holds=(TABLE, EXT4)))
    listed = "erase: [{machine: %s, disks: [%s]}]\n"
    assert plan(listed % ("S1", "ata-DISK_sda"), here=here).chosen == (make_chosen(here.disks[0]),)
    assert plan(listed % ("aaaa", "ata-DISK_sda"), here=here).chosen != ()
    for machine, disk in (("S2", "ata-DISK_sda"), ("S1", "ata-DISK_sdb")):
        assert plan(listed % (machine, disk), here=here).chosen == ()


def test_a_list_whose_word_fits_two_machines_consents_to_nothing() -> None:
    twin = make_machine(7, serial="S1", disks=())
    assert plan("erase: [{machine: S1, disks: [ata-DISK_sda]}]\n", machines={"m-7": twin}).chosen == ()


def test_a_machine_that_discovered_itself_is_not_its_own_twin() -> None:
    found = plan("erase: [{machine: S1, disks: [ata-DISK_sda]}]\n", machines={"m-1": HERE})
    assert [disk.id for disk in found.chosen] == ["ata-DISK_sda"]


def test_a_finished_installation_is_never_taken_by_a_file() -> None:
    fat = Signature("sda2", "filesystem", "vfat", 0, "1234-ABCD", "RACKESP")
    here = on(HERE, sda=make_own(HERE.disks[0], 1, fat))
    for text in (BLANK, "erase: [{machine: S1, disks: [ata-DISK_sda]}]\n"):
        assert plan(text, here=here).chosen == ()


def test_our_own_fresh_table_with_nothing_in_it_counts_as_blank_for_this_disk_and_site_alone() -> None:
    assert plan(BLANK, here=on(HERE, sda=make_own(HERE.disks[0]))).chosen != ()
    assert plan(BLANK, here=on(HERE, sda=replace(make_own(HERE.disks[1]), **_name(HERE.disks[0])))).chosen == ()
    assert plan(BLANK, here=on(HERE, sda=make_own(HERE.disks[0], 2))).chosen == ()
    stranger = Signature("sda4", "partition", "x", 9, "", "home")
    assert plan(BLANK, here=on(HERE, sda=make_own(HERE.disks[0], 1, stranger))).chosen == ()


def _name(disk: Disk) -> dict[str, Any]:
    return {name: getattr(disk, name) for name in ("id", "name", "by_id", "wwn", "serial", "size_bytes")}


def test_an_operators_consent_holds_for_the_disk_as_it_was_seen() -> None:
    here = on(HERE, sda=replace(HERE.disks[0], holds=(TABLE, EXT4)))
    ledger = make_ledger([consented(here, "ata-DISK_sda")])
    found = plan(here=here, ledger=ledger)
    assert (found.chosen, found.given, found.resumes) == ((make_chosen(here.disks[0]),), None, False)
    changed = on(here, sda=replace(here.disks[0], holds=(TABLE,)))
    found = plan(here=changed, ledger=ledger)
    assert (found.chosen, "holds something else than at consent" in problems_of(found)) == ((), True)


def test_consent_to_another_disk_than_the_site_chooses_writes_nothing() -> None:
    found = plan(ledger=make_ledger([consented(HERE, "ata-DISK_sdb")]))
    assert (found.chosen, "consent was given for ata-DISK_sdb, but the site chooses ata-DISK_sda" in problems_of(found)) == (
        (),
        True,
    )


def test_consent_that_came_with_another_machines_state_writes_nothing() -> None:
    other = replace(HERE, uuid="bbbb", serial="S9")
    found = plan(ledger=make_ledger([consented(other, "ata-DISK_sda")]))
    assert (found.chosen, "for another machine" in problems_of(found)) == ((), True)


def test_own_mark_needs_the_operators_word_for_it() -> None:
    here = on(HERE, sda=make_own(HERE.disks[0], 1, replace(EXT4, where="sda3")))
    with pytest.raises(RackstrapError, match="carries an installation of Rackstrap"):
        consented(here, "ata-DISK_sda")
    ledger = make_ledger([consented(here, "ata-DISK_sda", own_mark=True)])
    assert plan(here=here, ledger=ledger).chosen == (make_chosen(here.disks[0]),)


def test_an_installation_that_began_goes_on_over_its_own_disks_with_the_consent_that_was_given() -> None:
    ledger = make_ledger([consented(HERE, "ata-DISK_sda"), started()])
    fat = Signature("sda2", "filesystem", "vfat", 0, "1234-ABCD", "RACKESP")
    for disk in (HERE.disks[0], make_own(HERE.disks[0]), make_own(HERE.disks[0], 1, fat, replace(EXT4, where="sda3"))):
        found = plan("erase: no\n", here=on(HERE, sda=disk), ledger=ledger)
        assert (found.resumes, found.epoch, found.chosen) == (True, 1, (make_chosen(HERE.disks[0]),)), problems_of(found)
        guid = make_disk_guid("admin", 1, disk.id)
        assert check_chosen(found.chosen[0], disk, guid, resumes=True) == ""


@pytest.mark.parametrize(
    "disk",
    [
        make_own(HERE.disks[0], 2),
        replace(HERE.disks[0], holds=OWN),
        replace(HERE.disks[0], holds=(TABLE, EXT4)),
        replace(HERE.disks[0], serial="OTHER"),
        replace(HERE.disks[0], wwn="0x9"),
    ],
)
def test_resuming_goes_over_nothing_else(disk: Disk) -> None:
    ledger = make_ledger([consented(HERE, "ata-DISK_sda"), started()])
    found = plan(BLANK, here=on(HERE, sda=disk), ledger=ledger)
    assert (found.chosen, found.given, found.has_errors) == ((), None, True)


def test_a_consent_that_was_used_up_by_a_finished_installation_allows_nothing_more() -> None:
    done = Event(Happened.ADMIN_INSTALLED, "admin", {"epoch": 1, "boot_id": "b", "disks": ["ata-DISK_sda"], "address": "a"})
    ledger = make_ledger([consented(HERE, "ata-DISK_sda"), started(), done])
    found = plan(ledger=ledger)
    assert (found.chosen, found.resumes, found.epoch) == ((), False, 2)
    assert ledger.machines == {}


def test_a_second_consent_in_an_epoch_that_has_begun_says_nothing() -> None:
    again = consented(HERE, "ata-DISK_sda")
    ledger = make_ledger([again, started(), again])
    assert ledger.admin.consent is not None
    assert ledger.admin.consent.used
    ledger = make_ledger([again, started(), consented(HERE, "ata-DISK_sdb", ledger=ledger)])
    assert (ledger.admin.epoch, ledger.admin.has_begun) == (2, False)
    assert [disk.id for disk in plan(disk="{by_id: ata-DISK_sdb}", ledger=ledger).chosen] == ["ata-DISK_sdb"]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["no", "blank", "list"]),
    st.lists(st.sampled_from(["blank", "ext4", "own", "ours", "ours-data"]), min_size=2, max_size=2),
    st.booleans(),
    st.sampled_from(["smallest: true", "largest: true", "by_id: ata-DISK_sdb"]),
)
def test_what_may_be_erased_is_always_what_some_consent_allows(erase: str, holds: list[str], is_begun: bool, choice: str) -> None:
    kinds = {"blank": (), "ext4": (TABLE, EXT4), "own": OWN}
    disks = {
        d.name: make_own(d, 1, *([EXT4] if k == "ours-data" else [])) if k.startswith("ours") else replace(d, holds=kinds[k])
        for d, k in zip(HERE.disks, holds, strict=True)
    }
    text = {"no": "erase: no\n", "blank": BLANK, "list": "erase: [{machine: S1, disks: [ata-DISK_sda]}]\n"}[erase]
    ledger = make_ledger([consented(HERE, "ata-DISK_sda"), started()] if is_begun else [])
    found = plan(text, f"{{{choice}}}", on(HERE, **disks), ledger)
    for chosen in found.chosen:
        kind = holds[0] if chosen.id == "ata-DISK_sda" else holds[1]
        allowed = {"no": set(), "blank": {"blank", "ours"}, "list": {"blank", "ext4"} if chosen.id == "ata-DISK_sda" else set()}[
            erase
        ]
        if is_begun:
            allowed = {"blank", "ours", "ours-data"} if chosen.id == "ata-DISK_sda" else set()
        assert kind in allowed
        assert found.consent is not None


def test_leave_to_erase_an_installation_is_for_the_one_that_was_seen() -> None:
    first, other = (on(HERE, sda=make_own(HERE.disks[0], epoch)) for epoch in (7, 8))
    ledger = make_ledger([consented(first, "ata-DISK_sda", own_mark=True)])
    assert plan(here=first, ledger=ledger).chosen == (make_chosen(first.disks[0]),)
    found = plan(here=other, ledger=ledger)
    assert (found.chosen, "holds something else than at consent" in problems_of(found)) == ((), True)


@pytest.mark.parametrize("uuid", ["", "bbbb"])
def test_consent_given_on_another_machine_is_none_here(uuid: str) -> None:
    there = replace(HERE, uuid=uuid, serial="")
    found = plan(ledger=make_ledger([consented(there, "ata-DISK_sda")]))
    assert (found.chosen, "another machine" in problems_of(found)) == ((), True)


@pytest.mark.parametrize(
    ("kind", "disk", "refused"), [("finished", "sda", True), ("finished", "sdb", False), ("unfinished", "sda", False)]
)
def test_nothing_goes_on_over_an_installation_that_has_come_to_its_end(kind: Any, disk: str, refused: bool) -> None:
    found = plan(here=on(HERE, sda=make_own(HERE.disks[0])), ledger=make_ledger([consented(HERE, "ata-DISK_sda"), started()]))
    assert found.resumes
    there = Installation(
        kind, Where("lab", "admin", 1, ("ata-DISK_sda",), Who(), "unpack", 0.0), (Esp(f"/dev/{disk}2", disk, ""),)
    )
    if not refused:
        check_unfinished(found, [there])
        return
    with pytest.raises(RackstrapError, match="is installed on this disk already") as raised:
        check_unfinished(found, [there])
    assert raised.value.exit_code == 3
