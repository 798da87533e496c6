"""The admin node's installation: what is copied and unpacked, what is kept for afterwards, and how it goes on from its disk."""

from __future__ import annotations

import argparse
import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from installer.admin.applying import render_progress, tell_line
from installer.admin.going_on import ENDED, GoingOn, record_installed
from installer.admin.image import LAYERS, PLACE, admit_name, check_layers, copy_image, place_image, remove_whiteouts
from installer.admin.run import DONE, hold_install, judge, make_plan, render_plan
from installer.admin.settle import load_mark
from installer.admin.telling import Telling
from installer.admin.wanted import FILE, find_wanted, keep_secrets, save_wanted
from installer.admin.where import Who
from installer.cli import run
from installer.engine.journal import Journal
from installer.engine.prepare import APPLIED, load_input
from installer.live.telling import Telling as Notice
from installer.model.events import Event, Happened
from installer.model.ledger import Ledger
from installer.model.plan import Image
from installer.model.problems import RackstrapError
from installer.node.programs import run_program
from installer.plan.admin import AdminInstall, make_admin_consent, plan_admin
from installer.power.credentials import load_credentials
from installer.serve.place import load_image
from tests.plan_samples import EXT4, KEY, ROLES, TABLE, make_disk, make_machine, make_site

SECRET = "correct-horse-canary"
HERE = make_machine(1, uuid="aaaa", disks=(make_disk("sda", 40, wwn="0x1", holds=(TABLE, EXT4)), make_disk("sdb", 60, wwn="0x2")))
IMAGE = Image("1", "6.12", dict.fromkeys(LAYERS, ""), dict.fromkeys(LAYERS, 1), 10**9, 10**8)
TEXT = f"""rackstrap: 1
name: lab
domain: lab.example
access: {{ssh_keys: [{KEY}]}}
admin: {{hostname: admin, address: 192.168.124.10, nics: [enp1s0]}}
"""


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


def make(text: str = "", ledger: Ledger | None = None) -> AdminInstall:
    return plan_admin(make_site(TEXT.partition("lab.example\n")[2] + text), HERE, ledger or Ledger(), IMAGE, ROLES["base"])


def test_without_consent_it_stops_at_the_gate_and_says_how_to_allow_it() -> None:
    out = io.StringIO()
    assert judge(make(), Telling(out=out)) == 3
    text = out.getvalue()
    assert 'holds ext4 "backup" on partition 1' in text
    assert "rackstrap install SITE --erase ata-DISK_sda" in text
    assert all(len(line) <= 78 for line in text.splitlines())


def test_as_json_each_line_is_an_object_and_the_last_is_the_result() -> None:
    out = io.StringIO()
    assert judge(make("erase: blank\n"), Telling(is_json=True, out=out)) == 3
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert rows[-1]["result"]["code"] == 3


def make_wanted(tmp_path: Path, text: str = TEXT) -> Any:
    path = tmp_path / "site.yaml"
    path.write_text(text)
    found = load_input(path)
    return argparse.Namespace(path=path, beside=tmp_path, found=found, site=found.site, image=IMAGE, machine=HERE)


def test_naming_the_disk_is_the_consent_and_only_for_the_disk_that_the_site_chooses(tmp_path: Path) -> None:
    wanted = make_wanted(tmp_path)
    plan, data = make_plan(wanted, Ledger(), {}, ["ata-DISK_sda"])
    assert data is not None
    assert (judge(plan, Telling(out=io.StringIO())), [disk["id"] for disk in data["disks"]]) == (DONE, ["ata-DISK_sda"])
    assert "erases ata-DISK_sda" in "\n".join(render_plan(plan))
    plan, _ = make_plan(wanted, Ledger(), {}, ["ata-DISK_sdb"])
    assert (judge(plan, Telling(out=io.StringIO())), plan.chosen) == (1, ())
    with pytest.raises(RackstrapError, match="there is no disk sda"):
        make_plan(wanted, Ledger(), {}, ["sda"])


