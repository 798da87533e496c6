"""Disks that must survive: made dirty, so that anything that mounts, assembles or repairs them changes their bytes."""

from __future__ import annotations

import hashlib
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from uuid import UUID

MIB: Final = 1024 * 1024


def hash_disk(path: Path) -> str:
    """SHA-256 of the whole image file."""
    with path.open("rb") as disk:
        return hashlib.file_digest(disk, "sha256").hexdigest()


def run(*argv: str | Path) -> str:
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True, close_fds=True).stdout


def _make_file(path: Path, size_mib: int) -> None:
    path.unlink(missing_ok=True)
    with path.open("wb") as disk:
        disk.truncate(size_mib * MIB)


def _make_dirty(path: Path, mkfs: tuple[str, ...], size_mib: int) -> None:
    """A filesystem copied while it was mounted and written to: its journal wants to be replayed."""
    with tempfile.TemporaryDirectory() as scratch:
        live, mount = Path(scratch, "live"), Path(scratch, "mount")
        _make_file(live, size_mib)
        run(*mkfs, live)
        mount.mkdir()
        run("mount", "-o", "loop", live, mount)
        try:
            for number in range(64):
                (mount / f"invoice-{number}").write_bytes(b"do not lose me\n" * 500)
                (mount / f"gone-{number}").write_bytes(b"x")
                (mount / f"gone-{number}").unlink()
            run("sync", "-f", mount)
            shutil.copyfile(live, path)
        finally:
            run("umount", mount)


def make_dirty_ext4(path: Path) -> None:
    _make_dirty(path, ("mkfs.ext4", "-q", "-F", "-L", "backup"), 96)
    assert "needs_recovery" in run("dumpe2fs", "-h", path)


def make_dirty_xfs(path: Path) -> None:
    _make_dirty(path, ("mkfs.xfs", "-q", "-L", "archive"), 320)
    log = subprocess.run(["xfs_repair", "-n", "-f", path], check=False, capture_output=True, text=True)
    assert "valuable metadata changes in a log" in log.stderr + log.stdout, log


def make_half_mirror(path: Path) -> None:
    """One half of a RAID1: an md superblock of version 1.2 (struct mdp_superblock_1 of Linux's md_p.h), 4 KiB in."""
    _make_file(path, 64)
    uuid = UUID("5ca1ab1e-0000-4000-8000-000000000001").bytes
    sectors, data_offset, max_dev = 64 * MIB // 512, 2048, 2
    block = struct.pack("<IIII16s32sQiIQIII", 0xA92B4EFC, 1, 0, 0, uuid, b"oldhost:0", 1, 1, 0, sectors - data_offset, 0, 2, 0)
    block = block.ljust(128, b"\0") + struct.pack("<QQQQII16s", data_offset, sectors - data_offset, 8, 0, 0, 0, uuid[::-1])
    block = block.ljust(192, b"\0") + struct.pack("<QQQII", 1, 42, 0, 0, max_dev)
    block = block.ljust(256, b"\0") + struct.pack("<HH", 0, 1)
    total = sum(struct.unpack(f"<{len(block) // 4}I", block))
    checksum = (total & 0xFFFFFFFF) + (total >> 32)
    block = block[:216] + struct.pack("<I", checksum & 0xFFFFFFFF) + block[220:]
    with path.open("r+b") as disk:
        disk.seek(4096)
        disk.write(block)
    assert "Checksum" in (text := run("mdadm", "--examine", path)), text
    assert "correct" in text, text


def make_lvm(path: Path) -> None:
    _make_file(path, 64)
    loop = run("losetup", "-f", "--show", path).strip()
    try:
        run("pvcreate", "--config", "devices{use_devicesfile=0}", loop)
        run("vgcreate", "--config", "devices{use_devicesfile=0}", "oldvg", loop)
    finally:
        run("losetup", "-d", loop)


def make_swap(path: Path) -> None:
    _make_file(path, 64)
    run("mkswap", "-L", "oldswap", path)


DECOYS: Final[Mapping[str, Callable[[Path], None]]] = {
    "ext4": make_dirty_ext4,
    "xfs": make_dirty_xfs,
    "mirror": make_half_mirror,
    "lvm": make_lvm,
    "swap": make_swap,
}
