"""Fields of what nodes send: every one bounded and of its type, or the request is refused."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request

TOKEN: Final = re.compile(r"[A-Za-z0-9._:-]{0,128}")
MOST_BYTES: Final = 4 * 1024 * 1024


class Refused(Exception):  # noqa: N818 -- named for what happened
    """The answer is no: an HTTP status and a reason that the agent shows on its console."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


async def read_object(request: Request, most_bytes: int = MOST_BYTES) -> Mapping[str, Any]:
    """The request's JSON object. Raises Refused (413, 400)."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise Refused(413, f"more than {most_bytes} bytes")
    try:
        raw: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "not JSON") from error
    if not isinstance(raw, dict):
        raise Refused(400, "not a JSON object")
    return raw


def read_text(raw: Mapping[str, Any], name: str, most: int = 200) -> str:
    """Text for people: control characters become spaces, the rest is cut at `most` characters."""
    value = raw.get(name, "")
    if not isinstance(value, str):
        raise Refused(400, f"{name} is not text")
    return "".join(c if c.isprintable() else " " for c in value[:most])


def read_token(raw: Mapping[str, Any], name: str) -> str:
    """A word of letters, digits and ._:- only; may be empty."""
    value = raw.get(name, "")
    if not isinstance(value, str) or not TOKEN.fullmatch(value):
        raise Refused(400, f"{name} is not a plain word")
    return value


def read_count(raw: Mapping[str, Any], name: str, most: int) -> int:
    """A whole number from 0 to `most`."""
    value = raw.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise Refused(400, f"{name} is not a number from 0 to {most}")
    return value


def read_flag(raw: Mapping[str, Any], name: str) -> bool:
    value = raw.get(name, False)
    if not isinstance(value, bool):
        raise Refused(400, f"{name} is not true or false")
    return value


def read_list(raw: Mapping[str, Any], name: str, most: int) -> list[Any]:
    value = raw.get(name, [])
    if not isinstance(value, list) or len(value) > most:
        raise Refused(400, f"{name} is not a list of at most {most}")
    return value


def read_seconds(raw: Mapping[str, Any], name: str) -> dict[str, float]:
    """An object of words → seconds, at most 32 of them."""
    value = raw.get(name) or {}
    if not isinstance(value, dict) or len(value) > 32:
        raise Refused(400, f"{name} is not an object of seconds")
    found = {}
    for key, seconds in value.items():
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not TOKEN.fullmatch(key) or not is_number or not math.isfinite(seconds) or not 0 <= seconds < 1e6:
            raise Refused(400, f"{name} is not an object of seconds")
        found[key] = float(seconds)
    return found
