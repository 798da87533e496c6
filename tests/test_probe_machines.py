"""Every recorded machine, parsed: the values that the probe must find on real firmware, buses, disks and switches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from installer.model.facts import Bmc, Disk, Firmware, Health, Lldp, Machine, Signature
from installer.probe.disks import rank_link
from installer.probe.identity import find_machine, make_machine_id, score_identity
from installer.probe.parse import dump_machine, parse_recording
from tests.recorded_machines import MACHINES, TWIN_UUID

FOLDER: Final = Path(__file__).parent / "machines"
NAMES: Final = tuple(machine.name for machine in MACHINES)
LARGEST_BYTES: Final = 200_000
ESP, LINUX, SWAP = (
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
    "0fc63daf-8483-4772-8e79-3d69d8477de4",
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f",
)


def load(name: str) -> Machine:
    recording: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return parse_recording(recording)


def find_disk(machine: Machine, serial: str) -> Disk:
    return next(disk for disk in machine.disks if disk.serial == serial)


def list_holds(disk: Disk) -> list[tuple[str, str, str, str]]:
    """What a disk holds: where on it, kind, type, label. Table copies and the protective MBR count once."""
    rows = [(s.where.removeprefix(disk.name), s.kind, s.type, s.label) for s in disk.holds if s.type != "PMBR"]
    return list(dict.fromkeys(rows))


def test_every_machine_is_recorded_and_every_recording_is_a_machine() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(NAMES)
    assert max(path.stat().st_size for path in FOLDER.iterdir()) < LARGEST_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_what_all_have_in_common(name: str) -> None:
    machine, spec = load(name), next(machine for machine in MACHINES if machine.name == name)
    assert (machine.vendor, machine.product, machine.memory_bytes) == ("Rackstrap", "Virtual", 1 << 30)
    assert machine.cpu.model == "QEMU TCG CPU version 2.5+"
    assert {nic.mac for nic in machine.nics} == {nic.mac for nic in spec.nics}
    assert machine.boot_nic == spec.nics[0].mac
    assert machine.consoles == ("tty0", "ttyS0,115200n8")
    assert machine.gateways == ("10.0.2.2",)
    assert [nic.addresses for nic in machine.nics if nic.mac == machine.boot_nic] == [("10.0.2.15/24",)]
    assert sorted(disk.serial for disk in machine.disks) == sorted(disk.serial for disk in spec.disks)
    assert len({disk.id for disk in machine.disks}) == len(machine.disks)
    assert not any(disk.read_only for disk in machine.disks)
    assert not any(s.type == "unreadable" for disk in machine.disks for s in disk.holds)
    assert make_machine_id(machine) == make_machine_id(load(name))
    assert json.loads(json.dumps(dump_machine(machine)))["serial"] == machine.serial


def test_a_bios_machine_with_virtio_disks() -> None:
    machine = load("bios-virtio")
    assert (machine.uuid, machine.serial) == ("0b105000-0000-4000-8000-000000000001", "BV0001")
    assert machine.firmware == Firmware("bios", False, "SeaBIOS", machine.firmware.version)
    assert (machine.cpu.sockets, machine.cpu.cores, machine.cpu.threads) == (2, 2, 2)
    old, blank = machine.disks
    assert (old.id, old.by_id, old.transport, old.size_bytes) == ("virtio-VIRT-0001", ("virtio-VIRT-0001",), "virtio", 512 << 20)
    assert list_holds(old) == [
        ("", "table", "gpt", ""),
        ("1", "partition", "21686148-6449-6e6f-744e-656564454649", "BIOS boot"),
        ("2", "partition", LINUX, "old root"),
        ("2", "filesystem", "ext4", "backup"),
        ("3", "partition", SWAP, ""),
        ("3", "swap", "swap", "oldswap"),
    ]
    assert old.holds[1] == Signature("vda", "table", "gpt", 512, "5ca1ab1e-0000-4000-8000-00000000d15c")
    assert [s.offset_bytes for s in old.holds if s.kind == "partition"] == [1 << 20, 4 << 20, 104 << 20]
    assert blank.is_blank
    assert (blank.id, blank.by_id, blank.by_path) == ("pci-0000:00:08.0", (), "pci-0000:00:08.0")


def test_a_uefi_machine_with_nvme_disks() -> None:
    machine = load("uefi-nvme")
    assert (machine.firmware.mode, machine.firmware.secure_boot) == ("uefi", False)
    assert (machine.cpu.sockets, machine.cpu.cores, machine.cpu.threads) == (1, 2, 2)
    assert [(nic.driver, nic.speed_mbps, nic.has_link) for nic in machine.nics] == [("e1000e", 1000, True)]
    ours, blank = find_disk(machine, "NVME-SERIAL-A"), find_disk(machine, "NVME-SERIAL-B")
    assert (ours.id, ours.transport, ours.rotational) == ("nvme-QEMU_NVMe_Ctrl_NVME-SERIAL-A", "nvme", False)
    assert (ours.has_own_mark, blank.has_own_mark, blank.is_blank) == (True, False, True)
    assert list_holds(ours)[1:] == [("p1", "partition", ESP, "rackstrap-esp"), ("p2", "partition", LINUX, "rackstrap-root")]
    assert ours.health == Health("ok")


def test_a_secure_boot_machine_with_sata_disks() -> None:
    machine = load("secure-boot-sata")
    assert (machine.firmware.mode, machine.firmware.secure_boot) == ("uefi", True)
    disk, ssd = find_disk(machine, "WD-WCC4E0000001"), find_disk(machine, "SSD-000000002")
    assert (disk.id, disk.wwn, disk.model) == ("wwn-0x50014ee2b0000001", "0x50014ee2b0000001", "WDC WD10EZEX")
    assert disk.by_id == ("wwn-0x50014ee2b0000001", "ata-WDC_WD10EZEX_WD-WCC4E0000001")
    assert (disk.by_path, disk.transport) == ("pci-0000:00:1f.2-ata-1", "sata")
    assert (disk.rotational, ssd.rotational) == (True, False)
    assert (disk.health, ssd.health) == (Health("ok"), Health("ok"))
    assert (disk.is_blank, list_holds(ssd)) == (True, [("", "filesystem", "xfs", "archive")])


def test_four_nics_of_two_drivers_and_the_switches_that_they_hear() -> None:
    nics = {nic.mac: nic for nic in load("four-nics").nics}
    found = {mac: (nic.driver, nic.lldp.switch, nic.lldp.port) for mac, nic in nics.items() if nic.lldp}
    assert found == {
        "52:54:00:04:00:01": ("virtio_net", "leaf1", "Ethernet1"),
        "52:54:00:04:00:02": ("virtio_net", "leaf2", "Ethernet1"),
        "52:54:00:04:00:03": ("e1000e", "leaf1", "Ethernet17"),
        "52:54:00:04:00:04": ("e1000e", "management", "ge-0/0/3"),
    }
    assert len({nic.pci_path for nic in nics.values()}) == 4
    assert all(nic.has_link for nic in nics.values())
    assert isinstance(nics["52:54:00:04:00:01"].lldp, Lldp)


def test_two_disks_with_one_serial_go_by_their_path() -> None:
    machine = load("same-serial-scsi")
    twins = [disk for disk in machine.disks if disk.serial == "SAME-SERIAL"]
    assert [disk.id for disk in twins] == [disk.by_path for disk in twins]
    assert twins[0].by_id == twins[1].by_id != ()
    other = find_disk(machine, "SCSI-0003")
    assert (other.id, other.transport) == ("wwn-0x5000c50000000003", "scsi")


def test_usb_disks_and_sticks() -> None:
    machine = load("usb")
    stick, disk = find_disk(machine, "USB-STICK-01"), find_disk(machine, "USB-DISK-02")
    assert (stick.transport, stick.removable) == ("usb", True)
    assert (disk.transport, disk.removable) == ("usb", False)
    assert stick.id.startswith("usb-QEMU")


def test_disks_with_sectors_of_4096_bytes() -> None:
    machine = load("sectors-4k")
    assert {disk.transport: (disk.sector_bytes, disk.size_bytes) for disk in machine.disks} == {
        "virtio": (4096, 512 << 20),
        "scsi": (4096, 512 << 20),
        "nvme": (4096, 512 << 20),
    }


def test_old_raid_and_lvm() -> None:
    machine = load("old-raid-lvm")
    assert list_holds(find_disk(machine, "OLD-MIRROR")) == [("", "raid", "linux_raid_member", "oldhost:0")]
    assert [row[1:3] for row in list_holds(find_disk(machine, "OLD-LVM"))] == [("lvm", "LVM2_member")]
    parts = list_holds(find_disk(machine, "OLD-PARTS-0003"))
    assert [row[:3] for row in parts] == [
        ("", "table", "dos"),
        ("1", "partition", "0xfd"),
        ("1", "raid", "linux_raid_member"),
        ("2", "partition", "0x8e"),
        ("2", "lvm", "LVM2_member"),
    ]


def test_sixty_disks() -> None:
    disks = load("sixty-disks").disks
    assert {disk.id for disk in disks} == {f"wwn-{0x5000C50000010000 + n:#x}" for n in range(60)}
    assert [disk.name for disk in disks[:3] + disks[-1:]] == ["sda", "sdb", "sdc", "sdbh"]
    assert all(disk.is_blank and disk.transport == "scsi" for disk in disks)


def test_a_machine_without_disks_uuid_or_serial() -> None:
    machine = load("no-disk")
    assert (machine.uuid, machine.serial, machine.disks) == ("", "", ())


def test_a_bmc_seen_from_inside() -> None:
    assert load("bmc").bmc == Bmc("192.168.124.162", "02:bc:c0:a8:7c:a2", "255.255.255.0", "192.168.124.1", "static")
    assert load("bios-virtio").bmc is None


def test_twins_with_one_uuid_are_two_machines() -> None:
    a, b = load("twin-a"), load("twin-b")
    assert a.uuid == b.uuid == TWIN_UUID
    assert a.serial == b.serial == ""
    assert find_machine(b, {"m-a": a}) is None
    assert make_machine_id(a) != make_machine_id(b)


def test_every_machine_is_itself_and_no_other() -> None:
    machines = {name: load(name) for name in NAMES}
    assert {name: find_machine(machine, machines) for name, machine in machines.items()} == {name: name for name in NAMES}
    assert len({make_machine_id(machine) for machine in machines.values()}) == len(NAMES)
    assert max(score_identity(machines[a], machines[b]) for a in NAMES for b in NAMES if a != b) < 0


def test_no_secret_and_no_key_is_recorded() -> None:
    for path in FOLDER.iterdir():
        text = path.read_text()
        assert "rackstrap.pin" not in text
        assert "SNMP" not in text
        assert "ssh-" not in text


def test_the_best_name_of_a_disk() -> None:
    names = ["nvme-MODEL_SERIAL_1", "nvme-nvme.1b36-4e56", "nvme-eui.0025385b21404321", "nvme-MODEL_SERIAL"]
    assert sorted(names, key=rank_link) == [
        "nvme-eui.0025385b21404321",
        "nvme-MODEL_SERIAL",
        "nvme-MODEL_SERIAL_1",
        "nvme-nvme.1b36-4e56",
    ]
    assert (
        min(["scsi-35000c500a1b2c3d4", "scsi-SSEAGATE_ST1000_S1", "wwn-0x5000c500a1b2c3d4"], key=rank_link)
        == "wwn-0x5000c500a1b2c3d4"
    )
    assert min(["scsi-35000c500a1b2c3d4", "scsi-SSEAGATE_ST1000_S1"], key=rank_link) == "scsi-SSEAGATE_ST1000_S1"
