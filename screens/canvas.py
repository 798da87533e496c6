"""The one widget: a screen of lines that repaints only the cells that differ."""

from __future__ import annotations

from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Offset, Region
from textual.strip import Strip
from textual.widget import Widget

from screens.frame import Frame
from screens.lines import Line, find_change

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

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[Line] = []

    def show(self, frame: Frame) -> None:
        """Put this frame in the place of the last one."""
        self.app.cursor_position = Offset(*frame.cursor)
        before, self._lines = self._lines, frame.lines
        if len(before) != len(frame.lines):
            self.refresh()
            return
        changes = [
            (y, find_change(old, new, self.size.width)) for y, (old, new) in enumerate(zip(before, frame.lines, strict=True))
        ]
        regions = [Region(change[0], y, change[1] - change[0] + 1, 1) for y, change in changes if change]
        if regions:
            self.refresh(*regions)

    def forget(self) -> None:
        """Paint all of the next frame: the size has changed."""
        self._lines = []

    def render_line(self, y: int) -> Strip:
        line = self._lines[y] if y < len(self._lines) else ()
        segments = [Segment(text, STYLES.get(style, STYLES[""])) for text, style in line if text]
        return Strip(segments).adjust_cell_length(self.size.width)
