"""What the logs say about one machine: its events, and the lines of the services that name its addresses."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from installer.engine.telling import render_event
from installer.wizard.watching import Moment

TAIL_BYTES: Final = 256 * 1024
LAST_LINES: Final = 200
DAY_S: Final = 86400.0
_SYSLOG: Final = re.compile(r"([A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d) ([\w.-]+)(?:\[\d+\])?: (.*)")  # as dnsmasq writes


class LogReader:
    """Reads the ends of the service logs in a state folder, each again only when it has grown."""

    def __init__(self, state: Path) -> None:
        self._folders: Final = (state / "run", state / "log")
        self._tails: dict[Path, tuple[tuple[int, int], tuple[tuple[float, str], ...]]] = {}

    def read(self, host: str, moment: Moment) -> tuple[str, ...]:
        """The last lines about this machine (its id or a node's name), oldest first."""
        entry = moment.ledger.find(host)
        key = entry.id if entry is not None else host
        names = {key, entry.name} - {""} if entry is not None else {host}
        titles = {one.id: one.name for one in moment.ledger.machines.values()}
        found = [(event.at, render_event(event, titles)) for event in moment.events if event.host in names]
        words = self._find_words(key, moment)
        found += [row for row in self._read_tails() if any(word in row[1].lower() for word in words)]
        row = moment.progress.get(key)
        if row is not None and row.text:
            found.append((row.at, f"{row.stage} {row.percent} %: {row.text}"))
        found.sort(key=lambda one: one[0])
        return tuple(f"{time.strftime('%H:%M:%S', time.localtime(at))} {text.strip()}" for at, text in found[-LAST_LINES:])

    def _find_words(self, key: str, moment: Moment) -> frozenset[str]:
        """What a line must hold one of: MACs, addresses, the machine's id."""
        machine, entry = moment.machines.get(key), moment.ledger.machines.get(key)
        words = set(machine.macs) if machine is not None else set()
        if entry is not None:
            addresses = (entry.seen_address, *entry.addresses.values())
            words |= {f" {address.partition('/')[0]} " for address in addresses if address}
        return frozenset(word.lower() for word in (*words, key) if word)

    def _read_tails(self) -> Iterator[tuple[float, str]]:
        for folder in self._folders:
            for path in sorted(folder.glob("*.log")) if folder.is_dir() else ():
                if path.name != "apply.log":
                    yield from self._read_tail(path)

    def _read_tail(self, path: Path) -> tuple[tuple[float, str], ...]:
        try:
            status = path.stat()
            stamp = (status.st_size, status.st_mtime_ns)
            known = self._tails.get(path)
            if known is not None and known[0] == stamp:
                return known[1]
            with path.open("rb") as file:
                file.seek(max(0, status.st_size - TAIL_BYTES), os.SEEK_SET)
                lines = file.read(TAIL_BYTES).decode(errors="replace").splitlines()
        except OSError:
            return ()
        rows = tuple(parse_lines(lines, status.st_mtime))
        self._tails[path] = (stamp, rows)
        return rows


def parse_lines(lines: Iterable[str], otherwise: float) -> Iterator[tuple[float, str]]:
    """(seconds since 1970, the rest) of each line that begins with an ISO 8601 time; others have the time before them."""
    at = 0.0
    for line in lines:
        first, _, rest = line.partition(" ")
        found = _parse_time(first) if "T" in first else _parse_time(f"{first} {rest.partition(' ')[0]}")
        if found is not None:
            at = found
            text = rest if "T" in first else rest.partition(" ")[2]
        elif (stamp := _SYSLOG.match(line)) is not None and (found := _parse_syslog(stamp[1], otherwise)) is not None:
            at, text = found, f"{stamp[2]}: {stamp[3]}"
        else:
            text = line
        yield at or otherwise, f" {text} "


def _parse_syslog(text: str, near: float) -> float | None:
    """`Nov 21 14:38:51`, which names no year: the last one that is not after `near`."""
    year = datetime.fromtimestamp(near).astimezone().year
    for guess in (year, year - 1):
        try:
            found = datetime.strptime(f"{guess} {text}", "%Y %b %d %H:%M:%S").astimezone().timestamp()
        except ValueError:
            continue
        if found <= near + DAY_S:
            return found
    return None


def _parse_time(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text.replace(",", ".")).timestamp()
    except (ValueError, OverflowError):
        return None
