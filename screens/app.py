"""The Textual application: keys in, frames out. What the pages say and do is the core's; nothing here knows one of them."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from screens import quiet

# isort: split
from textual import events
from textual._compositor import CompositorUpdate
from textual.app import App, ComposeResult
from textual.message import Message

from installer.model.problems import RackstrapError
from screens.asking import Asking
from screens.canvas import Canvas
from screens.frame import Shown, make_frame
from screens.glyphs import Cleaner, speaks_utf8
from screens.keys import MOVES, Keys
from screens.paint import CODES, COLOURLESS
from screens.prompt import make_prompt
from screens.state import PageState
from screens.worker import Crew, Seen, describe, log_failure, look, see, see_page

if TYPE_CHECKING:
    from rich.console import Console
    from textual.screen import Screen

    from installer.wizard.guide import Guide, Reply
    from installer.wizard.page import Page

LOOK_EVERY_S: Final = 0.25
PATIENCE_S: Final = 0.5  # then it is said that something takes longer
PAINT_EVERY_S: Final = 1.0  # news are painted no more often, so that a slow line keeps up


def no_one() -> None:
    """Nobody waits for the first page."""


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

    SETTINGS: ClassVar = quiet.SETTINGS
    ENABLE_COMMAND_PALETTE: ClassVar[bool] = False
    CSS: ClassVar[str] = "Screen { background: ansi_default; color: ansi_default; layers: base; overflow: hidden; }"

    def __init__(
        self, make_guide: Callable[[], Guide], *, is_ascii: bool = False, tell_shown: Callable[[], None] = no_one
    ) -> None:
        super().__init__(ansi_color=True)
        self._make_guide: Final = make_guide
        self._tell_shown: Final = tell_shown
        self._clean: Final = Cleaner(is_ascii=is_ascii)
        self.crew: Final = Crew(lambda end: self.post_message(Ended(end)))
        self._states: dict[tuple[str, str], PageState] = {}
        self.shown = Shown(None, PageState(), said=("looking at this machine ...",))
        self.help: Page | None = None
        self.canvas: Final = Canvas(self._take_size)
        self._codes: Final = COLOURLESS if os.environ.get("NO_COLOR") else CODES
        self._is_looking = False
        self._painted_at = 0.0
        self._doing = 0  # jobs that keys have begun
        self._ahead: deque[tuple[str, str]] = deque(maxlen=32)
        self.failure: Exception | None = None
        self._asking: Final = Asking(self)
        self._keys: Final = Keys(self)
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
        except Exception as error:  # noqa: BLE001 -- told in one line at the end, like every fault of ours
            return RackstrapError(f"the first page failed: {describe(error)}", "rackstrap tui --plain may still do")
        self.guide = guide
        return see_page(guide)

    def _take_start(self, seen: Seen | RackstrapError) -> None:
        if isinstance(seen, RackstrapError):
            self.error = seen
            self.exit("")
            return
        self.take(seen)
        self.call_after_refresh(self._tell_shown)

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
            self.help = None
        self.paint()

    def paint(self) -> None:
        width, height = self.size
        if width < 2 or height < 2:
            return
        shown = self.shown
        if self.help is not None:
            state = self._states.setdefault(("help", ""), PageState())
            state.take(self.help)
            shown = replace(shown, page=self.help, state=state, depth=2, said=(), prompt=None, is_filtering=False)
        self.canvas.show(make_frame(shown, width, height, self._clean))
        self._painted_at = time.monotonic()

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        """Textual's last step: write the cells that differ, in the place of the regions that it would write."""
        if isinstance(renderable, CompositorUpdate) and self.canvas.lines:
            renderable = Written(self.canvas.render_update(self._codes))
        super()._display(screen, renderable)

    def _handle_exception(self, error: Exception) -> None:
        """A fault of the screen's own ends it with a line and a log, not with a page of Python."""
        self.failure = self.failure or error
        if self.guide is not None:
            log_failure(self.guide, error)
        if self.is_headless:
            super()._handle_exception(error)
        else:
            self.exit("", return_code=1)

    def _look(self) -> None:
        """Ask for news, and have them painted."""
        guide = self.guide
        if guide is None or self._is_looking or time.monotonic() - self._painted_at < PAINT_EVERY_S:
            return
        self._is_looking = True

        def then(seen: Seen | None) -> None:
            self._is_looking = False
            if seen is not None and not seen.failed:
                self.take(seen, is_news=True)

        self.crew.submit(lambda: look(guide), then)

    def do(self, make: Callable[[Guide], Reply]) -> None:
        """Have the guide do something, and show what followed."""
        guide = self.guide
        if guide is not None:
            self._doing += 1
            self.set_timer(PATIENCE_S, self._tell_waiting)
            self.crew.submit(lambda: see(guide, lambda: make(guide)), self._take_done)

    def _take_done(self, seen: Seen) -> None:
        """What came of a key; then the keys that were typed ahead of it."""
        self._doing -= 1
        self.take(seen)
        while self._ahead and not self._doing:
            self._press(*self._ahead.popleft())

    def _tell_waiting(self) -> None:
        self._ahead.clear()  # what is typed against a page that does not come is not meant for the next one
        if self._doing and self.shown.page is not None and self.shown.prompt is None:
            self.shown = replace(self.shown, said=("working on it ...",), style="")
            self.paint()

    # what comes from the keys

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        text = event.character if event.character and event.is_printable else ""
        if event.key == "ctrl+l":
            self.canvas.forget()
            self.paint()
        elif self._doing and event.key not in MOVES and event.key != "escape":
            self._ahead.append((event.key, text))  # meant for the page that comes
        else:
            self._press(event.key, text)

    def _press(self, key: str, text: str) -> None:
        if self.help is not None:
            self._press_help(key)
        elif self.shown.prompt is not None:
            self._asking.press(self.shown.prompt, key, text)
        elif self.shown.is_filtering:
            self._keys.press_filter(key, text)
        elif self.shown.page is not None:
            self._keys.press_page(self.shown.page, key, text)

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        if self.shown.prompt is not None:
            self._asking.put(self.shown.prompt, event.text)

    def _press_help(self, key: str) -> None:
        if key in MOVES and self.help is not None:
            self._states[("help", "")].move(self.help, MOVES[key])
        else:
            self.help = None
        self.paint()


def run_app(make_guide: Callable[[], Guide], is_ascii: bool = False, tell_shown: Callable[[], None] = no_one) -> str:
    """Run until the operator leaves. Returns the front-end to go on with, "" for none. Tells when the first page is painted.

    Raises RackstrapError, and SystemExit with 1 after a fault of the screen's own, whose reason is told in a line.
    """
    if os.environ.get("TERM", "dumb") in {"", "dumb", "unknown"}:
        raise RackstrapError("this terminal can only print", "add --plain to read and write lines")
    app = RackstrapApp(make_guide, is_ascii=is_ascii or not speaks_utf8(os.environ), tell_shown=tell_shown)
    ending = app.run(mouse=False)
    if app.error is not None:
        raise app.error
    if app.failure is not None:
        sys.stderr.write(f"rackstrap: the screen failed, the work goes on: {describe(app.failure)}\n")
        raise SystemExit(1)
    return ending or ""
