"""What the admin node tells a node's agent, and what the agent answers: JSON over mutual TLS.

The agent (installer/node) runs on blank metal under a slow start-up: this module imports the standard library only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast
from uuid import NAMESPACE_URL, uuid5

Stage = Literal["partition", "format", "unpack", "configure", "bootloader", "handover"]
STAGES: tuple[Stage, ...] = ("partition", "format", "unpack", "configure", "bootloader", "handover")


@dataclass(frozen=True, slots=True)
class ChosenDisk:
    """A disk that may be erased, exactly as the consent names it. Compared once more right before writing."""

    id: str
    wwn: str
    serial: str
    size_bytes: int
    holds_digest: str


@dataclass(frozen=True, slots=True)
class NodeFile:
    """A file for the installed system; `path` is absolute in it. No secrets: those travel in `secrets`."""

    path: str
    text: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Layout:
    """Partitions, the same for BIOS and UEFI: 1 MiB BIOS boot, ESP, root (ext4, the rest up to root_bytes; 0 is all).

    With two disks every partition exists on both, and root is a RAID1 (md, metadata 1.2).
    """

    esp_bytes: int = 256 * 1024 * 1024
    root_bytes: int = 0


@dataclass(frozen=True, slots=True)
class InstallSpec:
    """One installation, decided. Keyed by node and epoch alone."""

    node: str
    epoch: int
    disks: tuple[ChosenDisk, ...]  # one, or two for a mirror
    layout: Layout
    files: tuple[NodeFile, ...]
    handover: Literal["soft-reboot", "kexec", "reboot"]
    consoles: tuple[str, ...]  # kernel console arguments: ("tty0", "ttyS0,115200n8")
    users: tuple[str, ...] = ("root",)  # accounts that must exist; made when they do not
    enable: tuple[str, ...] = ("ssh.service", "systemd-networkd.service")  # units


@dataclass(frozen=True, slots=True)
class Order:
    """One order. `id` is unique; an agent that is given a finished order again answers its result again.

    `shows` is the line for the node's console. `secrets` maps a name to its value (password_hash) and is added
    by the serving process at the last hop: it is in no event, plan or log. `resumes` says that this installation
    had begun before (same epoch): a chosen disk may then also be blank, or carry this installation's own disk GUID.
    """

    id: str
    kind: Literal["wait", "install", "reboot", "poweroff", "identify", "probe"]
    shows: str = ""
    install: InstallSpec | None = None
    resumes: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


def make_disk_guid(node: str, epoch: int, disk_id: str) -> str:
    """The GPT disk GUID (upper case) that this installation gives this disk: how a resumed one knows its own work."""
    return str(uuid5(NAMESPACE_URL, f"rackstrap:{node}:{epoch}:{disk_id}")).upper()


def make_seen(order: Order) -> str:
    """What an agent has already seen: the `seen` of its next long poll, which answers once this would differ."""
    return f"{order.id}|{hashlib.sha256(order.shows.encode()).hexdigest()[:16]}"


def dump_order(order: Order) -> str:
    return json.dumps(asdict(order), separators=(",", ":"))


def parse_order(text: str) -> Order:
    """The order that `dump_order` wrote. Raises ValueError with what is wrong."""
    try:
        raw = cast("dict[str, Any]", json.loads(text))
        install = parse_install(raw["install"]) if raw.get("install") else None
        shows, resumes = str(raw.get("shows", "")), bool(raw.get("resumes"))
        return Order(str(raw["id"]), raw["kind"], shows, install, resumes, dict(raw.get("secrets") or {}))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an order: {error!r}") from error


def parse_install(raw: Mapping[str, Any]) -> InstallSpec:
    """An InstallSpec from the JSON object that `asdict` made of one."""
    return InstallSpec(
        node=str(raw["node"]),
        epoch=int(raw["epoch"]),
        disks=tuple(ChosenDisk(**disk) for disk in raw["disks"]),
        layout=Layout(**raw["layout"]),
        files=tuple(NodeFile(**file) for file in raw["files"]),
        handover=raw["handover"],
        consoles=tuple(raw["consoles"]),
        users=tuple(raw["users"]),
        enable=tuple(raw["enable"]),
    )
