"""Where the wizard saves a site file: volumes, which are never mounted, the ISO, and paths."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from installer.live import volumes
from installer.live.volumes import Volume, parse_volume
from installer.model.problems import RackstrapError
from installer.wizard import targets
from tests.fat_volumes import make_fat
from tests.live_site import SITE

PROPERTIES = {
    "ID_BUS": "usb",
    "DEVLINKS": "/dev/disk/by-uuid/1 /dev/disk/by-id/usb-KINGSTON_DT_77A0-0:0-part1",
    "ID_FS_TYPE": "vfat",
    "ID_FS_LABEL": "RACKSTRAP",
    "ID_FS_SIZE": "4000000000",
    "ID_VENDOR": "KINGSTON",
    "ID_MODEL": "DT",
}


def test_a_removable_volume_is_known_by_its_lasting_name() -> None:
    assert parse_volume(PROPERTIES, False) == Volume(
        "usb-KINGSTON_DT_77A0-0:0-part1", "KINGSTON DT, 4.0 GB, label RACKSTRAP", "vfat", "RACKSTRAP"
    )
    assert parse_volume({**PROPERTIES, "ID_BUS": "ata"}, False) is None
    assert parse_volume({**PROPERTIES, "ID_BUS": "ata"}, True) is not None
    assert parse_volume({**PROPERTIES, "DEVLINKS": "/dev/disk/by-uuid/1"}, True) is None
    hostile = parse_volume({**PROPERTIES, "ID_FS_LABEL": "\x1b[2J" + "x" * 99, "ID_FS_SIZE": "many"}, True)
    assert hostile is not None
    assert hostile.title == "KINGSTON DT, label [2J" + "x" * 37


def test_a_fat_volume_takes_a_file_and_gives_it_back(tmp_path: Path) -> None:
    device = make_fat(tmp_path / "stick")
    volumes.write_file("vfat", device, "site.yaml", SITE.encode())
    volumes.write_file("vfat", device, "site.yaml", SITE.encode() * 2)
    assert volumes.read_file("vfat", device, "site.yaml") == SITE.encode() * 2
    volumes.write_file("vfat", device, "report.txt", b"fine")
    volume = Volume("stick", "a stick", "vfat", "RACKSTRAP")
    assert volumes.add_sites(volume, device).sites == ("site.yaml",)
    assert volumes.add_sites(replace(volume, label="OTHER"), device).sites == ()
    checked = subprocess.run(["fsck.vfat", "-n", str(device)], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_an_iso_is_read_but_not_written(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "lab.yaml").write_text(SITE)
    iso = tmp_path / "volume.iso"
    words = ["xorriso", "-as", "mkisofs", "-quiet", "-R", "-V", "RACKSTRAP", "-o", str(iso), str(tmp_path / "content")]
    subprocess.run(words, check=True, capture_output=True)
    assert volumes.list_files("iso9660", iso) == ["lab.yaml"]
    assert volumes.read_file("iso9660", iso, "lab.yaml") == SITE.encode()
    with pytest.raises(RackstrapError, match="not written here"):
        volumes.write_file("iso9660", iso, "lab.yaml", b"")


def test_names_that_are_no_file_names_reach_no_program(tmp_path: Path) -> None:
    device = make_fat(tmp_path / "stick")
    before = device.read_bytes()
    for name in ("../site.yaml", "-i", "a/b", "", "x" * 65, "a b", "::"):
        with pytest.raises(RackstrapError, match="no name for a file"):
            volumes.write_file("vfat", device, name, b"x")
        with pytest.raises(RackstrapError, match="no name for a file"):
            volumes.read_file("vfat", device, name)
    assert device.read_bytes() == before


def test_a_volume_that_is_full_broken_or_gone_is_an_error_in_words(tmp_path: Path) -> None:
    device = make_fat(tmp_path / "stick")
    with pytest.raises(RackstrapError, match="mcopy: "):
        volumes.write_file("vfat", device, "big.bin", b"x" * 3 * 2**20)
    with pytest.raises(RackstrapError, match="mcopy: "):
        volumes.read_file("vfat", tmp_path / "gone", "site.yaml")
    (tmp_path / "noise").write_bytes(os.urandom(2**16))
    with pytest.raises(RackstrapError):
        volumes.list_files("vfat", tmp_path / "noise")
    with pytest.raises(RackstrapError, match="no volume"):
        volumes.find_volume((), "volume:usb-x")
    one = Volume("usb-1:0-part1", "a stick", "vfat")
    assert volumes.find_volume((one,), "volume:usb-1:0-part1/lab.yaml") == (one, "lab.yaml")


def test_a_path_is_completed_and_a_folder_gets_the_usual_name(tmp_path: Path) -> None:
    assert targets.find_path(f"{tmp_path}/x.yaml ", "site.yaml") == tmp_path / "x.yaml"
    assert targets.find_path(str(tmp_path), "site.yaml") == tmp_path / "site.yaml"
    for text in ("", "  ", "a\0b"):
        with pytest.raises(RackstrapError, match="no path"):
            targets.find_path(text, "site.yaml")
