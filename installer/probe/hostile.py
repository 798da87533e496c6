"""Read values out of a recording that may have been made by anyone: every access is bounded, typed and says where it failed."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Any, Final

ITEM_LIMIT: Final = 4096
TEXT_LIMIT: Final = 4 << 20
LABEL_LIMIT: Final = 256
MAC: Final = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
KERNEL_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9!._@-]{0,63}")
LINK_NAME: Final = re.compile(r"[A-Za-z0-9#+:=@_\\-][A-Za-z0-9#+.:=@_\\-]{0,254}")


def read_mapping(value: object, where: str) -> Mapping[str, Any]:
    """`value` as an object with text keys."""
    if not isinstance(value, Mapping) or len(value) > ITEM_LIMIT or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{where}: expected an object of at most {ITEM_LIMIT} entries")
    return value


def read_list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > ITEM_LIMIT:
        raise ValueError(f"{where}: expected a list of at most {ITEM_LIMIT} entries")
    return value


def read_text(source: Mapping[str, Any], key: str, where: str) -> str:
    """The text under `key`, raw; "" where it is absent or null."""
    value = source.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > TEXT_LIMIT:
        raise ValueError(f"{where}.{key}: expected text of at most {TEXT_LIMIT} characters")
    return value


def read_label(source: Mapping[str, Any], key: str, where: str) -> str:
    """Free text for people to read: what could steer a terminal is taken out, and it is cut to LABEL_LIMIT."""
    return make_label(read_text(source, key, where))


def make_label(text: str) -> str:
    return "".join(c for c in text[: 4 * LABEL_LIMIT] if c.isprintable()).strip()[:LABEL_LIMIT]


def read_count(source: Mapping[str, Any], key: str, where: str, base: int = 10) -> int:
    """A number that is not negative, written as text or as a JSON number; 0 where it is absent or empty."""
    value = source.get(key)
    if value is None or value == "":
        return 0
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{where}.{key}: expected a number")
    try:
        number = int(value[:32], base) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(f"{where}.{key}: expected a number, got {str(value)[:32]!r}") from None
    if not 0 <= number < 1 << 64:
        raise ValueError(f"{where}.{key}: a number out of range")
    return number


def read_json(text: str, where: str) -> Any:
    """JSON that a program printed; None where it printed none."""
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{where}: the program's output is no JSON") from None


def read_kernel_name(text: str, where: str) -> str:
    if not KERNEL_NAME.fullmatch(text):
        raise ValueError(f"{where}: {text[:64]!r} is no kernel device name")
    return text


def find_mac(text: str) -> str:
    """A MAC address in lower case with colons; "" where the text is none, or no address of one interface (zero, multicast)."""
    mac = text.strip().lower().replace("-", ":")
    if not MAC.fullmatch(mac) or mac == "00:00:00:00:00:00" or int(mac[:2], 16) & 1:
        return ""
    return mac


def find_address(text: str) -> str:
    """An IP address, normalised; "" where the text is none."""
    try:
        return str(ipaddress.ip_address(text.strip().partition("%")[0]))
    except ValueError:
        return ""
