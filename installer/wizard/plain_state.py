"""What an operator of plain mode was told of a page, and what is new since. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from installer.wizard.page import Bar, Lines, Page
from installer.wizard.plain_sheet import (
    AT_ONCE,
    WIDTH,
    Block,
    Entry,
    Sheet,
    Spot,
    find_changes,
    find_matching,
    make_sheet,
    number_entries,
    render_entry,
    wrap,
)

_CHANGES: Final = 40  # entries that are told again at once


@dataclass(slots=True)
class Told:
    """One visit of one page: what was printed, which number means what, and how far each table was read."""

    page: Page
    sheet: Sheet
    numbers: dict[Spot, int]
    news_from: Sheet
    filter: str = ""
    read: dict[str, int] = field(default_factory=dict)

    def take(self, page: Page) -> Sheet:
        """Keep the page as it is now. Returns what it was when it was last told."""
        was, self.page, self.sheet = self.sheet, page, make_sheet(page)
        self.numbers = number_entries(self.sheet, self.numbers)
        return was

    def is_of(self, page: Page) -> bool:
        return (self.page.name, self.page.subject) == (page.name, page.subject)


def make_told(page: Page) -> Told:
    sheet = make_sheet(page)
    return Told(page, sheet, number_entries(sheet, {}), sheet)


def is_live(page: Page) -> bool:
    """Whether what happens on this page is told as it happens: something is under way there."""
    return any(isinstance(part, Bar) or (isinstance(part, Lines) and part.follows) for part in page.parts)


def render_page(told: Told, head: Sequence[str]) -> list[str]:
    """The whole page: title, question, the first rows of each part."""
    lines = ["", *head, *wrap(told.sheet.question.text), ""]
    told.read.clear()
    for block in told.sheet.blocks:
        said = render_block(told, block)
        lines += said[1:] if said[:1] == [""] == lines[-1:] else said
    return lines


def render_block(told: Told, block: Block) -> list[str]:
    """The block's first rows, or a log's last ones; and how to read on."""
    entries = find_matching(block, told.filter)
    lines = ["", *wrap(f"{block.title}:")] if block.title else [""] if len(entries) > 1 or not block.entries else []
    if block.can_filter and told.filter:
        lines += wrap(
            f"Only what holds '{told.filter}': {len(entries)} of {sum(e.can_number for e in block.entries)}. / shows all."
        )
    elif not entries:
        return [*lines, *wrap(block.empty, "  ")] if block.empty else []
    return lines + render_more(told, block)


def render_more(told: Told, block: Block) -> list[str]:
    """The next rows of this block, or the lines of a log before those that were read."""
    entries = find_matching(block, told.filter)
    first = told.read.get(block.name, 0)
    last = min(first + AT_ONCE, len(entries))
    told.read[block.name] = last
    shown = entries[len(entries) - last : len(entries) - first] if block.follows else entries[first:last]
    lines = [line for entry in shown for line in render_entry(entry, told.numbers)]
    left = len(entries) - last
    says = f"  ({left} earlier: M)" if block.follows else f"  ({left} more: M)"
    return ([says, *lines] if block.follows else [*lines, says]) if left else lines


def find_unread(told: Told) -> Block | None:
    """The first block that was not read to its end."""
    return next((b for b in told.sheet.blocks if told.read.get(b.name, 0) < len(find_matching(b, told.filter))), None)


def render_changes(told: Told, was: Sheet) -> list[str]:
    """What differs from this sheet, in full."""
    changed, gone = find_changes(was, told.sheet)
    lines = [line for entry in changed[:_CHANGES] for line in render_entry(entry, told.numbers)]
    if len(changed) > _CHANGES:
        lines += [f"  and {len(changed) - _CHANGES} more that changed: = prints the page"]
    lines += [line for entry in gone[:_CHANGES] if entry.can_number for line in _say_gone(told, entry)]
    told.news_from = told.sheet
    return lines


def _say_gone(told: Told, entry: Entry) -> list[str]:
    return wrap(f"{told.numbers[entry.spot]} is gone: {entry.text}", "     ", "       ")


def take_news(told: Told, page: Page) -> list[str]:
    """At most one line: what happened first since the last one, and how much more. Counting up alone is no news."""
    now = make_sheet(page)
    before = {entry.spot: entry.gist for entry in told.news_from.entries}
    logs = {block.name for block in now.blocks if block.follows}
    changed, _ = find_changes(told.news_from, now)
    news = [e for e in changed if e.spot[0] in logs or e.gist != before.get(e.spot)]
    told.news_from = now
    told.numbers = number_entries(now, told.numbers)
    if not news:
        return []
    entry = news[0]
    more = f" (and {len(news) - 1} more: Enter)" if len(news) > 1 else ""
    line = " ".join(render_entry(Entry(entry.spot, entry.text), told.numbers)[:1]).strip()
    room = WIDTH - len(more)
    is_cut = len(line) > room or len(entry.text) > WIDTH
    return [f"{line[: room - 3] if is_cut else line}{'...' if is_cut else ''}{more}"]
