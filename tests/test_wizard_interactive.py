"""A headless start leaves some sections to a person: the TUI asks for just those, and its way ends with the installation."""

from __future__ import annotations

import json
import os
from pathlib import Path

from installer.wizard.asked import Asked, load_asked
from installer.wizard.guide import Guide
from installer.wizard.live import LiveDesk
from installer.wizard.page import Line, Lines
from installer.wizard.wishes import Append, Apply
from tests.shelf_desk import ShelfDesk
from tests.tui_seat import sit
from tests.wizard_views import SITE, load_machines, make_view

HANDED = f"{SITE}interactive: [nodes]\n"


def hand_over(state: Path, site: Path, text: str = HANDED) -> None:
    site.write_text(text)
    (state / "new.json").write_text(json.dumps({"sections": ["nodes"], "site": str(site)}))
    (state / "new.json").replace(state / "interactive.json")


def test_only_what_has_the_right_shape_is_taken(tmp_path: Path) -> None:
    assert load_asked(tmp_path) is None
    for wrong in ("", "[]", '{"site": 1}', '{"site": "relative.yaml"}', "{" * 9000, '{"site": "/' + "x" * 70000 + '"}'):
        (tmp_path / "interactive.json").write_text(wrong)
        assert load_asked(tmp_path) is None
    hand_over(tmp_path, tmp_path / "site.yaml")
    found = load_asked(tmp_path)
    assert found == Asked(tmp_path / "site.yaml", (tmp_path / "interactive.json").stat().st_mtime)


def test_what_is_handed_over_becomes_the_draft_unless_something_was_decided(tmp_path: Path) -> None:
    state = tmp_path / "state"
    desk = LiveDesk(state, tmp_path / "image", None)
    try:
        guide = Guide(desk)
        assert guide.view.draft.text != HANDED
        hand_over(state, tmp_path / "site.yaml")
        assert desk.has_news()
        guide.refresh()
        assert (guide.view.draft.text, guide.view.draft.file) == (HANDED, str(tmp_path / "site.yaml"))
        assert [stage.name for stage in guide.stages] == ["welcome", "nodes", "roles", "review", "deploy", "done"]
        hand_over(state, tmp_path / "other.yaml", HANDED.replace("name: lab", "name: other"))
        assert guide.refresh().name == "welcome"
        assert guide.view.draft.text == HANDED, "what is being answered is not thrown away"
    finally:
        desk.close()


def test_a_new_session_goes_on_from_what_was_answered_and_takes_a_later_file(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    hand_over(state, tmp_path / "site.yaml")
    os.utime(state / "interactive.json", (1_000_000_000, 1_000_000_000))
    for text, at in ((HANDED, 0), (HANDED + "# answered\n", 0), (HANDED + "# corrected\n", 4_000_000_000)):
        if at:
            hand_over(state, tmp_path / "site.yaml", text)
            os.utime(state / "interactive.json", (at, at))
        desk = LiveDesk(state, tmp_path / "image", None)
        try:
            draft = desk.look(frozenset()).draft
            if "answered" in text:
                desk.bench.adopt(text)
            else:
                assert draft.text == text
        finally:
            desk.close()


async def test_just_the_named_section_is_asked_and_the_way_ends_with_the_installation() -> None:
    shelf = ShelfDesk(make_view(text=HANDED, machines=load_machines("bios-virtio"), named=True))
    async with sit(lambda: Guide(shelf)) as seat:
        await seat.wait_for("Welcome 1/6", "the site file leaves to you: nodes")
        await seat.press("n")
        await seat.wait_for("Nodes 2/6")
        await seat.press("n")
        await seat.wait_for("Roles 3/6")
        await seat.press("n")
        await seat.wait_for("Review 4/6")
        await seat.press("i")
        await seat.answer("type the site's name (lab)", "lab", "Deploy 5/6")
    assert [type(wish) for wish in shelf.wishes] == [Append, Apply]


def test_what_is_not_asked_is_shown_as_fixed() -> None:
    guide = Guide(ShelfDesk(make_view(text=f"{SITE}interactive: [access]\n"), "site"))
    fixed = next(part for part in guide.page.parts if isinstance(part, Lines) and part.name == "fixed")
    assert "Networks" in [line.label for line in fixed.lines]
    assert "Access" not in [line.label for line in fixed.lines]
    general = next(line for line in fixed.lines if line.label == "General")
    assert isinstance(general, Line)
    assert "lab" in general.text


def test_the_site_that_is_carried_out_without_anyone_is_shown(tmp_path: Path) -> None:
    state = tmp_path / "state"
    desk = LiveDesk(state, tmp_path / "image", None)
    try:
        guide = Guide(desk)
        (state / "wanted").mkdir()
        (state / "wanted/site.yaml").write_text(SITE)
        assert desk.has_news()
        guide.refresh()
        assert (guide.view.draft.text, guide.view.draft.file) == (SITE, str(state / "wanted/site.yaml"))
        assert not (state / "draft.yaml").exists()
        (state / "applied").mkdir()
        (state / "applied/site.yaml").write_text(SITE + "# applied\n")
        (state / "applied/beside").write_text("/root/sites\n")
        os.utime(state / "applied/site.yaml", (4_000_000_000, 4_000_000_000))
        guide.refresh()
        assert (guide.view.draft.text, guide.view.draft.file) == (SITE + "# applied\n", "/root/sites/site.yaml")
    finally:
        desk.close()
    desk = LiveDesk(state, tmp_path / "image", None)
    try:
        assert desk.look(frozenset()).draft.text == SITE + "# applied\n"
    finally:
        desk.close()
