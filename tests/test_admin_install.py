"""The admin node's installation: how it is consented to, what is kept for afterwards, and the mark that it leaves."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import Any

import pytest

from installer.admin.going_on import record_installed
from installer.admin.run import DONE, hold_install, judge, make_plan, render_plan
from installer.admin.settle import load_mark
from installer.admin.telling import Telling
from installer.admin.wanted import FILE, find_wanted, keep_secrets, save_wanted
from installer.admin.where import Who
from installer.cli import run
from installer.engine.journal import Journal
from installer.engine.prepare import load_input
from installer.model.events import Event, Happened
from installer.model.ledger import Ledger
from installer.model.problems import RackstrapError
from installer.plan.admin import AdminInstall, make_admin_consent, plan_admin
from installer.power.credentials import load_credentials
from tests.admin_site import IMAGE, SECRET, TEXT
from tests.plan_samples import EXT4, ROLES, TABLE, make_disk, make_machine, make_site

HERE = make_machine(1, uuid="aaaa", disks=(make_disk("sda", 40, wwn="0x1", holds=(TABLE, EXT4)), make_disk("sdb", 60, wwn="0x2")))


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
