"""A disk that was not chosen is never written: hostile orders, changed disks, paths that try to leave the new root."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from installer.model.facts import Cpu, Disk, Firmware, Machine, Signature
from installer.model.orders import ChosenDisk, InstallSpec, Layout, NodeFile, Order, make_disk_guid
from installer.model.problems import RackstrapError
from installer.node.admit import check_spec, is_plain_path
from installer.node.identity import Identity
from installer.node.install import run_install
from installer.node.place import Place
from installer.node.targets import RefusedDiskError, check_chosen, find_mounted, find_swaps, find_targets
from installer.node.tree import write_file

DATA = (Signature("sda1", "partition", "linux", 1 << 20, "uuid-1", "home"), Signature("sda1", "filesystem", "ext4", 0, "uuid-2"))
DISK = Disk(id="wwn-0x5000", name="sda", size_bytes=8 << 30, wwn="0x5000", serial="S1", holds=DATA)
CHOSEN = ChosenDisk(DISK.id, DISK.wwn, DISK.serial, DISK.size_bytes, DISK.holds_digest)
GUID = make_disk_guid("node1", 1, DISK.id)
SPEC = InstallSpec("node1", 1, (CHOSEN,), Layout(), (), "soft-reboot", ("tty0", "ttyS0,115200n8"))
MACHINE = Machine("", "", "", "", Cpu(), 1 << 30, Firmware(), (), (DISK,))


def make_spec(**changes: Any) -> InstallSpec:
    return replace(SPEC, **changes)


def test_the_very_disk_of_the_consent_may_be_written() -> None:
    assert check_chosen(CHOSEN, DISK, GUID, resumes=False) == ""


def test_a_disk_that_is_not_there_is_refused() -> None:
    assert check_chosen(CHOSEN, None, GUID, resumes=True) == "disk wwn-0x5000 is not in this machine"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (replace(DISK, wwn="0x6000"), "its WWN is 0x6000, the consent names 0x5000"),
        (replace(DISK, serial=""), "its serial number is unknown, the consent names S1"),
        (replace(DISK, size_bytes=9 << 30), f"its size is {9 << 30}, the consent names {8 << 30}"),
        (replace(DISK, holds=DATA[:1]), "does not hold what it held when it was allocated: linux on sda1"),
        (replace(DISK, holds=()), "does not hold what it held when it was allocated: nothing"),
    ],
)
def test_a_disk_that_changed_is_refused(changed: Disk, says: str) -> None:
    assert says in check_chosen(CHOSEN, changed, GUID, resumes=False)


def test_resuming_accepts_a_blank_disk_and_our_own_mark() -> None:
    own = replace(DISK, holds=(Signature("sda", "table", "gpt", 512, GUID.lower()),))
    assert check_chosen(CHOSEN, replace(DISK, holds=()), GUID, resumes=True) == ""
    assert check_chosen(CHOSEN, own, GUID, resumes=True) == ""
    assert check_chosen(CHOSEN, own, GUID, resumes=False) != ""


def test_resuming_refuses_another_installations_mark_and_new_data() -> None:
    other = make_disk_guid("node1", 2, DISK.id)
    own = replace(DISK, holds=(Signature("sda", "table", "gpt", 512, other),))
    assert check_chosen(CHOSEN, own, GUID, resumes=True) != ""
    assert check_chosen(CHOSEN, replace(DISK, holds=DATA[1:]), GUID, resumes=True) != ""


def test_a_guid_on_a_partition_is_not_the_disks() -> None:
    inner = replace(DISK, holds=(Signature("sda1", "table", "gpt", 512, GUID),))
    assert check_chosen(CHOSEN, inner, GUID, resumes=True) != ""


def test_resuming_still_compares_the_disk_itself() -> None:
    assert "serial number" in check_chosen(CHOSEN, replace(DISK, serial="S2", holds=()), GUID, resumes=True)


@pytest.mark.parametrize("disks", [(), (CHOSEN, CHOSEN), (CHOSEN, replace(CHOSEN, id="b"), replace(CHOSEN, id="c"))])
def test_one_disk_or_two_different_ones(disks: tuple[ChosenDisk, ...]) -> None:
    with pytest.raises(RefusedDiskError, match="one disk, or two different ones"):
        find_targets(make_spec(disks=disks), MACHINE, resumes=False)


def test_what_is_mounted_or_swap_is_found() -> None:
    mountinfo = "22 1 254:3 / / rw - ext4 /dev/vda3 rw\n36 22 0:33 / /run rw - tmpfs tmpfs rw\n"
    assert find_mounted(mountinfo) == {(254, 3), (0, 33)}
    assert find_swaps("Filename Type Size\n/dev/sdb2 partition 1 0 -2\n") == {"/dev/sdb2"}


def test_an_order_without_a_flaw_is_admitted() -> None:
    files = (NodeFile("/etc/systemd/network/10-admin.network", "[Match]\n"),)
    assert check_spec(make_spec(files=files)) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"node": "../node1"},
        {"node": "node 1"},
        {"users": ("root", "x y")},
        {"users": ("-R",)},
        {"enable": ("--now",)},
        {"enable": ("a.service;reboot",)},
        {"consoles": ("ttyS0 init=/bin/sh",)},
        {"handover": "format"},
        {"layout": Layout(esp_bytes=-1)},
        {"layout": Layout(root_bytes=5)},
        {"layout": Layout(root_bytes="0; rm")},  # type: ignore[arg-type]
        {"disks": (replace(CHOSEN, id="../../dev/sdb"),)},
        {"disks": (replace(CHOSEN, id="--all"),)},
        {"files": (NodeFile("/etc/../../x", ""),)},
        {"files": (NodeFile("/usr/bin/x", "", 0o4755),)},
    ],
)
def test_an_order_with_a_flaw_is_refused_before_anything_is_read(changes: dict[str, Any]) -> None:
    def machine() -> Machine:
        raise AssertionError

    order = Order("1", "install", install=make_spec(**changes))
    result = run_install(order, machine, Identity(Path(), Path(), ""), Place("", ""), report=lambda *_: None)
    assert (result.ok, result.phases) == (False, {})
    assert result.reason


def test_an_order_for_a_disk_that_changed_is_refused_with_its_reason() -> None:
    order = Order("1", "install", install=make_spec(disks=(replace(CHOSEN, serial="S9"),)))
    result = run_install(order, lambda: MACHINE, Identity(Path(), Path(), ""), Place("", ""), report=lambda *_: None)
    assert not result.ok
    assert result.reason.startswith("disk wwn-0x5000: its serial number is S1, the consent names S9")


@pytest.mark.parametrize("path", ["etc/x", "/", "//etc/x", "/etc//x", "/etc/./x", "/etc/../x", "/etc/x/", "/a\0b", "", "/.."])
def test_paths_that_are_not_plain(path: str) -> None:
    assert not is_plain_path(path)


@given(st.text(alphabet="./a\0", max_size=12))
def test_a_plain_path_stays_below_its_root(path: str) -> None:
    if is_plain_path(path):
        assert os.path.normpath("/root" + path).startswith("/root/")


def test_files_are_written_with_their_mode_and_folders(tmp_path: Path) -> None:
    write_file(tmp_path, "/etc/rackstrap/node.json", "{}", 0o600)
    path = tmp_path / "etc/rackstrap/node.json"
    assert (path.read_text(), path.stat().st_mode & 0o7777) == ("{}", 0o600)


def test_a_link_in_the_last_place_is_replaced_not_followed(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.write_text("precious")
    (root / "etc").mkdir(parents=True)
    (root / "etc/resolv.conf").symlink_to(outside)
    write_file(root, "/etc/resolv.conf", "nameserver 192.0.2.1\n")
    assert outside.read_text() == "precious"
    assert (root / "etc/resolv.conf").read_text() == "nameserver 192.0.2.1\n"


def test_a_link_on_the_way_is_refused(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    (root / "etc").symlink_to(outside)
    with pytest.raises(RackstrapError, match="etc is no folder"):
        write_file(root, "/etc/passwd", "x")
    assert list(outside.iterdir()) == []
