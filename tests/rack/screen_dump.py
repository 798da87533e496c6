"""A picture of a VGA console, cell by cell, against the font that its characters are drawn with."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from installer.lab.qmp import run_qmp

PSF1: Final = b"\x36\x04"  # psf(5), as kbd's doc/font-formats has it
PSF2: Final = b"\x72\xb5\x4a\x86"
HEIGHT: Final = 16


@dataclass(frozen=True, slots=True)
class Font:
    """Glyphs of 8 by 16 dots: a character's 16 bytes, the left dot in the highest bit."""

    glyphs: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Picture:
    """Dots of a screen, three bytes each, row after row."""

    width: int
    height: int
    dots: bytes

    def cell(self, row: int, column: int, cell_width: int) -> list[bytes]:
        """The 8 by 16 dots of one cell. VGA's text mode has cells of 9, whose last column is not the font's."""
        found = []
        for line in range(row * HEIGHT, (row + 1) * HEIGHT):
            at = (line * self.width + column * cell_width) * 3
            found += [self.dots[at + dot * 3 : at + dot * 3 + 3] for dot in range(8)]
        return found


def load_font(path: Path) -> Font:
    """A PSF font of version 1 or 2 with its Unicode table, compressed or not."""
    data = path.read_bytes()
    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    if data[:2] == PSF1:
        count, size, start = 512 if data[2] & 1 else 256, data[3], 4
        table = data[start + count * size :].decode("utf-16-le", "surrogatepass")
        entries = [entry.split("\ufffe")[0] for entry in table.split("\uffff")]
    else:
        assert data[:4] == PSF2, f"{path} is no PSF font"
        start, count, size = struct.unpack_from("<8xI4xII", data)
        table_bytes = data[start + count * size :]
        entries = [entry.split(b"\xfe")[0].decode() for entry in table_bytes.split(b"\xff")]
    assert size == HEIGHT, f"{path} has glyphs of {size} bytes"
    glyphs = {
        char: data[start + at * size : start + (at + 1) * size] for at, entry in enumerate(entries[:count]) for char in entry
    }
    return Font(glyphs)


def take_picture(folder: Path, file: Path) -> Picture:
    """What the machine with this folder shows on its screen now (QMP's screendump, as PPM)."""
    run_qmp(folder / "qmp.sock", "screendump", filename=str(file), format="ppm")
    data = file.read_bytes()
    kind, width, height, most = data.split(maxsplit=4)[:4]
    assert (kind, most) == (b"P6", b"255")
    return Picture(int(width), int(height), data[-int(width) * int(height) * 3 :])


def press(folder: Path, *keys: str) -> None:
    """Keys of the machine's own keyboard, by QEMU's names (ret, a, shift, …)."""
    for key in keys:
        run_qmp(folder / "qmp.sock", "send-key", keys=[{"type": "qcode", "data": key}])


def find_differences(picture: Picture, lines: Sequence[str], font: Font) -> list[str]:
    """Each cell that is not its character's glyph, in one colour on another: `row,column character`."""
    cell_width = picture.width // 80
    wrong = []
    for row, line in enumerate(lines):
        for column, char in enumerate(line):
            dots = picture.cell(row, column, cell_width)
            glyph = font.glyphs.get(char)
            if glyph is None or not _is_glyph(dots, glyph):
                wrong.append(f"{row},{column} {char!r}")
    return wrong


def _is_glyph(dots: list[bytes], glyph: bytes) -> bool:
    """Two colours at most, and each dot has the one that its bit asks for."""
    bits = [bool(glyph[line] & (0x80 >> dot)) for line in range(HEIGHT) for dot in range(8)]
    inks = {dot for dot, bit in zip(dots, bits, strict=True) if bit}
    papers = {dot for dot, bit in zip(dots, bits, strict=True) if not bit}
    return len(inks) <= 1 and len(papers) <= 1 and (not any(bits) or all(bits) or inks != papers)
