"""What Textual reads from the environment when it is imported: imported before it, so that nothing asks, moves or guesses."""

from __future__ import annotations

import os
from typing import Final

# A terminal that Textual does not know would get 24-bit colour. tmux has put a key's bytes together already; a serial line by
# itself may tear them apart.
SETTINGS: Final = {
    "TEXTUAL_COLOR_SYSTEM": "standard",
    "TEXTUAL_THEME": "ansi-dark",
    "TEXTUAL_ANIMATIONS": "none",
    "TEXTUAL_DISABLE_KITTY_KEY": "1",
    "ESCDELAY": "50" if os.environ.get("TMUX") else "300",
}
os.environ.update(SETTINGS)
for name in ("COLUMNS", "LINES"):  # an exported size would stay what it was when the window changes
    os.environ.pop(name, None)
