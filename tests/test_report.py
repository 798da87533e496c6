"""The report: plain text for people, JSON for programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from installer.cli import run
from installer.engine.journal import Journal
from installer.engine.prepare import save_applied
from installer.engine.report import make_fingerprint, render_report
from tests.wizard_views import SITE, make_view

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAFroTJnxFXeOCx6F/r5Loyq6sLLCI/SWhHafajcd5fa host"


def test_it_says_what_is_where_and_how_consent_came() -> None:
    text = render_report(make_view(deploying=True))
    lines = text.splitlines()
    assert lines[0] == "Rackstrap 0.1.0: the site lab, 2023-11-14 22:13:20 UTC"
    assert "  disk: QEMU HARDDISK SSD-000000002 336 GB wwn-0x5002538d40000002" in lines
    assert lines.count("  consent to erase: the review screen") == 4
    assert max(map(len, lines)) <= 78


def test_hostile_words_are_plain_ascii() -> None:
    text = render_report(make_view(deploying=True, hostile=True))
    assert text.isascii()
    assert "\x1b" not in text


def test_fingerprints() -> None:
    assert make_fingerprint(KEY).startswith("ssh-ed25519 SHA256:")
    assert len(make_fingerprint(KEY)) == len("ssh-ed25519 SHA256:") + 43
    assert make_fingerprint("rubbish") == "unreadable"


def test_nothing_to_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "--state", str(tmp_path)]) == 2
    assert "nothing has happened yet" in capsys.readouterr().err


def test_it_names_the_site_that_was_applied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Journal(tmp_path / "store.db"):
        save_applied(tmp_path, SITE, tmp_path)
    assert run(["report", "--state", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("Rackstrap 0.1.0: the site lab, ")
