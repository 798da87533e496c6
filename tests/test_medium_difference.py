"""What `make reproducible` tells where two ISOs differ."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.iso_difference import find_differences, find_offset
from tests.small_iso import make_iso, save_tree


def pack(folder: Path, into: Path) -> None:
    command = ["mksquashfs", str(folder), str(into), "-quiet", "-no-progress", "-noappend", "-mkfs-time", "0", "-comp", "zstd"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with what goes into a squashfs and the tree of an ISO."""
    save_tree(tmp_path / "tree")
    for name in ("etc/same", "etc/mode", "usr/bin/tool"):
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(name)
    for path in [tmp_path / "root", *(tmp_path / "root").rglob("*")]:
        os.utime(path, (0, 0))
    return tmp_path


def build(folder: Path, name: str) -> Path:
    pack(folder / "root", folder / "tree/rackstrap/root.squashfs")
    make_iso(folder / "tree", folder / name)
    return folder / name


def test_equal_isos_have_no_differences(folder: Path) -> None:
    one = build(folder, "one.iso")
    assert find_differences(one, Path(shutil.copy(one, folder / "two.iso"))) == []


def test_a_file_in_a_layer_is_named_with_what_differs(folder: Path) -> None:
    one = build(folder, "one.iso")
    (folder / "root/etc/mode").chmod(0o600)
    (folder / "root/usr/bin/tool").write_text("usr/bin/tOol")
    os.utime(folder / "root/usr/bin/tool", (5, 5))
    (folder / "tree/rackstrap/packages.lock").write_text("adduser 3.153 aa\napt 3.0.4 bb\n")
    two = build(folder, "two.iso")
    lines = find_differences(one, two)
    assert lines[:5] == [
        "/rackstrap/packages.lock: @@ -1 +1 @@",
        "/rackstrap/packages.lock: -adduser 3.152 aa",
        "/rackstrap/packages.lock: +adduser 3.153 aa",
        "/rackstrap/root.squashfs: etc/mode: mode 0o100644 and 0o100600",
        "/rackstrap/root.squashfs: usr/bin/tool: time 0 and 5",
    ]
    assert lines[5] == "/rackstrap/root.squashfs: usr/bin/tool: content, first at byte 9"


def test_a_difference_around_the_files_is_told_by_its_place(folder: Path) -> None:
    one = build(folder, "one.iso")
    two = Path(shutil.copy(one, folder / "two.iso"))
    with two.open("r+b") as file:
        file.seek(100)
        file.write(b"!")
    assert find_differences(one, two) == ["no file differs, but what is around them does, first at byte 100"]


def test_the_shorter_ones_end_is_where_it_differs(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 10)
    (tmp_path / "b").write_bytes(b"x" * 12)
    assert find_offset(tmp_path / "a", tmp_path / "b") == 10
