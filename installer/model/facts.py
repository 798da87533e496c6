"""What a machine is: the facts that a probe found, parsed from one recording.

Facts carry no decision and no name; those are the site's and the ledger's.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

FirmwareMode = Literal["bios", "uefi"]
Transport = Literal["sata", "sas", "scsi", "nvme", "virtio", "usb", "fc", "iscsi", "mmc", "unknown"]
HealthState = Literal["ok", "failing", "unknown"]


@dataclass(frozen=True, slots=True)
class Signature:
    """One superblock found on a disk or on one of its partitions.

    `kind` groups what `type` (libblkid's name: ext4, linux_raid_member, LVM2_member, zfs_member, gpt …) means.
    """

    where: str  # kernel name of the disk or partition: sda, nvme0n1p2
    kind: Literal["filesystem", "raid", "lvm", "zfs", "multipath", "swap", "encrypted", "table", "partition", "other"]
    type: str
    offset_bytes: int = 0
    uuid: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """SMART or NVMe health as the disk itself reports it."""

    state: HealthState = "unknown"
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Disk:
    """One whole disk. `id` is unique in its machine and survives a reboot.

    It is the best /dev/disk/by-id name (wwn-, nvme-eui., then model_serial); where two disks of one machine
    share that name, the by-path name.
    """

    id: str
    name: str
    size_bytes: int
    sector_bytes: int = 512
    by_id: tuple[str, ...] = ()
    by_path: str = ""
    wwn: str = ""
    serial: str = ""
    model: str = ""
    rotational: bool = False
    removable: bool = False
    read_only: bool = False
    transport: Transport = "unknown"
    holds: tuple[Signature, ...] = ()
    health: Health = Health()

    @property
    def is_blank(self) -> bool:
        """Whether the disk carries no signature at all."""
        return not self.holds

    @property
    def has_own_mark(self) -> bool:
        """Whether Rackstrap installed onto this disk before: a partition named rackstrap-…"""
        return any(s.kind == "partition" and s.label.startswith("rackstrap-") for s in self.holds)

    @property
    def holds_digest(self) -> str:
        """SHA-256 over every signature, without kernel names (which move): what a consent is bound to."""
        rows = sorted((s.where.removeprefix(self.name), s.kind, s.type, s.offset_bytes, s.uuid, s.label) for s in self.holds)
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Lldp:
    """The neighbour that LLDP (IEEE 802.1AB) shows on a NIC."""

    switch: str  # system name, else chassis id
    port: str  # port description or id
    chassis_id: str = ""


@dataclass(frozen=True, slots=True)
class Nic:
    """One network interface that is hardware (no bridges, bonds, VLANs)."""

    name: str
    mac: str  # lower case, colons; the permanent one where the driver tells it
    driver: str = ""
    speed_mbps: int | None = None
    has_link: bool = False
    pci_path: str = ""
    addresses: tuple[str, ...] = ()  # CIDR: 192.168.124.81/24
    lldp: Lldp | None = None


@dataclass(frozen=True, slots=True)
class Bmc:
    """The machine's BMC, seen in-band (`ipmitool lan print` over KCS)."""

    address: str = ""
    mac: str = ""
    netmask: str = ""
    router: str = ""
    source: str = ""  # static, dhcp …


@dataclass(frozen=True, slots=True)
class Firmware:
    mode: FirmwareMode = "bios"
    secure_boot: bool = False
    vendor: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Cpu:
    model: str = ""
    sockets: int = 1
    cores: int = 1
    threads: int = 1
    virtualization: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine as its probe found it."""

    uuid: str  # SMBIOS, lower case; "" where absent or all 00/FF
    serial: str
    vendor: str
    product: str
    cpu: Cpu
    memory_bytes: int
    firmware: Firmware
    nics: tuple[Nic, ...]
    disks: tuple[Disk, ...]
    bmc: Bmc | None = None
    tpm: str = ""  # "2.0", "1.2" or ""
    consoles: tuple[str, ...] = ()  # kernel console arguments as booted: "tty0", "ttyS0,115200n8"
    gateways: tuple[str, ...] = ()
    boot_nic: str = ""  # MAC of the NIC that it booted from, where known

    def disk(self, disk_id: str) -> Disk | None:
        """The disk with this stable id."""
        return next((d for d in self.disks if d.id == disk_id), None)

    @property
    def macs(self) -> frozenset[str]:
        return frozenset(n.mac for n in self.nics)
