"""`rackstrap tui`: its words, what it refuses, and how it begins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pexpect
import pytest

from installer.cli import make_parser, run
from screens.verbs import find_recordings, make_desk, make_words
from tests.terminal import Terminal

ROOT: Final = Path(__file__).parent.parent
MACHINES: Final = ROOT / "tests/machines"


def run_tui(*words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """The verb with pipes for a terminal."""
    argv = [sys.executable, "-m", "installer.cli", "tui", *words]
    return subprocess.run(argv, cwd=ROOT, input=typed, capture_output=True, text=True, timeout=30, check=False)


def test_without_a_terminal_it_says_what_to_do() -> None:
    for way in ((), ("--attach",)):
        done = run_tui(*way)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            "rackstrap: this is no terminal\n"
            "  add --plain to read and write lines, or hand over a site file: rackstrap apply SITE\n"
        )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.yaml", "--plain"], "there is no file none.yaml\n  look at the name"),
        (["--plain", "--machine", "none.json"], "there is no file none.json\n  look at the name"),
        (["--plain", "--roles-dir", "none"], "there is no folder none\n  name the folder that holds folders of roles"),
    ],
)
def test_what_is_not_there(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tui", *words]) == 2
    assert capsys.readouterr().err == f"rackstrap: {message}\n"


def test_plain_mode_belongs_to_one_console(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["tui", "--plain", "--attach"])
    assert ended.value.code == 2
    assert "not allowed with argument --plain" in capsys.readouterr().err


def test_the_desk_is_chosen_by_the_words(tmp_path: Path) -> None:
    def choose(*words: str) -> str:
        desk = make_desk(
            make_parser("tui").parse_args(["tui", *words, "--state", str(tmp_path / ("rehearsal" if words else "live"))])
        )
        desk.close()
        return type(desk).__name__

    assert choose("--machine", str(MACHINES / "usb.json"), str(MACHINES / "bmc.json")) == "RehearsalDesk"
    assert choose() == "LiveDesk"


def test_what_joins_the_shared_session_starts_it_with_the_same_words(tmp_path: Path) -> None:
    site, state = tmp_path / "site.yaml", tmp_path / "state"
    words = ["tui", "--att", "--demo", "--ascii", "--state", str(state), "--machine", "a.json", "b.json", "--", str(site)]
    args = make_parser("tui").parse_args(words)
    again = make_parser("tui").parse_args(make_words(args))
    assert args.attach
    assert not again.attach
    same = {name: getattr(again, name) for name in ("demo", "ascii", "state", "site", "interface", "roles_dir")}
    assert same == {"demo": True, "ascii": True, "state": state, "site": site, "interface": None, "roles_dir": []}
    assert again.machine == [Path("a.json").absolute(), Path("b.json").absolute()]


def test_a_demo_takes_the_recordings_of_the_checkout() -> None:
    assert "uefi-nvme.json" in {path.name for path in find_recordings()}


def test_the_command_line_loads_no_user_interface() -> None:
    program = "import sys, installer.cli as c; c.make_parser('tui'); print(sorted({m.split('.')[0] for m in sys.modules} & "
    program += "{'textual', 'rich', 'pydantic', 'sqlalchemy'}))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_frame_is_painted_before_what_takes_long_is_imported() -> None:
    program = "import sys, screens.app; print(sorted({'pydantic', 'sqlalchemy', 'installer.wizard.view', 'ruamel.yaml'} & set("
    program += "sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_first_page_needs_nothing_that_renders_plans_or_asks_the_network() -> None:
    program = "import sys, installer.wizard.live, installer.wizard.guide, installer.wizard.pages.welcome; "
    program += "late = {'jinja2', 'cryptography', 'pyghmi', 'installer.preflight.run', 'installer.plan.plan'}; "
    program += "print(sorted(late & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_plain_mode_reads_a_script(tmp_path: Path) -> None:
    machine = str(MACHINES / "uefi-nvme.json")
    done = run_tui("--plain", "--machine", machine, "--state", str(tmp_path / "state"), typed="n\nn\nQ\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("A rehearsal: recorded machines, nothing real is touched.\n\nWelcome, 1 of 9.")
    assert "\nDisks, 3 of 9." in done.stdout
    desk = make_desk(make_parser("tui").parse_args(["tui", "--machine", machine, "--state", str(tmp_path / "state")]))
    assert desk.find_page() == "disks"
    desk.close()


def test_plain_mode_chosen_in_the_tui_goes_on_at_the_same_place(tmp_path: Path) -> None:
    words = ("--machine", str(MACHINES / "uefi-nvme.json"), "--state", str(tmp_path / "state"))
    with Terminal([sys.executable, "-m", "installer.cli", "tui", *words]) as terminal:
        terminal.wait_for("Welcome 1/9")
        terminal.press("l")
        terminal.wait_for(r"(?s)\AA rehearsal: recorded.*Welcome, 1 of 9\..*\n> *\n")
        written = len(terminal.written)
        terminal.press("Q\r")
        terminal.wait_for("Nothing is lost")
        assert b"\x1b" not in terminal.written[written:]
        terminal.child.expect(pexpect.EOF)
        terminal.child.wait()
        assert terminal.child.exitstatus == 0
