"""What an installation leaves on its ESPs and how the next start finds it: real tables, real FAT, mtools, nothing mounted."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from installer.admin import esp
from installer.admin.find import Esp, Installation, dump_installation, find_installations, render_installation
from installer.admin.marks import Marks, finish_esps
from installer.admin.recover import run_recover
from installer.admin.settle import Mark, find_devices
from installer.admin.state import copy_state, find_paths, make_tar, unpack_state
from installer.admin.where import FINISHED, STATE, WHERE, Who, render_where
from installer.engine.journal import Journal
from installer.keep.restore import SERVED
from installer.model.events import Event, Happened
from installer.model.orders import Layout, make_disk_guid
from installer.model.problems import RackstrapError
from installer.node import layout
from installer.node.programs import run_program, run_programs
from tests.admin_marks import ME, WHERE_NOW

IDS = layout.make_volume_ids(bytes(range(64)), 2)
ESP_BYTES = 36 << 20
OFFSET = 2 << 20  # after 1 MiB of table and 1 MiB of BIOS boot
SECRET = "correct-horse-canary"


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FAT filesystem as an installation makes it, inside a disk with its table."""
    path = tmp_path_factory.mktemp("esp") / "disk"
    with path.open("wb") as file:
        file.truncate(48 << 20)
    run_program(layout.make_partition_command(str(path), make_guid("ata-ONE"), Layout(esp_bytes=ESP_BYTES), mirror=True))
    found = run_program(("sgdisk", "--info=2", str(path)))
    assert f"First sector: {OFFSET // 512} " in found
    fat = path.with_name("fat")
    with fat.open("wb") as file:
        file.truncate(ESP_BYTES)
    run_programs(layout.make_esp_commands((str(fat),), layout.make_volume_ids(bytes(64), 1)))
    run_program(("dd", f"if={fat}", f"of={path}", "bs=1M", f"seek={OFFSET >> 20}", "conv=notrunc,sparse"))
    return path


def make_guid(disk: str, epoch: int = 1) -> str:
    return make_disk_guid("admin", epoch, disk)


@pytest.fixture
def disks(blank: Path, tmp_path: Path) -> tuple[Esp, Esp]:
    """The ESPs of a mirror of two disks."""
    made = []
    for number, name in enumerate(("ata-ONE", "ata-TWO")):
        path = tmp_path / f"disk{number}"
        run_program(("cp", "--sparse=always", str(blank), str(path)))
        made.append(Esp(f"{path}@@{OFFSET}", f"vd{'ab'[number]}", make_guid(name)))
    return made[0], made[1]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    with Journal(folder / "store.db") as journal:
        journal.append(Event(Happened.ADMIN_INSTALL_STARTED, "admin", {"epoch": 1}), durable=True)
    for name, text, mode in (
        ("site.yaml", "rackstrap: 1\n", 0o600), ("tls/key.pem", SECRET, 0o600), ("known_hosts", "k\n", 0o644),
        ("run/leases", "l\n", 0o644), ("run/serve.log", "x\n", 0o600), ("apply.lock", "1\n", 0o600), ("tftp/a", "x", 0o644),
        ("secrets/bmc-10.0.0.1", SECRET, 0o600), ("wanted/site.yaml", "w\n", 0o600), ("tls/.key.pem.1", "x", 0o600),
        *((served, "s\n", 0o644) for served in SERVED), ("tftp/grub/a", "x", 0o644),
    ):  # fmt: skip
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
    (folder / "link").symlink_to("/etc/shadow")
    os.mkfifo(folder / "run/socket")
    return folder


def images(disks: tuple[Esp, Esp]) -> list[str]:
    return [disk.image for disk in disks]


def find(disks: tuple[Esp, ...], who: Who = ME) -> tuple[Installation, ...]:
    return find_installations(disks, who)[0]


def test_nothing_was_installed(disks: tuple[Esp, Esp]) -> None:
    assert find_installations(disks, ME) == ((), ())


def test_an_unfinished_installation_is_found_with_its_stage_and_its_state(
    disks: tuple[Esp, Esp], state: Path, tmp_path: Path
) -> None:
    marks = Marks(lambda: images(disks), WHERE_NOW)
    marks.begin(state)
    marks.note("unpack")
    (one,) = find(disks)
    assert (one.kind, one.where.stage, one.is_ours, [esp.disk for esp in one.states]) == (
        "unfinished",
        "unpack",
        True,
        ["vda", "vdb"],
    )
    assert render_installation(one) == (
        "unfinished installation of admin (site lab) on vda and vdb: it was at unpack; its answers can be taken back"
    )
    assert dump_installation(one)["has_state"] is True
    fresh = tmp_path / "fresh"
    taken = run_recover((one,), fresh)
    assert taken is not None
    assert (fresh / "tls/key.pem").read_text() == SECRET
    with Journal(fresh / "store.db") as journal:
        assert journal.ledger.admin.installing_epoch == 1


