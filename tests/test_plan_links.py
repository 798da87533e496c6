"""Conduits on real-looking machines: NICs, bonds, VLANs, routes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from installer.model.facts import Lldp, Machine, Nic
from installer.model.network import Link
from installer.model.site import Conduit
from installer.plan.conduits import find_nics
from installer.plan.links import make_node_network
from tests.plan_samples import make_machine, make_site

A = Nic("eno1", "52:00:00:00:00:01", speed_mbps=1000, pci_path="pci-0000:01:00.0")
B = Nic("eno2", "52:00:00:00:00:02", speed_mbps=1000, pci_path="pci-0000:01:00.1", lldp=Lldp("sw1", "Eth 7"))
C = Nic("ens10", "52:00:00:00:00:03", speed_mbps=10_000, pci_path="pci-0000:10:00.0")
D = Nic("ens2", "52:00:00:00:00:04", speed_mbps=None, pci_path="pci-0000:02:00.0")
FOUR = replace(make_machine(1), nics=(C, B, D, A), boot_nic="")
PUBLIC = "public: {subnet: 10.3.0.0/24, conduit: intf1, vlan: 300, router: 10.3.0.1, ranges: {host: .10-.20}}"


@pytest.mark.parametrize(
    ("member", "boots", "name"),
    [
        ("1g1", "", "eno1"),
        ("1g2", "", "eno2"),
        ("1g3", "", ""),
        ("10g1", "", "ens10"),
        ("10g2", "", ""),
        ("+1g1", "", "eno1"),
        ("+1g3", "", "ens10"),
        ("+10g1", "", "ens10"),
        ("-10g3", "", "ens10"),
        ("-1g3", "", ""),
        ("-100m1", "", ""),
        ("?1g1", "", "eno1"),
        ("?1g3", "", "ens2"),
        ("?1g4", "", "ens10"),
        ("?1g5", "", ""),
        ("?1g1", C.mac, "ens10"),
        ("?1g2", C.mac, "eno1"),
        ("1g1", C.mac, "eno1"),
        ("mac=52:00:00:00:00:04", "", "ens2"),
        ("mac=52:00:00:00:00:09", "", ""),
        ("pci=pci-0000:10:00.0", "", "ens10"),
        ("pci=0000:10:00.0", "", "ens10"),
        ("pci=10:00.0", "", ""),
        ("lldp=sw1/Eth 7", "", "eno2"),
        ("lldp=sw1/Eth 8", "", ""),
        ("1g0", "", ""),
        ("x", "", ""),
        ("ipv4=1", "", ""),
    ],
)
def test_what_a_member_means(member: str, boots: str, name: str) -> None:
    nics, missing = find_nics(Conduit("c", (member,)), replace(FOUR, boot_nic=boots))
    assert ([nic.name for nic in nics], missing) == (([name], ()) if name else ([], (member,)))


def test_nics_count_in_the_order_of_the_bus_not_of_their_names() -> None:
    assert [nic.name for nic in find_nics(Conduit("c", ("?1g1", "?1g2", "?1g3", "?1g4")), FOUR)[0]] == [
        "eno1",
        "eno2",
        "ens2",
        "ens10",
    ]


def wire(text: str, machine: Machine, **addresses: str) -> tuple[tuple[Link, ...], list[str]]:
    site = make_site(text)
    network, problems = make_node_network("n", site, machine, {"admin": "192.168.124.81/24", **addresses})
    assert (network.fqdn, network.address) == ("n.lab.example", "192.168.124.81")
    return network.links, [problem.message for problem in problems]


def test_one_nic_carries_the_admin_network() -> None:
    links, problems = wire("conduits: {intf0: {nics: ['?1g1']}}\n", FOUR)
    admin = Link(
        "eno1",
        "nic",
        mac=A.mac,
        networks=("admin",),
        addresses=("192.168.124.81/24",),
        router="192.168.124.1",
        dns=("192.168.124.10",),
        domains=("lab.example",),
    )
    assert (links, problems) == ((admin,), [])


def test_a_bond_with_a_vlan_on_it_and_the_public_route() -> None:
    text = f"""networks:
  admin: {{subnet: 192.168.124.0/24, conduit: intf0, router: 192.168.124.1, ranges: {{dhcp: .21-.80, host: .81-.160}}}}
  storage: {{subnet: 10.1.0.0/24, conduit: intf1, vlan: 200, mtu: 9000, ranges: {{host: .10-.20}}}}
  {PUBLIC}
