"""The version of a signed shim, out of the revocation data that it carries: the PE section .sbat.

PE format: Microsoft's "PE Format", COFF file header and section table. SBAT: shim's SBAT.md, CSV lines of component, generation,
vendor, package, version, URL.
"""

from __future__ import annotations

import re
import struct
from typing import Final

_MOST_SECTIONS: Final = 96
_MOST_SBAT: Final = 1 << 16
_VERSION: Final = re.compile(r"[A-Za-z0-9.+~:-]{1,40}")


def find_shim_version(program: bytes) -> str:
    """The newest packaging's version of shim, such as 16.1; "" where the program does not tell."""
    rows = [line.split(",") for line in _find_sbat(program).decode("ascii", "replace").splitlines()]
    versions = [row[4] for row in rows if len(row) >= 5 and row[0].startswith("shim.") and _VERSION.fullmatch(row[4])]
    return versions[-1] if versions else ""


def _find_sbat(program: bytes) -> bytes:
    """The content of the section .sbat without its padding; b"" where there is none."""
    try:
        (at,) = struct.unpack_from("<I", program, 0x3C)
        if program[:2] != b"MZ" or program[at : at + 4] != b"PE\0\0":
            return b""
        count, optional = struct.unpack_from("<H", program, at + 6)[0], struct.unpack_from("<H", program, at + 20)[0]
        for number in range(min(count, _MOST_SECTIONS)):
            name, size, _, raw_size, begin = struct.unpack_from("<8s4I", program, at + 24 + optional + 40 * number)
            if name == b".sbat\0\0\0":
                return program[begin : begin + min(size, raw_size, _MOST_SBAT)].rstrip(b"\0")
    except struct.error:
        return b""
    return b""
