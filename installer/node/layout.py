"""Which commands lay out the chosen disks: pure. BIOS and UEFI share one layout, so a disk boots in either machine.

Per disk: 1 MiB BIOS boot (where GRUB's core lives), the ESP, the root. With two disks root is a RAID1 with metadata 1.2
(4 KiB into its partition, which GRUB reads as mdraid1x).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from installer.model.orders import Layout

MIB: Final = 1024 * 1024
BIOS_BOOT, ESP, ROOT = 1, 2, 3  # partition numbers
ESP_MIN_4KN_BYTES: Final = 272 * MIB  # FAT32 needs 65,525 clusters, and a cluster is at least a sector
ESP_LABEL: Final = "RACKESP"  # RACKSTRAP is the label of volumes with a site file
ARRAY: Final = "/dev/md127"  # what the initramfs assembles too
# Until GRUB's own is there: INT 18h (BIOS boot specification 1.01, "boot failed": the next device is tried), then a halt for
# a BIOS that returns. An older loader's code would start, find its second half gone and hang.
BOOT_CODE: Final = bytes.fromhex("cd18f4ebfd").ljust(440, b"\0")
Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VolumeIds:
    """Made fresh for each installation: filesystem UUIDs, per ESP a FAT volume id (8 hex digits), the array's UUID or ""."""

    root: str
    esps: tuple[str, ...]
    array: str = ""

    @property
    def mdadm_uuid(self) -> str:
        """The array's UUID as mdadm writes it: four groups of eight digits."""
        digits = self.array.replace("-", "")
        return ":".join(digits[i : i + 8] for i in range(0, len(digits), 8))


def make_volume_ids(seed: bytes, disks: int) -> VolumeIds:
    """Ids from `seed`, 40 random bytes or more."""
    esps = tuple(seed[32 + 4 * i : 36 + 4 * i].hex().upper() for i in range(disks))
    array = str(UUID(bytes=seed[16:32], version=4)) if disks > 1 else ""
    return VolumeIds(str(UUID(bytes=seed[:16], version=4)), esps, array)


def render_fat_uuid(volume_id: str) -> str:
    """A FAT volume id as fstab and udev spell it: 1234-ABCD."""
    return f"{volume_id[:4]}-{volume_id[4:]}"


def make_wipe_commands(disk: str, partitions: tuple[str, ...]) -> tuple[Command, ...]:
    """Take every signature off the old partitions, then off the disk: no old array or volume group may come back."""
    inner = ("wipefs", "--all", "--quiet", *partitions)
    return (*((inner,) if partitions else ()), ("wipefs", "--all", "--quiet", disk))


def make_partition_command(disk: str, guid: str, layout: Layout, *, mirror: bool, sector_bytes: int = 512) -> Command:
    """One sgdisk run that makes the whole table; `guid` is the disk's, by which a resumed installation knows it."""
    esp_bytes = max(layout.esp_bytes, ESP_MIN_4KN_BYTES) if sector_bytes > 512 else layout.esp_bytes
    root_size = f"+{layout.root_bytes // 1024}K" if layout.root_bytes else "0"
    return (
        "sgdisk",
        "--clear",
        f"--disk-guid={guid}",
        f"--new={BIOS_BOOT}:0:+1M",
        f"--typecode={BIOS_BOOT}:ef02",
        f"--change-name={BIOS_BOOT}:rackstrap-bios",
        f"--new={ESP}:0:+{esp_bytes // 1024}K",
        f"--typecode={ESP}:ef00",
        f"--change-name={ESP}:rackstrap-esp",
        f"--new={ROOT}:0:{root_size}",
        f"--typecode={ROOT}:{'fd00' if mirror else '8300'}",
        f"--change-name={ROOT}:rackstrap-root",
        disk,
    )


def make_array_command(partitions: tuple[str, ...], ids: VolumeIds) -> Command:
    """A RAID1 that starts in step: what was never written needs no copying, all that is written goes to both halves."""
    return (
        "mdadm",
        "--create",
        ARRAY,
        "--run",
        "--quiet",
        "--level=1",
        "--metadata=1.2",
        "--assume-clean",
        "--bitmap=internal",
        "--homehost=any",
        "--name=rackstrap-root",
        f"--uuid={ids.mdadm_uuid}",
        f"--raid-devices={len(partitions)}",
        *partitions,
    )


def make_esp_commands(esps: tuple[str, ...], ids: VolumeIds) -> tuple[Command, ...]:
    """The filesystem of each ESP."""
    pairs = zip(esps, ids.esps, strict=True)
    return tuple(("mkfs.vfat", "-F", "32", "-n", ESP_LABEL, "-i", volume, esp) for esp, volume in pairs)


def make_root_command(root: str, ids: VolumeIds) -> Command:
    """The root's filesystem. The inode tables are zeroed later by the running kernel: that is most of mkfs's time."""
    quick = "lazy_itable_init=1,lazy_journal_init=1"
    return ("mkfs.ext4", "-q", "-F", "-U", ids.root, "-L", "rackstrap-root", "-E", quick, root)


def render_fstab(ids: VolumeIds) -> str:
    """The root by UUID, the first ESP mounted when something looks at it; a missing ESP stops no boot."""
    esp = render_fat_uuid(ids.esps[0])
    options = "umask=0077,nofail,x-systemd.automount,x-systemd.idle-timeout=2min"
    return f"UUID={ids.root} / ext4 errors=remount-ro 0 1\nUUID={esp} /boot/efi vfat {options} 0 2\n"


def render_mdadm_conf(ids: VolumeIds) -> str:
    """Nothing is assembled that Rackstrap did not make: half an old mirror on a data disk stays as it is."""
    own = f"ARRAY /dev/md/rackstrap-root metadata=1.2 UUID={ids.mdadm_uuid}\n" if ids.array else ""
    return f"HOMEHOST <ignore>\nMAILADDR root\n{own}AUTO -all\n"


def parse_serial(consoles: tuple[str, ...]) -> tuple[int, int] | None:
    """Unit and speed of the first serial console: ttyS0,115200n8 is (0, 115200)."""
    for console in consoles:
        found = re.fullmatch(r"ttyS(\d)(?:,(\d+)[noe]?\d?r?)?", console)
        if found:
            return int(found[1]), int(found[2] or 9600)
    return None
