"""Go from the system in memory to the one on the disk: soft-reboot, kexec or a real reboot."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from installer.model.problems import RackstrapError
from installer.node.bootloader import find_kernel, render_kernel_words
from installer.node.job import Job
from installer.node.layout import VolumeIds
from installer.node.programs import run_program

NEXT_ROOT: Final = Path("/run/nextroot")
# What the initramfs laid into /run for the live system only: /run outlives a soft-reboot.
LIVE_ONLY: Final = ("/run/udev/rules.d", "/run/systemd/network")
# The squashfs files' mounts before what they lie on: the image in memory, or the medium.
LIVE_MOUNTS: Final = tuple(f"/run/rackstrap/{name}" for name in ("layer", "admin", "root", "writes", "image", "medium"))


def make_kexec_command(target: Path, kernel: str, ids: VolumeIds, consoles: Sequence[str]) -> tuple[str, ...]:
    """-s: the file-based call, the only one that Secure Boot lets through. `rackstrap.kexec` says that firmware was not asked."""
    words = f"root=UUID={ids.root} ro {render_kernel_words(ids, consoles)} rackstrap.kexec=1 quiet"
    boot = target / "boot"
    return ("kexec", "-s", f"--initrd={boot}/initrd.img-{kernel}", f"--command-line={words}", "-l", f"{boot}/vmlinuz-{kernel}")


def prepare_handover(job: Job) -> None:
    """Everything that can fail about it, before the result is reported. Raises RackstrapError."""
    if job.spec.handover == "kexec":
        run_program(make_kexec_command(job.target, find_kernel(job.target), job.ids, job.spec.consoles))
    elif job.spec.handover == "soft-reboot":
        NEXT_ROOT.mkdir(exist_ok=True)
        run_program(("mount", find_source(job.target), str(NEXT_ROOT)))
    run_program(("umount", "--recursive", str(job.target)))


def find_source(mounted: Path) -> str:
    """The device that is mounted there."""
    return run_program(("findmnt", "--noheadings", "--output", "SOURCE", "--mountpoint", str(mounted))).strip()


def hand_over(how: str) -> None:
    """Leave this system. Does not return, unless it fails: then the machine restarts through its firmware."""
    commands = {"soft-reboot": "soft-reboot", "kexec": "kexec"}
    if how == "soft-reboot":
        clean_run(LIVE_ONLY)
    with suppress(RackstrapError):
        run_program(("systemctl", "--no-block", commands.get(how, "reboot")))
        time.sleep(120)
    run_program(("systemctl", "reboot", "--force"))
    time.sleep(120)


def clean_run(folders: Sequence[str]) -> None:
    """Remove the live system's own rules and networks from /run."""
    for folder in folders:
        for file in Path(folder).glob("*"):
            if file.is_symlink() or "rackstrap" in file.name:
                file.unlink(missing_ok=True)


def leave_image(mounts: Sequence[str] = LIVE_MOUNTS) -> None:
    """After a soft-reboot: give back the memory that the image took. What is not mounted is fine."""
    for place in mounts:
        if Path(place).is_mount():
            with suppress(RackstrapError):
                run_program(("umount", "--lazy", place))
