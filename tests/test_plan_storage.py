"""Disks: which are offered, which are chosen, and that no other ever is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from installer.model.facts import Disk, Health, Machine, Signature
from installer.model.problems import Place
from installer.model.site import DiskChoice
from installer.plan.describe import describe_bytes, describe_holds, join_words
from installer.plan.layout import check_layout
from installer.plan.storage import choose_disks, find_offered, find_refusal, find_shared_wwns
from tests.plan_samples import EXT4, GB, OWN, TABLE, make_disk, make_machine

LEAST = GB


def choose(choice: DiskChoice, *disks: Disk) -> tuple[str, ...]:
    return tuple(disk.id for disk in choose_disks(choice, make_machine(1, disks), frozenset(), LEAST).disks)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"rotational": True}, ""),
        ({"holds": (EXT4,)}, ""),
        ({"holds": OWN}, ""),
        ({"transport": "unknown"}, ""),
        ({"removable": True}, "it is removable"),
        ({"transport": "usb"}, "it is on USB"),
        ({"transport": "fc"}, "it is reached over Fibre Channel"),
        ({"transport": "iscsi"}, "it is reached over iSCSI"),
        ({"read_only": True}, "it is read-only"),
        ({"wwn": "0x5000"}, "its WWN is seen more than once (SAN or multipath)"),
        ({"health": Health("failing")}, "its health is failing"),
        ({"health": Health("failing", "12 sectors lost")}, "its health is failing: 12 sectors lost"),
        ({"health": Health("unknown")}, ""),
        ({"size_bytes": LEAST - 1}, "it is too small (999999999 of 1000000000 bytes)"),
        ({"size_bytes": LEAST}, ""),
    ],
)
def test_why_a_disk_is_not_offered(changes: dict[str, Any], reason: str) -> None:
    assert find_refusal(make_disk(**changes), frozenset({"0x5000"}), LEAST) == reason


def test_a_wwn_in_two_machines_or_twice_in_one_is_shared() -> None:
    one = make_machine(1, [make_disk("sda", wwn="0x1"), make_disk("sdb", wwn="0x2")])
    two = make_machine(
        2, [make_disk("sda", wwn="0x1"), make_disk("sdc", wwn="0x3"), make_disk("sdd", wwn="0x3"), make_disk("sde")]
    )
    assert find_shared_wwns([one, two]) == {"0x1", "0x3"}


def test_two_disks_of_one_id_are_neither_offered() -> None:
    offered, refused = find_offered(make_machine(1, [make_disk("sda"), make_disk("sda", 30)]), frozenset(), LEAST)
    assert offered == ()
    assert [reason for _, reason in refused] == ["another disk has the same id"] * 2


@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        (DiskChoice(), ("ata-DISK_sdb",)),
        (DiskChoice(largest=True), ("ata-DISK_sdc",)),  # equals: the smaller id
        (DiskChoice(min_gb=30), ("ata-DISK_sdc",)),
        (DiskChoice(min_gb=41), ()),
        (DiskChoice(mirror=True), ("ata-DISK_sdb", "ata-DISK_sda")),
        (DiskChoice(mirror=True, largest=True), ("ata-DISK_sdc", "ata-DISK_sdd")),
        (DiskChoice(by_id=("ata-DISK_sdc",)), ("ata-DISK_sdc",)),
        (DiskChoice(by_id=("wwn-0x9",)), ("ata-DISK_sda",)),
        (DiskChoice(serial=("SER-sdd",)), ("ata-DISK_sdd",)),
        (DiskChoice(wwn=("0x9",)), ("ata-DISK_sda",)),
        (DiskChoice(path=("pci-1",)), ("ata-DISK_sda",)),
        (DiskChoice(by_id=("ata-DISK_sdd", "ata-DISK_sda"), mirror=True), ("ata-DISK_sdd", "ata-DISK_sda")),
        (DiskChoice(by_id=("ata-DISK_sdd", "ata-DISK_sdd"), mirror=True), ()),
        (DiskChoice(by_id=("ata-DISK_sda", "wwn-0x9"), mirror=True), ()),
        (DiskChoice(by_id=("ata-DISK_sdd",), mirror=True), ()),
        (DiskChoice(by_id=("ata-DISK_sdd", "ata-DISK_sda")), ()),
        (DiskChoice(by_id=("ata-DISK_sdz",)), ()),
        (DiskChoice(by_id=("ata-DISK_usb",)), ()),
        (DiskChoice(by_id=("ata-DISK_sda",), min_gb=21), ()),
    ],
)
def test_choices(choice: DiskChoice, chosen: tuple[str, ...]) -> None:
    disks = (
        make_disk("sdd", 40),
        make_disk("sda", 20, by_id=("ata-DISK_sda", "wwn-0x9"), wwn="0x9", by_path="pci-1"),
        make_disk("sdc", 40),
        make_disk("sdb", 10),
        make_disk("usb", 5, transport="usb"),
    )
    assert choose(choice, *disks) == chosen


def test_a_serial_that_two_disks_share_names_none() -> None:
    found = choose_disks(
        DiskChoice(serial=("SAME",)),
        make_machine(1, [make_disk("sda", serial="SAME"), make_disk("sdb", serial="SAME")]),
        frozenset(),
        LEAST,
    )
    assert (found.disks, found.problem) == ((), "2 disks have serial SAME")


def test_a_refusal_says_why_for_every_disk() -> None:
    found = choose_disks(
        DiskChoice(min_gb=30), make_machine(1, [make_disk("sda"), make_disk("sdb", transport="usb")]), frozenset(), LEAST
    )
    assert found.problem == "0 of 1 disks that may be chosen (ata-DISK_sdb: it is on USB; ata-DISK_sda: it is smaller than 30 GB)"
    none = choose_disks(DiskChoice(), make_machine(1, []), frozenset(), LEAST)
    assert none.problem == "0 of 1 disks that may be chosen (it has no disk)"


names = st.sampled_from([f"sd{letter}" for letter in "abcdef"])
disks = st.builds(
    lambda name, size, **changes: (
        make_disk(name, **changes) if size is None else replace(make_disk(name, **changes), size_bytes=size)
    ),
    names,
    st.sampled_from([None, LEAST - 1, LEAST, 20 * GB, 30 * GB]),
    removable=st.booleans(),
    read_only=st.booleans(),
    transport=st.sampled_from(["sata", "nvme", "usb", "fc", "iscsi", "virtio"]),
    wwn=st.sampled_from(["", "0x1", "0x2"]),
    serial=st.sampled_from(["", "A", "B"]),
    health=st.sampled_from([Health(), Health("failing")]),
)
words = st.lists(st.sampled_from(["ata-DISK_sda", "ata-DISK_sdb", "A", "B", "0x1", ""]), max_size=3).map(tuple)
choices = st.builds(
    DiskChoice,
    by_id=words,
    serial=words,
    wwn=words,
    largest=st.booleans(),
    min_gb=st.sampled_from([0, 25]),
    mirror=st.booleans(),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(disks, max_size=6), choices, st.randoms(use_true_random=False))
def test_only_offered_disks_are_ever_chosen_and_each_once(found: list[Disk], choice: DiskChoice, shuffle: Any) -> None:
    machine = make_machine(1, found)
    shared = find_shared_wwns([machine])
    result = choose_disks(choice, machine, shared, LEAST)
    offered, refused = find_offered(machine, shared, LEAST)
    assert set(result.disks) <= set(offered)
    assert not {disk.id for disk in result.disks} & {disk.id for disk, _ in refused}
    assert len({disk.id for disk in result.disks}) == len(result.disks)
    assert len(result.disks) == (0 if result.problem else 2 if choice.mirror else 1)
    assert all(disk.size_bytes >= max(LEAST, choice.min_gb * GB) for disk in result.disks)
    shuffled = list(found)
    shuffle.shuffle(shuffled)
    assert choose_disks(choice, make_machine(1, shuffled), shared, LEAST).disks == result.disks


MACHINE: Machine = make_machine(1, [make_disk("sda", 20), make_disk("sdb", 10), make_disk("sdc", 20)])


@pytest.mark.parametrize(
    ("choice", "installed", "reason"),
    [
        (DiskChoice(), ["ata-DISK_sda"], ""),  # a smaller disk came later
        (DiskChoice(largest=True), ["ata-DISK_sdb"], ""),
        (DiskChoice(by_id=("ata-DISK_sda",)), ["ata-DISK_sda"], ""),
        (DiskChoice(by_id=("ata-DISK_sdb",)), ["ata-DISK_sda"], "the file asks for by_id ata-DISK_sdb"),
        (DiskChoice(serial=("SER-sdb",)), ["ata-DISK_sda"], "the file asks for serial SER-sdb"),
        (DiskChoice(by_id=("ata-DISK_sdb",)), ["ata-GONE"], ""),
        (DiskChoice(mirror=True), ["ata-DISK_sda"], "the file asks for a mirror"),
        (DiskChoice(), ["ata-DISK_sda", "ata-DISK_sdc"], "the file asks for one disk"),
        (DiskChoice(mirror=True), ["ata-DISK_sda", "ata-DISK_sdc"], ""),
        (DiskChoice(min_gb=15), ["ata-DISK_sdb"], "the file asks for 15 GB or more"),
        (DiskChoice(min_gb=15), ["ata-DISK_sda"], ""),
    ],
)
def test_an_installed_node_whose_layout_was_changed_needs_reinstall(
    choice: DiskChoice, installed: list[str], reason: str
) -> None:
    problems = check_layout("a", Place(("nodes", 0, "disk")), choice, MACHINE, installed)
    expected = [f"a needs reinstall: it is installed on {' and '.join(installed)}, and {reason}"] if reason else []
    assert [problem.message for problem in problems] == expected


@pytest.mark.parametrize(
    ("holds", "words"),
    [
        ((), ()),
        ((TABLE,), ("an empty gpt partition table",)),
        ((EXT4, TABLE), ('ext4 "backup" on partition 1',)),
        ((replace(EXT4, where="sda"),), ('ext4 "backup"',)),
        ((replace(EXT4, label='x"\x1b[2Jy\u202e'),), ('ext4 "x"[2Jy" on partition 1',)),
        ((TABLE, Signature("sda2", "partition", "gpt", 0, "", "data")), ('partition 2 "data"',)),
        ((Signature("sda", "raid", "linux_raid_member", 0, "u", "old:0"),), ('half of a RAID array "old:0"',)),
        (OWN, ("an installation of Rackstrap", 'partition 3 "rackstrap-root"')),
    ],
)
def test_what_a_disk_holds_in_words(holds: tuple[Signature, ...], words: tuple[str, ...]) -> None:
    assert describe_holds(make_disk(holds=holds)) == words


def test_partitions_of_nvme_disks_are_numbered_too() -> None:
    disk = make_disk("nvme0n1", holds=(replace(EXT4, where="nvme0n1p2"),))
    assert describe_holds(disk) == ('ext4 "backup" on partition 2',)


def test_sizes_and_lists_in_words() -> None:
    assert [describe_bytes(n) for n in (512, 866 * 10**6, 20 * GB, 1920 * GB, 20_000 * GB)] == [
        "512 bytes",
        "866 MB",
        "20 GB",
        "1.92 TB",
        "20 TB",
    ]
    assert [join_words(words) for words in ((), ("a",), ("a", "b"), ("a", "b", "c"))] == ["", "a", "a and b", "a, b and c"]
