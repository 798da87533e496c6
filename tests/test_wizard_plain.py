"""Plain mode before a person and before a script: a real pty with TERM=dumb, and pipes."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Final

import pexpect
import pytest

from installer.wizard.guide import Guide
from installer.wizard.plain import run_plain
from installer.wizard.stages import PAGES, STAGES
from installer.wizard.wishes import AddBmc, CheckAgain, SaveSite
from tests.plain_program import MINE
from tests.shelf_desk import ShelfDesk
from tests.wizard_views import make_view

ROOT: Final = Path(__file__).parent.parent
REAL_PAGES: Final = dict(PAGES)


@pytest.fixture(autouse=True)
def _pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, maker in MINE.items():
        monkeypatch.setitem(PAGES, name, maker)


@pytest.fixture
def desk() -> ShelfDesk:
    return ShelfDesk(make_view(planned=False))


def play(desk: ShelfDesk, tmp_path: Path, script: str | bytes) -> list[str]:
    """Every line that plain mode writes when this is what it reads."""
    read_end, write_end = os.pipe()
    data = script.encode() if isinstance(script, str) else script
    feeder = threading.Thread(target=feed, args=(write_end, data))
    feeder.start()
    with (tmp_path / "out").open("wb") as out:
        assert run_plain(lambda: Guide(desk), read_end, out.fileno()) == 0
    os.close(read_end)
    feeder.join()
    written = (tmp_path / "out").read_bytes()
    assert {byte for byte in written if byte != 10 and not 32 <= byte < 127} == set()
    lines = written.decode("ascii").split("\n")
    assert [line for line in lines if len(line) > 78] == []
    return lines


def feed(write_end: int, data: bytes) -> None:
    for at in range(0, len(data), 4096):
        os.write(write_end, data[at : at + 4096])
    os.close(write_end)


def test_a_script_of_answers(desk: ShelfDesk, tmp_path: Path) -> None:
    script = "4\nBad Name\ntaken\nlab7\n5\n2\n6\nl 1,3\n1\nB\nS\n/root/mine.yaml\nQ\n"
    lines = play(desk, tmp_path, script)
    text = "\n".join(lines)
    assert "Welcome, 1 of 9. Site lab." in lines
    assert "  2. FAIL beta: disks 8 (not offered)" in lines
    assert "No: 'Bad Name' is no name.\n    write small letters and figures, as lab1\n? taken" in text
    assert "No: that name is taken.\n    choose another one\n? lab7\nThe name is lab7 now." in text
    assert "The name is lab7 now.\n  4. Name: lab7 (file)\n> 5" in text
    assert "  2. proxy: beside another" in lines
    assert "  5. DHCP: proxy (default)" in lines
    assert "It was pressed." in lines
    assert "Light on a, c." in lines
    assert "Machine a, in welcome, 1 of 9. Site lab7." in lines
    assert lines[-2:] == ["Nothing is lost: `rackstrap tui` goes on from here.", ""]
    assert desk.wishes == [CheckAgain(), SaveSite("/root/mine.yaml")]
    assert desk.view.draft.site is not None
    assert (desk.view.draft.site.name, desk.view.draft.site.services.dhcp) == ("lab7", "proxy")


def test_end_of_file_in_the_middle_of_a_question(desk: ShelfDesk, tmp_path: Path) -> None:
    before = desk.view.draft.text
    lines = play(desk, tmp_path, "4\nhalf")
    assert lines[-1] == "? "
    assert desk.view.draft.text == before


def test_pages_forth_and_back_and_what_is_no_command(desk: ShelfDesk, tmp_path: Path) -> None:
    lines = play(desk, tmp_path, "n\nb\nz\n99\nx\n2\n\n/ALPHA\n?\nm\nQ\n")
    titles = [line for line in lines if " of 9." in line]
    assert titles == [
        "Welcome, 1 of 9. Site lab.",
        "Network, 2 of 9. Site lab.",
        "Welcome, 1 of 9. Site lab.",
        "Welcome, 1 of 9. Site lab.",
    ]
    assert "No: that is no command here." in lines
    assert "No: there is no 99 here." in lines
    assert "This is plain mode already." in lines
    assert "No: this one is not offered." in lines
    assert "    no disk: put one in" in lines
    assert "Nothing has changed. = prints the page, ? explains." in lines
    assert "Only what holds 'ALPHA': 1 of 3. / shows all." in lines
    assert "You should see three machines." in lines
    assert "That was all." in lines


def test_what_no_keyboard_types_is_refused(desk: ShelfDesk, tmp_path: Path) -> None:
    before = desk.view.draft.text
    script = b"\x1b[A\n\xff\xfe\n\0\0\n4\n\x1b[Bname\n" + b"q" * 10000 + b"\n" + b"w" * 200000 + b"\n.\nQ\n"
    lines = play(desk, tmp_path, script)
    assert lines.count("No: that is no command here.") == 3
    assert "No: there are characters in that which no keyboard types." in lines
    assert "No: 'qqqqqqqqqqqqqqqqqqqq' is no name." in lines
    assert "No: that line is far too long." in lines
    assert "Left as it was." in lines
    assert desk.view.draft.text == before


def test_a_secret_is_never_written(desk: ShelfDesk, tmp_path: Path) -> None:
    lines = play(desk, tmp_path, "p 1\ncanary-4711\nQ\n")
    assert "canary" not in "\n".join(lines)
    assert "Kept." in lines
    assert desk.wishes == [AddBmc("192.0.2.1", "a", "root", "canary-4711")]


def start(*words: str) -> Any:
    argv = ["-m", "tests.plain_program", *words]
    env = {**os.environ, "TERM": "dumb"}
    return pexpect.spawn(sys.executable, argv, env=env, cwd=str(ROOT), timeout=20, encoding="ascii", codec_errors="strict")


def test_a_person_at_a_dumb_terminal() -> None:
    child = start()
    written: list[str] = []
    child.logfile_read = type("Log", (), {"write": staticmethod(written.append), "flush": staticmethod(lambda: None)})()
    child.expect_exact("\r\n> ")
    child.sendline("p 1")
    child.expect_exact("What you type is not shown.")
    child.expect_exact("\r\n? ")
    child.sendline("canary-4711")
    child.expect_exact("Kept.\r\n> ")
    child.sendline("4")
    child.expect_exact("\r\n? ")
    child.send("half")
    child.sendintr()
    child.expect_exact("\r\n> ")
    child.sendline("l 1")
    child.expect_exact("Light on a.\r\n> ")
    child.sendeof()
    child.expect_exact("ended 0 with 1 11 []")
    child.expect(pexpect.EOF)
    text = "".join(written)
    assert "canary" not in text
    assert "l 1" in text
    assert "\x1b" not in text
    child.close()


def test_news_come_by_themselves_one_line_a_second_and_a_dropped_line_ends_it() -> None:
    child = start("0.3")
    child.expect_exact("\r\n> ")
    child.sendline("n")
    child.expect_exact("Network, 2 of 9.")
    child.expect_exact("\r\n> ")
    child.expect(r"\r\nline \d+ \(and \d more: Enter\)\r\n> ")
    child.expect(r"\r\nline \d+ \(and \d more: Enter\)\r\n> ")
    child.sendline("")
    child.expect(r"  line 0\r\n  line 1\r\n")
    child.kill(signal.SIGHUP)
    child.expect_exact("ended 0 with 0")
    child.expect(pexpect.EOF)
    child.close()
    assert (child.exitstatus, child.signalstatus) == (0, None)


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES])
@pytest.mark.parametrize("is_hostile", [False, True])
def test_every_stage_reads_as_plain_lines(stage: str, is_hostile: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MINE:
        monkeypatch.setitem(PAGES, name, REAL_PAGES[name])
    desk = ShelfDesk(make_view(deploying=True, hostile=is_hostile), stage)
    letters = sorted({action.key for action in Guide(desk).page.actions if action.key != "enter"})
    tries = "".join(f"{key}\n.\n{key} 1\n.\n{key} all\n.\n" for key in letters)
    lines = play(desk, tmp_path, f"?\nM\n=\n1\n.\n{tries}Q\nQ\n")
    assert next(line for line in lines if line).endswith(" Site lab.")
    assert lines[-2] == "Nothing is lost: `rackstrap tui` goes on from here."
