"""The machines that are recorded in tests/machines: what QEMU builds them from. Each differs where hardware differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from tests.rack.decoys import make_dirty_ext4, make_dirty_xfs, make_half_mirror, make_lvm, make_swap, run

Bus = Literal["virtio", "sata", "scsi", "nvme", "usb"]
TWIN_UUID: Final = "4c4c4544-0044-4d10-8052-b4c04f333032"


@dataclass(frozen=True, slots=True)
class DiskSpec:
    """One disk: how it is attached, and what it held before (None is blank)."""

    bus: Bus
    serial: str = ""
    size_mib: int = 512
    sector_bytes: int = 512
    extra: str = ""  # more properties of its QEMU device
    fill: Callable[[Path], None] | None = None


@dataclass(frozen=True, slots=True)
class NicSpec:
    """One NIC; with `switch`, an lldpd speaks at the other end of its cable."""

    mac: str
    model: str = "virtio-net-pci"
    switch: str = ""
    port: str = ""


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """One machine of tests/machines, by file name."""

    name: str
    uuid: str
    serial: str
    firmware: Literal["bios", "uefi", "secure-boot"] = "bios"
    disks: tuple[DiskSpec, ...] = ()
    nics: tuple[NicSpec, ...] = field(default=(NicSpec("52:54:00:0a:00:01"),))
    processors: str = "1"
    has_bmc: bool = False


def make_linux_disk(path: Path) -> None:
    """A disk as an older Linux left it: GPT with a boot loader's partition, a root filesystem and swap."""
    run("sgdisk", "--disk-guid=5ca1ab1e-0000-4000-8000-00000000d15c", "-n1:2048:+1M", "-t1:ef02", "-c1:BIOS boot", path)
    run("sgdisk", "-n2:8192:+100M", "-t2:8300", "-c2:old root", "-n3:0:+70M", "-t3:8200", path)
    put_inside(path, 8192, make_dirty_ext4)
    put_inside(path, 8192 + 100 * 2048, make_swap)


def make_own_disk(path: Path) -> None:
    """A disk that Rackstrap installed onto: its partitions carry Rackstrap's names."""
    run("sgdisk", "-n1:2048:+64M", "-t1:ef00", "-c1:rackstrap-esp", "-n2:0:+400M", "-t2:8300", "-c2:rackstrap-root", path)


def make_raid_disk(path: Path) -> None:
    """Half of a mirror in a partition of an old DOS partition table, beside an LVM physical volume."""
    run("sgdisk", "-n1:2048:+70M", "-t1:fd00", "-n2:0:+70M", "-t2:8e00", "--gpttombr=1:2", path)
    put_inside(path, 2048, make_half_mirror)
    put_inside(path, 2048 + 70 * 2048, make_lvm)


def put_inside(disk: Path, start_sector: int, make: Callable[[Path], None]) -> None:
    """Put what `make` makes into the partition that starts at this sector of 512 bytes."""
    part = disk.with_suffix(".part")
    make(part)
    run("dd", f"if={part}", f"of={disk}", "bs=512", f"seek={start_sector}", "conv=notrunc,sparse", "status=none")
    part.unlink()


FOUR_NICS: Final = (
    NicSpec("52:54:00:04:00:01", "virtio-net-pci", "leaf1", "Ethernet1"),
    NicSpec("52:54:00:04:00:02", "virtio-net-pci", "leaf2", "Ethernet1"),
    NicSpec("52:54:00:04:00:03", "e1000e", "leaf1", "Ethernet17"),
    NicSpec("52:54:00:04:00:04", "e1000e", "management", "ge-0/0/3"),
)

