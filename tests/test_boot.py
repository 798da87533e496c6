"""How a machine was started, from what the kernel tells."""

from __future__ import annotations

from installer.live.boot import Boot, parse_boot

MEMORY = "overlay / overlay rw 0 0\n/dev/sr0 /run/rackstrap/medium iso9660 ro 0 0\n"
LINE = "BOOT_IMAGE=/rackstrap/vmlinuz rackstrap.medium=0123456789abcdef rackstrap.boot=unattended quiet"


def test_the_iso_in_memory() -> None:
    boot = parse_boot(LINE, MEMORY, is_admin=False)
    assert (boot.source, boot.mode, boot.words["medium"]) == ("medium", "unattended", "0123456789abcdef")


def test_a_mode_that_nobody_knows_installs_only_what_is_typed() -> None:
    assert parse_boot(LINE.replace("=unattended", "=erase"), MEMORY, is_admin=False).mode == "install"


def test_the_kernel_line_of_the_iso_says_nothing_on_an_installed_disk() -> None:
    mounts = "/dev/vda3 / ext4 rw 0 0\n"
    assert parse_boot(LINE, mounts, is_admin=True) == Boot("disk")
    assert parse_boot(LINE, mounts, is_admin=False) == Boot()


def test_the_discovery_system_is_not_the_iso() -> None:
    assert parse_boot("rackstrap.image=http://a/ quiet", "overlay / overlay rw 0 0\n", is_admin=False) == Boot()
    assert parse_boot(LINE, "overlay / overlay rw 0 0\n", is_admin=False) == Boot()
