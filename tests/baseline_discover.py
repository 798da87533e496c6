"""The usual live system: stock Debian of the same packages, live-boot's own initramfs, power-on to the login prompt.

The nearest thing to "discovered" that such a system has is its login on the serial line: from there on an agent could work.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.bare_debian import LEVEL, SUITE, TOP, find_packages, run_mksquashfs, run_mmdebstrap
from tests.baseline_machine import ADMIN, hand_booted

LIVE: Final = ("live-boot",)
MEMORY_MB: Final = int(os.environ.get("BASELINE_MEMORY_MB", "2048"))
LOGIN: Final = rb"\blogin: "
BOOT: Final = f"""\
#!ipxe
kernel http://{ADMIN}/vmlinuz initrd=initrd boot=live fetch=http://{ADMIN}/filesystem.squashfs \
console=tty0 console=ttyS0,115200n8 quiet
initrd http://{ADMIN}/initrd
boot
"""


def build_stock(cache: Path, live: Sequence[str]) -> Path:
    """The folder with the stock live system's vmlinuz, initrd and filesystem.squashfs; built when it is not there."""
    packages = sorted({*find_packages(), *live})
    key = hashlib.sha256(" ".join([SUITE, str(LEVEL), *packages]).encode()).hexdigest()[:16]
    stock = cache / f"stock-{key}"
    if stock.exists():
        return stock
    (cache / "debs").mkdir(parents=True, exist_ok=True)
    partial = cache / f"stock-{key}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    run_mmdebstrap(partial / "tree", packages, cache / "debs")
    for name, found in (("vmlinuz", "vmlinuz-*"), ("initrd", "initrd.img-*")):
        shutil.copy(next((partial / "tree/boot").glob(found)), partial / name)
    run_mksquashfs(partial / "tree", partial / "filesystem.squashfs", LEVEL)
    shutil.rmtree(partial / "tree")
    partial.rename(stock)
    return stock


def measure() -> tuple[float, str]:
    """The least that is a live system: live-boot alone. Seconds from power-on to the login prompt, and how it was measured."""
    return measure_live(LIVE)


def measure_live(live: Sequence[str]) -> tuple[float, str]:
    """The same with these packages, which make a live system of Debian."""
    stock = build_stock(TOP / "build/cache", live)
    with tempfile.TemporaryDirectory() as scratch, hand_booted(Path(scratch, "room"), stock, MEMORY_MB) as machine:
        for file in stock.iterdir():
            (machine.www / file.name).symlink_to(file)
        machine.boot_with(BOOT)
        pressed_at = machine.power_on()
        seconds = machine.wait_console(LOGIN, 900) - pressed_at
        processor_s = machine.find_processor_s()
    size_mb = (stock / "filesystem.squashfs").stat().st_size / 1e6
    how = (
        f"stock Debian {SUITE} of the image's packages with {', '.join(live)} ({size_mb:.0f} MB by HTTP), BIOS iPXE, "
        f"1 processor, {MEMORY_MB} MB, power-on to login on the serial line; QEMU used {processor_s:.0f} s of processor, "
        f"load when it ended {os.getloadavg()[0]:.1f}"
    )
    return seconds, how
