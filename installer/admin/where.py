"""What an installation writes on each of its ESPs, so that the next start from the ISO finds where it was. Pure.

Everything is hostile until parsed: it lies on a disk that anybody may have written.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Final

from installer.model.problems import RackstrapError
from installer.node.admit import DISK_ID, LABEL

FOLDER: Final = "/EFI/rackstrap"
WHERE: Final = f"{FOLDER}/where.json"
STATE: Final = f"{FOLDER}/state.tar"
FINISHED: Final = f"{FOLDER}/admin.json"  # what the ISO's boot menu looks for
FORMAT: Final = 1
MOST_BYTES: Final = 64 * 1024
MOST_MACS: Final = 256
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|")
_MAC: Final = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_STAGE: Final = re.compile(r"[a-z-]{1,32}")
_TEXT: Final = re.compile(r"[\x20-\x7e]{0,64}")


@dataclass(frozen=True, slots=True)
class Who:
    """This machine as its firmware tells it: SMBIOS uuid and serial ("" where it has none of its own), and its NICs' MACs."""

    uuid: str = ""
    serial: str = ""
    macs: tuple[str, ...] = ()

    def is_same(self, other: Who) -> bool:
        """Whether both are one machine: what both know agrees; where neither word is known to both, a NIC is shared."""
        pairs = [(a, b) for a, b in ((self.uuid, other.uuid), (self.serial, other.serial)) if a and b]
        if pairs:
            return all(a == b for a, b in pairs)
        return bool(set(self.macs) & set(other.macs))


@dataclass(frozen=True, slots=True)
class Where:
    """An installation and how far it is. `disks`: stable ids; `at`: seconds since 1970; `release`: of the image."""

    site: str
    hostname: str
    epoch: int
    disks: tuple[str, ...]
    who: Who
    stage: str
    at: float
    release: str = ""


def render_where(where: Where) -> bytes:
    """The text of where.json, and of admin.json once it is finished."""
    return json.dumps({"format": FORMAT, **asdict(where)}, indent=1).encode() + b"\n"


def parse_where(raw: bytes) -> Where:
    """What `render_where` wrote. Raises RackstrapError."""
    try:
        data: Any = json.loads(raw[:MOST_BYTES])
        if data["format"] != FORMAT:
            raise ValueError("format")
        who = Who(_fit(_UUID, data["who"]["uuid"]), _fit(_TEXT, data["who"]["serial"]), _fit_all(_MAC, data["who"]["macs"]))
        disks = _fit_all(DISK_ID, data["disks"])
        if not 1 <= len(disks) <= 2 or not 1 <= int(data["epoch"]) < 2**31:
            raise ValueError("disks")
        return Where(
            site=_fit(_TEXT, data["site"]),
            hostname=_fit(LABEL, data["hostname"]),
            epoch=int(data["epoch"]),
            disks=disks,
            who=who,
            stage=_fit(_STAGE, data["stage"]),
            at=float(data["at"]),
            release=_fit(_TEXT, data.get("release", "")),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RackstrapError("what an installation left on the disk is damaged", "start from the beginning") from error


def _fit(grammar: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or len(value) > 255 or grammar.fullmatch(value) is None:
        raise ValueError(str(value)[:40])
    return value


def _fit_all(grammar: re.Pattern[str], values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or len(values) > MOST_MACS:
        raise ValueError("not a list")
    return tuple(_fit(grammar, value) for value in values)
