"""`rackstrap plan` and `rackstrap roles`, as an operator calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from installer.cli import run
from installer.engine.journal import Journal
from installer.model.events import Event, Happened
from installer.model.plan import Image
from installer.probe.parse import parse_recording
from tests.plan_samples import ADMIN, HEAD, KEY

ROOT = Path(__file__).parent.parent
RECORDING = ROOT / "tests" / "machines" / "bios-virtio.json"

SERIAL = parse_recording(json.loads(RECORDING.read_text())).serial


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RACKSTRAP_STATE", str(tmp_path / "no-state"))
    monkeypatch.setenv("RACKSTRAP_IMAGE", str(tmp_path / "no-image"))
    path = tmp_path / "site.yaml"
    path.write_text(f"{HEAD}{ADMIN}access: {{ssh_keys: ['{KEY}']}}\nnodes: [{{name: a, match: {{serial: {SERIAL}}}}}]\n")
    return path


def save_image(folder: Path, image: Image) -> None:
    folder.mkdir()
    for name in ("vmlinuz", "initrd", "root.squashfs", "rackstrap.squashfs"):
        (folder / name).write_bytes(b"x" * 10)
    names = {path.name: "a" * 64 for path in folder.iterdir()}
    manifest = {"version": image.version, "kernel": image.kernel, "sha256": names, "bytes": dict.fromkeys(names, 10)}
    (folder / "manifest.json").write_text(json.dumps({**manifest, "root_bytes": image.root_bytes}))


def test_a_plan_without_state_and_image_says_what_it_assumes(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", str(site)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Site lab: 1 node, 3 steps\n\na  (no machine fits yet)\n")
    assert "its size is assumed to be 700 MB" in err
    assert f"{site}:6:26: warning: no machine fits yet; power it on, or correct the match" in " ".join(out.split())


def test_a_recording_stands_in_for_the_machine(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", str(site), "--machine", str(RECORDING), "--json"]) in (0, 1)
    plan = json.loads(capsys.readouterr().out)
    assert [node["machine"].startswith("m-") for node in plan["nodes"]] == [True]
    assert "a/admit" in [step["key"] for step in plan["steps"]]


def test_the_state_is_planned_on_from_and_the_image_is_counted(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    with Journal(tmp_path / "state" / "store.db") as journal:
        blob = journal.store.put_blob(RECORDING.read_bytes())
        data = {"recording": blob, "code": "ABCD-EFGH", "key": "k", "address": "", "mac": "", "boot_id": ""}
        journal.append(Event(Happened.MACHINE_DISCOVERED, "m-77", data), durable=True)
        journal.append(Event(Happened.NODE_BOUND, "m-77", {"name": "b", "rule": 0}), durable=True)
    save_image(tmp_path / "image", Image("9", "6.12", {}, {}, 10**6))
    run(["plan", str(site), "--state", str(tmp_path / "state"), "--image", str(tmp_path / "image"), "--json"])
    out, err = capsys.readouterr()
    node = json.loads(out)["nodes"][0]
    assert (node["name"], node["machine"]) == ("b", "m-77")
    assert "assumed to be 700" not in err
    assert run(["plan", str(site), "--state", str(tmp_path / "none")]) == 2


def test_every_rendered_file_is_written_into_a_folder(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", str(site), "--into", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/admin/run/dnsmasq.conf").is_file()
    assert f"files written to {tmp_path / 'out'}" in capsys.readouterr().err
    assert run(["plan", str(site), "--into", str(tmp_path / "out")]) == 2


def test_boot_scripts_and_the_words_for_a_foreign_dhcp_server_are_among_them(site: Path, tmp_path: Path) -> None:
    site.write_text(site.read_text() + "services: {dhcp: external}\n")
    digests = dict.fromkeys(("root.squashfs", "rackstrap.squashfs"), "ab" * 32)
    save_image(tmp_path / "image", Image("9", "6.12", digests, {}, 10**6))
    words = ["--machine", str(RECORDING), "--image", str(tmp_path / "image"), "--into", str(tmp_path / "out")]
    assert run(["plan", str(site), *words]) == 0
    assert "next-server" in (tmp_path / "out/external-dhcp.txt").read_text()
    scripts = {path.name: path.read_text() for path in (tmp_path / "out/boot").glob("*/*")}
    assert sorted(scripts) == ["discover.grub", "discover.ipxe", "disk.grub", "disk.ipxe"]
    assert "rackstrap.mode=discover" in scripts["discover.ipxe"]


def test_without_an_image_there_are_no_boot_scripts(site: Path, tmp_path: Path) -> None:
    # 1: the recorded disks are too small for the size that is assumed. The files are written all the same.
    assert run(["plan", str(site), "--machine", str(RECORDING), "--into", str(tmp_path / "out")]) == 1
    assert (tmp_path / "out/admin/run/dnsmasq.conf").is_file()
    assert not (tmp_path / "out/boot").exists()


def test_problems_of_the_file_stop_a_plan_with_1_and_an_unreadable_file_with_2(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.write_text(site.read_text().replace("name: a,", "nome: a,"))
    assert run(["plan", str(site)]) == 1
    assert "site.yaml:6:" in capsys.readouterr().err
    assert run(["plan", str(tmp_path / "none.yaml")]) == 2
    assert run(["plan", str(site), "--machine", str(tmp_path / "none.json")]) in (1, 2)


def test_roles_are_listed_with_those_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "role.yaml").write_text("title: Database\nneeds: [base]\ncount: {min: 3, odd: true}\n")
    assert run(["roles", "--roles-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == (
        "base  Host name, users, keys, time and resolver  (on every node)\n"
        "db    Database  (needs base, at least 3, an odd number)\n"
    )
    assert run(["roles", "--json", "--roles-dir", str(tmp_path)]) == 0
    assert sorted(json.loads(capsys.readouterr().out)) == ["base", "db"]
    (tmp_path / "db" / "role.yaml").write_text("title: 7\n")
    assert run(["roles", "--roles-dir", str(tmp_path)]) == 1
    assert f"{tmp_path}/db/role.yaml:1:1: title:" in capsys.readouterr().err


def test_check_knows_the_roles_that_plan_and_apply_know(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "roles/db").mkdir(parents=True)
    (tmp_path / "roles/db/role.yaml").write_text("title: Database\n")
    site.write_text(site.read_text() + "roles: {db: {}}\n")
    assert run(["check", str(site)]) == 1
    assert "db" in capsys.readouterr().out
    monkeypatch.setenv("RACKSTRAP_ROLES", str(tmp_path / "roles"))
    assert run(["check", str(site)]) == 0
    assert run(["plan", str(site)]) == 0
