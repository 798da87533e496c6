"""What must not go wrong: no disk is lost that nobody chose, no rehearsal is taken for the real world."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from installer.engine.journal import Journal
from installer.engine.store import make_who
from installer.model.problems import RackstrapError
from installer.serve.verbs import check_applied
from installer.site.save import save_text
from installer.wizard.live import LiveDesk
from installer.wizard.rehearsal import RehearsalDesk

MACHINES = Path(__file__).parent / "machines"


def test_a_rehearsal_keeps_out_of_a_real_state_folder(tmp_path: Path) -> None:
    with Journal(tmp_path / "store.db", make_who("apply")):
        pass
    with pytest.raises(RackstrapError, match="real site"):
        RehearsalDesk([MACHINES / "bmc.json"], state=tmp_path)
    with Journal(tmp_path / "store.db") as journal:
        assert journal.ledger.machines == {}


def test_the_real_world_keeps_out_of_a_rehearsals_folder(tmp_path: Path) -> None:
    """A recording may be of a machine that is there: consent that was rehearsed would hold for its disks."""
    RehearsalDesk([MACHINES / "bmc.json"], state=tmp_path).close()
    RehearsalDesk([MACHINES / "bmc.json"], state=tmp_path).close()  # the rehearsal itself goes on
    with pytest.raises(RackstrapError, match="rehearsal"):
        LiveDesk(tmp_path, tmp_path / "image", None)
    site = tmp_path / "site.yaml"
    save_text(site, (Path(__file__).parent / "sites/good/admin-bond.yaml").read_text())
    with pytest.raises(RackstrapError, match="rehearsal"):
        check_applied(tmp_path)
    words = [sys.executable, "-m", "installer.cli", "apply", str(site), "--state", str(tmp_path), "--image", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode != 0
    assert "is a rehearsal's" in done.stdout + done.stderr
