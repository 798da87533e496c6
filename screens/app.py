"""The Textual application: keys in, frames out. What the pages say and do is the core's; nothing here knows one of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual import events
from textual._compositor import CompositorUpdate
from textual.app import App, ComposeResult
from textual.message import Message

from installer.model.problems import RackstrapError
from installer.wizard.guide import Guide, Reply, make_save
from installer.wizard.page import Fields, Lines, Page, Table
from screens.asking import Asking
from screens.canvas import Canvas
from screens.frame import Shown, find_actions, make_frame
from screens.glyphs import Cleaner
from screens.help import make_help
from screens.paint import CODES, COLOURLESS
from screens.prompt import make_prompt
from screens.questions import make_field_question, make_leaving
from screens.state import PageState, find_part
from screens.worker import Crew, Seen, see

if TYPE_CHECKING:
    from rich.console import Console
    from textual.screen import Screen

LOOK_EVERY_S: Final = 0.25
PAINT_EVERY_S: Final = 1.0  # news are painted no more often, so that a slow line keeps up
MOVES: Final = {"up": -1, "down": 1, "pageup": -10, "pagedown": 10, "home": -(10**9), "end": 10**9}


class Ended(Message):
    """A job's end, on its way to the UI's thread."""

    def __init__(self, end: Callable[[], None]) -> None:
        super().__init__()
        self.end = end


class Written(CompositorUpdate):
    """An update that is a string already."""

    def __init__(self, text: str) -> None:
        self._text = text

    def render_segments(self, console: Console) -> str:
        del console
        return self._text


class RackstrapApp(App[str], inherit_bindings=False):
    """One guide on one terminal. Returns "" at its end, or the front-end to go on with."""

    ENABLE_COMMAND_PALETTE: ClassVar[bool] = False
    CSS: ClassVar[str] = "Screen { background: ansi_default; color: ansi_default; layers: base; overflow: hidden; }"

    def __init__(self, make_guide: Callable[[], Guide], *, is_ascii: bool = False) -> None:
        super().__init__(ansi_color=True)
        self._make_guide: Final = make_guide
        self._clean: Final = Cleaner(is_ascii=is_ascii)
        self.crew: Final = Crew(lambda end: self.post_message(Ended(end)))
        self._states: dict[tuple[str, str], PageState] = {}
        self.shown = Shown(None, PageState(), said=("looking at this machine ...",))
        self._help: Page | None = None
        self.canvas: Final = Canvas(self._take_size)
        self._codes: Final = COLOURLESS if os.environ.get("NO_COLOR") else CODES
        self._is_looking = False
        self._painted_at = 0.0
        self._asking: Final = Asking(self)
        self.guide: Guide | None = None
        self.error: RackstrapError | None = None

    def compose(self) -> ComposeResult:
        yield self.canvas

    def on_mount(self) -> None:
        self.canvas.focus()
        self.set_interval(LOOK_EVERY_S, self._look)
        self.crew.submit(self._start, self._take_start)

    def on_unmount(self) -> None:
        self.crew.close()

    def on_ended(self, message: Ended) -> None:
        message.end()

    def _take_size(self) -> None:
        """Paint all anew: the canvas has another size by now."""
        self.canvas.forget()
        self.paint()

    # what comes from the worker

    def _start(self) -> Seen | RackstrapError:
        try:
            guide = self._make_guide()
        except RackstrapError as error:
            return error
        self.guide = guide
        return see(guide, lambda: Reply(guide.refresh()))

    def _take_start(self, seen: Seen | RackstrapError) -> None:
        if isinstance(seen, RackstrapError):
            self.error = seen
            self.exit("")
            return
        self.take(seen)

    def take(self, seen: Seen, *, is_news: bool = False) -> None:
        """Show what followed."""
        reply = seen.reply
        if reply.is_over:
            self.exit(reply.switch)
            return
        page = reply.page
        state = self._states.setdefault((page.name, page.subject), PageState())
        state.take(page)
        said = tuple(text for text in (reply.message, reply.hint) if text)
        if is_news:
            said = self.shown.said
        prompt = self.shown.prompt if is_news else None
        if reply.ask is not None:
            prompt, said = make_prompt(reply.ask, state.select(page)), ()
        style = self.shown.style if is_news else "FAIL" if reply.is_refused else ""
        filtering = self.shown.is_filtering and page.name == (self.shown.page.name if self.shown.page else "")
        self.shown = Shown(page, state, seen.site, seen.position, seen.depth, said, style, prompt, filtering)
        if not is_news:
            self._help = None
        self.paint()

    def paint(self) -> None:
        width, height = self.size
        if width < 2 or height < 2:
            return
        shown = self.shown
        if self._help is not None:
            state = self._states.setdefault(("help", ""), PageState())
            state.take(self._help)
            shown = replace(shown, page=self._help, state=state, depth=2, said=(), prompt=None, is_filtering=False)
        self.canvas.show(make_frame(shown, width, height, self._clean))
        self._painted_at = time.monotonic()

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        """Textual's last step: write the cells that differ, in the place of the regions that it would write."""
        if isinstance(renderable, CompositorUpdate) and self.canvas.lines:
            renderable = Written(self.canvas.render_update(self._codes))
        super()._display(screen, renderable)

    def _look(self) -> None:
        """Ask for news, and have them painted."""
        guide = self.guide
        if guide is None or self._is_looking or time.monotonic() - self._painted_at < PAINT_EVERY_S:
            return
        self._is_looking = True

        def job() -> Seen | None:
            has_news = guide.desk.has_news()
            return see(guide, lambda: Reply(guide.refresh())) if has_news else None

        def then(seen: Seen | None) -> None:
            self._is_looking = False
            if seen is not None and not seen.failed:
                self.take(seen, is_news=True)

        self.crew.submit(job, then)

    def do(self, make: Callable[[Guide], Reply]) -> None:
        """Have the guide do something, and show what followed."""
        guide = self.guide
        if guide is not None:
            self.set_timer(0.5, self._tell_waiting)
            self.crew.submit(lambda: see(guide, lambda: make(guide)), self.take)

    def _tell_waiting(self) -> None:
        if self.crew.waiting and not self._is_looking and self.shown.page is not None and self.shown.prompt is None:
            self.shown = replace(self.shown, said=("working on it ...",), style="")
            self.paint()

    # what comes from the keys

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        text = event.character if event.character and event.is_printable else ""
        if self._help is not None:
            self._press_help(event.key)
        elif self.shown.prompt is not None:
            self._asking.press(self.shown.prompt, event.key, text)
        elif self.shown.is_filtering:
            self._press_filter(event.key, text)
        elif self.shown.page is not None:
            self._press_page(self.shown.page, event.key, text)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        if self.shown.prompt is not None:
            self._asking.put(self.shown.prompt, event.text)

    def _press_help(self, key: str) -> None:
        if key in MOVES and self._help is not None:
            self._states[("help", "")].move(self._help, MOVES[key])
        else:
            self._help = None
        self.paint()

    def _press_page(self, page: Page, key: str, text: str) -> None:
        state = self.shown.state
        if key in MOVES:
            state.move(page, MOVES[key])
        elif key in {"tab", "shift+tab"}:
            state.turn(page, 1 if key == "tab" else -1)
        elif key == "space" and self._mark(page, state):
            pass
        elif text == "?":
            self._help = make_help(page)
        elif text == "/" and isinstance(find_part(page, state.focus), Table):
            self.shown = replace(self.shown, is_filtering=True, said=())
        elif key == "escape" and state.filter:
            state.filter = ""
            state.take(page)
        else:
            self._press_action(page, state, key, text)
            return
        self.paint()

    def _mark(self, page: Page, state: PageState) -> bool:
        part = find_part(page, state.focus)
        if not isinstance(part, Table) or not part.marks:
            return False
        own = state.part(part.name)
        own.marked ^= {own.cursor} if any(row.key == own.cursor and row.offered for row in part.rows) else set()
        state.move(page, 1)
        return True

    def _press_action(self, page: Page, state: PageState, key: str, text: str) -> None:
        guide = self.guide
        pressed = key if key in {"enter", "space"} else text
        action = next((a for a in find_actions(page, state) if a.key == pressed), None)
        part = find_part(page, state.focus)
        if action is not None:
            does, selection = action.does, state.select(page)
            self.do(lambda g: g.take(does(g.view, selection)))
        elif pressed == "enter" and isinstance(part, Fields):
            self.do(lambda g: g.take(make_field_question(part, state.part(part.name).cursor)))
        elif key == "escape":
            self.do(Guide.back)
        elif text == "n" or (pressed == "enter" and (part is None or isinstance(part, Lines))):
            self.do(Guide.next)
        elif text == "S" and guide is not None:
            self.do(lambda g: g.take(make_save(g.view)))
        elif text in {"Q", "q"} or key == "ctrl+c":
            self.do(lambda g: g.take(make_leaving()))

    def _press_filter(self, key: str, text: str) -> None:
        state, page = self.shown.state, self.shown.page
        if key in {"enter", "escape"} or (key in MOVES and page is not None):
            state.filter = "" if key == "escape" else state.filter
            self.shown = replace(self.shown, is_filtering=False)
        elif key == "backspace":
            state.filter = state.filter[:-1]
        else:
            state.filter = (state.filter + text)[:60]
        if page is not None:
            state.take(page)
        self.paint()


def run_app(make_guide: Callable[[], Guide], is_ascii: bool = False) -> str:
    """Run until the operator leaves. Returns the front-end to go on with, "" for none. Raises RackstrapError."""
    app = RackstrapApp(make_guide, is_ascii=is_ascii)
    ending = app.run(mouse=False)
    if app.error is not None:
        raise app.error
    return ending or ""
