"""`python -m tests.shelf_tui PAGE`: the real TUI on a desk that serves one moment from memory: nothing moves by itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from installer.wizard.guide import Guide
from screens.app import run_app
from tests.shelf_desk import ShelfDesk
from tests.wizard_views import make_view


def main(words: Sequence[str]) -> None:
    is_hostile = "--hostile" in words
    view = make_view(here="secure-boot-sata" if "disks" in words else "four-nics", deploying=True, hostile=is_hostile)
    desk = ShelfDesk(view, next((word for word in words if not word.startswith("-")), ""))
    run_app(lambda: Guide(desk), "--ascii" in words)


if __name__ == "__main__":
    main(sys.argv[1:])
