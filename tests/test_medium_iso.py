"""`rackstrap iso customize` and `inspect`, on a small ISO that xorriso packed as the build does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from installer.cli import run
from installer.medium.area import AREA_BYTES, parse_site_area
from installer.medium.contents import CONFIG_PATH, SITE_PATH, load_contents
from installer.medium.customize import Wish, run_customize
from installer.medium.index import SECTOR, Extent, load_extent, load_index, parse_index
from installer.medium.shim import find_shim_version
from installer.medium.words import BootConfig
from installer.model.problems import RackstrapError
from tests.small_iso import MEDIUM, make_iso, make_shim, make_small_iso, save_tree

CANARY = "canary-7f3a-password"
SITE = """\
rackstrap: 1
name: lab
domain: lab.example
access:
  ssh_keys:
    - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAFroTJnxFXeOCx6F/r5Loyq6sLLCI/SWhHafajcd5fa operator@desk
admin: {address: 192.168.124.10}
discovery: {credentials: bmc.csv, admit: matched}
erase: blank
interactive: [networks]
nodes:
  - {name: node1, match: {serial: ABC123}, roles: [base]}
"""
CSV = "serial,address,user,secret\nABC123,192.168.124.162,root,secrets/node1\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_small_iso(tmp_path_factory.mktemp("built"))


@pytest.fixture
def iso(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(built, tmp_path / "rackstrap.iso"))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "secrets").mkdir(parents=True)
    (folder / "bmc.csv").write_text(CSV)
    (folder / "secrets/node1").write_text(CANARY + "\n")
    (folder / "secrets/node1").chmod(0o600)
    (folder / "rack7.yaml").write_text(SITE)
    return folder / "rack7.yaml"


def inspect(iso: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, object]:
    capsys.readouterr()
    assert run(["iso", "inspect", str(iso), "--json", *options]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_a_built_iso_is_told_part_by_part(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = inspect(built, capsys, "--verify")
    assert found["medium"] == MEDIUM
    assert (found["version"], found["kernel"], found["packages"]) == ("0.1.0+e4545c64e395f324", "6.12.1-amd64", 3)
    assert found["boots"] == {"BIOS": True, "UEFI": True, "shim": "16.1", "BIOS_stick": False, "UEFI_stick": True}
    assert [(p["name"], p["bytes"], p["is_right"]) for p in found["parts"]] == [  # type: ignore[attr-defined]
        ("root.squashfs", 200_000, True),
        ("tftp/snponly.efi", 6, True),
        ("vmlinuz", 6000, True),
    ]
    assert (found["site"], found["words"], found["is_unattended"], found["label"]) == (None, [], False, "RACKSTRAP_LIVE")


def test_a_site_file_goes_in_with_what_it_names(iso: Path, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = iso.read_bytes()
    out = iso.with_name("rack7.iso")
    assert run(["iso", "customize", str(iso), "--site", str(site), "--unattended", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert "mode 0600" in told
    assert CANARY not in told
    assert iso.read_bytes() == before
    assert out.stat().st_mode & 0o777 == 0o600
    found = inspect(out, capsys, "--verify")
    assert found["is_unattended"] is True
    assert found["site"]["name"] == "lab"  # type: ignore[index]
    assert found["site"]["erase"] == "blank"  # type: ignore[index]
    assert found["site"]["interactive"] == ["networks"]  # type: ignore[index]
    assert found["site"]["files"] == {"site.yaml": len(SITE), "bmc.csv": len(CSV), "secrets/node1": len(CANARY) + 1}  # type: ignore[index]
    assert CANARY not in json.dumps(found)


def test_another_program_reads_the_same_out_of_it(iso: Path, site: Path, tmp_path: Path) -> None:
    run(["iso", "customize", str(iso), "--site", str(site)])
    command = ["xorriso", "-no_rc", "-osirrox", "on", "-indev", f"stdio:{iso}", "-extract", SITE_PATH, str(tmp_path / "site.tar")]
    subprocess.run(command, check=True, capture_output=True)
    area = (tmp_path / "site.tar").read_bytes()
    assert parse_site_area(area) == {"site.yaml": SITE.encode(), "bmc.csv": CSV.encode(), "secrets/node1": f"{CANARY}\n".encode()}
    listing = subprocess.run(["tar", "-tvf", str(tmp_path / "site.tar")], check=True, capture_output=True, text=True).stdout
    assert [line.split()[0] for line in listing.splitlines()] == ["-rw-------"] * 3


def test_only_the_two_reserved_places_change_and_the_same_wish_gives_the_same_bytes(iso: Path, site: Path, built: Path) -> None:
    copies = [iso.with_name(name) for name in ("a.iso", "b.iso")]
    for copy in copies:
        words = "rackstrap.site=https://x.example/${uuid}"
        assert run(["iso", "customize", str(iso), "--site", str(site), "--kernel-words", words, "--out", str(copy)]) == 0
    assert copies[0].read_bytes() == copies[1].read_bytes()
    index = load_index(built)
    changed = bytearray(copies[0].read_bytes())
    original = built.read_bytes()
    for extent in (index.extent(SITE_PATH), index.extent(CONFIG_PATH)):
        assert changed[extent.begin : extent.end] != original[extent.begin : extent.end]
        changed[extent.begin : extent.end] = original[extent.begin : extent.end]
    assert changed == original


def test_what_is_not_named_stays_and_reset_gives_the_built_iso_back(iso: Path, site: Path, built: Path) -> None:
    assert run(["iso", "customize", str(iso), "--site", str(site)]) == 0
    assert run(["iso", "customize", str(iso), "--unattended"]) == 0
    assert run(["iso", "customize", str(iso), "--kernel-words", "rackstrap.ip=192.0.2.10/24"]) == 0
    contents = load_contents(load_index(iso))
    assert contents.config == BootConfig(("rackstrap.ip=192.0.2.10/24",), is_unattended=True)
    assert list(contents.files) == ["site.yaml", "bmc.csv", "secrets/node1"]
    assert run(["iso", "customize", str(iso), "--reset"]) == 0
    assert iso.read_bytes() == built.read_bytes()


def test_every_problem_is_told_and_nothing_is_written(iso: Path, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (iso.read_bytes(), iso.stat().st_ino)
    site.write_text(SITE.replace("192.168.124.10}", "192.168.999.10}").replace("erase: blank", "erase: sometimes"))
    assert run(["iso", "customize", str(iso), "--site", str(site)]) == 1
    told = capsys.readouterr().out
    assert f"{site}:7:" in told
    assert f"{site}:9:" in told
    assert "nothing was written" in told
    assert (iso.read_bytes(), iso.stat().st_ino) == before
    assert sorted(path.name for path in iso.parent.iterdir()) == ["rackstrap.iso", "site"]


@pytest.mark.parametrize(
    ("credentials", "secret", "told"),
    [
        ("../bmc.csv", "secrets/node1", "'../bmc.csv' cannot go into the ISO"),
        ("/etc/bmc.csv", "secrets/node1", "'/etc/bmc.csv' cannot go into the ISO"),
        ("./bmc.csv", "secrets/node1", "'./bmc.csv' cannot go into the ISO"),
        ("gone.csv", "secrets/node1", "cannot read"),
        ("bmc.csv", "/etc/hostname", "password file"),
        ("bmc.csv", "../../outside", "password file"),
        ("bmc.csv", "secrets/gone", "cannot read the password file"),
        ("site.yaml", "secrets/node1", "'site.yaml' cannot go into the ISO"),
    ],
)
def test_files_that_cannot_come_along_are_problems(
    iso: Path, site: Path, capsys: pytest.CaptureFixture[str], credentials: str, secret: str, told: str
) -> None:
    site.write_text(SITE.replace("bmc.csv", credentials))
    (site.parent / "bmc.csv").write_text(CSV.replace("secrets/node1", secret))
    assert run(["iso", "customize", str(iso), "--site", str(site)]) == 1
    out = capsys.readouterr().out
    assert told in out
    assert "root:" not in out


def test_paths_from_the_csv_are_named_from_the_site_file(iso: Path, site: Path) -> None:
    folder = site.parent
    (folder / "bmcs").mkdir()
    (folder / "bmc.csv").rename(folder / "bmcs/list.csv")
    (folder / "bmcs/list.csv").write_text(CSV.replace("secrets/", "../secrets/"))
    site.write_text(SITE.replace("bmc.csv", "bmcs/list.csv"))
    assert run(["iso", "customize", str(iso), "--site", str(site)]) == 0
    assert sorted(load_contents(load_index(iso)).files) == ["bmcs/list.csv", "secrets/node1", "site.yaml"]


def test_a_site_too_large_for_its_room_is_refused_with_the_sizes(
    iso: Path, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.write_text(SITE + "# " + "x" * AREA_BYTES + "\n")
    assert run(["iso", "customize", str(iso), "--site", str(site)]) == 1
    assert f"larger than the ISO's room for it, {AREA_BYTES} bytes" in capsys.readouterr().out
    site.write_text(SITE + "# " + "x" * (AREA_BYTES - len(SITE) - 4) + "\n")
    assert run(["iso", "customize", str(iso), "--site", str(site)]) == 2
    assert f"room for {AREA_BYTES} bytes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--unattended"], 0),  # the site file comes on a labelled volume
        (["--unattended", "--kernel-words", "rackstrap.ip=192.0.2.1/24"], 0),
        (["--kernel-words", f"rackstrap.site_cert={'ab' * 32}"], 0),  # a pin for what DHCP names
        (["--kernel-words", "init=/bin/sh"], 1),
        (["--unattended", "--kernel-words", "rackstrap.site=https://x.example/site.yaml"], 0),
        ([], 2),
    ],
)
def test_what_an_iso_may_be_set_to(iso: Path, options: list[str], code: int) -> None:
    before = iso.read_bytes()
    assert run(["iso", "customize", str(iso), *options]) == code
    assert (iso.read_bytes() == before) == (code != 0)


def test_out_is_not_replaced_unasked(iso: Path, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = iso.with_name("mine.txt")
    out.write_text("mine")
    command = ["iso", "customize", str(iso), "--site", str(site), "--out", str(out)]
    assert run(command) == 2
    assert "is there already" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert run([*command, "--force"]) == 0
    assert load_contents(load_index(out)).files["site.yaml"] == SITE.encode()
    assert run(["iso", "customize", str(iso), "--reset", "--out", str(iso.parent)]) == 2


def test_the_sum_beside_an_iso_follows_it(iso: Path, site: Path) -> None:
    (iso.parent / "rackstrap.iso.sha256").write_text(f"{'0' * 64}  rackstrap.iso\n")
    assert run(["iso", "customize", str(iso), "--site", str(site)]) == 0
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "rackstrap.iso.sha256"], cwd=iso.parent, check=True)
    assert run(["iso", "customize", str(iso), "--site", str(site), "--out", str(iso.with_name("other.iso"))]) == 0
    assert not iso.with_name("other.iso.sha256").exists()


def test_a_link_to_the_iso_stays_a_link(iso: Path, site: Path) -> None:
    link = iso.with_name("link.iso")
    link.symlink_to(iso)
    assert run(["iso", "customize", str(link), "--site", str(site)]) == 0
    assert link.is_symlink()
    assert load_contents(load_index(iso)).files["site.yaml"] == SITE.encode()


def test_two_runs_at_once_do_not_mix(iso: Path) -> None:
    import fcntl

    with iso.with_name(".rackstrap.iso.rackstrap").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(RackstrapError, match="being written by another run"):
            run_customize(iso, iso, Wish(words=("rackstrap.ip=192.0.2.1/24",)))
    run_customize(iso, iso, Wish(words=("rackstrap.ip=192.0.2.1/24",)))
    assert sorted(path.name for path in iso.parent.iterdir()) == ["rackstrap.iso"]


def test_a_full_disk_is_told_before_anything_is_written(iso: Path) -> None:
    os.truncate(iso, shutil.disk_usage(iso.parent).free + (1 << 34))  # a hole takes no room
    with pytest.raises(RackstrapError, match=r"MB free; \d+ MB are needed"):
        run_customize(iso, iso, Wish(words=("rackstrap.ip=192.0.2.1/24",)))
    assert sorted(path.name for path in iso.parent.iterdir()) == ["rackstrap.iso"]


def test_a_copy_that_cannot_be_finished_leaves_the_iso_as_it_was(iso: Path) -> None:
    before = (iso.read_bytes(), iso.stat().st_ino)
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)); from installer.cli import run; "
    )
    limited += f"sys.exit(run(['iso', 'customize', {str(iso)!r}, '--kernel-words', 'rackstrap.ip=192.0.2.1/24']))"
    done = subprocess.run([sys.executable, "-c", limited], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("rackstrap: ")
    assert (iso.read_bytes(), iso.stat().st_ino) == before
    assert sorted(path.name for path in iso.parent.iterdir()) == ["rackstrap.iso"]


def change(iso: Path, name: str, at: int, content: bytes) -> None:
    begin = load_index(iso).extent(name).begin
    with iso.open("r+b") as file:
        file.seek(begin + at)
        file.write(content)


@pytest.mark.parametrize("name", [SITE_PATH, CONFIG_PATH])
def test_what_somebody_else_wrote_there_is_not_overwritten(iso: Path, name: str, site: Path) -> None:
    change(iso, name, 100, b"set timeout=0")
    before = iso.read_bytes()
    for options in (["--site", str(site)], ["--reset"]):
        assert run(["iso", "customize", str(iso), *options]) == 2
    assert iso.read_bytes() == before


def test_a_part_that_is_not_what_was_built_is_found(iso: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(iso, "/rackstrap/root.squashfs", 5000, b"!")
    assert run(["iso", "inspect", str(iso)]) == 0
    assert run(["iso", "inspect", str(iso), "--verify"]) == 1
    assert "WRONG" in capsys.readouterr().out


@pytest.mark.parametrize("size", [0, 100, 16 * SECTOR + 100, 1_000_000])
def test_a_cut_iso_is_told_as_such(iso: Path, size: int, capsys: pytest.CaptureFixture[str]) -> None:
    os.truncate(iso, size)
    assert run(["iso", "inspect", str(iso)]) == 2
    assert ("not an ISO image" if size < 17 * SECTOR else "is cut off") in capsys.readouterr().err


def test_rubbish_is_no_iso(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rubbish = tmp_path / "x.iso"
    rubbish.write_bytes(b"\x01CD001\x01" * 20_000)
    assert run(["iso", "inspect", str(rubbish)]) == 2
    assert "not an ISO image" in capsys.readouterr().err
    for path in (tmp_path, tmp_path / "gone.iso"):
        assert run(["iso", "inspect", str(path)]) == 2
        assert run(["iso", "customize", str(path), "--reset"]) == 2


def test_rubbish_behind_a_good_descriptor_is_refused(iso: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with iso.open("r+b") as file:
        file.seek(18 * SECTOR)
        file.write(os.urandom(60 * SECTOR))
    assert run(["iso", "inspect", str(iso)]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_iso_of_somebody_else_is_told_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_tree(tmp_path / "tree")
    shutil.rmtree(tmp_path / "tree/.disk")
    make_iso(tmp_path / "tree", tmp_path / "other.iso")
    assert run(["iso", "inspect", str(tmp_path / "other.iso")]) == 2
    assert "not Rackstrap's: it has no /.disk/rackstrap" in capsys.readouterr().err


def test_a_room_of_another_size_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_tree(tmp_path / "tree")
    (tmp_path / "tree/rackstrap/site.tar").write_bytes(bytes(4096))
    make_iso(tmp_path / "tree", tmp_path / "old.iso")
    assert run(["iso", "customize", str(tmp_path / "old.iso"), "--reset"]) == 2
    assert f"has 4096 bytes, not {AREA_BYTES}" in capsys.readouterr().err


def test_a_file_in_pieces_or_on_another_file_is_refused() -> None:
    rows = (
        "File data lba:  0 , 1 , 1 , 4096 , '/a'\nFile data lba:  1 , {} , 1 , 4096 , '/a'\nFile data lba:  0 , {} , 1 , 9 , '/b'"
    )
    whole = parse_index(rows.format(2, 3), Path("x"), 10 * SECTOR)
    assert whole.extent("/a") == Extent(SECTOR, 4096)
    for second, other in ((4, 3), (2, 2)):
        with pytest.raises(RackstrapError, match="in pieces or shares"):
            parse_index(rows.format(second, other), Path("x"), 10 * SECTOR).extent("/a")
    with pytest.raises(RackstrapError, match="lies outside"):
        parse_index(rows.format(2, 10), Path("x"), 10 * SECTOR)


def test_names_with_quotes_are_read_as_they_are() -> None:
    index = parse_index("""File data lba:  0 , 1 , 1 , 9 , '/it'"'"'s a name'""", Path("x"), 10 * SECTOR)
    assert index.extent("/it's a name").size == 9


def test_an_extent_is_read_within_its_limit(built: Path) -> None:
    extent = load_index(built).extent("/rackstrap/vmlinuz")
    assert load_extent(built, extent, 6000) == b"kernel" * 1000
    with pytest.raises(RackstrapError, match="5999 are the most"):
        load_extent(built, extent, 5999)


@pytest.mark.parametrize("program", [b"", b"MZ", make_shim("16.1")[:80], bytes(4096), make_shim("")])
def test_a_program_that_does_not_tell_its_version_has_none(program: bytes) -> None:
    assert find_shim_version(program) == ""
