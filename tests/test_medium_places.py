"""Where `rackstrap iso` cannot read or write, or the ISO changes under it: it says so, and nothing is left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from installer.cli import run
from installer.medium.contents import load_contents
from installer.medium.customize import Wish, run_customize
from installer.medium.index import SECTOR, load_index
from installer.model.problems import RackstrapError
from tests.small_iso import make_small_iso


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_small_iso(tmp_path_factory.mktemp("built"))


@pytest.fixture
def iso(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(built, tmp_path / "rackstrap.iso"))


def test_places_that_cannot_hold_a_result_are_told(iso: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for out, told in (
        (tmp_path / "loop", "is a link that leads to itself"),
        (iso / "below.iso", f"cannot write to {iso}: Not a directory"),
        (tmp_path / "gone/x.iso", f"cannot write to {tmp_path / 'gone'}: No such file"),
        (Path("/sys/kernel/x.iso"), "/sys/kernel"),
    ):
        assert run(["iso", "customize", str(iso), "--reset", "--out", str(out)]) == 2
        said = capsys.readouterr().err
        assert told in said
        assert "Traceback" not in said


def test_a_pipe_is_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert run(["iso", "inspect", str(tmp_path / "pipe")]) == 2
    assert "is not an ISO image" in capsys.readouterr().err


def test_an_iso_that_grows_meanwhile_is_told(iso: Path) -> None:
    before = load_contents(load_index(iso))
    with subprocess.Popen(["sh", "-c", 'while :; do printf x >>"$1"; done', "sh", str(iso)]) as writer:
        try:
            while iso.stat().st_size % SECTOR == 0:
                pass
            with pytest.raises(RackstrapError, match="changed while it was copied"):
                run_customize(iso, iso.with_name("out.iso"), Wish(words=("rackstrap.ip=192.0.2.1/24",)))
        finally:
            writer.kill()
    assert load_contents(load_index(iso)) == before
    assert sorted(path.name for path in iso.parent.iterdir()) == ["rackstrap.iso"]
