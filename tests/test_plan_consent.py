"""Consent: the one bug that we cannot have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from installer.model.facts import Disk, Signature
from installer.model.ledger import Consent
from installer.model.problems import RackstrapError
from installer.plan.consent import check_consent, make_consent, parse_consent
from tests.consents import BLANK, DIRTY, LISTED, MARKED, MINE, find_consent, plan_with
from tests.plan_samples import EXT4, OWN, Bench, make_disk, make_machine, make_machines, make_site


def consent_to(disk: Disk, *, used: bool = False, own_mark: bool = False) -> Consent:
    data = make_consent(make_machine(1, [disk]), [disk.id], 1, "test", own_mark=own_mark)
    return replace(parse_consent(data), used=used)


def check(consent: Consent, *disks: Disk, epoch: int = 1, resumes: bool = False) -> list[str]:
    return [problem.message for problem in check_consent(consent, make_machine(1, disks), epoch, resumes)]


@pytest.mark.parametrize(
    ("disk", "now", "message"),
    [
        (BLANK, (BLANK,), ""),
        (DIRTY, (DIRTY,), ""),
        (BLANK, (replace(BLANK, name="sdq"),), ""),
        (DIRTY, (replace(DIRTY, name="sdq", holds=(replace(EXT4, where="sdq1"),)),), ""),
        (BLANK, (), "ata-DISK_sda is not there any more"),
        (BLANK, (make_disk("sdb"),), "ata-DISK_sda is not there any more"),
        (BLANK, (BLANK, BLANK), "ata-DISK_sda is there twice"),
        (BLANK, (replace(BLANK, wwn="0x2"),), "ata-DISK_sda has WWN 0x2, at consent it was 0x1"),
        (BLANK, (replace(BLANK, wwn=""),), "ata-DISK_sda has WWN none, at consent it was 0x1"),
        (BLANK, (replace(BLANK, serial="X"),), "ata-DISK_sda has serial number X, at consent it was SER-sda"),
        (BLANK, (replace(BLANK, size_bytes=9),), "ata-DISK_sda has size 9, at consent it was 20000000000"),
        (BLANK, (DIRTY,), "ata-DISK_sda holds something else than at consent"),
        (DIRTY, (BLANK,), "ata-DISK_sda holds something else than at consent"),
        (DIRTY, (replace(DIRTY, holds=(replace(EXT4, uuid="other"),)),), "ata-DISK_sda holds something else than at consent"),
        (BLANK, (MARKED,), "ata-DISK_sda carries an installation of Rackstrap"),
    ],
)
def test_a_consent_holds_only_while_the_disk_is_what_it_was(disk: Disk, now: tuple[Disk, ...], message: str) -> None:
    assert check(consent_to(disk), *now) == ([message] if message else [])


def test_a_consent_is_for_one_epoch_and_one_installation() -> None:
    assert check(consent_to(BLANK), BLANK, epoch=2) == ["the consent is for installation 1, this would be 2"]
    assert check(consent_to(BLANK, used=True), BLANK) == ["the consent was used up by an installation"]
    assert check(consent_to(BLANK, used=True), BLANK, resumes=True) == []
    assert check(replace(consent_to(BLANK), disks=()), BLANK) == ["the consent names no disk"]


def test_an_installation_that_resumes_finds_its_disk_blank_or_marked_but_nothing_else() -> None:
    used = consent_to(DIRTY, used=True)
    assert [check(used, disk, resumes=True) for disk in (BLANK, MARKED, DIRTY)] == [[], [], []]
    foreign = replace(BLANK, holds=(replace(EXT4, uuid="other"),))
    assert check(used, foreign, resumes=True) == ["ata-DISK_sda holds something else than at consent"]
    assert check(used, replace(MARKED, serial="X"), resumes=True) == [
        "ata-DISK_sda has serial number X, at consent it was SER-sda"
    ]


def test_the_consent_of_a_reinstallation_covers_own_marks_only() -> None:
    own = consent_to(MARKED, own_mark=True)
    assert check(own, MARKED) == []
    assert check(own, replace(BLANK, holds=(*OWN, EXT4))) == []
    assert check(own, DIRTY) == ["ata-DISK_sda holds something else than at consent"]


def test_making_consent_refuses_what_it_must() -> None:
    machine = make_machine(1, [BLANK, replace(MARKED, id="m", name="sdb")])
    for disks, message in (
        ((), "consent names 0 disks"),
        (("ata-DISK_sda", "ata-DISK_sda"), "consent names 2 disks"),
        (("ata-DISK_sda", "m", "x"), "consent names 3 disks"),
        (("ata-DISK_sdz",), "there is no disk ata-DISK_sdz"),
        (("m",), "m carries an installation of Rackstrap"),
    ):
        with pytest.raises(RackstrapError) as caught:
            make_consent(machine, disks, 1, "test")
        assert caught.value.message == message
    assert make_consent(machine, ["m"], 3, "node reinstall", own_mark=True)["own_mark"] is True


@pytest.mark.parametrize(
    ("erase", "disk", "is_given"),
    [
        ("no", BLANK, False),
        ("no", DIRTY, False),
        ("no", MARKED, False),
        ("blank", BLANK, True),
        ("blank", DIRTY, False),
        ("blank", MARKED, False),
        ("blank", replace(BLANK, holds=(Signature("sda", "table", "dos"),)), False),
        (LISTED, BLANK, True),
        (LISTED, DIRTY, True),
        (LISTED, MARKED, False),
        (LISTED, replace(DIRTY, holds=(EXT4, *OWN)), False),
        ("[{machine: s1, disks: [ata-DISK_sda]}]", DIRTY, False),
        ("[{machine: S2, disks: [ata-DISK_sda]}]", DIRTY, False),
        ("[{machine: '52:54:00:00:00:01', disks: [ata-DISK_sda]}]", DIRTY, True),
        ("[{machine: S1, disks: [ata-DISK_sd]}]", DIRTY, False),
        ("[{machine: S1, disks: [ata-DISK_sdb]}]", DIRTY, False),
        ("[{machine: S1, disks: [sda]}]", DIRTY, False),
        ("[{machine: S1, disks: [SER-sda]}]", DIRTY, False),
    ],
)
def test_consent_in_the_file(erase: str, disk: Disk, is_given: bool) -> None:
    plan = plan_with(erase, disk)
    assert find_consent(plan) == (("ata-DISK_sda",) if is_given else ())
    assert plan.nodes[0].disks[0].id == "ata-DISK_sda"


def test_the_file_does_not_consent_for_machines_that_nobody_admitted() -> None:
    assert find_consent(plan_with("blank", BLANK, admit="ask")) == ()
    assert find_consent(plan_with(LISTED, DIRTY, admit="ask")) == ()


def test_an_entry_that_fits_two_machines_consents_for_neither() -> None:
    rules = MINE.replace("serial: S1", "mac: 52:54:00:00:00:01")
    twin = make_machine(2, serial="S1")
    assert find_consent(plan_with(LISTED, DIRTY, rules=rules)) == ("ata-DISK_sda",)
    assert find_consent(plan_with(LISTED, DIRTY, rules=rules, twin=twin)) == ()


def test_a_by_id_name_that_two_disks_share_consents_to_neither() -> None:
    one = replace(DIRTY, id="path-1", by_id=("ata-SAME",))
    two = replace(make_disk("sdb", 30, holds=(EXT4,)), id="path-2", by_id=("ata-SAME",))
    assert find_consent(plan_with("[{machine: S1, disks: [ata-SAME]}]", one, two)) == ()
    assert find_consent(plan_with("[{machine: S1, disks: [path-1]}]", one, two)) == ("path-1",)


def test_every_disk_of_a_mirror_must_be_consented_to() -> None:
    rule = "{name: a, match: {serial: S1}, disk: {smallest: true, mirror: true}}"
    disks = (DIRTY, make_disk("sdb", 30, holds=(EXT4,)))
    assert find_consent(plan_with(LISTED, *disks, rules=rule)) == ()
    both = "[{machine: S1, disks: [ata-DISK_sdb, ata-DISK_sda]}]"
    assert find_consent(plan_with(both, *disks, rules=rule)) == ("ata-DISK_sda", "ata-DISK_sdb")
    assert find_consent(plan_with("blank", BLANK, disks[1], rules=rule)) == ()


def test_a_rule_for_any_machine_consents_only_when_exactly_as_many_are_found_as_expected() -> None:
    site = make_site("erase: blank\nnodes: [{match: {any: true}, expect: 2}]\n")
    found = []
    for numbers in ((1,), (1, 2), (1, 2, 3)):
        bench = Bench(site, make_machines(*numbers))
        for key in bench.machines:
            bench.note("machine_admitted", key)
        found.append(len(find_consent(bench.settle())))
    assert found == [0, 2, 0]


def test_a_consent_given_stays_when_a_third_machine_turns_up() -> None:
    bench = Bench(make_site("erase: blank\nnodes: [{match: {any: true}, expect: 2}]\n"), make_machines(1, 2))
    bench.note("machine_admitted", "m-1")
    bench.settle()
    assert [bool(entry.consent) for entry in bench.ledger.machines.values()] == [True, False]
    bench.discover("m-3", make_machine(3))
    bench.note("machine_admitted", "m-2")
    bench.note("machine_admitted", "m-3")
    bench.settle()
    assert [bool(entry.consent) for entry in bench.ledger.machines.values()] == [True, False, False]


def test_a_consent_for_other_disks_than_the_file_chooses_allows_nothing() -> None:
    disks = (BLANK, make_disk("sdb", 30))
    bench = Bench(make_site(f"nodes: [{MINE}]\n"), {"m-1": make_machine(1, disks)})
    bench.settle()
    bench.note("consent_given", "m-1", **make_consent(bench.machines["m-1"], ["ata-DISK_sdb"], 1, "by hand"))
    plan = bench.settle()
    assert find_consent(plan) == ()
    assert "a: consent was given for ata-DISK_sdb, but the file chooses ata-DISK_sda" in [p.message for p in plan.problems]
    assert [step.key.name for step in plan.steps if step.key.host == "a"] == ["admit"]


def test_a_consent_that_does_not_hold_any_more_allows_nothing() -> None:
    bench = Bench(make_site(f"erase: blank\ndiscovery: {{admit: matched}}\nnodes: [{MINE}]\n"), {"m-1": make_machine(1, [BLANK])})
    assert find_consent(bench.settle()) == ("ata-DISK_sda",)
    bench.discover("m-1", make_machine(1, [DIRTY]))
    plan = bench.settle()
    assert find_consent(plan) == ()
    assert [p.message for p in plan.problems] == ["a: ata-DISK_sda holds something else than at consent"]
