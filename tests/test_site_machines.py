"""A site held against machines: matches, disks, consents, cards and firmware."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from installer.cli import run
from installer.model.facts import Bmc, Cpu, Disk, Firmware, Machine, Nic
from installer.site import check_site, parse_site

GB = 10**9
MACHINES = Path(__file__).parent / "machines"
HEAD = """\
rackstrap: 1
name: lab
domain: lab.example
access: {ssh_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAFroTJnxFXeOCx6F/r5Loyq6sLLCI/SWhHafajcd5fa operator@desk]}
admin: {address: 192.168.124.10}
"""


def make_machine(number: int, **changes: object) -> Machine:
    machine = Machine(
        uuid=f"00000000-0000-0000-0000-{number:012d}",
        serial=f"SN-{number:04d}",
        vendor="Rack",
        product="Blade",
        cpu=Cpu(),
        memory_bytes=8 * GB,
        firmware=Firmware(mode="uefi"),
        nics=(Nic("eno1", f"52:54:00:00:00:{number:02x}", speed_mbps=1000, has_link=True, pci_path="0000:01:00.0"),),
        disks=(
            Disk("wwn-0x1", "sda", 100 * GB, by_id=("wwn-0x1", "ata-A_1"), wwn=f"0x1{number}", serial="A_1", transport="sata"),
            Disk("wwn-0x2", "sdb", 200 * GB, by_id=("wwn-0x2", "ata-B_2"), wwn=f"0x2{number}", serial="B_2", transport="sata"),
            Disk("usb-Stick", "sdc", 16 * GB, removable=True, transport="usb"),
        ),
        bmc=Bmc(address=f"192.168.124.{170 + number}"),
    )
    return replace(machine, **changes)  # type: ignore[arg-type]


TWO: Mapping[str, Machine] = {"m-1": make_machine(1), "m-2": make_machine(2)}
SECURE = Firmware(mode="uefi", secure_boot=True)


def find_problems(text: str, machines: Mapping[str, Machine] = TWO, *, are_all: bool = True) -> list[str]:
    """What is said, without hints: `line: message`, warnings marked."""
    loaded = parse_site((HEAD + text).encode(), "x")
    assert not loaded.problems
    return [
        f"{p.place.line - HEAD.count(chr(10))}: {'warning: ' if p.severity == 'warning' else ''}{p.message}"
        for p in check_site(loaded, machines, are_all=are_all)
    ]


def test_machines_that_fit_bring_no_problem() -> None:
    text = "nodes:\n- {name: n1, match: {serial: SN-0001}}\n- {name: n2, match: {bmc: 192.168.124.172}, disk: {serial: B_2}}\n"
    assert find_problems(text) == []


@pytest.mark.parametrize(
    ("match", "said"),
    [
        ("serial: SN-0003", "2: no machine has the serial `SN-0003`"),
        ('mac: "52:54:00:00:00:99"', "2: no machine has the mac `52:54:00:00:00:99`"),
        ("product: Tower", "2: no machine fits"),
        ("min_memory_gb: 9", "2: no machine fits"),
    ],
)
def test_a_match_that_fits_no_machine(match: str, said: str) -> None:
    assert find_problems(f"nodes:\n- {{match: {{{match}}}}}\n") == [said]


def test_a_serial_number_with_a_slip_is_suggested() -> None:
    loaded = parse_site((HEAD + "nodes:\n- {match: {serial: SN-0O01}}\n").encode(), "x")
    assert [p.hint for p in check_site(loaded, TWO, are_all=True)] == ["did you mean SN-0001?"]


def test_while_machines_may_still_come_a_missing_one_is_a_warning() -> None:
    assert find_problems("nodes:\n- {match: {serial: SN-0003}}\n", are_all=False) == ["2: warning: no machine fits yet"]


def test_a_match_that_fits_several() -> None:
    said = "2: 2 machines fit where 1 is expected; not bound: m-1 (SN-0001), m-2 (SN-0002)"
    assert find_problems("nodes:\n- {match: {product: Blade}}\n") == [said]
    twins = {"m-1": make_machine(1), "m-2": make_machine(2, serial="SN-0001")}
    said = "2: 2 machines fit where 1 is expected; not bound: m-1 (SN-0001), m-2 (SN-0001)"
    assert find_problems("nodes:\n- {name: n1, match: {serial: SN-0001}}\n", twins) == [said]


def test_more_machines_than_any_expects() -> None:
    said = "2: 2 machines fit where 1 is expected; not bound: m-1 (SN-0001), m-2 (SN-0002)"
    assert find_problems("nodes:\n- {match: {any: true}, expect: 1}\n") == [said]
    assert find_problems("nodes:\n- {match: {any: true}, expect: 3}\n") == ["2: no machine fits (1 of 3 missing)"]


@pytest.mark.parametrize(
    ("disk", "said"),
    [
        ("{by_id: ata-A_1}", None),
        ("{by_id: wwn-0x9}", "SN-0001: no disk has by_id wwn-0x9"),
        ("{by_id: usb-Stick}", "SN-0001: disk usb-Stick is not offered: it is removable"),
        ("{by_id: wwn-0x1, min_gb: 150}", "SN-0001: disk wwn-0x1 is not offered: it is smaller than 150 GB"),
        ("{serial: [A_1, B_2], mirror: true}", None),
        ("{smallest: true, mirror: true, min_gb: 150}", "SN-0001: 1 of 2 disks that may be chosen"),
        ("{largest: true, min_gb: 500}", "SN-0001: 0 of 1 disks that may be chosen"),
    ],
)
def test_disks_that_a_machine_cannot_offer(disk: str, said: str | None) -> None:
    found = find_problems(f"nodes:\n- match: {{serial: SN-0001}}\n  disk: {disk}\n")
    assert [p.removeprefix("3: ").split(" (")[0] for p in found] == ([said] if said else [])


def test_no_disk_and_a_disk_of_a_san() -> None:
    bare = {"m-1": make_machine(1, disks=())}
    assert find_problems("nodes:\n- {match: {serial: SN-0001}}\n", bare) == [
        "2: SN-0001: 0 of 1 disks that may be chosen (it has no disk)"
    ]
    volume = Disk("wwn-0x7", "sda", 100 * GB, wwn="0x7", transport="sas")
    shared = {"m-1": make_machine(1, disks=(volume,)), "m-2": make_machine(2, disks=(volume,))}
    found = find_problems("nodes:\n- {match: {serial: SN-0001}}\n", shared)
    assert found == ["2: SN-0001: 0 of 1 disks that may be chosen (wwn-0x7: its WWN is seen more than once (SAN or multipath))"]


def test_consent_for_machines_and_disks_that_do_not_exist() -> None:
    text = """\
