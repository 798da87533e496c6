"""Boot scripts over plain HTTP: which machine is asking, and whether it boots discovery or its own disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import PlainTextResponse

from installer.model.facts import Machine
from installer.model.ledger import Ledger, MachineEntry
from installer.probe.identity import find_serial, find_uuid
from installer.render.boot import (
    render_grub_discover,
    render_grub_disk,
    render_grub_unknown,
    render_ipxe_ask,
    render_ipxe_discover,
    render_ipxe_disk,
)
from installer.render.grammar import parse_mac
from installer.serve.desk import Desk


def find_booting(
    ledger: Ledger, machines: Mapping[str, Machine], mac: str, uuid: str = "", serial: str = ""
) -> MachineEntry | None:
    """The machine with this NIC; else, after its NIC was swapped, the only one with this UUID and serial. None when in doubt."""
    by_mac = [
        entry
        for entry in ledger.machines.values()
        if mac == entry.boot_mac or (entry.id in machines and mac in machines[entry.id].macs)
    ]
    if by_mac:
        return by_mac[0] if len(by_mac) == 1 else None
    uuid, serial = find_uuid(uuid), find_serial(serial)
    if not uuid or not serial:
        return None
    by_board = [name for name, m in machines.items() if find_uuid(m.uuid) == uuid and find_serial(m.serial) == serial]
    return ledger.machines.get(by_board[0]) if len(by_board) == 1 else None


def boots_from_disk(entry: MachineEntry | None) -> bool:
    """Whether its disk holds this epoch's finished system, and no installation is under way."""
    if entry is None or not entry.name:
        return False
    if entry.order is not None and entry.order.get("kind") == "install":
        return False
    is_installed = entry.installed is not None and entry.installed.epoch == entry.epoch
    return is_installed or entry.unpacked_epoch == entry.epoch


def make_boot_routes(desk: Desk) -> dict[str, Callable[[Request], Awaitable[PlainTextResponse]]]:
    """Path → endpoint."""

    async def answer_ipxe(request: Request) -> PlainTextResponse:
        words = request.query_params
        try:
            mac = parse_mac(words.get("mac", "").replace("-", ":"))
        except ValueError:
            return _answer(render_ipxe_ask(desk.site))
        entry = find_booting(desk.ledger, desk.journal.machines(), mac, words.get("uuid", "")[:64], words.get("serial", "")[:128])
        if entry is not None and boots_from_disk(entry):
            return _answer(render_ipxe_disk(entry.name))
        return _answer(render_ipxe_discover(desk.site, desk.place, mac))

    async def answer_grub(request: Request) -> PlainTextResponse:
        try:
            mac = parse_mac(request.path_params.get("mac", ""))
        except ValueError:
            return _answer(render_grub_unknown())  # GRUB runs whatever comes, also an error page
        entry = find_booting(desk.ledger, desk.journal.machines(), mac)
        if entry is not None and boots_from_disk(entry):
            return _answer(render_grub_disk(entry.name))
        return _answer(render_grub_discover(desk.site, desk.place, mac))

    return {"/boot/ipxe": answer_ipxe, "/boot/grub/{mac:path}": answer_grub}


def _answer(script: str) -> PlainTextResponse:
    return PlainTextResponse(script, headers={"Cache-Control": "no-store"})
