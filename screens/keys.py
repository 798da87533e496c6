"""What the keys do on a page: move, mark, filter, act, go on and back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from installer.wizard.page import Fields, Lines, Page, Refused, Selection, Table
from screens.frame import KEY_NAMES, find_actions
from screens.help import make_help
from screens.questions import make_field_question, make_leaving
from screens.state import PageState, find_part

if TYPE_CHECKING:
    from screens.app import RackstrapApp

MOVES: Final = {"up": -1, "down": 1, "pageup": -10, "pagedown": 10, "home": -(10**9), "end": 10**9}


class Keys:
    """Drives the page that the app shows."""

    def __init__(self, app: RackstrapApp) -> None:
        self._app: Final = app

    def press_page(self, page: Page, key: str, text: str) -> None:
        app, state = self._app, self._app.shown.state
        if key in MOVES:
            if not state.move(page, MOVES[key]) and abs(MOVES[key]) <= 10:
                state.flow(page, 1 if MOVES[key] > 0 else -1)
        elif key in {"tab", "shift+tab"}:
            state.turn(page, 1 if key == "tab" else -1)
        elif key == "space":
            self._mark(page, state)
        elif text == "?":
            app.help = make_help(page)
        elif text == "/" and isinstance(find_part(page, state.focus), Table):
            app.shown = replace(app.shown, is_filtering=True, said=())
        elif key == "escape" and state.filter:
            state.filter = ""
            state.take(page)
        else:
            self._act(page, state, key, text)
            return
        app.paint()

    def _say(self, text: str, style: str = "") -> None:
        self._app.shown = replace(self._app.shown, said=(text,), style=style)
        self._app.paint()

    def _mark(self, page: Page, state: PageState) -> None:
        """The cursor stays: Enter on a marked row means the marked rows."""
        part = find_part(page, state.focus)
        if not isinstance(part, Table) or not part.marks:
            return
        own = state.part(part.name)
        own.marked ^= {own.cursor} if any(row.key == own.cursor and row.offered for row in part.rows) else set()

    def _act(self, page: Page, state: PageState, key: str, text: str) -> None:
        app = self._app
        pressed = key if key in {"enter", "space"} else text
        action = next((a for a in find_actions(page, state) if a.key == pressed), None)
        part = find_part(page, state.focus)
        if action is not None:
            does, selection = action.does, state.select(page)
            refused = find_reason(page, state, selection) if pressed == "enter" else None
            app.do(lambda g: g.take(refused or does(g.view, selection)))
        elif pressed == "enter" and isinstance(part, Fields):
            app.do(lambda g: g.take(make_field_question(part, state.part(part.name).cursor)))
        elif key == "escape":
            app.do(lambda g: g.back())
        elif text == "n" or (pressed == "enter" and app.shown.depth == 1 and (part is None or isinstance(part, Lines))):
            app.do(lambda g: g.next())
        elif text == "S":
            from installer.wizard.guide import make_save

            app.do(lambda g: g.take(make_save(g.view)))
        elif text in {"Q", "q"} or key == "ctrl+c":
            app.do(lambda g: g.take(make_leaving(g.view)))
        elif any(a.key == pressed for a in page.actions):
            self._say("That key works in another part of this page: Tab goes there.")
        elif pressed:
            self._say(f"{KEY_NAMES.get(pressed, pressed)} does nothing here; ? tells what the keys do.")

    def press_filter(self, key: str, text: str) -> None:
        app, state, page = self._app, self._app.shown.state, self._app.shown.page
        if key in {"enter", "escape"} or (key in MOVES and page is not None):
            state.filter = "" if key == "escape" else state.filter
            app.shown = replace(app.shown, is_filtering=False)
        elif key == "backspace":
            state.filter = state.filter[:-1]
        else:
            state.filter = (state.filter + text)[:60]
        if page is not None:
            state.take(page)
        app.paint()


def find_reason(page: Page, state: PageState, selection: Selection) -> Refused | None:
    """Why the row under the cursor cannot be chosen, where it is not offered."""
    part = find_part(page, state.focus)
    if selection.marked or not isinstance(part, Table):
        return None
    row = next((row for row in part.rows if row.key == selection.row and not row.offered), None)
    return Refused("this one is not offered", "; ".join(row.notes) or "choose another one") if row is not None else None
