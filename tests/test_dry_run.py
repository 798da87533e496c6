"""A dry run tells every step in order, and touches nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pexpect
import pytest

from installer.cli import run
from installer.engine.journal import Journal
from installer.model.events import Event, Happened
from tests.fake_rack import make_recording
from tests.served_files import save_image
from tests.test_apply import save_site


@pytest.fixture
def argv(tmp_path: Path) -> list[str]:
    save_image(tmp_path / "image")
    (tmp_path / "a1.json").write_bytes(make_recording("A1"))
    site = save_site(tmp_path, "A1")
    where = ["--state", str(tmp_path / "state"), "--image", str(tmp_path / "image"), "--interface", "lo"]
    return ["apply", str(site), "--dry-run", "--machine", str(tmp_path / "a1.json"), *where]


def list_files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_step_is_told_and_nothing_is_touched(argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = list_files(tmp_path)
    assert run(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if "would" in line]
    assert any("run/dnsmasq.conf" in line for line in told)
    power = "bmc 192.168.124.201/discover: would set the power behind 192.168.124.201 to cycle, next boot from pxe"
    order = "node1/install: would order node1 to install onto virtio-VIRT-0001; what they hold is lost"
    assert order in told
    assert power not in told  # the machine is known already
    assert told.index(order) < told.index("node1/boot: would wait for node1 to report itself from its own disk")
    assert lines[-1] == "Done: 7 of 7 steps are done. This was a dry run: nothing was touched."
    assert list_files(tmp_path) == before


def test_without_machines_their_discovery_is_told(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    short = [word for n, word in enumerate(argv) if word != "--machine" and argv[n - 1] != "--machine"]
    assert run(short) == 0
    out = capsys.readouterr().out
    assert "would set the power behind 192.168.124.201 to cycle, next boot from pxe" in out
    assert "would wait for 1 machine that fits node1" in out


def test_what_has_happened_is_not_told_again(argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Journal(tmp_path / "state/store.db") as journal:
        journal.append(Event(Happened.SITE_APPLIED, "admin", {"sha256": "x", "name": "lab"}), durable=True)
        before = journal.store.read()
        assert run(argv) == 0
        assert "would order node1" in capsys.readouterr().out
        assert journal.store.read() == before


def test_recordings_take_the_place_of_hardware_only_in_a_dry_run(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([word for word in argv if word != "--dry-run"]) == 2
    assert "--dry-run" in capsys.readouterr().err


def test_on_a_terminal_the_lines_stay_readable(argv: list[str]) -> None:
    child = pexpect.spawn(sys.executable, ["-m", "installer.cli", *argv], encoding="utf-8", timeout=60, dimensions=(24, 80))
    child.expect("would order node1")
    child.expect("nothing was touched")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
