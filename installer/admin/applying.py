"""One run of `rackstrap apply`, followed by what it prints, and told in plain lines."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from installer.engine.telling import render_event
from installer.live.telling import Telling
from installer.model.events import Event, Happened
from installer.model.problems import RackstrapError
from installer.site.load import load_site

APPLY_ENDED_WELL: Final = 0
ADDRESS_WITHIN_S: Final = 600.0
LOOK_EVERY_S: Final = 1.0
MOST_LINE: Final = 2**22
QUIET: Final = frozenset({Happened.STEP_STARTED, Happened.MACHINE_REPORTED, Happened.SITE_APPLIED})


def run_apply(path: Path, beside: Path, state: Path, image: Path, telling: Telling) -> int:
    """Wait for this machine's address, then carry the site file out. The exit code of apply."""
    wait_for_address(path, telling)
    words = [sys.executable, "-m", "installer.cli", "apply", str(path), "--beside", str(beside), "--json"]
    words += ["--state", str(state), "--image", str(image)]
    telling.head("Going on with the rack.")
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", cwd="/"
    ) as child:
        assert child.stdout is not None  # noqa: S101 -- it was asked for
        shown: dict[str, str] = {}
        while line := child.stdout.readline(MOST_LINE):
            tell_line(line, shown, telling)
    return child.returncode


def wait_for_address(path: Path, telling: Telling, within_s: float = ADDRESS_WITHIN_S) -> None:
    """Until an interface has the site's admin address: networkd may need some seconds, a switch a minute."""
    from installer.serve.interface import find_interface

    site = load_site(path).site
    ends_at = time.monotonic() + within_s
    while site is not None and time.monotonic() < ends_at:
        try:
            find_interface(site.admin.address)
            return
        except RackstrapError as error:
            telling.head(f"Waiting for this machine's address: {error.message}")
            time.sleep(LOOK_EVERY_S)


def tell_line(line: str, shown: dict[str, str], telling: Telling) -> None:
    """One line of apply's JSON, told; anything else as it stands. `shown`: how far each node is."""
    try:
        row: Any = json.loads(line)
    except ValueError:
        telling.tell(line.rstrip("\n"))
        return
    match row:
        case {"told": str(text)}:
            telling.tell(text)
        case {"problem": {"message": message, "hint": hint}}:
            telling.tell(str(message), f"  {hint}" if hint else "")
        case {"event": dict(event)}:
            tell_event(event, str(row.get("node", "")), telling)
        case {"progress": dict(progress)}:
            telling.head(render_progress(progress, shown))
        case {"result": {"text": text}}:
            telling.head(str(text))
        case _:
            telling.tell(line.rstrip("\n"))


def tell_event(row: Mapping[str, Any], node: str, telling: Telling) -> None:
    try:
        event = Event(Happened(row["kind"]), str(row["host"]), dict(row["data"]))
        if event.kind not in QUIET:
            telling.tell(render_event(event, {event.host: node} if node else {}))
    except (KeyError, ValueError, TypeError):
        return


def render_progress(row: Mapping[str, Any], shown: dict[str, str]) -> str:
    """`3 of 8 steps; node1 unpack 40 %, node2 format 0 %`."""
    name = str(row.get("node") or row.get("machine"))
    percent = int(row.get("percent", 0)) // 10 * 10
    shown[name] = f"{row.get('stage')} {percent} %"
    nodes = ", ".join(f"{name} {stage}" for name, stage in sorted(shown.items()))
    return f"{row.get('steps_done', 0)} of {row.get('steps', 0)} steps; {nodes}"
