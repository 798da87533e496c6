"""Rules and machines: who fits whom, and who keeps what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from installer.model.facts import Bmc, Lldp
from installer.model.ledger import Ledger
from installer.model.site import Match
from installer.plan.match import find_bmcs, find_matches, is_fit
from installer.plan.natural import make_natural_key
from tests.plan_samples import Bench, make_disk, make_machine, make_machines, make_site


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (Match(), False),
        (Match(any=True), True),
        (Match(serial="S1"), True),
        (Match(serial="S2"), False),
        (Match(serial="S1", product="R1"), True),
        (Match(serial="S1", product="R2"), False),
        (Match(uuid="AA"), True),
        (Match(mac="52:54:00:00:00:01"), True),
        (Match(mac="52:54:00:00:00:01".upper()), True),
        (Match(mac="52:54:00:00:00:02"), False),
        (Match(bmc="10.0.0.9"), True),
        (Match(bmc="10.0.0.8"), False),
        (Match(min_memory_gb=64), True),
        (Match(min_memory_gb=65), False),
        (Match(min_disks=2), True),
        (Match(min_disks=3), False),
        (Match(switch="sw1"), True),
        (Match(switch="sw2"), False),
        (Match(any=True, product="R2"), False),
    ],
)
def test_every_given_field_must_fit(match: Match, fits: bool) -> None:
    machine = make_machine(1, [make_disk("sda"), make_disk("sdb")], uuid="aa")
    nic = replace(machine.nics[0], lldp=Lldp("sw1", "port 7"))
    assert is_fit(match, replace(machine, nics=(nic,)), bmc="10.0.0.9") is fits


def test_rules_that_identify_come_before_any() -> None:
    site = make_site("nodes: [{match: {any: true}, expect: 2}, {name: db, match: {serial: S2}}]\n")
    matches = find_matches(site, make_machines(1, 2, 3), Ledger(), {})
    assert matches.rule_of == {"m-1": 0, "m-3": 0, "m-2": 1}
    assert matches.problems == ()


def test_a_rule_that_too_many_machines_fit_takes_none() -> None:
    site = make_site("nodes: [{match: {any: true}, expect: 2}]\n")
    matches = find_matches(site, make_machines(1, 2, 3), Ledger(), {})
    assert matches.rule_of == {}
    assert matches.fitting == {0: 3}
    assert [p.message for p in matches.problems] == [
        "3 machines fit where 2 are expected; not bound: m-1 (S1), m-2 (S2), m-3 (S3)"
    ]
    assert matches.problems[0].severity == "error"


def test_nobody_waits_for_more_machines_where_too_many_fit() -> None:
    site = make_site("nodes: [{match: {any: true}, expect: 2}]\n")
    waits = [
        ["match" in str(step.key) for step in Bench(site, make_machines(*range(n))).settle().steps].count(True) for n in (1, 2, 3)
    ]
    assert waits == [1, 0, 0]


def test_twins_with_one_serial_fit_no_rule_by_that_serial() -> None:
    site = make_site("nodes: [{name: a, match: {serial: S1}}]\n")
    twins = {"m-1": make_machine(1), "m-2": make_machine(2, serial="S1")}
    matches = find_matches(site, twins, Ledger(), {})
    assert matches.rule_of == {}
    assert matches.problems[0].hint == "narrow the match: serial, uuid or mac"


def test_bound_machines_stay_when_a_newcomer_fits_too() -> None:
    bench = Bench(make_site("nodes: [{match: {any: true}, expect: 2}]\n"), make_machines(2, 3))
    bench.settle()
    bench.discover("m-1", make_machine(1))
    plan = bench.settle()
    assert {node.name: node.machine for node in plan.nodes} == {"node1": "m-2", "node2": "m-3"}
    assert [problem.severity for problem in plan.problems] == ["warning"]


def test_bound_machines_follow_their_rule_when_the_file_is_reordered() -> None:
    first = make_site("nodes: [{name: a, match: {serial: S1}}, {name: b, match: {serial: S2}}]\n")
    bench = Bench(first, make_machines(1, 2))
    bench.settle()
    bench.site = make_site(
        "nodes: [{name: c, match: {serial: S3}}, {name: b, match: {serial: S2}}, {name: a, match: {serial: S1}}]\n"
    )
    plan = bench.settle()
    assert [(node.name, node.machine, node.rule) for node in plan.nodes] == [("c", "", 0), ("b", "m-2", 1), ("a", "m-1", 2)]


def test_a_node_that_no_rule_fits_any_more_is_kept_but_not_installed() -> None:
    bench = Bench(make_site("nodes: [{name: a, match: {serial: S1}}]\n"), make_machines(1))
    bench.settle()
    bench.site = make_site("nodes: []\n")
    plan = bench.settle()
    assert [(node.name, node.rule) for node in plan.nodes] == [("a", -1)]
    assert [str(step.key) for step in plan.steps] == ["admin/dnsmasq", "admin/nginx", "a/admit"]
    assert plan.problems[0].message == "no rule fits a (machine m-1) any more"


def test_bmc_addresses_come_from_the_import_then_from_the_machine() -> None:
    ledger = Bench(make_site("nodes: []\n")).ledger
    bench = Bench(make_site("nodes: []\n"))
    bench.note("bmc_imported", "admin", address="10.0.0.9", serial="S1", user="u", secret="bmc/s1")
    bench.note("bmc_imported", "admin", address="10.0.0.7", serial="S3", user="u", secret="bmc/s3")
    machines = {
        "m-1": make_machine(1, bmc=Bmc("10.9.9.9")),
        "m-2": make_machine(2, bmc=Bmc("10.0.0.8")),
        "m-3": make_machine(3),
        "m-4": make_machine(4, serial="S3"),
        "m-5": make_machine(5, bmc=Bmc("0.0.0.0")),
    }
    assert find_bmcs(machines, bench.ledger) == {"m-1": "10.0.0.9", "m-2": "10.0.0.8"}
    assert find_bmcs(machines, ledger) == {"m-1": "10.9.9.9", "m-2": "10.0.0.8"}


def test_a_bmc_address_that_two_machines_claim_is_nobodys() -> None:
    """A factory default, or a machine that lies: switching it would switch somebody else."""
    bench = Bench(make_site("nodes: []\n"))
    bench.note("bmc_imported", "admin", address="10.0.0.9", serial="S1", user="u", secret="bmc/s1")
    factory = Bmc("192.168.0.120")
    machines = {
        "m-1": make_machine(1),
        "m-2": make_machine(2, bmc=Bmc("10.0.0.9")),
        "m-3": make_machine(3, bmc=factory),
        "m-4": make_machine(4, bmc=factory),
    }
    assert find_bmcs(machines, bench.ledger) == {"m-1": "10.0.0.9"}


def test_natural_order() -> None:
    assert sorted(["n10", "n9", "m", "n", "9", "n١"], key=make_natural_key) == ["9", "m", "n", "n9", "n10", "n١"]
