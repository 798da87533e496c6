"""What stands first in a backup: what it is of, and every member with its size and sum. All of it is hostile until parsed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from installer.model.problems import RackstrapError

FORMAT: Final = 1
NAME: Final = "manifest.json"
MOST_BYTES: Final = 8 * 2**20
MOST_MEMBERS: Final = 20_000
MOST_MEMBER_BYTES: Final = 64 * 2**30  # a store of 10,000 nodes stays far below
LONGEST_NAME: Final = 240  # what a ustar header holds
_PART: Final = r"[A-Za-z0-9_@:+,=-][A-Za-z0-9_@:+,=.-]*"  # no part begins with a dot
_MEMBER: Final = re.compile(rf"(?:state|host)(?:/{_PART})+")
_FOLDER: Final = re.compile(r"/[\x21-\x7e]{0,200}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_RELEASE: Final = re.compile(r"\d{1,6}(?:\.\d{1,6}){0,3}")


@dataclass(frozen=True, slots=True)
class Member:
    """One file. `name` begins with `state/`, for what goes into a state folder, or `host/`, for the admin node's own."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """`state`: the folder that it was made of. `address`: the admin node's; "" where no site was applied.

    `made_at`: UTC, as 2026-11-21T16:40:00Z. `site`: the site's name, "" where none was applied.
    """

    release: str
    site: str
    address: str
    state: str
    made_at: str
    members: tuple[Member, ...]

    @property
    def bytes(self) -> int:
        return sum(member.bytes for member in self.members)


def is_admitted(name: str) -> bool:
    """Whether a member may be called this."""
    return len(name) <= LONGEST_NAME and bool(_MEMBER.fullmatch(name))


def dump_manifest(manifest: Manifest) -> bytes:
    return json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1).encode() + b"\n"


def parse_manifest(raw: bytes, release: str) -> Manifest:
    """The manifest, where this release can restore it. Raises RackstrapError."""
    try:
        data: Any = json.loads(raw)
        if data["format"] != FORMAT:
            raise RackstrapError(
                f"it has format {str(data['format'])[:20]}, this release knows {FORMAT}", "use the release that wrote it"
            )
        manifest = _make_manifest(data)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RackstrapError("its manifest is damaged", "name another backup") from error
    if _number(manifest.release) > _number(release):
        raise RackstrapError(
            f"release {manifest.release} wrote it, this is {release}", f"use release {manifest.release} or a later one"
        )
    return manifest


def _make_manifest(data: Mapping[str, Any]) -> Manifest:
    members = tuple(_make_member(row) for row in data["members"])
    names = {member.name for member in members}
    folders = {str(name).rpartition("/")[0] for name in names}
    texts = {key: str(data[key]) for key in ("release", "site", "address", "state", "made_at")}
    is_sound = (
        len(members) <= MOST_MEMBERS
        and len(names) == len(members)
        and not names & folders
        and bool(_FOLDER.fullmatch(texts["state"]))
        and bool(_RELEASE.fullmatch(texts["release"]))
        and all(len(text) <= 256 and text.isprintable() for text in texts.values())
    )
    if not is_sound:
        raise ValueError("not a manifest")
    return Manifest(**texts, members=members)


def _make_member(row: Mapping[str, Any]) -> Member:
    name, size, sha256 = str(row["name"]), int(row["bytes"]), str(row["sha256"])
    if not is_admitted(name) or not 0 <= size <= MOST_MEMBER_BYTES or not _SHA256.fullmatch(sha256):
        raise ValueError("not a member")
    return Member(name, size, sha256)


def _number(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))
