"""The reserved room of an ISO: what is written there is read back, and nothing else is."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from installer.medium.area import AREA_BYTES, MAX_FILES, is_area_name, make_site_area, measure_area, parse_site_area
from installer.model.problems import RackstrapError

FILES = {"site.yaml": b"rackstrap: 1\n", "secrets/node1": b"x" * 512, "bmc.csv": b"serial,address,user,secret\n"}


def test_what_is_written_is_read_back_with_the_site_file_first() -> None:
    area = make_site_area(FILES)
    assert len(area) == AREA_BYTES
    assert parse_site_area(area) == FILES
    assert list(parse_site_area(area)) == ["site.yaml", "bmc.csv", "secrets/node1"]
    assert make_site_area(dict(reversed(FILES.items()))) == area


def test_other_tar_readers_agree() -> None:
    with tarfile.open(fileobj=io.BytesIO(make_site_area(FILES))) as tar:
        members = tar.getmembers()
        assert {m.name: tar.extractfile(m).read() for m in members} == FILES  # type: ignore[union-attr]
    assert {(m.mode, m.uid, m.gid, m.mtime, m.uname, m.gname, m.type) for m in members} == {
        (0o600, 0, 0, 0, "root", "root", tarfile.REGTYPE)
    }


def test_nothing_is_zeros_and_zeros_are_nothing() -> None:
    assert make_site_area({}) == bytes(AREA_BYTES)
    assert parse_site_area(bytes(AREA_BYTES)) == {}


@pytest.mark.parametrize(
    "name", ["../x", "a/../b", "/etc/shadow", "a//b", ".", "..", "a/.", "./a", "", "a b", "a\n", "ä", "a\\b", "$x", "a" * 101]
)
def test_names_that_lead_out_or_need_quoting_are_refused(name: str) -> None:
    assert not is_area_name(name)
    with pytest.raises(RackstrapError, match="cannot be put into the ISO"):
        make_site_area(FILES | {name: b""})


@pytest.mark.parametrize("name", ["a", ".bmc/x", "..a", "a..b/c", "bmc.csv", "a" * 100])
def test_other_names_are_admitted(name: str) -> None:
    assert parse_site_area(make_site_area(FILES | {name: b"1"}))[name] == b"1"


def test_a_full_area_is_admitted_and_one_byte_more_is_not() -> None:
    most = AREA_BYTES - 512 - 1024
    assert len(parse_site_area(make_site_area({"site.yaml": b"#" * most}))["site.yaml"]) == most
    with pytest.raises(
        RackstrapError, match=rf"need {AREA_BYTES + 512} bytes in 1 files; .* room for {AREA_BYTES} bytes"
    ) as refused:
        make_site_area({"site.yaml": b"#" * (most + 1)})
    assert "site.yaml with" in refused.value.message


def test_too_many_files_are_refused() -> None:
    files = {"site.yaml": b""} | {f"s{n}": b"" for n in range(MAX_FILES)}
    assert measure_area(files) < AREA_BYTES
    with pytest.raises(RackstrapError, match=f"in {MAX_FILES + 1} files"):
        make_site_area(files)


def test_a_tar_of_another_hand_is_refused() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        link = tarfile.TarInfo("site.yaml")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
        tar.addfile(link)
    with pytest.raises(RackstrapError, match="did not write"):
        parse_site_area(out.getvalue().ljust(AREA_BYTES, b"\0")[:AREA_BYTES])


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 4095), st.integers(1, 255))
def test_one_changed_byte_of_a_header_is_seen(at: int, change: int) -> None:
    area = bytearray(make_site_area(FILES))
    area[at] ^= change
    try:
        files = parse_site_area(bytes(area))
    except RackstrapError:
        return
    assert files != FILES
    assert make_site_area(files) == area


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=3000))
def test_rubbish_is_refused_or_read_as_it_stands(content: bytes) -> None:
    area = content.ljust(AREA_BYTES, b"\0")
    try:
        files = parse_site_area(area)
    except RackstrapError:
        return
    assert make_site_area(files) == area


@pytest.mark.parametrize("size", [0, 512, AREA_BYTES - 1, AREA_BYTES + 1])
def test_another_size_is_refused(size: int) -> None:
    with pytest.raises(RackstrapError, match="bytes, not"):
        parse_site_area(bytes(size))
