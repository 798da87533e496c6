"""The command line as it is typed at three in the morning: what is wrong is a sentence and an exit code, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from installer.cli import explain_os_error, run

PROGRAM = (sys.executable, "-m", "installer.cli")


def run_shell(line: str) -> tuple[int, str]:
    """Exit code and standard error of a shell line, in which "$@" is rackstrap."""
    done = subprocess.run(
        ["sh", "-c", line, "sh", *PROGRAM], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


def test_closed_and_full_outputs() -> None:
    assert run_shell('"$@" schema >&-') == (0, "")
    assert run_shell('"$@" schema >/dev/full') == (
        2,
        "rackstrap: No space left on device\n  put that right, and run this again\n",
    )
    assert run_shell('{ "$@" schema; echo "$?" >&2; } | head -c 1') == (0, "0\n")


def test_os_errors_are_explained() -> None:
    denied = explain_os_error(PermissionError(13, "Permission denied", "/srv/store.db"))
    assert (denied.message, denied.hint) == ("/srv/store.db: Permission denied", "run as root, or name another place")
    assert denied.exit_code == 2
    assert explain_os_error(OSError("no errno")).message == "no errno"


@pytest.mark.parametrize("words", [["status"], ["node", "list"], ["serve"], ["serve", "--detach"]])
def test_a_file_is_no_state_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    assert run([*words, "--state", str(file)]) == 2
    assert str(file) in capsys.readouterr().err
    assert file.read_text() == "mine"


def test_serve_leaves_a_folder_without_a_site_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for way in ([], ["--detach"]):
        assert run(["serve", *way, "--state", str(tmp_path / "state")]) == 2
        assert capsys.readouterr().err == f"rackstrap: no site is applied in {tmp_path}/state\n  rackstrap apply SITE\n"
    assert list(tmp_path.iterdir()) == []


def test_stopping_what_does_not_run_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--stop", "--state", str(tmp_path / "typo")]) == 0
    assert capsys.readouterr().out == f"nothing serves {tmp_path}/typo\n"


def test_agent_refuses_where_no_node_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["agent", "--state", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == (
        f"rackstrap: this machine is no node: there is no {tmp_path}/none/node.json\n"
        "  nothing was touched; nodes run this by themselves\n"
    )
    assert list(tmp_path.iterdir()) == []
