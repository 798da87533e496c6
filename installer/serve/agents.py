"""What agents ask over mutual TLS: enrol, report, take orders. A key reads and reports its own machine only."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from installer.model.events import Event
from installer.model.facts import Machine
from installer.model.ledger import MachineEntry
from installer.model.orders import Stage, dump_order, make_seen
from installer.probe.identity import find_machine, make_machine_id
from installer.probe.parse import parse_recording
from installer.render.grammar import parse_address, parse_mac
from installer.serve.desk import Desk
from installer.serve.fields import Refused, read_count, read_object, read_text, read_token
from installer.serve.orders import add_secrets, make_order
from installer.serve.reports import Enrolment, make_claim, make_enrolment, make_installed, make_recorded, make_result
from installer.serve.trust import find_doubt

LONGEST_WAIT_S: Final = 60
SMALL_BYTES: Final = 64 * 1024


class Agents:
    """The endpoints under /agent."""

    def __init__(self, desk: Desk) -> None:
        self.desk: Final = desk

    async def enrol(self, request: Request) -> Response:
        desk, key = self.desk, self.desk.find_key(request)
        raw = await read_object(request)
        content, machine = await asyncio.to_thread(parse_sent_recording, raw.get("recording"))
        mac, boot_id, address = read_mac(raw), read_token(raw, "boot_id"), read_source(request)
        async with desk.deciding:
            desk.look()
            machine_id = find_machine(machine, desk.journal.machines()) or make_machine_id(machine)
            entry = desk.ledger.machines.get(machine_id)
            doubt = find_doubt(desk.ledger, entry, key)
            if doubt:
                await self._append(make_claim(entry, key, address, doubt) if entry else [])
                raise Refused(409, doubt)
            recording = await asyncio.to_thread(desk.journal.store.put_blob, content)
            await self._append(make_enrolment(entry, machine_id, Enrolment(recording, key, address, mac, boot_id)))
            known = desk.ledger.machines[machine_id]
        told = {"machine": known.id, "code": known.code, "state": known.state, "name": known.name, "time": time.time()}
        return JSONResponse(told)

    async def report(self, request: Request) -> Response:
        desk, entry = self.desk, self.desk.find_agent(request)
        content, machine = await asyncio.to_thread(parse_sent_recording, (await read_object(request)).get("recording"))
        if find_machine(machine, desk.journal.machines()) not in {None, entry.id}:
            raise Refused(409, "these are another machine's facts")
        recording = await asyncio.to_thread(desk.journal.store.put_blob, content)
        return await self._tell(request, lambda entry: make_recorded(entry, recording))

    async def order(self, request: Request) -> Response:
        """Long poll: answers once the order, or what is waited for, is other than `seen`, or after `wait` seconds."""
        desk, machine_id, key = self.desk, self.desk.find_agent(request).id, self.desk.find_key(request)
        seen = request.query_params.get("seen", "")
        ends_at = time.monotonic() + read_wait(request)
        while True:
            entry = desk.ledger.machines.get(machine_id)
            if entry is None or entry.key != key:
                raise Refused(404, "this key is no longer known; enrol")
            order = make_order(entry)
            left_s = ends_at - time.monotonic()
            if make_seen(order) != seen or left_s <= 0 or not await desk.wait_change(left_s):
                return Response(dump_order(add_secrets(order, desk.site)), media_type="application/json")

    async def progress(self, request: Request) -> Response:
        entry = self.desk.find_agent(request)
        raw = await read_object(request, SMALL_BYTES)
        stage, percent, text = read_token(raw, "stage"), read_count(raw, "percent", 100), read_text(raw, "text")
        if stage not in get_args(Stage):
            raise Refused(400, "stage is unknown")
        if entry.order is not None and entry.order.get("order") == read_token(raw, "order"):
            self.desk.journal.store.set_progress(entry.id, stage, percent, text)
        return Response(status_code=204)

    async def result(self, request: Request) -> Response:
        self.desk.find_agent(request)
        raw = await read_object(request, SMALL_BYTES)
        return await self._tell(request, lambda entry: make_result(entry, raw))

    async def installed(self, request: Request) -> Response:
        self.desk.find_agent(request)
        raw = await read_object(request, SMALL_BYTES)
        return await self._tell(request, lambda entry: make_installed(entry, raw))

    async def _tell(self, request: Request, make_events: Callable[[MachineEntry], list[Event]]) -> Response:
        """Append what the report amounts to, seen from the ledger as it is now."""
        async with self.desk.deciding:
            self.desk.look()
            await self._append(make_events(self.desk.find_agent(request)))
        return Response(status_code=204)

    async def _append(self, events: list[Event]) -> None:
        if events:
            await self.desk.append(*events)


def parse_sent_recording(raw: Any) -> tuple[bytes, Machine]:
    """The recording as it is kept, and what it says. Raises Refused (400)."""
    if not isinstance(raw, dict):
        raise Refused(400, "recording is not an object")
    try:
        machine = parse_recording(raw)
    except ValueError as error:
        raise Refused(400, f"the recording cannot be read: {str(error)[:200]}") from error
    return json.dumps(raw, sort_keys=True, separators=(",", ":")).encode(), machine


def read_mac(raw: Mapping[str, Any]) -> str:
    """The MAC that it booted from, "" when it does not know."""
    mac = read_token(raw, "mac")
    try:
        return parse_mac(mac) if mac else ""
    except ValueError as error:
        raise Refused(400, "mac is malformed") from error


def read_source(request: Request) -> str:
    """Where the request came from, as nginx saw it."""
    try:
        return parse_address(request.headers.get("x-client-address", ""))
    except ValueError:
        return ""


def read_wait(request: Request) -> float:
    wait = request.query_params.get("wait", "0")
    return min(int(wait), LONGEST_WAIT_S) if wait.isdecimal() and len(wait) < 6 else 0
