"""The command line as it is typed at three in the morning: what is wrong is a sentence and an exit code, never a traceback."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from installer.cli import VERBS, explain_os_error, make_parser, run

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


def test_passwords_are_never_typed_in_sight(tmp_path: Path) -> None:
    table = tmp_path / "bmc.csv"
    table.write_text("serial,address,user,secret\nA1,192.0.2.1,admin,\n")
    told = "rackstrap: passwords are asked for on a terminal only\n  name their files in the column secret\n"
    assert run_shell(f'setsid "$@" bmc import --ask-password {table} --state {tmp_path}/state') == (2, told)


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


def find_parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from find_parsers(sub)


@pytest.mark.parametrize("verb", VERBS)
def test_help_says_what_every_verb_and_every_word_means(verb: str) -> None:
    top = next(a for a in make_parser(verb)._actions if isinstance(a, argparse._SubParsersAction))
    parsers = list(find_parsers(top.choices[verb]))
    words = [(p.prog, a) for p in parsers for a in p._actions if not isinstance(a, argparse._SubParsersAction)]
    assert [p.prog for p in parsers if not (p.description or "").endswith(".")] == []
    assert [(prog, a.dest) for prog, a in words if not a.help] == []


@pytest.mark.parametrize(
    "words",
    [
        ["node", "identify", "node1", "--seconds", "999"],
        ["node", "identify", "node1", "--seconds", "-3"],
        ["apply", "site.yaml", "--deadline", "-5"],
        ["apply", "site.yaml", "--deadline", "nan"],
        ["apply", "site.yaml", "--deadline", "soon"],
    ],
)
def test_numbers_that_mean_nothing_are_usage_errors(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(words)
    assert ended.value.code == 2
    assert repr(words[-1]) in capsys.readouterr().err
