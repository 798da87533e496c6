"""From key to painted cell: 1,000 nodes in the table, 200 events a second in the store."""

from __future__ import annotations

import random
import statistics
import threading
import time
from pathlib import Path
from typing import Final

from installer.engine.journal import Journal
from installer.lab.fleet_recordings import load_rack, make_copy, make_discovery
from installer.model.events import Event, Happened
from tests.bench_tui_line import end_session, open_session
from tests.tui_session import SITE, Report, Watched, join, make_recording, make_state

NODES: Final = 1000
EVENTS_A_S: Final = 200
BATCH: Final = 10
KEYS: Final = 120
GOAL_MS: Final = 50.0


def measure_keys(report: Report, folder: Path) -> None:
    """Cursor up and down in the table of nodes, through tmux; the time until the screen shows the cursor elsewhere."""
    recording = make_recording(folder / "node.json", "bios-virtio")
    state = make_state(folder / "state-keys", "nodes", SITE)
    hosts = discover_fleet(state, recording)
    try:
        with join(state, ["--machine", str(recording)], term="linux") as terminal, Writing(state, hosts) as writing:
            open_session(terminal, "Nodes")
            times_ms = [time_key(terminal, "down" if number % 20 < 10 else "up") * 1000 for number in range(KEYS)]
            rate = writing.rate
    finally:
        end_session(state)
    p95 = statistics.quantiles(times_ms, n=20)[-1]
    text = f"; median {statistics.median(times_ms):.0f} ms, most {max(times_ms):.0f} ms"
    text += f", {len(hosts)} nodes, {rate:.0f} events a second"
    report.judge("key to painted cell, 95th percentile", p95, GOAL_MS, "ms", text)


def discover_fleet(state: Path, recording: Path) -> list[str]:
    """So many machines discovered, each a copy of the recording with serial, MACs and disks of its own."""
    first = load_rack([str(recording)])[0]
    with Journal(state / "store.db", "serve@bench") as journal:
        copies = (make_copy(first, f"node {number}") for number in range(NODES))
        journal.append(*(make_discovery(copy, journal.store, number, 1) for number, copy in enumerate(copies)), durable=True)
        journal.refresh()
        return list(journal.ledger.machines)


def time_key(terminal: Watched, key: str) -> float:
    """Seconds from the key until the cursor stands in another row; a person's pause before it."""
    terminal.read(random.uniform(0.05, 0.25))  # noqa: S311 - a pause
    before = find_cursor(terminal)
    began = time.perf_counter()
    terminal.press(key)
    while find_cursor(terminal) == before:
        assert time.perf_counter() - began < 10, f"the cursor does not move; the screen shows\n{terminal.text()}"
        terminal.read_once(0.5)
    return time.perf_counter() - began


def find_cursor(terminal: Watched) -> int:
    """The row of the marker at the cursor, -1 for none."""
    return next((at for at, line in enumerate(terminal.screen.display) if line.lstrip().startswith(">")), -1)


class Writing:
    """A process's worth of news: machines report, again and again, in small groups, until the end of the block."""

    def __init__(self, state: Path, hosts: list[str]) -> None:
        self._state, self._hosts = state, hosts
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._count, self._began = 0, time.monotonic()

    @property
    def rate(self) -> float:
        return self._count / (time.monotonic() - self._began)

    def _run(self) -> None:
        with Journal(self._state / "store.db", "serve@bench") as journal:
            recordings = {host: entry.recording for host, entry in journal.ledger.machines.items()}
            self._began = time.monotonic()
            while not self._end.wait(max(0.0, self._began + self._count / EVENTS_A_S - time.monotonic())):
                hosts = [self._hosts[(self._count + n) % len(self._hosts)] for n in range(BATCH)]
                data = [{"recording": recordings[host]} for host in hosts]
                journal.store.post(*(Event(Happened.MACHINE_REPORTED, h, d) for h, d in zip(hosts, data, strict=True)))
                self._count += BATCH

    def __enter__(self) -> Writing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
