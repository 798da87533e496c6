"""What an installation costs: bytes, reboots, minutes. Rough on purpose, and never part of a step's id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from installer.model.facts import Disk
from installer.model.orders import Layout
from installer.model.plan import Image
from installer.model.site import Handover

MB: Final = 10**6
# Small files as unsquashfs writes them, in bytes a second. One core that unpacks zstd gives 34 MB/s under emulation and
# about 300 MB/s on metal (measured: 611 MB in 18 s emulated); spinning disks are slower than that, the others are not.
RATE_BYTES_S: Final = {"nvme": 300 * MB, "sas": 200 * MB, "sata": 200 * MB, "virtio": 35 * MB, "mmc": 20 * MB}
ROTATIONAL_BYTES_S: Final = 80 * MB
DEFAULT_BYTES_S: Final = 100 * MB
PARTITION_S: Final = 5.0  # sgdisk and mkfs: 4 s measured, rounded up
LOADER_S: Final = 5.0  # both loaders: 3 s measured, and the kernel's initrd
DISCOVER_S: Final = 60.0  # firmware, PXE and image: 40-50 s measured under emulation; servers' firmware takes longer
HANDOVER_S: Final = {"soft-reboot": 30.0, "kexec": 45.0, "reboot": 150.0}  # a server's power-on self-test takes minutes
FILESYSTEM_BYTES: Final = 150 * MB  # ext4's journal (mke2fs(8): 64 to 128 MB at these sizes) and its tables


def estimate_bytes(image: Image, layout: Layout, disks: int) -> int:
    """Bytes written to disks: on each, the partition table, the ESP's files, the filesystem and the unpacked image."""
    return disks * (image.root_bytes + FILESYSTEM_BYTES + min(layout.esp_bytes, 16 * MB))


def estimate_reboots(handover: Handover, epoch: int) -> int:
    """Times that the machine's firmware starts: none for soft-reboot and kexec; one more to discover a node anew."""
    return int(handover == "reboot") + int(epoch > 1)


def estimate_minutes(image: Image, disks: Sequence[Disk], handover: Handover, *, discovered: bool) -> float:
    """Minutes until SSH answers from the disk, to one decimal. Both halves of a mirror are written at once."""
    slowest = min((_rate(disk) for disk in disks), default=DEFAULT_BYTES_S)
    seconds = PARTITION_S + image.root_bytes / slowest + LOADER_S + HANDOVER_S[handover]
    return round((seconds + (0.0 if discovered else DISCOVER_S)) / 60, 1)


def _rate(disk: Disk) -> int:
    return (
        ROTATIONAL_BYTES_S
        if disk.rotational and disk.transport != "virtio"
        else RATE_BYTES_S.get(disk.transport, DEFAULT_BYTES_S)
    )