def test_reading_what_was_installed_writes_nothing(disks: tuple[Esp, Esp], state: Path, tmp_path: Path) -> None:
    Marks(lambda: images(disks), WHERE_NOW).begin(state)
    paths = [Path(disk.image.partition("@@")[0]) for disk in disks]
    for path in paths:
        path.chmod(0o444)
    before = [sha256(path.read_bytes()).hexdigest() for path in paths]
    run_recover(find(disks), tmp_path / "fresh")
    assert [sha256(path.read_bytes()).hexdigest() for path in paths] == before


def test_the_last_acts_leave_a_mark_and_no_state(disks: tuple[Esp, Esp], state: Path, tmp_path: Path) -> None:
    marks = Marks(lambda: images(disks), WHERE_NOW)
    marks.begin(state)
    marks.finish()
    (one,) = find(disks)
    assert (one.kind, one.states, one.where.disks) == ("finished", (), ("ata-ONE", "ata-TWO"))
    for image in images(disks):
        assert [esp.has_file(image, path) for path in (FINISHED, STATE, WHERE)] == [True, False, False]
    assert run_recover((one,), tmp_path / "fresh") is None
    finish_esps(images(disks), WHERE_NOW)  # it may run again
    assert SECRET not in render_where(marks.where).decode()


def test_power_lost_between_the_two_halves_of_the_last_acts_is_a_finished_installation(
    disks: tuple[Esp, Esp], state: Path
) -> None:
    Marks(lambda: images(disks), WHERE_NOW).begin(state)
    esp.save_file(disks[0].image, FINISHED, render_where(replace(WHERE_NOW, stage="finished")))
    (one,) = find(disks)
    assert (one.kind, len(one.states)) == ("finished", 2)


def test_the_other_half_of_a_mirror_tells_where_it_was(disks: tuple[Esp, Esp], state: Path, tmp_path: Path) -> None:
    Marks(lambda: images(disks), WHERE_NOW).begin(state)
    esp.save_file(disks[0].image, STATE, b"torn")
    assert run_recover(find(disks), tmp_path / "fresh") is not None
    assert (tmp_path / "fresh/site.yaml").exists()
    (half,) = find(disks[1:])
    assert half.states == disks[1:]


def test_another_machines_disk_is_told_and_not_taken_back(disks: tuple[Esp, Esp], state: Path, tmp_path: Path) -> None:
    Marks(lambda: images(disks), replace(WHERE_NOW, who=Who("", "OTHER"))).begin(state)
    (one,) = find(disks)
    assert (one.is_ours, "of another machine" in render_installation(one)) == (False, True)
    assert run_recover((one,), tmp_path / "fresh") is None
    assert not (tmp_path / "fresh").exists()


def test_a_copy_of_an_installed_disk_is_no_installation(disks: tuple[Esp, Esp], state: Path) -> None:
    Marks(lambda: images(disks), WHERE_NOW).begin(state)
    found, doubts = find_installations([replace(disks[0], guid=make_guid("ata-THREE"))], ME)
    assert (found, "not written for this disk" in doubts[0]) == ((), True)


def test_the_installation_that_was_begun_last_is_taken_back_unless_one_has_finished_since(
    disks: tuple[Esp, Esp], state: Path, tmp_path: Path
) -> None:
    Marks(lambda: [disks[0].image], replace(WHERE_NOW, disks=("ata-ONE",))).begin(state)
    later = replace(WHERE_NOW, epoch=2, disks=("ata-TWO",))
    Marks(lambda: [disks[1].image], later).begin(state)
    pair = (disks[0], replace(disks[1], guid=make_guid("ata-TWO", 2)))
    taken = run_recover(find(pair), tmp_path / "fresh")
    assert taken is not None
    assert taken[0].where.epoch == 2
    esp.save_file(disks[1].image, FINISHED, render_where(replace(later, stage="finished")))
    assert run_recover(find(pair), tmp_path / "again") is None


def test_a_state_in_use_is_never_written_over(disks: tuple[Esp, Esp], state: Path) -> None:
    Marks(lambda: images(disks), WHERE_NOW).begin(state)
    before = {path: path.read_bytes() for path in state.rglob("*") if path.is_file() and not path.is_symlink()}
    with pytest.raises(RackstrapError, match="is in use"):
        run_recover(find(disks), state)
    assert {path: path.read_bytes() for path in state.rglob("*") if path.is_file() and not path.is_symlink()} == before


