"""A small ISO laid out as the build's is, made by the same program; for tests of what reads and changes one."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
from pathlib import Path

from installer.medium.area import AREA_BYTES
from installer.medium.words import CONFIG_BYTES

MEDIUM = "0123456789abcdef"
PARTS = {"root.squashfs": b"root" * 50_000, "vmlinuz": b"kernel" * 1000, "tftp/snponly.efi": b"loader"}


def make_shim(version: str) -> bytes:
    """As much of a signed shim as says its version: a PE file with one section."""
    sbat = f"sbat,1,SBAT Version,sbat,1,x\nshim,4,UEFI shim,shim,1,x\nshim.debian,1,Debian,shim,{version},x\n".encode()
    head = (
        b"MZ".ljust(0x3C, b"\0")
        + struct.pack("<I", 0x40)
        + b"PE\0\0"
        + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 8, 0)
        + bytes(8)
    )
    begin = len(head) + 40
    return head + struct.pack("<8s4I", b".sbat", len(sbat), 0, 512, begin).ljust(40, b"\0") + sbat.ljust(512, b"\0")


def save_tree(root: Path) -> None:
    """The files of an ISO, as iso/stages/iso.sh lays them out."""
    manifest = {
        "version": "0.1.0+e4545c64e395f324",
        "kernel": "6.12.1-amd64",
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in PARTS.items()},
        "bytes": {name: len(content) for name, content in PARTS.items()},
    }
    files = {
        ".disk/info": b"Rackstrap\n",
        ".disk/rackstrap": f"{MEDIUM}\n".encode(),
        f".disk/rackstrap-{MEDIUM}": b"",
        "EFI/BOOT/BOOTX64.EFI": make_shim("16.1"),
        "boot/grub/eltorito.img": bytes(4096),
        "boot/grub/grub.cfg": b"source ($medium)/boot/grub/site.cfg\n",
        "boot/grub/site.cfg": b"\n" * CONFIG_BYTES,
        "rackstrap/manifest.json": json.dumps(manifest).encode(),
        "rackstrap/packages.lock": b"adduser 3.152 aa\napt 3.0.4 bb\n",
        "rackstrap/packages-admin.lock": b"# admin\nnginx 1.26 cc\n",
        "rackstrap/site.tar": bytes(AREA_BYTES),
        **{f"rackstrap/{name}": content for name, content in PARTS.items()},
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def make_iso(folder: Path, out: Path, *options: str) -> None:
    """Pack `folder` for BIOS and UEFI, as iso/stages/iso.sh does but with boot images of zeros."""
    esp = out.with_suffix(".esp")
    esp.write_bytes(bytes(1 << 20))
    command = ["xorriso", "-as", "mkisofs", "-quiet", "-r", "-J", "-joliet-long", "-V", "RACKSTRAP_LIVE", "-o", str(out)]
    command += ["-b", "boot/grub/eltorito.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", "--grub2-boot-info"]
    command += ["-partition_offset", "16", "-append_partition", "2", "0xef", str(esp), "-appended_part_as_gpt"]
    command += ["-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot", *options, str(folder)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, "SOURCE_DATE_EPOCH": "1788220800"}
    )
    assert done.returncode == 0, done.stderr
    esp.unlink()


def make_small_iso(folder: Path) -> Path:
    """A whole one, about 3 MB."""
    save_tree(folder / "tree")
    make_iso(folder / "tree", folder / "rackstrap.iso")
    return folder / "rackstrap.iso"
