"""What a virtual rack consists of, as its YAML file describes it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field

STRICT: Final = ConfigDict(extra="forbid")
UNITS: Final = {"M": 2**20, "G": 2**30, "T": 2**40}

Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,62}$")]
Serial = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,19}$")]
Mac = Annotated[str, Field(pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")]
Uuid = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Wwn = Annotated[str, Field(pattern=r"^(0x[0-9a-f]{16})?$")]
Size = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}[MGT]$")]
FirmwareKind = Literal["bios", "uefi", "secure-boot"]
ConsoleKind = Literal["hvc0", "ttyS1"]


@dataclass(frozen=True, slots=True)
class RackNic:
    """One NIC. `switch` and `port` are what LLDP tells the machine about the other end of its cable."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    mac: Mac
    model: Literal["virtio", "e1000e", "e1000", "rtl8139"] = "virtio"
    switch: Word = "switch1"
    port: Word = "port1"


@dataclass(frozen=True, slots=True)
class RackDisk:
    """One disk. `file` is a raw image of the user's own, relative to the rack's file; else the rack makes one."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    size: Size
    bus: Literal["virtio", "sata", "scsi", "nvme", "usb"] = "virtio"
    serial: Serial | Literal[""] = ""
    wwn: Wwn = ""
    sector_bytes: Literal[512, 4096] = 512
    removable: bool = False
    file: str = ""

    @property
    def size_bytes(self) -> int:
        return int(self.size[:-1]) * UNITS[self.size[-1]]


@dataclass(frozen=True, slots=True)
class RackBmc:
    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    address: IPv4Address
    user: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,16}$")] = "admin"


def _parse_none(value: Any) -> Any:
    return None if value == "none" else value


@dataclass(frozen=True, slots=True)
class RackMachine:
    """One server. With `iso` a CD of this file is in its drive, with `stick` the same file is a USB stick: an admin machine.

    It starts from its medium, then from its disks, then from the network; others start from the network first.
    `consoles` are those beside ttyS0: a hypervisor's (hvc0), a second serial port that the firmware's SPCR table names (ttyS1).
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]
    serial: Serial
    uuid: Uuid
    firmware: FirmwareKind = "bios"
    memory_mb: Annotated[int, Field(ge=32, le=1048576)] = 1536
    cpus: Annotated[int, Field(ge=1, le=64)] = 1
    nics: tuple[RackNic, ...] = ()
    disks: tuple[RackDisk, ...] = ()
    bmc: Annotated[RackBmc | None, BeforeValidator(_parse_none)] = None
    iso: str = ""
    stick: str = ""
    consoles: frozenset[ConsoleKind] = frozenset()

    @property
    def medium(self) -> str:
        """The file of the boot medium in this machine, relative to the rack's file; "" without one."""
        return self.iso or self.stick


@dataclass(frozen=True, slots=True)
class Rack:
    """A rack in a network namespace of its name, where `bridge` carries the admin address and every NIC's cable.

    Where a machine of the rack is its admin node, `host` is the bridge's address in place of `admin`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    admin: IPv4Interface
    machines: tuple[RackMachine, ...]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")] = "rack"
    bridge: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,14}$")] = "br0"
    host: IPv4Address | None = None

    @property
    def bridge_address(self) -> IPv4Interface:
        """What the rack's own host is called in the admin network."""
        return IPv4Interface(f"{self.host}/{self.admin.network.prefixlen}") if self.host else self.admin

    def machine(self, name: str) -> RackMachine | None:
        return next((machine for machine in self.machines if machine.name == name), None)