conduits: {{intf0: {{nics: ['1g1', '1g2']}}, intf1: {{nics: ['10g1', '?1g3'], bond_mode: 802.3ad}}}}
"""
    links, problems = wire(text, FOUR, storage="10.1.0.10/24", public="10.3.0.10/24")
    assert problems == []
    assert links == (
        Link("eno1", "nic", mac=A.mac),
        Link("eno2", "nic", mac=B.mac),
        Link("ens10", "nic", mac=C.mac, mtu=9000),
        Link("ens2", "nic", mac=D.mac, mtu=9000),
        Link(
            "intf0",
            "bond",
            members=("eno1", "eno2"),
            bond_mode="active-backup",
            networks=("admin",),
            addresses=("192.168.124.81/24",),
            dns=("192.168.124.10",),
            domains=("lab.example",),
        ),
        Link("intf1", "bond", members=("ens10", "ens2"), bond_mode="802.3ad", mtu=9000),
        Link("intf1.200", "vlan", vlan_id=200, parent="intf1", networks=("storage",), addresses=("10.1.0.10/24",), mtu=9000),
        Link(
            "intf1.300",
            "vlan",
            vlan_id=300,
            parent="intf1",
            networks=("public",),
            addresses=("10.3.0.10/24",),
            router="10.3.0.1",
        ),
    )


def test_networks_of_one_vlan_share_its_link() -> None:
    text = f"""networks:
  {PUBLIC}
  floating: {{subnet: 10.3.1.0/24, conduit: intf1, vlan: 300, ranges: {{host: .10-.20}}}}
conduits: {{intf0: {{nics: ['1g1']}}, intf1: {{nics: ['1g1']}}}}
"""
    links, problems = wire(text, FOUR, public="10.3.0.10/24", floating="10.3.1.10/24")
    assert problems == []
    assert [(link.name, link.addresses) for link in links] == [
        ("eno1", ("192.168.124.81/24",)),
        ("eno1.300", ("10.3.0.10/24", "10.3.1.10/24")),
    ]


def test_a_long_name_of_a_nic_does_not_make_a_vlan_that_the_kernel_refuses() -> None:
    machine = replace(FOUR, nics=(replace(A, name="enp129s0f1np1"),))
    links, _ = wire(f"networks: {{{PUBLIC}}}\nconduits: {{intf1: {{nics: ['?1g1']}}}}\n", machine, public="10.3.0.10/24")
    assert [link.name for link in links] == ["enp129s0f1np1", "vlan300"]


def test_what_cannot_be_wired_is_a_problem() -> None:
    text = "conduits: {intf0: {nics: ['10g2']}}\n"
    links, problems = wire(text, FOUR)
    assert links == ()
    assert [problem.partition(" (")[0] for problem in problems] == ["n has no NIC for 10g2"]
    both = f"networks: {{{PUBLIC}}}\nconduits: {{intf0: {{nics: ['1g1']}}, intf1: {{nics: ['1g1', '1g2']}}}}\n"
    assert wire(both, FOUR, public="10.3.0.10/24")[1] == ["eno1 is in two conduits"]


def test_a_bond_goes_on_with_the_members_that_are_there_and_says_so() -> None:
    links, problems = wire("conduits: {intf0: {nics: ['1g1', '10g7']}}\n", FOUR)
    assert [link.name for link in links] == ["eno1", "intf0"]
    assert [problem.partition(" (")[0] for problem in problems] == ["n has no NIC for 10g7"]
