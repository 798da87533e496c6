"""networkd asked for before its bus name is there: on the ISO the TUI comes first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from installer.model.problems import RackstrapError
from installer.network import networkd


def put_programs(folder: Path, monkeypatch: pytest.MonkeyPatch, *, comes_at: int, system: str) -> Path:
    """busctl that knows networkd from this call on, and systemctl that says so of the system; the file of busctl's calls."""
    calls = folder / "calls"
    bus = f'echo x >>{calls}; [ "$(wc -l <{calls})" -lt {comes_at} ] && echo "b false" || echo "b true"'
    for name, text in {"busctl": bus, "systemctl": f"echo {system}", "networkctl": "exit 9"}.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(networkd, "LOOK_EVERY_S", 0.01)
    return calls


def test_one_that_is_being_started_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = put_programs(tmp_path, monkeypatch, comes_at=3, system="starting")
    networkd.check_networkd()
    assert calls.read_text() == "x\n" * 3


@pytest.mark.parametrize("system", ["running", "degraded", "offline"])
def test_one_that_is_not_there_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    calls = put_programs(tmp_path, monkeypatch, comes_at=3, system=system)
    with pytest.raises(RackstrapError, match="systemd-networkd does not run on this machine"):
        networkd.check_networkd()
    assert calls.read_text() == "x\n"


def test_the_wait_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_programs(tmp_path, monkeypatch, comes_at=1000, system="starting")
    monkeypatch.setattr(networkd, "STARTS_WITHIN_S", 0.1)
    with pytest.raises(RackstrapError, match="systemd-networkd does not run on this machine"):
        networkd.check_networkd()
