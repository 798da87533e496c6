"""What an installed node says of itself: where its root is, which boot this is, its host keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from installer.model.problems import RackstrapError
from installer.node.hostkeys import load_host_keys
from installer.node.place import Installed, load_boot_id, parse_cmdline
from installer.node.programs import run_program

SYS_BLOCK = Path("/sys/class/block")


def make_report(
    installed: Installed,
    *,
    boot_id: str,
    soft_reboots: int,
    cmdline: str,
    root: str,
    disks: Iterable[str],
    ssh_host_keys: Iterable[str],
) -> Mapping[str, Any]:
    """The body of POST /agent/installed, without the address.

    `cold`: this boot came from firmware, so the boot loader has proved itself.
    """
    kexeced = parse_cmdline(cmdline).get("kexec") == "1"
    return {
        "node": installed.node,
        "epoch": installed.epoch,
        "boot_id": boot_id,
        "soft_reboots": soft_reboots,
        "ssh_host_keys": list(ssh_host_keys),
        "root": root,
        "disk": ",".join(disks),
        "cold": boot_id != installed.boot_id and not kexeced,
    }


def load_report(installed: Installed) -> Mapping[str, Any]:
    """The report of now. Raises RackstrapError when findmnt or systemctl fail."""
    root = run_program(("findmnt", "--noheadings", "--output", "SOURCE", "/")).strip()
    count = run_program(("systemctl", "show", "--property=SoftRebootsCount", "--value")).strip()
    return make_report(
        installed,
        boot_id=load_boot_id(),
        soft_reboots=int(count) if count.isdecimal() else 0,
        cmdline=Path("/proc/cmdline").read_text(encoding="utf-8", errors="replace"),
        root=root,
        disks=find_root_disks(Path(root).resolve().name, installed.disks),
        ssh_host_keys=load_host_keys(Path("/etc/ssh")),
    )


def find_root_disks(root: str, known: Iterable[str]) -> tuple[str, ...]:
    """Stable ids of the disks that carry the root device `root` (a kernel name): those of the installation, where they fit."""
    names = sorted({find_whole(part) for part in find_parts(root)})
    ids = {find_name(disk_id): disk_id for disk_id in known}
    return tuple(ids.get(name) or find_any_id(name) for name in names)


def find_parts(root: str) -> tuple[str, ...]:
    """The partitions below an array, or the partition itself."""
    return tuple(path.name for path in (SYS_BLOCK / root / "slaves").glob("*")) or (root,)


def find_whole(part: str) -> str:
    """The disk of a partition, by kernel names."""
    path = (SYS_BLOCK / part).resolve()
    return path.parent.name if (path / "partition").exists() else path.name


def find_name(disk_id: str) -> str:
    """The kernel name behind a stable id, "" when it is gone."""
    links = (Path("/dev/disk", folder, disk_id) for folder in ("by-id", "by-path"))
    return next((link.resolve().name for link in links if link.exists()), "")


def find_any_id(name: str) -> str:
    links = sorted(Path("/dev/disk/by-id").glob("*"))
    return next((link.name for link in links if link.resolve().name == name), name)


def load_own_address(fallback: str = "") -> str:
    """This node's first global IPv4 address."""
    try:
        text = run_program(("ip", "-4", "-o", "address", "show", "scope", "global"))
    except RackstrapError:
        return fallback
    words = text.split()
    return words[words.index("inet") + 1].partition("/")[0] if "inet" in words else fallback
