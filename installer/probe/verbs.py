"""`rackstrap probe`: this machine's facts, or those of a recording."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from installer.model.problems import RackstrapError

RECORDING_LIMIT_BYTES: Final = 32 << 20


def add_probe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--record", metavar="FILE", help="write the raw recording to FILE (- for standard output) instead of the facts"
    )
    parser.add_argument("--machine", metavar="FILE", help="take this recording in place of the hardware")


def run_probe(args: argparse.Namespace) -> int:
    recording = load_recording(Path(args.machine)) if args.machine else find_hardware()
    if args.record:
        save_text(args.record, dump_recording(recording))
        return 0
    from installer.probe.parse import dump_machine, parse_recording

    try:
        machine = parse_recording(recording)
    except ValueError as error:
        raise RackstrapError(
            f"the recording cannot be understood: {error}", "make it again with `rackstrap probe --record FILE`"
        ) from error
    save_text("-", json.dumps(dump_machine(machine), indent=2) + "\n")
    return 0


def find_hardware() -> dict[str, Any]:
    from installer.probe.record import make_recording

    return make_recording()


def load_recording(path: Path) -> dict[str, Any]:
    """One recording file. Raises RackstrapError where it cannot be read or is no JSON object."""
    try:
        with path.open("rb") as file:
            raw = file.read(RECORDING_LIMIT_BYTES + 1)
    except OSError as error:
        raise RackstrapError(f"{path}: {error.strerror}", "name a file that `rackstrap probe --record FILE` wrote") from error
    try:
        recording = json.loads(raw) if len(raw) <= RECORDING_LIMIT_BYTES else None
    except (ValueError, RecursionError):
        recording = None
    if not isinstance(recording, dict):
        raise RackstrapError(f"{path} is no recording", "name a file that `rackstrap probe --record FILE` wrote")
    return recording


def dump_recording(recording: dict[str, Any]) -> str:
    """A recording as it is kept: JSON with an indent, so that two can be compared by eye."""
    return json.dumps(recording, indent=1, sort_keys=True) + "\n"


def save_text(name: str, text: str) -> None:
    """Write to a file, a device, or standard output for "-"."""
    if name == "-":
        sys.stdout.write(text)
        return
    try:
        Path(name).write_text(text)
    except OSError as error:
        raise RackstrapError(f"{name}: {error.strerror}", "choose a file that can be written") from error
