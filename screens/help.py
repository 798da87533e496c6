"""The help page: what you should see now, what every key does."""

from __future__ import annotations

from typing import Final

from installer.wizard.page import Line, Lines, Page
from screens.frame import KEY_NAMES

EVERYWHERE: Final = (
    ("arrows", "move the cursor; PgUp, PgDn, Home and End move it further"),
    ("Tab", "to the next part of the page"),
    ("Space", "mark a row, where several can be chosen"),
    ("/", "show only the rows that hold what you type"),
    ("n", "the next stage; Esc goes back, and nothing is lost"),
    ("S", "save the site file now"),
    ("Q", "leave: what runs goes on, and `rackstrap tui` comes back here"),
    ("C-b d", "leave the session to others, where consoles share one"),
)


def make_help(page: Page) -> Page:
    """Help for this page, as a page."""
    now = tuple(Line(text) for text in page.help)
    keys = tuple(Line(action.help or action.label, label=KEY_NAMES.get(action.key, action.key)) for action in page.actions)
    everywhere = tuple(Line(text, label=key) for key, text in EVERYWHERE)
    part = Lines("help", (*now, Line(""), *keys, *([Line("")] if keys else []), *everywhere))
    return Page("help", "Help", f"{page.title}: what you should see now", (part,))
