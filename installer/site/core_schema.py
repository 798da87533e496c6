"""Plain scalars by YAML 1.2.2's core schema (section 10.3.2), with numbers that remember how they were written."""

from __future__ import annotations

import re
from typing import Any

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


class WrittenInt(int):
    """A number that remembers its spelling: a serial number 0123 is text to us."""

    written: str = ""


class WrittenFloat(float):
    """As WrittenInt: a serial number 12E45 is text to us."""

    written: str = ""


def parse_scalar(text: str) -> Any:
    """One plain (unquoted) scalar by YAML 1.2's core schema. Numbers remember their spelling."""
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if len(text) <= 40 and _INT.fullmatch(text):
        number = WrittenInt(text, 0 if text[:2] in ("0o", "0x") else 10)
        number.written = text
        return number
    if len(text) <= 40 and _FLOAT.fullmatch(text):
        real = WrittenFloat(text)
        real.written = text
        return real
    return text


def make_plain(value: Any) -> Any:
    """The same value of Python's own types only."""
    match value:
        case dict():
            return {str(k): make_plain(v) for k, v in value.items()}
        case list():
            return [make_plain(v) for v in value]
        case WrittenInt():
            return int(value)
        case WrittenFloat():
            return float(value)
        case _:
            return value
