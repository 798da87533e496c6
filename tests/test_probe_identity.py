"""Recognising machines: parts are swapped, boards share UUIDs, and two machines are never taken for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from installer.model.facts import Bmc, Cpu, Disk, Firmware, Machine, Nic
from installer.probe.identity import SAME, find_machine, find_serial, find_uuid, make_machine_id, score_identity

UUID = "4c4c4544-0044-4d10-8052-b4c04f333032"


def make_nics(*macs: str) -> tuple[Nic, ...]:
    return tuple(Nic(name=f"eth{n}", mac=mac, driver="ixgbe") for n, mac in enumerate(macs))


def make_disks(*serials: str) -> tuple[Disk, ...]:
    return tuple(Disk(id=f"ata-{serial}", name=f"sd{n}", size_bytes=1 << 40, serial=serial) for n, serial in enumerate(serials))


def make_machine(
    uuid: str = UUID,
    serial: str = "ABC1234",
    macs: Sequence[str] = ("aa:00:00:00:00:01", "aa:00:00:00:00:02"),
    disks: Sequence[str] = ("WD-WCC4E0001", "WD-WCC4E0002"),
    bmc: str = "aa:00:00:00:00:ff",
) -> Machine:
    return Machine(
        uuid,
        serial,
        "Maker",
        "Model",
        Cpu(),
        1 << 34,
        Firmware(),
        make_nics(*macs),
        make_disks(*disks),
        bmc=Bmc(mac=bmc) if bmc else None,
    )


BASE = make_machine()
OTHER = make_machine(
    "d0d0d0d0-1111-2222-3333-444455556666",
    "XYZ9876",
    ("bb:00:00:00:00:01",),
    ("WD-WCC4E9991", "WD-WCC4E9992"),
    "bb:00:00:00:00:ff",
)
CHANGED = {
    "nothing": BASE,
    "one of two NICs": make_machine(macs=("aa:00:00:00:00:01", "cc:00:00:00:00:09")),
    "the only NIC": make_machine(macs=("cc:00:00:00:00:09",)),
    "a NIC more": make_machine(macs=("aa:00:00:00:00:01", "aa:00:00:00:00:02", "cc:00:00:00:00:09")),
    "every disk": make_machine(disks=("NEW-DISK-0001", "NEW-DISK-0002")),
    "no disk any more": make_machine(disks=()),
    "NIC and disks": make_machine(macs=("cc:00:00:00:00:09",), disks=("NEW-DISK-0001",)),
    "the BMC": make_machine(bmc="cc:00:00:00:00:fe"),
    "a BMC that does not answer": make_machine(bmc=""),
    "the firmware turned the UUID's bytes round": make_machine("44454c4c-4400-104d-8052-b4c04f333032"),
    "the serial got lost": make_machine(serial=""),
    "only MACs are left": make_machine("", "", disks=(), bmc=""),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_machine_with_a_change_is_the_same_machine(what: str) -> None:
    assert find_machine(CHANGED[what], {"m-other": OTHER, "m-base": BASE}) == "m-base"
    assert score_identity(CHANGED[what], BASE) == score_identity(BASE, CHANGED[what]) >= SAME


TWINS = {
    "the same UUID": make_machine(serial="", macs=("bb:00:00:00:00:01",), disks=("WD-WCC4E9991",), bmc="bb:00:00:00:00:ff"),
    "the same UUID, no disks, no BMC": make_machine(serial="", macs=("bb:00:00:00:00:01",), disks=(), bmc=""),
    "UUID and serial of the whole batch": make_machine(macs=("bb:00:00:00:00:01",), disks=("WD-WCC4E9991",), bmc=""),
    "UUID and serial of the whole batch, disks named alike": make_machine(
        macs=("bb:00:00:00:00:01",), disks=("disk0", "disk1"), bmc=""
    ),
    "UUID and serial of the whole batch, no disks": make_machine(macs=("bb:00:00:00:00:01",), disks=(), bmc=""),
    "the same UUID, disks named alike": make_machine(serial="", macs=("bb:00:00:00:00:01",), disks=("disk0", "disk1"), bmc=""),
    "our NIC moved into it": make_machine(OTHER.uuid, "XYZ9876", ("aa:00:00:00:00:01",), ("WD-WCC4E9991",), "bb:00:00:00:00:ff"),
    "our disks moved into it": replace(OTHER, disks=BASE.disks),
    "nothing in common": OTHER,
}


@pytest.mark.parametrize("what", TWINS)
def test_another_machine_is_another_machine(what: str) -> None:
    assert find_machine(TWINS[what], {"m-base": BASE}) is None
    assert make_machine_id(TWINS[what]) != make_machine_id(BASE)


@pytest.mark.parametrize("uuid", ["", "f" * 8 + "-ffff-ffff-ffff-" + "f" * 12, "0" * 8 + "-0000-0000-0000-" + "0" * 12, "no uuid",
                                  "03000200-0400-0500-0006-000700080009"])  # fmt: skip
def test_a_uuid_that_says_nothing_joins_nobody(uuid: str) -> None:
    assert find_uuid(uuid) == ""
    a = make_machine(uuid, "", ("aa:00:00:00:00:01",), (), "")
    b = make_machine(uuid, "", ("bb:00:00:00:00:01",), (), "")
    assert find_machine(b, {"m-a": a}) is None
    assert find_machine(a, {"m-a": a, "m-b": b}) == "m-a"


def test_a_real_uuid_is_lower_case() -> None:
    assert find_uuid("4C4C4544-0044-4D10-8052-B4C04F333032\n") == UUID


@pytest.mark.parametrize("serial", ["To Be Filled By O.E.M.", "Not Specified", "Default string", "System Serial Number", "None",
                                    "0123456789", "00000000", "N/A", "XXXXXXXX", "123456789", "Serial", " "])  # fmt: skip
def test_a_serial_that_no_maker_filled_in_is_none(serial: str) -> None:
    assert find_serial(serial, "CZ1234") == "CZ1234"
    assert find_serial(serial) == ""


@pytest.mark.parametrize("serial", ["ABC1234", "CZJ1020AB1", "S1R2D3", "VMware-56 4d 7c"])
def test_a_real_serial_stays(serial: str) -> None:
    assert find_serial(serial) == serial


def test_two_that_fit_equally_well_are_none() -> None:
    assert find_machine(BASE, {"m-a": BASE, "m-b": BASE}) is None


def test_parts_that_travel_identify_nobody() -> None:
    usb = Nic(name="usb0", mac="be:3a:f2:b6:05:9f", driver="cdc_ether", pci_path="pci-0000:00:14.0-usb-0:14:1.0")
    stick = Disk(id="usb-stick", name="sdx", size_bytes=1 << 33, serial="4C530001234567", transport="usb", removable=True)
    a = replace(make_machine("", "", ("aa:00:00:00:00:01",), (), ""), disks=(stick,))
    b = replace(make_machine("", "", ("bb:00:00:00:00:01",), (), ""), disks=(stick,))
    a, b = replace(a, nics=(*a.nics, usb)), replace(b, nics=(*b.nics, usb))
    assert score_identity(a, b) < 0


def test_an_id_is_short_and_stays() -> None:
    assert make_machine_id(BASE) == make_machine_id(make_machine()) == "m-" + make_machine_id(BASE)[2:]
    assert len(make_machine_id(BASE)) == 10
    assert make_machine_id(replace(BASE, nics=BASE.nics[::-1], memory_bytes=1)) == make_machine_id(BASE)
