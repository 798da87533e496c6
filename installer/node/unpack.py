"""Lay the image, which already lies in memory, on the new root."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from installer.model.problems import RackstrapError

IMAGE: Final = Path("/run/rackstrap/image")
LAYERS: Final = ("root.squashfs", "rackstrap.squashfs")  # of a node, the big one first
PERCENT: Final = re.compile(r"(\d{1,3})%?\s*$")
Progress = Callable[[int], None]


def make_unpack_command(image: Path, target: Path) -> tuple[str, ...]:
    """Small queues: the machine may have 1 GB, and most of it is the image and pages on their way to the disk."""
    return ("unsquashfs", "-force", "-percentage", "-da", "16", "-fr", "16", "-dest", str(target), str(image))


def parse_percent(line: str) -> int | None:
    """The number that unsquashfs -percentage prints, or None for any other line."""
    found = PERCENT.fullmatch(line.strip())
    return min(100, int(found[1])) if found else None


def run_unpack(target: Path, progress: Progress, folder: Path = IMAGE, layers: Sequence[str] = LAYERS) -> None:
    """Unpack these layers of the image in `folder`, a later one over an earlier one. Raises RackstrapError.

    `progress` gets per cent of the first, which is by far the largest.
    """
    for layer in layers:
        image = folder / layer
        if not image.is_file():
            raise RackstrapError(f"{image} is missing: this system did not start from the admin node's image")
        run_unsquashfs(make_unpack_command(image, target), progress if layer == layers[0] else lambda _: None)
    progress(100)


def run_unsquashfs(argv: tuple[str, ...], progress: Progress) -> None:
    """One unsquashfs, its percentage passed on as it grows."""
    last, said = -1, ""
    with subprocess.Popen(list(argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0) as process:
        for line in iterate_lines(process.stdout):
            percent = parse_percent(line)
            if percent is None:
                said = line.strip() or said
            elif percent > last:
                last = percent
                progress(percent)
    if process.returncode != 0:
        raise RackstrapError(f"unsquashfs: {said or f'exit code {process.returncode}'}")


def iterate_lines(pipe: IO[bytes] | None) -> Iterator[str]:
    """Lines as they come, ended by carriage return or newline."""
    rest = b""
    while pipe is not None and (some := pipe.read(4096)):
        *lines, rest = re.split(rb"[\r\n]", rest + some)
        yield from (line.decode(errors="replace") for line in lines)
    yield rest.decode(errors="replace")
