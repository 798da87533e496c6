"""Names and addresses: given once, kept for good, never twice."""

from __future__ import annotations

import random
from ipaddress import ip_address, ip_interface

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plan_samples import Bench, make_machine, make_machines, make_site

ANY = "nodes: [{match: {product: R1}, expect: 60}]\n"


def read_addresses(bench: Bench) -> dict[str, str]:
    return {node.name: node.addresses["admin"] for node in bench.settle().nodes}


def test_the_lowest_free_names_and_addresses_are_given_in_natural_order() -> None:
    bench = Bench(make_site(ANY), make_machines(10, 9, 1))
    assert {node.name: node.machine for node in bench.settle().nodes} == {"node1": "m-1", "node2": "m-9", "node3": "m-10"}
    assert read_addresses(bench) == {
        "node1": "192.168.124.81/24",
        "node2": "192.168.124.82/24",
        "node3": "192.168.124.83/24",
    }


def test_a_gap_is_filled_and_the_others_stay() -> None:
    bench = Bench(make_site(ANY), make_machines(1, 2, 3))
    bench.settle()
    bench.forget("m-2")
    bench.discover("m-7", make_machine(7))
    bench.discover("m-8", make_machine(8))
    assert {node.name: (node.machine, node.addresses["admin"]) for node in bench.settle().nodes} == {
        "node1": ("m-1", "192.168.124.81/24"),
        "node3": ("m-3", "192.168.124.83/24"),
        "node2": ("m-7", "192.168.124.82/24"),
        "node4": ("m-8", "192.168.124.84/24"),
    }


def test_names_that_rules_reserve_or_the_admin_has_are_not_given() -> None:
    rules = "nodes: [{match: {product: R1}, expect: 60}, {name: node1, match: {serial: S9}}]\n"
    text = "admin: {hostname: node2, address: 192.168.124.10}\n" + rules
    bench = Bench(make_site(text), make_machines(1, 2, 9))
    assert {node.name: node.machine for node in bench.settle().nodes} == {"node3": "m-1", "node4": "m-2", "node1": "m-9"}


def test_a_renamed_node_keeps_its_name_and_the_file_is_told() -> None:
    bench = Bench(make_site("nodes: [{name: a, match: {serial: S1}}]\n"), make_machines(1))
    bench.settle()
    bench.note("node_renamed", "m-1", name="b")
    plan = bench.settle()
    assert [node.name for node in plan.nodes] == ["b"]
    assert [problem.message for problem in plan.problems] == ["this machine is known as b, and keeps that name"]


def test_a_new_machine_does_not_take_the_name_of_one_that_is_known() -> None:
    bench = Bench(make_site("nodes: [{name: a, match: {serial: S1}}]\n"), make_machines(1))
    bench.settle()
    bench.discover("m-1", make_machine(1, serial="S7"))
    bench.discover("m-2", make_machine(2, serial="S1"))
    plan = bench.settle()
    assert [(node.name, node.machine) for node in plan.nodes] == [("a", "m-1")]
    assert "machine m-2 would be a, but machine m-1 has that name" in [problem.message for problem in plan.problems]


def test_an_explicit_address_wins_and_is_kept_free_before_its_machine_comes() -> None:
    rules = "nodes: [{match: {serial: S1}}, {match: {serial: S2}, address: 192.168.124.81}]\n"
    bench = Bench(make_site(rules), make_machines(1))
    assert read_addresses(bench) == {"node1": "192.168.124.82/24"}
    bench.discover("m-2", make_machine(2))
    assert read_addresses(bench) == {"node1": "192.168.124.82/24", "node2": "192.168.124.81/24"}


def test_an_explicit_address_that_another_node_holds_is_a_problem() -> None:
    bench = Bench(make_site("nodes: [{name: a, match: {serial: S1}}]\n"), make_machines(1, 2))
    bench.settle()
    bench.site = make_site("nodes: [{name: a, match: {serial: S1}}, {name: b, match: {serial: S2}, address: 192.168.124.81}]\n")
    plan = bench.plan()
    assert [p.message for p in plan.problems] == ["192.168.124.81 for b on admin belongs to a"]
    assert [str(s.key) for s in plan.steps if s.key.host == "b"] == ["b/admit"]


def test_an_installed_node_keeps_its_address_whatever_the_file_says() -> None:
    bench = Bench(make_site("nodes: [{name: a, match: {serial: S1}}]\n"), make_machines(1))
    bench.settle()
    data = {"boot_id": "b", "soft_reboots": 1, "ssh_host_keys": [], "root": "/dev/sda3", "disk": "d", "address": "x"}
    bench.note("node_installed", "m-1", epoch=1, **data)
    bench.site = make_site("nodes: [{name: a, match: {serial: S1}, address: 192.168.124.99}]\n")
    plan = bench.settle()
    assert plan.nodes[0].addresses == {"admin": "192.168.124.81/24"}
    assert [p.message for p in plan.problems if "keeps it" in p.message] == ["a is installed with 192.168.124.81 and keeps it"]


def test_a_full_range_is_a_problem_of_those_that_get_nothing() -> None:
    text = "networks: {admin: {subnet: 192.168.124.0/24, conduit: intf0, ranges: {dhcp: .21-.80, host: .81-.82}}}\n" + ANY
    plan = Bench(make_site(text), make_machines(1, 2, 3)).settle()
    assert [node.addresses.get("admin") for node in plan.nodes] == ["192.168.124.81/24", "192.168.124.82/24", None]
    assert "no address is left for node3 in 192.168.124.81-192.168.124.82" in [p.message for p in plan.problems]


def test_every_network_that_a_role_names_has_an_address() -> None:
    network = "{subnet: 10.1.0.0/24, conduit: intf0, vlan: 7, ranges: {host: .10-.20}}"
    text = f"networks: {{storage: {network}}}\nroles: {{base: {{networks: [storage]}}}}\n"
    plan = Bench(make_site(text + ANY), make_machines(1, 2)).settle()
    assert [dict(node.addresses) for node in plan.nodes] == [
        {"admin": "192.168.124.81/24", "storage": "10.1.0.10/24"},
        {"admin": "192.168.124.82/24", "storage": "10.1.0.11/24"},
    ]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=12), st.randoms(use_true_random=False))
def test_coming_and_going_never_moves_a_node_nor_gives_anything_twice(
    moves: list[tuple[bool, int]], shuffle: random.Random
) -> None:
    bench = Bench(make_site(ANY))
    for comes, number in moves:
        key = f"m-{number}"
        before = {node.machine: (node.name, dict(node.addresses)) for node in bench.plan().nodes}
        if comes and key not in bench.machines:
            bench.discover(key, make_machine(number))
        elif not comes and key in bench.machines:
            bench.forget(key)
        order = list(bench.machines)
        shuffle.shuffle(order)
        bench.machines = {key: bench.machines[key] for key in order}
        nodes = bench.settle().nodes
        after = {node.machine: (node.name, dict(node.addresses)) for node in nodes}
        assert {key: value for key, value in after.items() if key in before} == {k: v for k, v in before.items() if k in after}
        given_out = [node.addresses["admin"] for node in nodes]
        assert len(set(given_out)) == len(given_out) == len({node.name for node in nodes})
        inside = [int(ip_interface(address).ip) for address in given_out]
        assert all(int(ip_address("192.168.124.81")) <= address <= int(ip_address("192.168.124.160")) for address in inside)