def test_what_is_too_large_or_no_filesystem_is_an_error_and_not_an_answer(disks: tuple[Esp, Esp], tmp_path: Path) -> None:
    esp.save_file(disks[0].image, WHERE, b"x" * 70_000)
    with pytest.raises(RackstrapError, match="larger than"):
        esp.read_file(disks[0].image, WHERE, 65_536)
    (tmp_path / "noise").write_bytes(b"no filesystem at all" * 50_000)
    with pytest.raises(RackstrapError, match="cannot be read"):
        esp.has_file(str(tmp_path / "noise"), WHERE)
    found, doubts = find_installations([Esp(str(tmp_path / "noise"), "vdz", "")], ME)
    assert (found, len(doubts)) == ((), 1)


def test_a_state_goes_with_its_modes_and_without_what_is_of_this_boot(state: Path, tmp_path: Path) -> None:
    target = tmp_path / "root/var/lib/rackstrap"
    for _ in range(2):  # over an older copy too
        copy_state(state, target)
        kept = {str(p.relative_to(target)): oct(p.stat().st_mode & 0o777) for p in target.rglob("*") if p.is_file()}
        assert kept == {
            "site.yaml": "0o600", "store.db": "0o600", "tls/key.pem": "0o600", "known_hosts": "0o644", "run/leases": "0o644",
            "secrets/bmc-10.0.0.1": "0o600", "wanted/site.yaml": "0o600", **dict.fromkeys(SERVED, "0o644"),
        }  # fmt: skip
        assert (target.stat().st_mode & 0o777, sorted(p.name for p in target.parent.iterdir())) == (0o700, ["rackstrap"])
        with Journal(target / "store.db") as journal:
            assert journal.ledger.admin.installing_epoch == 1


def test_the_copy_of_the_store_holds_all_while_another_process_has_it_open(state: Path, tmp_path: Path) -> None:
    with Journal(state / "store.db") as journal:
        journal.append(
            *(Event(Happened.BMC_FOUND, f"bmc 10.0.0.{n}", {"address": f"10.0.0.{n}"}) for n in range(1, 200)), durable=True
        )
        copy_state(state, tmp_path / "copy")
    with Journal(tmp_path / "copy/store.db") as copied:
        assert len(copied.ledger.bmcs) == 199


def test_the_tar_is_for_root_alone(state: Path, tmp_path: Path) -> None:
    make_tar(state, tmp_path / "tar")
    assert (tmp_path / "tar").stat().st_mode & 0o777 == 0o600
    assert "site.yaml" in set(find_paths(state))
    unpack_state(io.BytesIO((tmp_path / "tar").read_bytes()), tmp_path / "fresh")
    modes = {oct(path.stat().st_mode & 0o777) for path in (tmp_path / "fresh").rglob("*")}
    assert modes == {"0o600", "0o700"}


def make_hostile(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        tar.addfile(info)
    return out.getvalue()


@pytest.mark.parametrize(
    "raw",
    [
        make_hostile("../escaped"), make_hostile("/etc/escaped"), make_hostile("a/../../escaped"), make_hostile(".hidden"),
        make_hostile("link", tarfile.SYMTYPE, "/etc/shadow"), make_hostile("hard", tarfile.LNKTYPE, "/etc/shadow"),
        make_hostile("device", tarfile.CHRTYPE), make_hostile("pipe", tarfile.FIFOTYPE), b"", b"x" * 2000, make_hostile("a\nb"),
    ],
)  # fmt: skip
def test_a_tar_that_is_not_a_state_leaves_nothing_behind(raw: bytes, tmp_path: Path) -> None:
    with pytest.raises(RackstrapError, match="cannot be read"):
        unpack_state(io.BytesIO(raw), tmp_path / "in/state")
    assert [path for path in tmp_path.rglob("*") if path.name not in ("in",)] == []


def test_only_the_esps_of_this_very_installation_are_marked_by_it() -> None:
    mine, older, other = (
        Esp(f"/dev/{name}2", name, make_guid(disk, epoch))
        for name, disk, epoch in (("sda", "ata-ONE", 2), ("sdb", "ata-TWO", 1), ("sdc", "ata-THREE", 2))
    )
    mark = Mark("lab", "admin", 2, ("ata-ONE", "ata-TWO"), ME)
    assert find_devices(mark, (other, older, mine)) == ["/dev/sda2"]
