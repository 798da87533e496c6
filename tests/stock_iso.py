"""Debian's plain live ISO of the same packages, without Rackstrap: live-boot, the stock initramfs, GRUB for BIOS."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.bare_debian import LEVEL, SUITE, TOP, find_packages, run_mksquashfs, run_mmdebstrap

MODULES: Final = ("biosdisk", "iso9660", "normal", "configfile", "linux", "search", "search_label", "serial", "terminal", "echo")
GRUB: Final = """\
serial --unit=0 --speed=115200
terminal_output console serial
set timeout=0
menuentry live {
  linux /live/vmlinuz boot=live console=tty0 console=ttyS0,115200n8 quiet
  initrd /live/initrd
}
"""


def find_admin_packages() -> list[str]:
    """What the admin machine has over every machine, and live-boot."""
    lines = (TOP / "iso/packages-admin.list").read_text().splitlines()
    return sorted({*find_packages(), *(line for line in lines if line and not line.startswith("#")), "live-boot"})


def build_stock_iso(cache: Path) -> Path:
    """The ISO, kept in the cache by what it is made of."""
    packages = find_admin_packages()
    key = hashlib.sha256(" ".join([SUITE, str(LEVEL), GRUB, *packages]).encode()).hexdigest()[:16]
    iso = cache / f"stock-iso-{key}" / "stock.iso"
    if iso.exists():
        return iso
    partial = cache / f"stock-iso-{key}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    tree, root = partial / "tree", partial / "root"
    (root / "live").mkdir(parents=True)
    (root / "boot/grub").mkdir(parents=True)
    (cache / "debs").mkdir(parents=True, exist_ok=True)
    run_mmdebstrap(tree, packages, cache / "debs")
    shutil.copy(next((tree / "boot").glob("vmlinuz-*")), root / "live/vmlinuz")
    shutil.copy(next((tree / "boot").glob("initrd.img-*")), root / "live/initrd")
    image = ["grub-mkimage", "-O", "i386-pc-eltorito", "-p", "/boot/grub", "-o", "/eltorito.img", *MODULES]
    subprocess.run(["chroot", tree, *image], check=True)
    (tree / "eltorito.img").rename(root / "boot/grub/eltorito.img")
    (root / "boot/grub/grub.cfg").write_text(GRUB)
    run_mksquashfs(tree, root / "live/filesystem.squashfs", LEVEL)
    argv = ["xorriso", "-as", "mkisofs", "-quiet", "-r", "-J", "-V", "STOCK", "-o", str(partial / "stock.iso")]
    argv += [
        "-b",
        "boot/grub/eltorito.img",
        "-no-emul-boot",
        "-boot-load-size",
        "4",
        "-boot-info-table",
        "--grub2-boot-info",
        str(root),
    ]
    subprocess.run(argv, check=True)
    for done in (tree, root):
        shutil.rmtree(done)
    partial.rename(iso.parent)
    return iso
