"""Consent after an installation: what a reinstallation, a reset or a failed attempt may still erase."""

from __future__ import annotations

from itertools import product

from installer.model.facts import Disk
from tests.consents import BLANK, DIRTY, INSTALLED, LISTED, MARKED, MINE, find_consent
from tests.plan_samples import EXT4, OWN, Bench, make_disk, make_machine, make_site


def install(bench: Bench, epoch: int, *disks: Disk) -> None:
    bench.note("install_started", "m-1", epoch=epoch)
    bench.note("node_installed", "m-1", epoch=epoch, **INSTALLED)
    bench.discover("m-1", make_machine(1, disks))


def test_a_reinstallation_asks_for_a_discovery_then_takes_own_disks_alone() -> None:
    bench = Bench(make_site(f"erase: blank\ndiscovery: {{admit: matched}}\nnodes: [{MINE}]\n"), {"m-1": make_machine(1, [BLANK])})
    bench.settle()
    install(bench, 1, MARKED)
    bench.settle()
    bench.note("reinstall_asked", "m-1", epoch=2, disks=["ata-DISK_sda"])
    plan = bench.settle()
    assert find_consent(plan) == ()
    assert [step.key.name for step in plan.steps if step.key.host == "a"] == [
        "rediscover",
        "admit",
        "allocate",
        "install",
        "boot",
    ]
    step = next(step for step in plan.steps if step.key.name == "rediscover")
    bench.note("step_done", "a", name="rediscover", id=step.id)
    assert find_consent(bench.settle()) == ("ata-DISK_sda",)
    consent = bench.ledger.machines["m-1"].consent
    assert consent is not None
    assert (consent.own_mark, consent.how, consent.epoch) == (True, "node reinstall", 2)


def test_a_reinstallation_takes_no_disk_that_the_operator_was_not_shown() -> None:
    """Another node's disk, put into this machine since, is marked too, and would come before its own."""
    bench = Bench(make_site(f"discovery: {{admit: matched}}\nnodes: [{MINE}]\n"), {"m-1": make_machine(1, [BLANK])})
    bench.settle()
    install(bench, 1, MARKED)
    bench.note("reinstall_asked", "m-1", epoch=2, disks=["ata-DISK_sda"])
    step = next(step for step in bench.settle().steps if step.key.name == "rediscover")
    bench.discover("m-1", make_machine(1, [MARKED, make_disk("sdb", 19, holds=OWN)]))
    bench.note("step_done", "a", name="rediscover", id=step.id)
    plan = bench.settle()
    assert [disk.id for disk in plan.nodes[0].disks] == ["ata-DISK_sdb"]
    assert (find_consent(plan), bench.ledger.machines["m-1"].consent) == ((), None)


def test_a_reinstallation_never_takes_a_disk_without_own_mark() -> None:
    bench = Bench(make_site(f"discovery: {{admit: matched}}\nnodes: [{MINE}]\n"), {"m-1": make_machine(1, [BLANK])})
    bench.settle()
    bench.note("reinstall_asked", "m-1", epoch=2, disks=["ata-DISK_sda"])
    step = next(step for step in bench.settle().steps if step.key.name == "rediscover")
    bench.note("step_done", "a", name="rediscover", id=step.id)
    for disk in (BLANK, DIRTY):
        bench.discover("m-1", make_machine(1, [disk]))
        assert find_consent(bench.settle()) == ()


def test_a_reinstallation_takes_a_replaced_half_of_a_mirror_only_while_it_is_blank() -> None:
    rule = "{name: a, match: {serial: S1}, disk: {smallest: true, mirror: true}}"
    for other, is_given in ((make_disk("sdb", 30), True), (make_disk("sdb", 30, holds=(EXT4,)), False)):
        bench = Bench(make_site(f"discovery: {{admit: matched}}\nnodes: [{rule}]\n"), {"m-1": make_machine(1, [MARKED, other])})
        bench.settle()
        bench.note("reinstall_asked", "m-1", epoch=2, disks=["ata-DISK_sda"])
        step = next(step for step in bench.settle().steps if step.key.name == "rediscover")
        bench.note("step_done", "a", name="rediscover", id=step.id)
        assert find_consent(bench.settle()) == (("ata-DISK_sda", "ata-DISK_sdb") if is_given else ())


def test_after_a_reset_the_file_does_not_erase_what_rackstrap_installed() -> None:
    for erase, disk in product(("blank", LISTED), (BLANK, MARKED)):
        bench = Bench(
            make_site(f"erase: {erase}\ndiscovery: {{admit: matched}}\nnodes: [{MINE}]\n"), {"m-1": make_machine(1, [BLANK])}
        )
        bench.settle()
        install(bench, 1, disk)
        bench.note("node_reset", "m-1")
        assert find_consent(bench.settle()) == ()
        step = next(step for step in bench.settle().steps if step.key.name == "rediscover")
        bench.note("step_done", "a", name="rediscover", id=step.id)
        assert find_consent(bench.settle()) == (() if disk is MARKED else ("ata-DISK_sda",))


def test_an_installation_that_has_begun_keeps_the_disks_of_its_consent() -> None:
    site = f"erase: blank\ndiscovery: {{admit: matched}}\nnodes: [{MINE}]\n"
    bench = Bench(make_site(site), {"m-1": make_machine(1, [BLANK])})
    bench.settle()
    bench.note("install_started", "m-1", epoch=1)
    bench.discover("m-1", make_machine(1, [MARKED, make_disk("sdb", 10)]))
    plan = bench.settle()
    assert find_consent(plan) == ("ata-DISK_sda",)
    assert [disk.id for disk in plan.nodes[0].disks] == ["ata-DISK_sda"]


def test_a_failed_installation_keeps_its_used_consent_and_gets_no_second_one() -> None:
    bench = Bench(make_site(f"erase: blank\ndiscovery: {{admit: matched}}\nnodes: [{MINE}]\n"), {"m-1": make_machine(1, [BLANK])})
    bench.settle()
    bench.note("install_started", "m-1", epoch=1)
    bench.note("order_failed", "m-1", order="o1", reason="no space")
    bench.settle()
    consent = bench.ledger.machines["m-1"].consent
    assert consent is not None
    assert consent.used
