"""Make the disk boot in a BIOS machine, in a UEFI machine, and with Secure Boot; with a mirror, either disk alone.

GRUB's BIOS core goes to every chosen disk, the signed shim and GRUB to \\EFI\\BOOT of every ESP. Nothing is written to
NVRAM: firmware finds \\EFI\\BOOT by itself, and the network stays first in its boot order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from installer.model.problems import RackstrapError
from installer.node.layout import VolumeIds, parse_serial
from installer.node.programs import run_program, run_programs

BOUND: Final = ("dev", "proc", "sys", "run/udev")
EFI: Final = ["--target=x86_64-efi", "--uefi-secure-boot", "--removable", "--no-nvram", "--efi-directory=/boot/efi"]


def render_kernel_words(ids: VolumeIds, consoles: Sequence[str]) -> str:
    """What the installed kernel line has beside root=: the array, the consoles, and no guessing of partitions."""
    array = [f"rackstrap.md={ids.mdadm_uuid}"] if ids.array else []
    return " ".join([*array, *(f"console={console}" for console in consoles), "systemd.gpt_auto=0"])


def render_default_grub(ids: VolumeIds, consoles: Sequence[str], firmware: Literal["bios", "uefi"]) -> str:
    """/etc/default/grub, for every later update-grub. os-prober stays off: it mounts what it finds."""
    lines = [
        "GRUB_DEFAULT=0",
        "GRUB_TIMEOUT=1",
        "GRUB_TIMEOUT_STYLE=hidden",
        "GRUB_DISTRIBUTOR=Debian",
        "GRUB_CMDLINE_LINUX_DEFAULT=quiet",
        f'GRUB_CMDLINE_LINUX="{render_kernel_words(ids, consoles)}"',
        "GRUB_DISABLE_OS_PROBER=true",
    ]
    serial = parse_serial(tuple(consoles))
    if serial and firmware == "bios":  # a UEFI console is the serial line already: both would print everything twice
        lines += ['GRUB_TERMINAL="console serial"', f'GRUB_SERIAL_COMMAND="serial --unit={serial[0]} --speed={serial[1]}"']
    return "\n".join(lines) + "\n"


def render_grub_cfg(ids: VolumeIds, consoles: Sequence[str], kernel: str) -> str:
    """The first grub.cfg; update-grub writes a longer one over it when a kernel comes or goes."""
    serial = parse_serial(tuple(consoles))
    terminal = ""
    if serial:
        terminal = (
            'if [ "$grub_platform" = pc ]; then\n'
            f"  serial --unit={serial[0]} --speed={serial[1]}\n"
            "  terminal_input console serial\n  terminal_output console serial\nfi\n"
        )
    return (
        "set default=0\nset timeout_style=hidden\nset timeout=1\n"
        f"{terminal}"
        "menuentry 'Debian GNU/Linux' {\n"
        f"  search --no-floppy --fs-uuid --set=root {ids.root}\n"
        f"  linux /boot/vmlinuz-{kernel} root=UUID={ids.root} ro {render_kernel_words(ids, consoles)} quiet\n"
        f"  initrd /boot/initrd.img-{kernel}\n"
        "}\n"
    )


def find_kernel(target: Path) -> str:
    """The version of the one kernel in the image. Raises RackstrapError when it or its initrd is missing."""
    versions = sorted(path.name.removeprefix("vmlinuz-") for path in (target / "boot").glob("vmlinuz-*"))
    usable = [version for version in versions if (target / "boot" / f"initrd.img-{version}").exists()]
    if not usable:
        raise RackstrapError("the image has no kernel with an initrd in /boot", "build the image again")
    return usable[-1]


@contextmanager
def bind_mounts(target: Path) -> Iterator[None]:
    """What programs inside the new root need of this system, while they run."""
    mounted: list[Path] = []
    try:
        for name in BOUND:
            place = target / name
            place.mkdir(parents=True, exist_ok=True)
            run_program(("mount", "--bind", f"/{name}", str(place)))
            mounted.append(place)
        yield
    finally:
        for place in reversed(mounted):
            run_program(("umount", "--lazy", str(place)))


def make_grub_commands(target: Path, disks: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """grub-install for each disk's BIOS core, and once for the ESP that is mounted at /boot/efi."""
    chroot = ("chroot", str(target), "grub-install", "--no-floppy")
    return (*((*chroot, "--target=i386-pc", disk) for disk in disks), (*chroot, *EFI))


def run_bootloader(target: Path, disks: Sequence[str], esps: Sequence[str]) -> None:
    """Install GRUB on every disk and shim with GRUB on every ESP. Raises RackstrapError."""
    place = target / "boot/efi"
    place.mkdir(parents=True, exist_ok=True)
    with bind_mounts(target):
        run_program(("mount", "-t", "vfat", esps[0], str(place)))
        try:
            run_programs(make_grub_commands(target, disks), timeout_s=300)
            for other in esps[1:]:
                copy_esp(place, other, target)
        finally:
            run_program(("umount", str(place)))


def copy_esp(source: Path, esp: str, target: Path) -> None:
    """The same files on the other ESP."""
    place = target / "run/rackstrap-esp"
    place.mkdir(parents=True, exist_ok=True)
    run_program(("mount", "-t", "vfat", esp, str(place)))
    try:
        run_program(("cp", "--recursive", "--force", f"{source}/.", str(place)))
    finally:
        run_program(("umount", str(place)))
        place.rmdir()
