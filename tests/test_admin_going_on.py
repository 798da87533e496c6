"""How an installed admin node goes on from its disk, and what apply's output becomes on its consoles."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from installer.admin.applying import render_progress, tell_line
from installer.admin.going_on import ENDED, GoingOn, record_installed
from installer.admin.wanted import FILE
from installer.engine.journal import Journal
from installer.engine.prepare import APPLIED
from installer.live.telling import Telling as Notice
from installer.model.events import Event, Happened
from tests.admin_site import TEXT


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The state of an installed admin node whose site file waits to be carried out."""
    state = tmp_path / "state"
    (state / "wanted").mkdir(parents=True)
    (state / FILE).write_text(TEXT)
    with Journal(state / "store.db"):
        return state


def make_going_on(
    state: Path, codes: list[int], tmp_path: Path, happens: Callable[[], None] = lambda: None
) -> tuple[GoingOn, list[Path]]:
    """`codes`: what each apply ends with. An apply that began keeps the site file as apply does."""
    applied: list[Path] = []

    def apply(path: Path, beside: Path) -> int:
        applied.append(path)
        if codes[0] != 2:
            (state / APPLIED).parent.mkdir(exist_ok=True)
            (state / "applied/beside").write_text(f"{beside}\n")
            (state / APPLIED).write_bytes(path.read_bytes())
        return codes.pop(0)

    notice = Notice(lambda: (), tmp_path / "notice", io.StringIO())
    return GoingOn(state, notice, apply, lambda: applied.append(Path("served")), lambda _: happens()), applied


def test_it_applies_what_is_wanted_until_that_has_ended_well_and_then_only_serves(installed: Path, tmp_path: Path) -> None:
    def admit() -> None:
        with Journal(installed / "store.db") as journal:
            journal.append(Event(Happened.MACHINE_ADMITTED, "m-1"), durable=True)

    going_on, applied = make_going_on(installed, [2, 3, 0], tmp_path, admit)
    assert going_on.run() == 0
    assert applied == [installed / FILE, installed / FILE, installed / APPLIED, Path("served")]
    assert (installed / ENDED).exists()
    assert not (installed / FILE).exists()
    going_on, applied = make_going_on(installed, [], tmp_path)
    assert (going_on.run(), applied) == (0, [Path("served")])
    assert "serves it" in (tmp_path / "notice").read_text()


def test_another_site_file_that_was_applied_since_is_gone_on_with(installed: Path, tmp_path: Path) -> None:
    going_on, _ = make_going_on(installed, [0], tmp_path)
    going_on.run()
    (installed / APPLIED).write_text(TEXT.replace("lab\n", "lab2\n"))
    going_on, applied = make_going_on(installed, [0], tmp_path)
    assert (going_on.run(), applied) == (0, [installed / APPLIED, Path("served")])


def test_that_it_runs_from_its_disk_is_journaled_once(installed: Path) -> None:
    assert record_installed(installed, 1, ("ata-ONE",))
    assert not record_installed(installed, 1, ("ata-ONE",))
    with Journal(installed / "store.db") as journal:
        found = journal.ledger.admin.installed
    assert found is not None
    assert (found.epoch, found.disks, found.address) == (1, ("ata-ONE",), "192.168.124.10")


def test_what_apply_prints_becomes_plain_lines(tmp_path: Path) -> None:
    out, shown = io.StringIO(), dict[str, str]()
    notice = Notice(lambda: (), tmp_path / "notice", out)
    event = {"kind": "node_unpacked", "host": "m-1", "data": {"epoch": 1}}
    rows = [
        {"told": "hello"},
        {"event": event, "node": "node1"},
        {"problem": {"message": "wrong", "hint": "right"}},
        {"result": {"text": "Done."}},
    ]
    for row in rows:
        tell_line(json.dumps(row), shown, notice)
    tell_line("not json\n", shown, notice)
    assert out.getvalue().splitlines() == [
        "hello",
        "node1: installed on its disk, hands over",
        "wrong",
        "  right",
        "Done.",
        "not json",
    ]
    progress = {"node": "node1", "stage": "unpack", "percent": 47, "steps_done": 3, "steps": 8}
    assert render_progress(progress, shown) == "3 of 8 steps; node1 unpack 40 %"
