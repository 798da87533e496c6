"""What the wizard does as commands: change a site file, take in one BMC, stop what is being applied."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from installer.cli import run
from installer.engine.journal import Journal
from installer.engine.lock import find_holder
from installer.model.problems import RackstrapError
from installer.site.load import load_site
from installer.wizard.verbs import parse_edit, parse_key
from tests.terminal import Terminal

DEMO = Path(__file__).parent.parent / "installer/site/examples/demo.yaml"
CANARY = "CANARY-bmc-password"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(DEMO.read_text())
    return path


def test_values_are_changed_and_the_rest_stays(site: Path) -> None:
    assert run(["edit", str(site), "admin.address=192.168.124.11", "nodes.0.disk={largest: true}", "--remove", "handover"]) == 0
    loaded = load_site(site)
    assert loaded.site is not None
    assert str(loaded.site.admin.address) == "192.168.124.11"
    assert loaded.site.nodes[0].disk.largest
    assert "# The site of `make demo`" in loaded.document.text
    kept = [line for line in DEMO.read_text().splitlines() if line.startswith(("name:", "domain:", "networks:", "erase:"))]
    assert all(line in loaded.document.text.splitlines() for line in kept)
    assert "handover" not in loaded.document.data


def test_what_would_be_wrong_changes_nothing(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = site.read_bytes()
    assert run(["edit", str(site), "domain=ok.example", "admin.address=10.0.0.1"]) == 1
    assert "admin.address: the admin node's address 10.0.0.1 is outside" in capsys.readouterr().err
    for words in (["nodes.9.name=x"], ["name"], ["name=[a"], []):
        assert run(["edit", str(site), *words]) == 2
    assert site.read_bytes() == before


@pytest.mark.parametrize("text", ["", ".", "a..b", "x" * 2000])
def test_keys_that_are_none(text: str) -> None:
    with pytest.raises(RackstrapError):
        parse_key(text)


def test_values_are_yaml() -> None:
    assert parse_edit("nodes.0.roles=[a, b]") == (("nodes", 0, "roles"), ["a", "b"])
    assert parse_edit("networks.admin.vlan=100") == (("networks", "admin", "vlan"), 100)
    assert parse_edit("name=lab=1") == (("name",), "lab=1")
    with pytest.raises(RackstrapError):
        parse_edit("name=x\nevil: 1")


def test_one_bmc_with_its_password(tmp_path: Path) -> None:
    state = tmp_path / "state"
    words = ["bmc", "add", "192.168.124.170", "--serial", "ABC123", "--user", "ADMIN", "--state", str(state)]
    with Terminal([sys.executable, "-m", "installer.cli", *words]) as terminal:
        terminal.wait_for("password of ADMIN")
        terminal.press(CANARY, "enter")
        terminal.wait_for("is known")
        assert CANARY.encode() not in terminal.written
    with Journal(state / "store.db") as journal:
        bmc = journal.ledger.bmcs["192.168.124.170"]
        assert (bmc.serial, bmc.user) == ("ABC123", "ADMIN")
        assert not any(CANARY in str(event.data) for event in journal.store.read())
    secret = Path(bmc.secret)
    assert secret.read_text().strip() == CANARY
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_stopping_what_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["apply", "--stop", "--state", str(tmp_path / "none")]) == 0
    assert "nothing is being applied" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()
    assert run(["apply"]) == 2
    assert find_holder(tmp_path / "none") is None
