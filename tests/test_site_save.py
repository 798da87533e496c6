"""Changing a site file: what is asked for changes, and nothing else does."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from installer.model.problems import RackstrapError
from installer.site import REMOVED, edit_site, load_site, parse_site, save_site, save_text
from installer.site.core_schema import make_plain
from installer.site.load import LoadedSite
from installer.site.save import Edit
from installer.site.tree import Path as KeyPath

EXAMPLES = Path(__file__).parent.parent / "installer" / "site" / "examples"
TEXT = """\
# above
rackstrap: 1   # format
name: 'lab'    # quoted
domain: lab.example
admin: {address: 192.168.124.10}   # flow

nodes:         # the machines
  # first
  - name: node1
    match: {serial: "0123"}
  - name: node2   # second
    match:
      serial: ABC
"""


def load(text: str = TEXT) -> LoadedSite:
    return parse_site(text.encode(), "site.yaml")


def find_changes(before: str, after: str) -> list[str]:
    """The changed lines alone, each with - or +."""
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0))[2:]
    return [line for line in lines if not line.startswith("@@")]


@pytest.mark.parametrize(
    ("edits", "changes"),
    [
        ({("name",): "other"}, ["-name: 'lab'    # quoted", "+name: 'other'  # quoted"]),
        ({("nodes", 0, "match", "serial"): "0124"}, ['-    match: {serial: "0123"}', '+    match: {serial: "0124"}']),
        ({("nodes", 1, "name"): "store2"}, ["-  - name: node2   # second", "+  - name: store2  # second"]),
        ({("domain",): REMOVED}, ["-domain: lab.example"]),
        (
            {("admin", "hostname"): "boss"},
            ["-admin: {address: 192.168.124.10}   # flow", "+admin: {address: 192.168.124.10, hostname: boss} # flow"],
        ),
        ({("erase",): "no"}, ["+erase: no"]),
        ({("access", "ssh_keys"): ["a b"]}, ["+access:", "+  ssh_keys:", "+    - a b"]),
        ({("nodes", 2): {"match": {"any": True}, "expect": 2}}, ["+  - match:", "+      any: true", "+    expect: 2"]),
        ({("nodes", 0): REMOVED}, ["-  - name: node1", '-    match: {serial: "0123"}']),
    ],
)  # fmt: skip
def test_only_what_is_edited_changes(edits: dict[KeyPath, Edit], changes: list[str]) -> None:
    assert find_changes(TEXT, edit_site(load(), edits)) == changes


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.stem)
def test_comments_and_order_survive_an_edit(path: Path) -> None:
    loaded = load_site(path)
    text = edit_site(loaded, {("admin", "hostname"): "boss", ("timezone",): "Asia/Tokyo"})
    words = [w for line in loaded.document.text.splitlines() if "#" in line for w in [line.partition("#")[2]]]
    assert [w for w in words if w not in text] == []
    after = parse_site(text.encode(), "x")
    keys = [k for k in loaded.document.data if k != "timezone"]
    assert [k for k in after.document.data if k != "timezone"] == keys
    assert make_plain(after.document.data) == {
        **make_plain(loaded.document.data),
        "admin": {**make_plain(loaded.document.data)["admin"], "hostname": "boss"},
        "timezone": "Asia/Tokyo",
    }


@pytest.mark.parametrize(
    "value", ["no", "yes", "null", "0123", "1e3", "true", "", " a", "a: b", "#x", "é", "[a", "- a", "~", "::1", "a\nb"]
)
def test_text_stays_text(value: str) -> None:
    after = parse_site(edit_site(load(), {("name",): value}).encode(), "x")
    assert after.document.data["name"] == value


@pytest.mark.parametrize("path", [(), ("name", "x"), ("nodes", 5), ("nodes", "x"), ("nodes", 3, "name"), (0,)])
def test_paths_that_do_not_fit_are_refused(path: KeyPath) -> None:
    with pytest.raises(RackstrapError):
        edit_site(load(), {path: "x"})


def test_one_and_true_are_different_values() -> None:
    assert find_changes(TEXT, edit_site(load(), {("rackstrap",): True})) == [
        "-rackstrap: 1   # format",
        "+rackstrap: true # format",
    ]


def test_an_alias_is_not_changed_behind_ones_back() -> None:
    """Setting a key within an anchored value would set it wherever its aliases stand."""
    text = "a: &a {x: 1}\nb: *a\n"
    with pytest.raises(RackstrapError, match="without altering other values"):
        edit_site(load(text), {("a", "x"): 2})
    assert edit_site(load(text), {("c",): 2}) == text + "c: 2\n"


def test_a_saved_file_is_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(TEXT)
    path.chmod(0o644)
    save_site(load_site(path), {("name",): "other"})
    assert find_changes(TEXT, path.read_text()) == ["-name: 'lab'    # quoted", "+name: 'other'  # quoted"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["site.yaml"]


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    with pytest.raises(RackstrapError, match="cannot save"):
        save_text(tmp_path / "absent" / "site.yaml", TEXT)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").touch()
    with pytest.raises(RackstrapError, match="cannot save"):
        save_text(tmp_path / "folder", TEXT)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder"]