def test_outside_of_the_iso_nothing_is_installed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "site.yaml").write_text(TEXT + "erase: blank\n")
    state = tmp_path / "state"
    for words in ((str(tmp_path / "site.yaml"), "--erase", "x"), ("--recover",), ("--continue",)):
        assert run(["install", *words, "--state", str(state)]) in (1, 2)
        assert "not started from the admin ISO" in (said := capsys.readouterr().err) or "does not run from" in said
    assert not state.exists()


def test_only_one_installation_at_a_time(tmp_path: Path) -> None:
    with hold_install(tmp_path / "state"), pytest.raises(RackstrapError, match="runs already"), hold_install(tmp_path / "state"):
        raise AssertionError


def make_bmcs(folder: Path) -> None:
    (folder / "keys").mkdir(parents=True)
    (folder / "keys/one").write_text(SECRET + "\n")
    (folder / "keys/one").chmod(0o600)
    (folder / "list.csv").write_text("serial,address,user,secret,uefi\nA1,10.0.0.1,admin,keys/one,yes\n,manual:rack3,,,no\n")


def test_the_site_file_is_kept_with_all_that_it_names(tmp_path: Path) -> None:
    state, source = tmp_path / "state", tmp_path / "usb"
    make_bmcs(source)
    path = source / "site.yaml"
    path.write_text(f"{TEXT}discovery: {{credentials: list.csv}}  # ours\n")
    site = load_input(path).site
    assert site is not None
    state.mkdir()
    save_wanted(path, source, site, state)
    wanted = find_wanted(state)
    assert wanted == (state / FILE, state / "wanted")
    kept = load_input(*wanted)
    assert (kept.site is not None, kept.problems) == (True, ())
    (first, _), problems = load_credentials(state / "wanted/bmc.csv")
    assert (first.address, first.uefi, Path(first.secret).read_text(), problems) == ("10.0.0.1", True, SECRET + "\n", [])
    modes = {path.stat().st_mode & 0o077 for path in (state / "wanted").rglob("*")}
    assert modes == {0}
    assert SECRET not in (state / FILE).read_text() + (state / "wanted/bmc.csv").read_text()
    save_wanted(state / FILE, state / "wanted", site, state)  # a resumed installation keeps what it has
    assert Path(first.secret).exists()


