"""Time servers asked as SNTP does (RFC 4330; RFC 5905, section 14)."""

from __future__ import annotations

import secrets
import struct
import time
from dataclasses import dataclass
from typing import Final

from installer.model.site import Address
from installer.preflight.datagrams import Question

PORT: Final = 123
_SIZE: Final = 48
_CLIENT: Final = 0x23  # no leap warning, version 4, mode 3
_SERVER: Final = 4
_UNSYNCHRONISED: Final = 3
_FROM_1900_TO_1970_S: Final = 2_208_988_800
_ERA_S: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class TimeAnswer:
    """`offset_s`: how far the server's clock is ahead of ours. `refusal`: why it is not to be followed, "" when it may be."""

    offset_s: float
    stratum: int
    refusal: str = ""


def make_request(cookie: bytes) -> bytes:
    """A client's request. `cookie`, eight random bytes, stands where our own time would: the server has to send it back."""
    return bytes([_CLIENT]) + bytes(39) + cookie


def parse_time(raw: bytes, cookie: bytes, sent_at: float, now: float) -> TimeAnswer | None:
    """The answer to the request with this cookie; None for anything else. `sent_at`, `now`: seconds since 1970, this clock's."""
    if len(raw) < _SIZE or raw[0] & 7 != _SERVER or raw[24:32] != cookie:
        return None
    stratum = raw[1]
    seconds, fraction = struct.unpack_from("!II", raw, 40)
    middle = (sent_at + now) / 2
    offset = seconds + fraction / _ERA_S - _FROM_1900_TO_1970_S - middle
    offset -= round(offset / _ERA_S) * _ERA_S  # the era that is nearest to our clock: they turn in 2036
    if stratum == 0:  # a kiss-o'-death says why in four letters
        code = bytes(byte for byte in raw[12:16] if 65 <= byte <= 90).decode()
        return TimeAnswer(0.0, 0, f"refuses ({code})" if code else "refuses")
    if raw[0] >> 6 == _UNSYNCHRONISED or stratum > 15 or not (seconds or fraction):
        return TimeAnswer(offset, stratum, "does not know the time itself")
    return TimeAnswer(offset, stratum)


def make_question(server: Address) -> Question[TimeAnswer]:
    cookie, sent_at = secrets.token_bytes(8), time.time()
    return Question(server, PORT, make_request(cookie), lambda raw: parse_time(raw, cookie, sent_at, time.time()))
