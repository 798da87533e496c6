"""Where a site file is looked for: volumes and images read without mounting, and which place comes first."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from installer.live.sources import Absent, Look, Sighted, Wrong, choose
from installer.medium.area import AREA_BYTES, make_site_area
from installer.model.problems import RackstrapError
from tests.sought_site import OTHER, SITE, STICK, fail, find, make_places, make_stick

# The order


def test_the_first_one_wins_and_nothing_is_looked_at_behind_something_wrong() -> None:
    one = Sighted(SITE, "iso", "one", "site.yaml", "", lambda _: pytest.fail("nothing is read"))

    def then(*looks: Look) -> Iterator[Look]:
        yield from looks
        pytest.fail("this place is looked at too late")

    assert choose(then(Absent("a"), one)) == (one, (Absent("a"),))
    assert choose(then(Absent("a"), Wrong("b"))) == (None, (Absent("a"), Wrong("b")))
    assert choose([Absent("a"), Absent("b")]) == (None, (Absent("a"), Absent("b")))


def test_nothing_anywhere_says_where_it_looked(tmp_path: Path) -> None:
    (tmp_path / "site.tar").write_bytes(bytes(AREA_BYTES))
    found, passed = choose(make_places(tmp_path).look())
    assert found is None
    assert [one.says for one in passed] == [
        "no removable volume labelled RACKSTRAP",
        "no site file in the ISO",
        "no DHCP server names one (option 224)",
    ]
    assert len(choose(make_places(tmp_path).look(is_settled=False))[1]) == 2


def test_a_volume_comes_before_the_iso_and_the_iso_before_dhcp(tmp_path: Path) -> None:
    (tmp_path / "site.tar").write_bytes(make_site_area({"site.yaml": OTHER, "bmc.csv": b"x"}))
    places = make_places(tmp_path, make_stick(tmp_path, {"site.yaml": SITE, "keys/one": b"s"}))
    (tmp_path / "leases" / "2").write_text("OPTION_224=ff\n")
    stick = find(places)
    assert (stick.content, stick.source, stick.doubt, stick.read("keys/one").content) == (SITE, "volume", "", b"s")
    area = find(replace(places, volumes=tuple))
    assert (area.content, area.source, area.doubt, area.read("bmc.csv").content) == (OTHER, "iso", "", b"x")
    with pytest.raises(RackstrapError, match="holds no other"):
        area.read("other")
    assert "224 is no text" in fail(replace(places, volumes=tuple, area=tmp_path / "none")).says


def test_a_volume_with_an_iso_on_it_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "content/keys").mkdir(parents=True)
    (tmp_path / "content/lab.yaml").write_bytes(SITE)
    (tmp_path / "content/keys/one").write_bytes(b"s")
    words = [
        "xorriso",
        "-as",
        "mkisofs",
        "-quiet",
        "-R",
        "-V",
        "RACKSTRAP",
        "-o",
        str(tmp_path / "stick"),
        str(tmp_path / "content"),
    ]
    subprocess.run(words, check=True, capture_output=True)
    found = find(make_places(tmp_path, replace(STICK, filesystem="iso9660", sites=("lab.yaml",))))
    assert (found.content, found.read("keys/one").content) == (SITE, b"s")
    with pytest.raises(RackstrapError):
        found.read("keys")
    with pytest.raises(RackstrapError, match="no name for a file"):
        found.read("../etc/passwd")


def test_what_is_meant_by_a_volume_is_never_guessed(tmp_path: Path) -> None:
    two = make_stick(tmp_path, {"a.yaml": SITE, "b.yaml": OTHER})
    assert "holds 2 site files" in fail(make_places(tmp_path, two)).says
    assert "2 volumes labelled RACKSTRAP hold a site file" in fail(make_places(tmp_path, two, two)).says
    usual = make_stick(tmp_path, {"a.yaml": OTHER, "SITE.YAML": SITE})
    assert find(make_places(tmp_path, replace(usual, sites=("SITE.YAML", "a.yaml")))).content == SITE
    empty = make_stick(tmp_path, {"readme.txt": b"x"})
    assert isinstance(make_places(tmp_path, empty).look_at_volumes(), Absent)
    unlabelled = replace(make_stick(tmp_path, {"site.yaml": SITE}), label="OTHER")
    assert isinstance(make_places(tmp_path, unlabelled).look_at_volumes(), Absent)


def test_a_volume_that_cannot_be_read_is_said_and_not_passed_over(tmp_path: Path) -> None:
    assert "ext4 is not read here" in fail(make_places(tmp_path, replace(STICK, filesystem="ext4", sites=()))).says
    (tmp_path / "stick").write_bytes(os.urandom(2**16))
    assert fail(make_places(tmp_path, STICK)).hint
    assert fail(make_places(tmp_path, replace(STICK, sites=()))).hint


def test_a_volumes_file_past_the_size_limit_is_never_copied_whole(tmp_path: Path) -> None:
    stick = make_stick(tmp_path, {"site.yaml": bytes(2**20 + 1)})
    assert "larger than" in fail(make_places(tmp_path, stick)).says


@pytest.mark.parametrize("damage", [bytes([1]), b"x" * AREA_BYTES, b"", make_site_area({"site.yaml": SITE})[:-1]])
def test_an_iso_whose_area_is_damaged_is_said(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "site.tar").write_bytes(damage)
    assert "the ISO's site file" in fail(make_places(tmp_path)).says


def tar(*words: str, folder: Path) -> bytes:
    done = subprocess.run(["tar", "--format=ustar", "-C", str(folder), "-cf", "-", *words], check=True, capture_output=True)
    return done.stdout.ljust(AREA_BYTES, b"\0")[:AREA_BYTES]


def test_an_area_that_another_program_wrote_is_refused_whole(tmp_path: Path) -> None:
    folder = tmp_path / "content"
    folder.mkdir()
    (folder / "site.yaml").write_bytes(SITE)
    (folder / "link").symlink_to("/etc/shadow")
    os.mkfifo(folder / "pipe")
    for words in (
        ["--transform=s,^,../,", "site.yaml"],
        ["-P", "--transform=s,^,/etc/,", "site.yaml"],
        ["site.yaml", "link"],
        ["site.yaml", "pipe"],
        ["site.yaml", "-C", "/dev", "null"],
        ["link"],
        ["site.yaml"],
    ):
        (tmp_path / "site.tar").write_bytes(tar(*words, folder=folder))
        assert "the ISO's site file" in fail(make_places(tmp_path)).says


# The kernel line's file


def test_the_kernel_line_comes_before_all_and_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_bytes(OTHER)
    stick = make_stick(tmp_path, {"site.yaml": SITE})
    found = find(make_places(tmp_path, stick, words={"site": f"file:{tmp_path}/own.yaml"}))
    assert (found.content, found.source, found.doubt) == (OTHER, "word", "")
    assert "does not exist" in fail(make_places(tmp_path, stick, words={"site": f"{tmp_path}/none.yaml"})).says


def test_a_path_is_a_plain_file_of_sensible_size_and_the_pinned_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "big").write_bytes(bytes(2**20 + 1))
    (tmp_path / "own.yaml").write_bytes(SITE)
    for name, says in (("pipe", "not a plain file"), ("big", "larger than"), (".", "directory"), ("big/x", "not a directory")):
        assert says in fail(make_places(tmp_path, words={"site": f"{tmp_path}/{name}"})).says
    assert "not a plain file" in fail(make_places(tmp_path, words={"site": "/dev/zero"})).says
    wrong = {"site": f"{tmp_path}/own.yaml", "site_sha256": "0" * 64}
    assert "pins" in fail(make_places(tmp_path, words=wrong)).says
    assert find(make_places(tmp_path, words={**wrong, "site_sha256": sha256(SITE).hexdigest()})).content == SITE