def test_passwords_that_lie_elsewhere_move_into_the_state(tmp_path: Path) -> None:
    state = tmp_path / "state"
    make_bmcs(tmp_path / "usb")
    with Journal(state / "store.db") as journal:
        for address, secret in (("10.0.0.1", tmp_path / "usb/keys/one"), ("10.0.0.2", tmp_path / "gone")):
            data = {"address": address, "serial": "", "user": "admin", "secret": str(secret), "uefi": False}
            journal.append(Event(Happened.BMC_IMPORTED, f"bmc {address}", data), durable=True)
        journal.refresh()
        lost = keep_secrets(journal, state)
        journal.refresh()
        assert (Path(journal.ledger.bmcs["10.0.0.1"].secret).is_relative_to(state), len(lost)) == (True, 1)
        assert keep_secrets(journal, state) == lost
        assert SECRET not in str(journal.store.read())


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The state of an installed admin node whose site file waits to be carried out."""
    state = tmp_path / "state"
    (state / "wanted").mkdir(parents=True)
    (state / FILE).write_text(TEXT)
    with Journal(state / "store.db"):
        return state


def make_going_on(
    state: Path, codes: list[int], tmp_path: Path, happens: Callable[[], None] = lambda: None
) -> tuple[GoingOn, list[Path]]:
    """`codes`: what each apply ends with. An apply that began keeps the site file as apply does."""
    applied: list[Path] = []

    def apply(path: Path, beside: Path) -> int:
        applied.append(path)
        if codes[0] != 2:
            (state / APPLIED).parent.mkdir(exist_ok=True)
            (state / "applied/beside").write_text(f"{beside}\n")
            (state / APPLIED).write_bytes(path.read_bytes())
        return codes.pop(0)

    notice = Notice(lambda: (), tmp_path / "notice", io.StringIO())
    return GoingOn(state, notice, apply, lambda: applied.append(Path("served")), lambda _: happens()), applied


def test_it_applies_what_is_wanted_until_that_has_ended_well_and_then_only_serves(installed: Path, tmp_path: Path) -> None:
    def admit() -> None:
        with Journal(installed / "store.db") as journal:
            journal.append(Event(Happened.MACHINE_ADMITTED, "m-1"), durable=True)

    going_on, applied = make_going_on(installed, [2, 3, 0], tmp_path, admit)
    assert going_on.run() == 0
    assert applied == [installed / FILE, installed / FILE, installed / APPLIED, Path("served")]
    assert (installed / ENDED).exists()
    assert not (installed / FILE).exists()
    going_on, applied = make_going_on(installed, [], tmp_path)
    assert (going_on.run(), applied) == (0, [Path("served")])
    assert "serves it" in (tmp_path / "notice").read_text()


def test_another_site_file_that_was_applied_since_is_gone_on_with(installed: Path, tmp_path: Path) -> None:
    going_on, _ = make_going_on(installed, [0], tmp_path)
    going_on.run()
    (installed / APPLIED).write_text(TEXT.replace("lab\n", "lab2\n"))
    going_on, applied = make_going_on(installed, [0], tmp_path)
    assert (going_on.run(), applied) == (0, [installed / APPLIED, Path("served")])


def test_that_it_runs_from_its_disk_is_journaled_once(installed: Path) -> None:
    assert record_installed(installed, 1, ("ata-ONE",))
    assert not record_installed(installed, 1, ("ata-ONE",))
    with Journal(installed / "store.db") as journal:
        found = journal.ledger.admin.installed
    assert found is not None
    assert (found.epoch, found.disks, found.address) == (1, ("ata-ONE",), "192.168.124.10")


def test_status_shows_how_far_the_installation_of_this_machine_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Journal(tmp_path / "store.db") as journal:
        consent = make_admin_consent(HERE, ["ata-DISK_sda"], journal.ledger, "test")
        journal.append(Event(Happened.ADMIN_CONSENTED, "admin", consent))
        journal.append(Event(Happened.ADMIN_INSTALL_STARTED, "admin", {"epoch": 1}), durable=True)
        journal.store.set_progress("admin", "unpack", 61, "unpack the image")
    assert run(["status", "--state", str(tmp_path)]) == 0
    assert "installing unpack 61 %     unpack the image" in capsys.readouterr().out
    record_installed(tmp_path, 1, ("ata-DISK_sda",))
    assert run(["status", "--state", str(tmp_path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["status"]["admin"]
    assert (shown["state"], shown["percent"], shown["disks"]) == ("installed", 0, ["ata-DISK_sda"])


def test_what_apply_prints_becomes_plain_lines(tmp_path: Path) -> None:
    out, shown = io.StringIO(), dict[str, str]()
    notice = Notice(lambda: (), tmp_path / "notice", out)
    event = {"kind": "node_unpacked", "host": "m-1", "data": {"epoch": 1}}
    rows = [
        {"told": "hello"},
        {"event": event, "node": "node1"},
        {"problem": {"message": "wrong", "hint": "right"}},
        {"result": {"text": "Done."}},
    ]
    for row in rows:
        tell_line(json.dumps(row), shown, notice)
    tell_line("not json\n", shown, notice)
    assert out.getvalue().splitlines() == [
        "hello",
        "node1: installed on its disk, hands over",
        "wrong",
        "  right",
        "Done.",
        "not json",
    ]
    progress = {"node": "node1", "stage": "unpack", "percent": 47, "steps_done": 3, "steps": 8}
    assert render_progress(progress, shown) == "3 of 8 steps; node1 unpack 40 %"


def test_a_mark_is_read_back_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "admin.json"
    path.write_text(
        json.dumps(
            {"site": "lab", "hostname": "admin", "epoch": 1, "disks": ["a"], "who": {"uuid": "u", "serial": "s", "macs": []}}
        )
    )
    assert load_mark(path).who == Who("u", "s")
    path.write_text("{}")
    with pytest.raises(RackstrapError, match="is damaged"):
        load_mark(path)
