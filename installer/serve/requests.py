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
from installer.plan.match import find_bmcs
from installer.power.power import make_power
from installer.serve.desk import Desk

# Nobody expects a machine to be switched by a wish from before a restart.
STALE_AFTER_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Wish:
    """A request that can be carried out. `power` is "" for identify, whose lamp is lit for `seconds`."""

    host: str
    power: Literal["on", "off", "cycle", ""]
    boot: Literal["pxe", "disk", ""]
    seconds: int


def parse_wish(asked: Mapping[str, Any]) -> Wish:
    """A Wish from ASKED's data. Raises RackstrapError for one that this service does not know."""
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
