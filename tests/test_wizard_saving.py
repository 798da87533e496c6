"""What is saved replaces no file that nobody meant, and where the report went is remembered; the keyboard as a command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from installer.cli import run
from installer.wizard.guide import Guide
from installer.wizard.keeping import Keeper
from installer.wizard.page import Ask, Lines, Selection, Wished
from installer.wizard.pages.done import make_done_page
from installer.wizard.rehearsal import RehearsalDesk
from installer.wizard.wishes import SaveReport, SaveSite
from tests.wizard_views import FOLDER, make_view


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[RehearsalDesk]:
    found = RehearsalDesk([FOLDER / "bios-virtio.json"], state=tmp_path / "state")
    yield found
    found.close()


def answer(guide: Guide, ask: Ask | None, text: str) -> str:
    assert ask is not None
    return guide.take(ask.then(guide.view, Selection(text=text))).message


def test_another_file_is_replaced_only_after_a_yes(desk: RehearsalDesk, tmp_path: Path) -> None:
    guide = Guide(desk)
    target, report = tmp_path / "mine.yaml", tmp_path / "report.txt"
    target.write_text("somebody's\n")
    reply = guide.take(Wished((SaveSite(str(target)), SaveReport(str(report))), "both are saved"))
    assert reply.ask is not None
    assert (reply.ask.says, reply.ask.asks.start) == ((f"{target} is there already.",), "no")
    assert answer(guide, reply.ask, "no") == "nothing was written"
    assert (target.read_text(), report.exists()) == ("somebody's\n", False)
    assert answer(guide, reply.ask, "yes") == "both are saved"
    assert target.read_text() == guide.view.draft.text
    assert "bios-virtio" not in report.read_text()
    again = guide.take(Wished((SaveSite(str(target)),)))
    assert (again.ask, again.message) == (None, f"saved as {target}"), "our own file is simply saved again"
    assert guide.take(Wished((SaveReport(str(report)),))).ask is not None


def test_done_tells_where_the_report_went_in_a_later_session_too(desk: RehearsalDesk, tmp_path: Path) -> None:
    said = desk.carry_out(SaveReport(str(tmp_path / "report.txt")))
    assert desk.look(frozenset()).ui["report"] == said
    assert Keeper(tmp_path / "state").load_report() == f"saved as {tmp_path}/report.txt"
    page = make_done_page(make_view(deploying=True, ui={"report": said}))
    lines = [line.text for part in page.parts if isinstance(part, Lines) for line in part.lines]
    assert f"report: {said}" in lines


def test_the_keyboard_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keyboard", "xx"]) == 2
    assert capsys.readouterr().err.startswith("rackstrap: no keyboard layout is called 'xx'\n")
    assert run(["keyboard"]) == 0
    assert capsys.readouterr().out.strip()
