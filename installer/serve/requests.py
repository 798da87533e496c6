"""Immediate wishes of TUI and CLI: taken from the journal, carried out once, answered there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from installer.model.events import Event, Happened
from installer.model.facts import Machine
from installer.model.ledger import BmcEntry, Ledger
from installer.model.problems import RackstrapError
from installer.model.site import Address
from installer.plan.match import find_bmcs
from installer.power.power import make_power
from installer.power.scan import MOST_ASKED, parse_ranges, run_scan
from installer.serve.desk import Desk

# Nobody expects a machine to be switched by a wish from before a restart.
STALE_AFTER_S: Final = 120.0
MOST_RANGES: Final = 64
SCAN_WITHIN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Scan:
    """Look for BMCs at these addresses."""

    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """A request that can be carried out. `power` is "" for identify, whose lamp is lit for `seconds`."""

    host: str
    power: Literal["on", "off", "cycle", ""]
    boot: Literal["pxe", "disk", ""]
    seconds: int


def parse_wish(asked: Mapping[str, Any]) -> Wish | Scan:
    """A Wish from ASKED's data. Raises RackstrapError for one that this service does not know, or that is too large."""
    ranges = asked.get("ranges")
    if asked.get("verb") == "scan" and isinstance(ranges, list) and 0 < len(ranges) <= MOST_RANGES:
        return Scan(parse_ranges([str(text) for text in ranges], MOST_ASKED))
    host, verb = str(asked.get("host", "")), asked.get("verb")
    power, boot, seconds = str(asked.get("power", "")), str(asked.get("boot", "")), asked.get("seconds", 15)
    if verb == "identify" and isinstance(seconds, int) and 0 <= seconds <= 255:
        return Wish(host, "", "", seconds)
    if verb == "power" and power in {"on", "off", "cycle"} and boot in {"pxe", "disk", ""}:
        return Wish(host, cast("Literal['on', 'off', 'cycle']", power), cast("Literal['pxe', 'disk', '']", boot), 0)
    raise RackstrapError(f"the running service does not know the request {verb!r}", "restart it: rackstrap serve --stop")


def find_bmc(ledger: Ledger, machines: Mapping[str, Machine], host: str) -> BmcEntry:
    """The BMC of a machine, or of `bmc ADDRESS`; where none is known, a person's hand. Raises RackstrapError."""
    entry = ledger.machines.get(host)
    found = ledger.bmcs.get(find_bmcs(machines, ledger).get(host) or host.removeprefix("bmc "))
    if found is not None:
        return found
    if entry is None:
        raise RackstrapError(f"no machine and no BMC is known as {host}")
    return BmcEntry(f"manual:{entry.name or entry.code}")


async def carry_out(desk: Desk, request: str, asked: Mapping[str, Any]) -> None:
    """Do what was asked, and answer in the journal; an expected failure is an answer too."""
    try:
        message, is_ok = await _do(desk, asked), True
    except RackstrapError as error:
        message, is_ok = error.message, False
    host = str(asked.get("host", ""))
    await desk.append(Event(Happened.ANSWERED, host, {"request": request, "ok": is_ok, "message": message}))


async def _do(desk: Desk, asked: Mapping[str, Any]) -> str:
    wish = parse_wish(asked)
    if time.time() - float(asked.get("at", 0)) > STALE_AFTER_S:
        raise RackstrapError("it was asked too long ago", "ask again")
    if isinstance(wish, Scan):
        return await _scan(desk, wish)
    bmc = find_bmc(desk.ledger, desk.journal.machines(), wish.host)
    power = make_power(bmc, desk.state_dir)
    if not wish.power:
        return await asyncio.to_thread(power.identify, wish.seconds)
    told = [await asyncio.to_thread(power.set_boot, wish.boot, bmc.uefi)] if wish.boot else []
    # Before the effect: the machine may enrol before its BMC has answered.
    data = {"bmc": bmc.address, "power": wish.power, "boot": wish.boot}
    await desk.append(Event(Happened.POWER_SET, wish.host, data))
    told.append(await asyncio.to_thread(power.set_power, wish.power))
    return "; ".join(told)


async def _scan(desk: Desk, scan: Scan) -> str:
    """Ping them all; remember those that speak IPMI and were not known."""
    try:
        async with asyncio.timeout(SCAN_WITHIN_S):
            found = await asyncio.to_thread(run_scan, scan.addresses)
    except TimeoutError:
        raise RackstrapError(f"not done within {SCAN_WITHIN_S:g} s", "scan fewer addresses") from None
    speaking = [one.address for one in found if one.speaks_ipmi]
    fresh = [address for address in speaking if address not in desk.ledger.bmcs]
    if fresh:
        await desk.append(*(Event(Happened.BMC_FOUND, f"bmc {address}", {"address": address}) for address in fresh))
    return f"{len(speaking)} BMCs answered, {len(fresh)} of them new"
