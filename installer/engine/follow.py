"""`rackstrap status`: once, or going on until interrupted."""

from __future__ import annotations

import json
import time
from typing import Final

from installer.engine.journal import Journal
from installer.engine.status import dump_event, dump_status, make_status, render_status
from installer.engine.telling import render_event

LAST_EVENTS: Final = 8
LOOK_EVERY_S: Final = 0.25


def show_once(journal: Journal, *, is_json: bool) -> None:
    """The status now, with the last events."""
    status = make_status(journal.ledger, journal.progress(), time.time())
    last = journal.recent[-LAST_EVENTS:]
    if is_json:
        print(json.dumps({"status": dump_status(status), "last": [dump_event(event) for event in last]}), flush=True)  # noqa: T201
        return
    for line in render_status(status):
        print(line)  # noqa: T201
    if last:
        print()  # noqa: T201
    names = {entry.id: entry.name for entry in journal.ledger.machines.values()}
    for event in last:
        print(f"{time.strftime('%H:%M:%S', time.localtime(event.at))} {render_event(event, names)}", flush=True)  # noqa: T201


def run_follow(journal: Journal, *, is_json: bool) -> None:
    """Every event as it happens, and progress as it moves; ends with KeyboardInterrupt."""
    journal.take_new()
    shown: dict[str, tuple[str, int]] = {}
    while True:
        time.sleep(LOOK_EVERY_S)
        new = journal.take_new()
        names = {entry.id: entry.name for entry in journal.ledger.machines.values()}
        for event in new:
            text = f"{time.strftime('%H:%M:%S', time.localtime(event.at))} {render_event(event, names)}"
            print(json.dumps({"event": dump_event(event)}) if is_json else text, flush=True)  # noqa: T201
        for host, row in journal.progress().items():
            if shown.get(host) != (row.stage, row.percent):
                shown[host] = (row.stage, row.percent)
                value = {"progress": {"machine": host, "node": names.get(host, ""), "stage": row.stage, "percent": row.percent}}
                print(json.dumps(value) if is_json else f"{names.get(host) or host}: {row.stage} {row.percent} %", flush=True)  # noqa: T201