MACHINES: Final = (
    MachineSpec(
        "bios-virtio", "0b105000-0000-4000-8000-000000000001", "BV0001", processors="2,sockets=2,cores=1,threads=1",
        disks=(DiskSpec("virtio", "VIRT-0001", fill=make_linux_disk), DiskSpec("virtio")), nics=(NicSpec("52:54:00:01:00:01"),),
    ),
    MachineSpec(
        "uefi-nvme", "0b105000-0000-4000-8000-000000000002", "UN0002", "uefi", processors="2,sockets=1,cores=2,threads=1",
        disks=(DiskSpec("nvme", "NVME-SERIAL-A", fill=make_own_disk), DiskSpec("nvme", "NVME-SERIAL-B")),
        nics=(NicSpec("52:54:00:02:00:01", "e1000e"),),
    ),
    MachineSpec(
        "secure-boot-sata", "0b105000-0000-4000-8000-000000000003", "SB0003", "secure-boot",
        disks=(DiskSpec("sata", "WD-WCC4E0000001", extra="wwn=0x50014ee2b0000001,model=WDC WD10EZEX,rotation_rate=7200"),
               DiskSpec("sata", "SSD-000000002", extra="wwn=0x5002538d40000002,rotation_rate=1", fill=make_dirty_xfs)),
        nics=(NicSpec("52:54:00:03:00:01"),),
    ),
    MachineSpec(
        "four-nics", "0b105000-0000-4000-8000-000000000004", "FN0004", disks=(DiskSpec("virtio", "VIRT-0004"),), nics=FOUR_NICS,
    ),
    MachineSpec(
        "same-serial-scsi", "0b105000-0000-4000-8000-000000000005", "SS0005",
        disks=(DiskSpec("scsi", "SAME-SERIAL"), DiskSpec("scsi", "SAME-SERIAL"),
               DiskSpec("scsi", "SCSI-0003", extra="wwn=0x5000c50000000003,vendor=SEAGATE,product=ST1000NX0313,ver=TN05")),
        nics=(NicSpec("52:54:00:05:00:01"),),
    ),
    MachineSpec(
        "usb", "0b105000-0000-4000-8000-000000000006", "UB0006",
        disks=(DiskSpec("usb", "USB-STICK-01", extra="removable=on"), DiskSpec("usb", "USB-DISK-02", extra="removable=off")),
        nics=(NicSpec("52:54:00:06:00:01"),),
    ),
    MachineSpec(
        "sectors-4k", "0b105000-0000-4000-8000-000000000007", "FK0007", "uefi",
        disks=tuple(DiskSpec(bus, f"4KN-{bus.upper()}-0001", sector_bytes=4096) for bus in ("virtio", "scsi", "nvme")),
        nics=(NicSpec("52:54:00:07:00:01"),),
    ),
    MachineSpec(
        "twin-a", TWIN_UUID, "Not Specified",
        disks=(DiskSpec("virtio", "VIRT-TWIN-A"),), nics=(NicSpec("52:54:00:08:00:0a"),),
    ),
    MachineSpec(
        "twin-b", TWIN_UUID, "Not Specified",
        disks=(DiskSpec("virtio", "VIRT-TWIN-B"),), nics=(NicSpec("52:54:00:08:00:0b"),),
    ),
    MachineSpec(
        "old-raid-lvm", "0b105000-0000-4000-8000-000000000009", "OR0009",
        disks=(DiskSpec("virtio", "OLD-MIRROR", 64, fill=make_half_mirror), DiskSpec("virtio", "OLD-LVM", 64, fill=make_lvm),
               DiskSpec("sata", "OLD-PARTS-0003", fill=make_raid_disk)),
        nics=(NicSpec("52:54:00:09:00:01"),),
    ),
    MachineSpec(
        "sixty-disks", "0b105000-0000-4000-8000-000000000010", "SD0010",
        disks=tuple(DiskSpec("scsi", f"JBOD-{n:04}", 64, extra=f"wwn={0x5000C50000010000 + n:#x}") for n in range(60)),
        nics=(NicSpec("52:54:00:10:00:01"),),
    ),
    MachineSpec(
        "no-disk", "ffffffff-ffff-ffff-ffff-ffffffffffff", "To Be Filled By O.E.M.", nics=(NicSpec("52:54:00:11:00:01"),),
    ),
    MachineSpec(
        "bmc", "0b105000-0000-4000-8000-000000000012", "BM0012", disks=(DiskSpec("sata", "SATA-000000012"),),
        nics=(NicSpec("52:54:00:12:00:01"),), has_bmc=True,
    ),
)  # fmt: skip