erase:
- {machine: SN-0001, disks: [wwn-0x1, ata-B_2, wwn-0x3]}
- {machine: SN-0004, disks: wwn-0x1}
- {machine: "52:54:00:00:00:02", disks: ata-A_1}
nodes:
- {match: {product: Blade}, expect: 2}
"""
    assert find_problems(text) == ["2: SN-0001 has no disk `wwn-0x3`", "3: no machine is `SN-0004`"]
    assert find_problems(text, are_all=False) == ["2: SN-0001 has no disk `wwn-0x3`"]
    twins = {"m-1": make_machine(1), "m-2": make_machine(2, serial="SN-0001")}
    assert "2: 2 machines go by `SN-0001`" in find_problems(text, twins)


def test_proxy_dhcp_and_secure_boot_do_not_go_together() -> None:
    text = "services: {dhcp: proxy}\nnodes:\n- {match: {serial: SN-0001}}\n"
    warning = "1: warning: proxy DHCP does not serve machines with Secure Boot"
    assert find_problems(text) == [warning]
    secure = {**TWO, "m-1": make_machine(1, firmware=SECURE)}
    assert find_problems(text, secure) == [warning, "1: proxy DHCP cannot boot machines with Secure Boot: SN-0001"]
    other = {**TWO, "m-2": make_machine(2, firmware=SECURE)}
    assert find_problems(text, other) == [warning]


def test_a_machine_without_the_card_that_the_admin_network_needs() -> None:
    text = "conduits: {intf0: {nics: 10g1}}\nnodes:\n- {match: {serial: SN-0001}}\n"
    assert find_problems(text) == ["3: SN-0001: no network card fits the conduit intf0 (10g1)"]


def test_the_verb_takes_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = MACHINES / "bios-virtio.json"
    site = tmp_path / "site.yaml"
    site.write_text(HEAD + "nodes:\n- {name: n1, match: {serial: BV0001}}\n- {name: n2, match: {serial: BV0002}}\n")
    assert run(["check", str(site), "--machine", str(recording)]) == 1
    assert capsys.readouterr().out == f"{site}:8:30: no machine has the serial `BV0002`; did you mean BV0001?\n"
    assert run(["check", str(site), "--machine", str(recording), str(recording)]) == 2
    assert "given already" in capsys.readouterr().err
    assert run(["check", str(site), "--machine", str(site)]) == 2
    assert "is no recording" in capsys.readouterr().err
