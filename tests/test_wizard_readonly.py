"""A console on which nobody has logged in: it shows the dashboard, carries nothing out, keeps nothing, and q leaves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from installer.cli import make_parser
from installer.model.problems import RackstrapError
from installer.wizard.guide import Guide
from installer.wizard.page import Action, Go, Selection
from installer.wizard.readonly import LOG_IN, ReadOnlyDesk
from installer.wizard.stages import PAGES
from installer.wizard.view import Running
from installer.wizard.wishes import Apply
from screens.app import RackstrapApp
from screens.lines import find_text
from screens.state import PageState
from screens.verbs import find_session, make_words
from tests.shelf_desk import ShelfDesk
from tests.wizard_events import NOW
from tests.wizard_views import make_view


def make_shelf() -> ShelfDesk:
    return ShelfDesk(make_view(deploying=True, running=Running(77, "apply", NOW - 300)), "nodes")


def find_action(guide: Guide, key: str) -> Action:
    return next(action for action in guide.page.actions if action.key == key)


def test_every_wish_is_refused_and_nothing_is_kept() -> None:
    shelf = make_shelf()
    guide = Guide(ReadOnlyDesk(shelf))
    assert (guide.page.name, [stage.name for stage in guide.stages], guide.position) == ("deploy", ["deploy", "done"], (1, 2))
    for key in ("r", "x", "s"):
        reply = guide.take(find_action(guide, key).does(guide.view, _select(guide)))
        assert reply.is_refused, key
    reply = guide.take(find_action(guide, "s").does(guide.view, _select(guide)))
    assert (reply.message, reply.hint) == ("this screen only shows: nothing was changed", LOG_IN)
    assert guide.next().page.name == "done"
    assert guide.take(find_action(guide, "u").does(guide.view, _select(guide))).is_refused
    assert guide.take(Go("events")).page.name == "events"
    assert (shelf.wishes, shelf.kept) == ([], [])
    with pytest.raises(RackstrapError, match="only shows"):
        ReadOnlyDesk(shelf).carry_out(Apply())


def _select(guide: Guide) -> Selection:
    state = PageState()
    state.take(guide.page)
    return state.select(guide.page)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_no_page_can_do_anything(name: str) -> None:
    """Whatever is reached from the dashboard, or by a later change to it."""
    shelf = make_shelf()
    guide = Guide(ReadOnlyDesk(shelf))
    guide.take(Go(name, "node1" if name == "node" else ""))
    for action in guide.page.actions:
        guide.take(action.does(guide.view, _select(guide)))
    assert (shelf.wishes, shelf.kept) == ([], [])


def test_the_rack_comes_first_where_nothing_runs() -> None:
    assert Guide(ReadOnlyDesk(ShelfDesk(make_view(deploying=True), "nodes"))).page.name == "done"


async def test_q_leaves_at_once() -> None:
    app = RackstrapApp(lambda: Guide(ReadOnlyDesk(make_shelf())))
    async with app.run_test(size=(80, 24)) as pilot:
        while not app.canvas.lines or "Deploy" not in find_text(app.canvas.lines[0]):
            await pilot.pause(0.01)
        assert "(look only)" in find_text(app.canvas.lines[0])
        await pilot.press("s")
        while not any("press L at the banner" in find_text(line) for line in app.canvas.lines):
            await pilot.pause(0.01)
        await pilot.press("q")
        await pilot.pause()
    assert app.return_value == ""


def test_who_looks_shares_a_session_of_their_own(tmp_path: Path) -> None:
    words = ["tui", "--attach", "--watch", "--state", str(tmp_path)]
    args = make_parser("tui").parse_args(words)
    assert find_session(args) == tmp_path / "watch"
    assert "--watch" in make_words(args)
