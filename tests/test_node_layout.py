"""Planning of partitions, filesystems and boot files, and the real sgdisk and wipefs on a file."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from installer.model.orders import Layout, make_disk_guid
from installer.node import layout
from installer.node.bootloader import render_default_grub, render_grub_cfg, render_kernel_words
from installer.node.programs import run_program, run_programs

SEED = bytes(range(64))
ONE = layout.make_volume_ids(SEED, 1)
TWO = layout.make_volume_ids(SEED, 2)
GUID = make_disk_guid("node1", 1, "wwn-0x5000c500a1b2c3d4")


def make_disk(path: Path, size_bytes: int = 4 << 30) -> Path:
    with path.open("wb") as file:
        file.truncate(size_bytes)
    return path


def test_a_single_disk_has_no_array_and_one_esp() -> None:
    assert (ONE.array, len(ONE.esps), ONE.root) == ("", 1, "00010203-0405-4607-8809-0a0b0c0d0e0f")


def test_the_array_uuid_is_spelled_as_mdadm_spells_it() -> None:
    assert TWO.mdadm_uuid == "10111213:14154617:98191a1b:1c1d1e1f"


def test_partition_command_of_a_mirror_half() -> None:
    command = layout.make_partition_command("/dev/sda", GUID, Layout(esp_bytes=256 << 20, root_bytes=10 << 30), mirror=True)
    assert command[-1] == "/dev/sda"
    assert f"--disk-guid={GUID}" in command
    assert "--new=3:0:+10485760K" in command
    assert "--typecode=3:fd00" in command


def test_an_esp_on_4k_sectors_is_large_enough_for_fat32() -> None:
    command = layout.make_partition_command("/dev/sda", GUID, Layout(), mirror=False, sector_bytes=4096)
    assert "--new=2:0:+278528K" in command


def test_sgdisk_makes_the_table_that_was_planned(tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk")
    run_program(layout.make_partition_command(str(disk), GUID, Layout(), mirror=False))
    printed = run_program(("sgdisk", "--print", str(disk)))
    assert f"Disk identifier (GUID): {GUID}" in printed
    rows = [line.split() for line in printed.splitlines() if re.match(r"\s+\d+ +\d+", line)]
    assert [(row[0], row[5], row[6]) for row in rows] == [
        ("1", "EF02", "rackstrap-bios"),
        ("2", "EF00", "rackstrap-esp"),
        ("3", "8300", "rackstrap-root"),
    ]


def test_the_first_boot_code_ends_where_a_table_may_begin_and_asks_for_the_next_device() -> None:
    assert (len(layout.BOOT_CODE), layout.BOOT_CODE[:2]) == (440, b"\xcd\x18")


def test_old_signatures_are_gone_after_wiping(tmp_path: Path) -> None:
    disk = make_disk(tmp_path / "disk")
    run_program(("mkfs.ext4", "-q", "-F", str(disk), "64M"))
    assert "ext4" in run_program(("wipefs", "--no-act", str(disk)))
    run_programs(layout.make_wipe_commands(str(disk), ()))
    assert run_program(("wipefs", "--no-act", str(disk))) == ""


def test_partitions_are_wiped_before_their_disk() -> None:
    assert layout.make_wipe_commands("/dev/sda", ("/dev/sda1", "/dev/sda2")) == (
        ("wipefs", "--all", "--quiet", "/dev/sda1", "/dev/sda2"),
        ("wipefs", "--all", "--quiet", "/dev/sda"),
    )


def test_filesystems_carry_the_ids_that_fstab_names(tmp_path: Path) -> None:
    root, esp = make_disk(tmp_path / "root", 256 << 20), make_disk(tmp_path / "esp", 64 << 20)
    run_programs((*layout.make_esp_commands((str(esp),), ONE), layout.make_root_command(str(root), ONE)))
    found = {
        subprocess.run(
            ["blkid", "-p", "-o", "value", "-s", "UUID", path], capture_output=True, text=True, check=True
        ).stdout.strip()
        for path in (root, esp)
    }
    assert found == {ONE.root, layout.render_fat_uuid(ONE.esps[0])}
    assert all(f"UUID={uuid} " in layout.render_fstab(ONE) for uuid in found)


def test_an_esp_is_not_labelled_as_a_volume_with_a_site_file() -> None:
    commands = layout.make_esp_commands(("/dev/vda2", "/dev/vdb2"), TWO)
    assert [command[command.index("-n") + 1] for command in commands] == ["RACKESP", "RACKESP"]


def test_nothing_foreign_is_assembled() -> None:
    assert layout.render_mdadm_conf(ONE).endswith("\nAUTO -all\n")
    assert "ARRAY" not in layout.render_mdadm_conf(ONE)
    assert f"UUID={TWO.mdadm_uuid}" in layout.render_mdadm_conf(TWO)


def test_serial_console_of_a_kernel_argument() -> None:
    assert layout.parse_serial(("tty0", "ttyS1,57600n8")) == (1, 57600)
    assert layout.parse_serial(("tty0",)) is None
    assert layout.parse_serial(("ttyS0",)) == (0, 9600)


def test_kernel_words_name_the_array_only_for_a_mirror() -> None:
    assert render_kernel_words(ONE, ("tty0", "ttyS0,115200n8")) == "console=tty0 console=ttyS0,115200n8 systemd.gpt_auto=0"
    assert render_kernel_words(TWO, ()).startswith(f"rackstrap.md={TWO.mdadm_uuid} ")


def test_grub_cfg_is_one_that_grub_reads(tmp_path: Path) -> None:
    path = tmp_path / "grub.cfg"
    path.write_text(render_grub_cfg(TWO, ("tty0", "ttyS0,115200n8"), "6.12.1-amd64"))
    assert f"root=UUID={TWO.root} ro rackstrap.md={TWO.mdadm_uuid} console=tty0" in path.read_text()
    assert "serial --unit=0 --speed=115200" in path.read_text()
    run_program(("grub-script-check", str(path)))


def test_default_grub_is_shell_and_speaks_serial_on_bios_only(tmp_path: Path) -> None:
    bios, uefi = (render_default_grub(ONE, ("tty0", "ttyS0,115200n8"), mode) for mode in ("bios", "uefi"))
    path = tmp_path / "grub"
    path.write_text(bios)
    assert run_program(("sh", "-c", '. "$1"; echo "$GRUB_TERMINAL|$GRUB_CMDLINE_LINUX"', "sh", str(path))) == (
        "console serial|console=tty0 console=ttyS0,115200n8 systemd.gpt_auto=0\n"
    )
    assert "GRUB_TERMINAL" not in uefi
