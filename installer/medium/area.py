"""The ISO's reserved room for a site file, /rackstrap/site.tar: zeros, or a tar of the site file and of the files that it names.

The tar (ustar, POSIX.1-1988) is one of many spellings of the same files: regular files of mode 0600, of root, of no time, in a
fixed order. What is spelled otherwise was not written by us and is refused: nothing depends on how tolerant a tar reader is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from installer.model.problems import RackstrapError

AREA_BYTES: Final = 1 << 20
MAX_FILES: Final = 1000
SITE_NAME: Final = "site.yaml"  # the first file, whatever it was called where it came from
_BLOCK: Final = 512
_END: Final = 2 * _BLOCK  # a tar ends with two blocks of zeros
_NAME: Final = re.compile(r"(?!.*(?:^|/)\.{1,2}(?:/|$))[A-Za-z0-9._+@=,:~-]+(?:/[A-Za-z0-9._+@=,:~-]+)*")
_MAX_NAME: Final = 100  # bytes; ustar's name field
_NAME_RULE: Final = "letters, digits and ._+@=,:~- in a path below the site file's folder, 100 characters at most"
_AGAIN: Final = "write the site file into the ISO again: rackstrap iso customize ISO --reset --site FILE"


def is_area_name(name: str) -> bool:
    """Whether a relative path can stand in the area: it stays below the site file's folder, and no tar reader is misled by it."""
    return len(name) <= _MAX_NAME and _NAME.fullmatch(name) is not None


def measure_area(files: Mapping[str, bytes]) -> int:
    """The bytes that these files need of the area."""
    return sum(_BLOCK + _pad(len(content)) for content in files.values()) + _END


def make_site_area(files: Mapping[str, bytes]) -> bytes:
    """AREA_BYTES bytes that hold these files, by relative path; no files: zeros. The same files give the same bytes.

    Raises RackstrapError when a name is not fit for it, `site.yaml` is not among them, or they are too many or too large.
    """
    if not files:
        return bytes(AREA_BYTES)
    for name in files:
        if not is_area_name(name):
            raise RackstrapError(f"{name!r} cannot be put into the ISO", f"rename it: {_NAME_RULE}")
    if SITE_NAME not in files:
        raise RackstrapError("no site file is among what is to be put into the ISO", "name one with --site")
    if len(files) > MAX_FILES or measure_area(files) > AREA_BYTES:
        raise RackstrapError(_explain_size(files), "name fewer BMCs, or serve the file: rackstrap.site=https://…")
    names = [SITE_NAME, *sorted(files.keys() - {SITE_NAME})]
    spelled = b"".join(_make_entry(name, files[name]) for name in names)
    return spelled.ljust(AREA_BYTES, b"\0")


def parse_site_area(content: bytes) -> dict[str, bytes]:
    """The files in the area by relative path, `site.yaml` first; none where it is all zeros.

    Each name is a relative path without `.` and `..` that needs no quoting. Raises RackstrapError when the area is not exactly as
    make_site_area writes it.
    """
    if len(content) != AREA_BYTES:
        raise RackstrapError(f"the ISO's room for a site file has {len(content)} bytes, not {AREA_BYTES}", _AGAIN)
    files: dict[str, bytes] = {}
    at = 0
    while content[at : at + 1].strip(b"\0"):
        name, size = _parse_header(content[at : at + _BLOCK])
        begin = at + _BLOCK
        if name in files or len(files) >= MAX_FILES or begin + _pad(size) + _END > AREA_BYTES:
            raise _damaged()
        files[name] = content[begin : begin + size]
        at = begin + _pad(size)
    if (files and next(iter(files)) != SITE_NAME) or make_site_area(files) != content:
        raise _damaged()
    return files


def _parse_header(header: bytes) -> tuple[str, int]:
    """Name and size of the entry; the other fields are held against our own spelling when all has been read."""
    try:
        name = header[:_MAX_NAME].rstrip(b"\0").decode("ascii")
        size = int(header[124:135].decode("ascii"), 8)
    except ValueError:
        raise _damaged() from None
    if not is_area_name(name) or size < 0:
        raise _damaged()
    return name, size


def _make_entry(name: str, content: bytes) -> bytes:
    fields = (
        name.encode("ascii").ljust(_MAX_NAME, b"\0"),
        b"0000600\0" + b"0000000\0" * 2,  # mode, user, group
        b"%011o\0" % len(content),
        b"%011o\0" % 0,  # time
        b" " * 8,  # where the checksum goes: counted as blanks
        b"0".ljust(1 + 100, b"\0"),  # a regular file; no link
        b"ustar\x0000",
        b"root".ljust(32, b"\0") * 2,
        b"0000000\0" * 2,  # device numbers
    )
    header = b"".join(fields).ljust(_BLOCK, b"\0")
    checksum = b"%06o\0 " % sum(header)
    return header[:148] + checksum + header[156:] + content.ljust(_pad(len(content)), b"\0")


def _pad(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _explain_size(files: Mapping[str, bytes]) -> str:
    largest = max(files, key=lambda name: len(files[name]))
    return (
        f"the site file and what it names need {measure_area(files)} bytes in {len(files)} files; the ISO has room for"
        f" {AREA_BYTES} bytes in {MAX_FILES} files; the largest is {largest} with {len(files[largest])} bytes"
    )


def _damaged() -> RackstrapError:
    return RackstrapError("the ISO's room for a site file holds something that Rackstrap did not write there", _AGAIN)
