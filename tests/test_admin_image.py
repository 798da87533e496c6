"""The admin node's image: copied by its manifest, unpacked from the copy, refused when it is damaged or not whole."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from installer.admin.image import LAYERS, PLACE, admit_name, check_layers, copy_image, place_image, remove_whiteouts
from installer.model.problems import RackstrapError
from installer.node.programs import run_program
from installer.serve.place import load_image
from tests.admin_site import IMAGE, SECRET


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image folder with real layers; the admin layer replaces one file and deletes another, as an overlay's does."""
    folder = tmp_path / "image"
    (folder / "tftp").mkdir(parents=True)
    trees = {
        "root.squashfs": {"etc/one": "root", "etc/two": "root", "usr/bin/x": "x"},
        "admin.squashfs": {"etc/two": "admin", "usr/sbin/dnsmasq": "d"},
        "rackstrap.squashfs": {"usr/lib/rackstrap/code": "c"},
    }
    for name, files in trees.items():
        tree = tmp_path / name.partition(".")[0]
        for path, text in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(text)
        if name == "admin.squashfs":
            os.mknod(tree / "etc/one", 0o020000, os.makedev(0, 0))
        if name == "rackstrap.squashfs":
            (tree / PLACE).symlink_to("/run/rackstrap/medium/rackstrap")
        run_program(("mksquashfs", str(tree), str(folder / name), "-quiet", "-no-progress", "-comp", "zstd"))
    for name in ("vmlinuz", "initrd", "tftp/undionly.kpxe"):
        (folder / name).write_bytes(name.encode() * 1000)
    names = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    manifest = {
        "version": "1", "kernel": "6.12", "root_bytes": 10, "admin_bytes": 20,
        "sha256": {name: sha256((folder / name).read_bytes()).hexdigest() for name in names},
        "bytes": {name: (folder / name).stat().st_size for name in names},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "site.tar").write_text(SECRET)
    return folder


def test_the_image_is_copied_by_its_manifest_and_all_three_layers_are_unpacked_from_the_copy(image: Path, tmp_path: Path) -> None:
    target, told = tmp_path / "target", list[int]()
    target.mkdir()
    found = load_image(image)
    check_layers(found)
    fresh = copy_image(image, found, target, told.append)
    for layer in LAYERS:  # the image's unsquashfs, which tells its percentage, is newer than this machine's
        run_program(("unsquashfs", "-force", "-quiet", "-no-progress", "-dest", str(target), str(fresh / layer)))
    assert remove_whiteouts(target) == 1
    place_image(fresh, target)
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file() and PLACE not in str(path)) == [
        "etc/two", "usr/bin/x", "usr/lib/rackstrap/code", "usr/sbin/dnsmasq",
    ]  # fmt: skip
    assert (target / "etc/two").read_text() == "admin"
    assert load_image(target / PLACE) == found
    assert not (target / PLACE / "site.tar").exists()
    assert (told == sorted(told), told[-1], found.admin_bytes) == (True, 100, 20)


def test_one_byte_that_differs_from_the_manifest_ends_it(image: Path, tmp_path: Path) -> None:
    content = bytearray((image / "admin.squashfs").read_bytes())
    content[100] ^= 1
    (image / "admin.squashfs").write_bytes(content)
    with pytest.raises(RackstrapError, match=r"admin\.squashfs on the medium is damaged"):
        copy_image(image, load_image(image), tmp_path / "target", lambda _: None)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../x", "a//b", "a\nb"])
def test_a_manifest_cannot_name_a_file_outside(name: str) -> None:
    with pytest.raises(RackstrapError, match="the manifest names"):
        admit_name(name)


def test_an_image_without_the_admin_layer_is_refused() -> None:
    with pytest.raises(RackstrapError, match=r"no admin\.squashfs"):
        check_layers(replace(IMAGE, sha256=dict.fromkeys(("root.squashfs", "rackstrap.squashfs"), "")))
