"""What may reach a console: the one place through which every text goes on its way to the screen."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final

from screens.charset import find_locale

# In the fonts of the Linux console and in CP437 alike.
SAFE: Final = frozenset("─│┌┐└┘├┤┬┴┼═║╔╗╚╝█░▒■•▲▼←→↑↓")
_PLAIN: Final = {
    **dict.fromkeys("‘’‚′", "'"),
    **dict.fromkeys("“”„″", '"'),
    **dict.fromkeys("‐‑‒–—−", "-"),
    "…": "...",
    "×": "x",
    "·": ".",
    "\xa0": " ",
}
_ASCII: Final = {"─": "-", "═": "=", "│": "|", "║": "|", "█": "#", "░": ".", "▒": ":", "■": "#", "•": "*"} | {
    **dict.fromkeys("┌┐└┘├┤┬┴┼╔╗╚╝", "+"),
    **{"▲": "^", "▼": "v", "←": "<", "→": ">", "↑": "^", "↓": "v"},
}


class _Table(dict[int, str]):
    """Code point -> what is shown for it, filled as it is asked for."""

    def __init__(self, *, is_ascii: bool) -> None:
        super().__init__()
        self._is_ascii = is_ascii

    def __missing__(self, code: int) -> str:
        shown = self[code] = self._find(chr(code))
        return shown

    def _find(self, char: str) -> str:
        if " " <= char <= "~":
            return char
        if char in SAFE:
            return _ASCII[char] if self._is_ascii else char
        if char in _PLAIN:
            return _PLAIN[char]
        if not self._is_ascii and "\xc0" <= char <= "\xff" and char.isalpha():
            return char
        base = unicodedata.normalize("NFKD", char)[0]
        return base if " " <= base <= "~" else "?"


class Cleaner:
    """Text as a console can show it: one cell a character, no control characters; nothing but ASCII where it is asked for."""

    def __init__(self, *, is_ascii: bool = False) -> None:
        self._table: Final = _Table(is_ascii=is_ascii)

    def __call__(self, text: str) -> str:
        if text.isascii() and text.isprintable() and len(text) < 2000:
            return text
        from installer.wizard.guide import make_safe  # late: the empty frame does not wait for it

        return make_safe(text).translate(self._table)


def speaks_utf8(environment: Mapping[str, str]) -> bool:
    """Whether the locale's charset is UTF-8."""
    return find_locale(environment).endswith("utf8")
