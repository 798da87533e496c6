"""What a start that nobody watches takes in from a site file, whoever vouches for it, and what it refuses."""

from __future__ import annotations

import json
import stat
from hashlib import sha256
from pathlib import Path

import pytest

from installer.engine.prepare import load_input
from installer.live.given import take
from installer.live.sources import PLAIN, Part, Sighted
from installer.model.problems import RackstrapError
from installer.site.load import parse_site
from tests.headless_start import KEY, SITE, sight

CSV = "serial,address,user,secret\nABC123,192.168.124.162,root,secrets/one\n"
NAMING = SITE + "discovery: {bmc: [192.168.124.162], credentials: bmc.csv}\n"
CANARY = "canary-4711"


def test_a_trusted_file_is_kept_as_it_is_for_root_alone(tmp_path: Path) -> None:
    files = {"bmc.csv": Part(CSV.encode()), "secrets/one": Part(f"{CANARY}\n".encode())}
    found = take(sight(NAMING + "erase: blank\n", "", files), tmp_path / "state")
    assert (found.is_trusted, found.withheld, found.problems) == (True, False, ())
    assert found.site is not None
    assert found.site.erase == "blank"
    assert found.path == tmp_path / "state/given/site.yaml"
    kept = {str(path.relative_to(found.beside)): path for path in found.beside.rglob("*")}
    assert kept.keys() == {"site.yaml", "bmc.csv", "secrets", "secrets/one"}
    for path in (found.beside, *kept.values()):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    again = load_input(found.path, found.beside)
    assert again.site is not None
    assert [event.data["secret"] for event in again.bmcs] == [str(kept["secrets/one"])]
    assert CANARY not in repr(found)
    assert KEY not in repr(found)


@pytest.mark.parametrize(
    "spelling", ["erase: blank", "erase:  'blank' # yes", '"erase": blank', "erase: [{machine: A1, disks: [wwn-0x1]}]"]
)
def test_a_file_that_nobody_vouches_for_erases_nothing(tmp_path: Path, spelling: str) -> None:
    found = take(sight(f"{SITE}{spelling}\n", PLAIN), tmp_path)
    assert (found.is_trusted, found.withheld) == (False, True)
    for site in (found.site, load_input(found.path).site, parse_site(found.text.encode(), "x").site):
        assert site is not None
        assert site.erase == "no"
    assert sha256(f"{SITE}{spelling}\n".encode()).hexdigest() == found.digest


@pytest.mark.parametrize(
    "text",
    [
        SITE + "e: &x blank\nerase: *x\n",
        SITE + "? erase\n: blank\n",
        SITE + "erase: !!str blank\n",
        "{" + ", ".join(json.dumps(k) + ": " + json.dumps(v) for k, v in {
            "rackstrap": 1, "name": "lab", "domain": "lab.example", "access": {"ssh_keys": [KEY]},
            "admin": {"address": "192.168.124.10"}, "erase": "blank"}.items()) + "}",
        SITE + "erase: no\nerase: blank\n",
        "base: &b {erase: blank}\n<<: *b\n" + SITE,
        SITE + "Erase: blank\n",
        SITE + "---\nerase: blank\n",
    ],
)  # fmt: skip
def test_no_spelling_smuggles_a_consent_in(tmp_path: Path, text: str) -> None:
    found = take(sight(text, PLAIN), tmp_path)
    if found.site is None:
        assert not (tmp_path / "given").exists()
    else:
        kept = load_input(found.path).site
        assert kept is not None
        assert kept.erase == "no"


def test_one_file_that_nobody_vouches_for_spoils_the_whole(tmp_path: Path) -> None:
    files = {"bmc.csv": Part(CSV.encode(), PLAIN), "secrets/one": Part(b"pw")}
    found = take(sight(NAMING + "erase: blank\n", "", files), tmp_path)
    assert (found.doubt, found.withheld) == (PLAIN, True)


def test_a_wrong_file_is_told_whole_by_its_own_name_and_changes_nothing(tmp_path: Path) -> None:
    take(sight(SITE), tmp_path)
    files = {"bmc.csv": Part(b"serial,address,user,secret\nA1,nowhere,root,\n"), "secrets/one": Part(b"pw")}
    wrong = take(sight(NAMING.replace("name: lab", "name: La b") + "colour: red\n", "", files), tmp_path)
    assert wrong.site is None
    assert [str(problem.place) for problem in wrong.problems] == ["site.yaml:2:7", "site.yaml:7:1", "bmc.csv:2:1"]
    assert str(tmp_path) not in "".join(f"{problem.message}{problem.hint}" for problem in wrong.problems)
    assert (tmp_path / "given/site.yaml").read_text() == SITE
    assert not (tmp_path / "given/bmc.csv").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["given", "run"]


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("/etc/passwd", ""), ("../store.db", ""), ("a/../../b", ""), ("site.yaml/..", ""),
        ("bmc.csv", "/etc/shadow"), ("bmc.csv", "../../tls/key"), ("bmc.csv", ".."), ("bmc.csv", "~/x y"),
    ],
)  # fmt: skip
def test_no_name_reads_this_machines_own_files(tmp_path: Path, name: str, secret: str) -> None:
    """A password file's content is sent to a BMC: a stranger's CSV must not choose which file that is, or to whom."""
    (tmp_path / "store.db").write_text(CANARY)
    rows = f"serial,address,user,secret\nA1,192.168.124.162,root,{secret}\n"
    found = take(sight(NAMING.replace("bmc.csv", name), "", {"bmc.csv": Part(rows.encode())}), tmp_path)
    assert found.site is None
    assert any("leads out of" in problem.message or "cannot read" in problem.message for problem in found.problems)
    assert CANARY not in str(found.problems)
    assert not (tmp_path / "given").exists()


def test_a_named_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RackstrapError, match=r"names bmc.csv, which cannot be got: no bmc.csv there"):
        take(sight(NAMING), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_csv_that_names_endless_files_does_not_fill_the_memory(tmp_path: Path) -> None:
    rows = "".join(f"S{number},192.168.124.{number},root,secrets/{number}\n" for number in range(1, 200))
    files = {f"secrets/{number}": Part(b"x" * 2**18) for number in range(1, 200)}
    with pytest.raises(RackstrapError, match="more than can be taken in"):
        take(sight(NAMING, "", {"bmc.csv": Part(f"serial,address,user,secret\n{rows}".encode()), **files}), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"\0" * 100, b"- 1\n", b"a: b: c", b"&a [*a]", b"x" * 10_000, b"!!python/object:os.system x"]
)
def test_no_content_is_more_than_a_problem(tmp_path: Path, content: bytes) -> None:
    found = take(Sighted(content, "word", "x", "x.yaml", "", lambda _: Part(b"")), tmp_path)
    assert found.site is None
    assert found.problems
    assert not (tmp_path / "given").exists()
