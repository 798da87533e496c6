"""QEMU's machine protocol, as far as the lab needs it."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from installer.model.problems import RackstrapError

ANSWER_S = 10.0


def run_qmp(path: Path, command: str, **arguments: Any) -> Any:
    """One command on this QMP socket; its `return`. Raises RackstrapError when the machine is off or refuses."""
    try:
        with socket.socket(socket.AF_UNIX) as plug:
            plug.settimeout(ANSWER_S)
            plug.connect(str(path))
            with plug.makefile("rwb") as wire:
                _read_answer(wire, "QMP")
                _ask(wire, {"execute": "qmp_capabilities"})
                return _ask(wire, {"execute": command, "arguments": arguments})
    except (OSError, ValueError) as error:
        raise RackstrapError(
            f"no answer from the machine at {path}: {error}", "is it switched on? rackstrap lab status"
        ) from error


def _ask(wire: Any, question: dict[str, Any]) -> Any:
    wire.write(json.dumps(question).encode() + b"\n")
    wire.flush()
    return _read_answer(wire, "return")


def _read_answer(wire: Any, key: str) -> Any:
    """The next message that has this key; events in between are passed over."""
    while line := wire.readline():
        message = json.loads(line)
        if key in message:
            return message[key]
        if "error" in message:
            raise RackstrapError(f"QEMU refused: {message['error'].get('desc', 'no reason given')}")
    raise ValueError("it hung up")
