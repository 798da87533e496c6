"""The one widget: a screen of lines that repaints only the cells that differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Offset
from textual.strip import Strip
from textual.widget import Widget

from screens.frame import Frame
from screens.lines import Line
from screens.paint import render_update

# Few, from the console's own sixteen, and never the only sign: the mood is a word before it is a colour.
STYLES: Final = {
    "": Style(),
    "bold": Style(bold=True),
    "ok": Style(color="green"),
    "warn": Style(color="yellow"),
    "FAIL": Style(color="red", bold=True),
    "wait": Style(color="cyan"),
}


class Canvas(Widget, can_focus=True, inherit_bindings=False):
    """Shows frames. The hardware cursor stands on the row that the keys act on, so that screen readers follow."""

    DEFAULT_CSS: ClassVar[str] = "Canvas { width: 100%; height: 100%; }"

    def __init__(self, sized: Callable[[], None]) -> None:
        """`sized` is called whenever the canvas has got another size; the App hears of it too early."""
        super().__init__()
        self._sized: Final = sized
        self.lines: list[Line] = []
        self._painted: list[Line] | None = None

    def on_resize(self) -> None:
        self._sized()

    def show(self, frame: Frame) -> None:
        """Put this frame in the place of the last one."""
        self.app.cursor_position = Offset(*frame.cursor)
        self.lines = frame.lines
        self.refresh()

    def forget(self) -> None:
        """Paint all of the next frame: what the terminal shows is not known."""
        self._painted = None

    def render_update(self, codes: Mapping[str, str]) -> str:
        """What has to be written so that the terminal shows the frame."""
        old, self._painted = self._painted, self.lines
        x, y = self.app.cursor_position
        return render_update(old, self.lines, self.size.width, (x, y), codes)

    def render_line(self, y: int) -> Strip:
        line = self.lines[y] if y < len(self.lines) else ()
        segments = [Segment(text, STYLES.get(style, STYLES[""])) for text, style in line if text]
        return Strip(segments).adjust_cell_length(self.size.width)
