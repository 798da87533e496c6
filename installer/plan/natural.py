"""The order that people expect: node2 before node10."""

from __future__ import annotations

import re

_PARTS = re.compile(r"([0-9]+)")


def make_natural_key(text: str) -> tuple[tuple[int, str], ...]:
    """A sort key under which runs of digits compare as numbers."""
    return tuple((int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in _PARTS.split(text))
