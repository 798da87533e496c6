"""What agents tell, as events. Pure: the ledger as it is and what was sent → what has happened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from installer.model.codes import make_code
from installer.model.events import Event, Happened
from installer.model.ledger import Installed, Ledger, MachineEntry
from installer.render.grammar import parse_address, parse_ssh_key
from installer.serve.fields import Refused, read_count, read_flag, read_list, read_seconds, read_text, read_token

MOST_CLAIMS: Final = 16
_SOURCE: Final = re.compile(r"/dev/[A-Za-z0-9._/:=@+-]{1,200}")
_DISK_ID: Final = re.compile(r"[A-Za-z0-9._:=@+#,-]{0,400}")  # a mirror has two, with a comma between


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an enrolling agent says of itself, parsed. `recording` is its blob's SHA-256, `mac` may be ""."""

    recording: str
    key: str
    address: str
    mac: str
    boot_id: str


def make_enrolment(entry: MachineEntry | None, machine_id: str, said: Enrolment) -> list[Event]:
    """A believed enrolment: a discovery for each boot or key; later ones of the same boot at most tell of changed facts."""
    if entry is not None and entry.key == said.key and entry.boot_id == said.boot_id:
        return make_recorded(entry, said.recording)
    data = {**asdict(said), "code": make_code(said.key)}
    return [Event(Happened.MACHINE_DISCOVERED, machine_id, data)]


def make_recorded(entry: MachineEntry, recording: str) -> list[Event]:
    if entry.recording == recording:
        return []
    return [Event(Happened.MACHINE_REPORTED, entry.id, {"recording": recording})]


def make_claim(entry: MachineEntry, key: str, address: str, reason: str) -> list[Event]:
    """A refused claim, told once for each key."""
    if key in entry.claims or len(entry.claims) >= MOST_CLAIMS:
        return []
    data = {"key": key, "code": make_code(key), "address": address, "reason": reason}
    return [Event(Happened.CLAIM_REFUSED, entry.id, data)]


def make_result(entry: MachineEntry, raw: Mapping[str, Any]) -> list[Event]:
    """The end of the open order. A result of any other order was told before, and changes nothing."""
    order = read_token(raw, "order")
    is_ok, reason, phases = read_flag(raw, "ok"), read_text(raw, "reason", 500), read_seconds(raw, "phases")
    if entry.order is None or entry.order.get("order") != order:
        return []
    if not is_ok:
        return [Event(Happened.ORDER_FAILED, entry.id, {"order": order, "reason": reason or "the node gave no reason"})]
    done = Event(Happened.ORDER_DONE, entry.id, {"order": order})
    install = entry.order.get("install")
    if entry.order.get("kind") != "install" or not isinstance(install, Mapping):
        return [done]
    # The order's own epoch: the node may have been reset, or asked to be reinstalled, while it worked.
    return [Event(Happened.NODE_UNPACKED, entry.id, {"epoch": install["epoch"], "phases": phases}), done]


def make_installed(entry: MachineEntry, raw: Mapping[str, Any]) -> list[Event]:
    """The installed system speaks. Raises Refused (409) when this installation is not one that was ordered."""
    epoch = read_count(raw, "epoch", 1_000_000)
    if not entry.name or epoch != entry.epoch or entry.installing_epoch != epoch:
        raise Refused(409, f"installation {epoch} of this node is not the current one")
    data = {
        "epoch": epoch,
        "boot_id": read_token(raw, "boot_id"),
        "soft_reboots": read_count(raw, "soft_reboots", 1_000_000),
        "ssh_host_keys": read_host_keys(raw),
        "root": _read_match(raw, "root", _SOURCE),
        "disk": _read_match(raw, "disk", _DISK_ID),
        "address": _read_address(raw),
        "cold": read_flag(raw, "cold"),
    }
    if not entry.boot_expected and entry.installed is not None and _is_told(entry.installed, data):
        return []
    events = [Event(Happened.NODE_INSTALLED, entry.id, data)]
    if entry.order is not None and entry.order.get("kind") == "install":
        # Its result was lost on the way; that it runs from its disk says the same.
        unpacked = Event(Happened.NODE_UNPACKED, entry.id, {"epoch": epoch, "phases": {}})
        return [unpacked, Event(Happened.ORDER_DONE, entry.id, {"order": entry.order["order"]}), *events]
    return events


def read_host_keys(raw: Mapping[str, Any]) -> list[str]:
    """SSH host keys as `type base64`, without comments."""
    keys = []
    for line in read_list(raw, "ssh_host_keys", 8):
        try:
            keys.append(" ".join(parse_ssh_key(str(line).strip()).split(" ")[:2]))
        except ValueError as error:
            raise Refused(400, "an SSH host key is malformed") from error
    return keys


def render_known_hosts(ledger: Ledger, domain: str) -> str:
    """OpenSSH's known_hosts (sshd(8)): name, name with domain and address of every installed node, a line for each key."""
    lines = []
    for entry in sorted(ledger.machines.values(), key=lambda m: m.name):
        if entry.installed is None or not entry.name:
            continue
        hosts = ",".join(dict.fromkeys([entry.name, f"{entry.name}.{domain}", entry.installed.address]))
        lines += [f"{hosts} {key}\n" for key in entry.installed.ssh_host_keys]
    return "".join(lines)


def _is_told(installed: Installed, data: Mapping[str, Any]) -> bool:
    known = {name: getattr(installed, name) for name in data}
    known["ssh_host_keys"] = list(installed.ssh_host_keys)
    return known == {**data, "cold": installed.cold or data["cold"]}


def _read_match(raw: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = raw.get(name, "")
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Refused(400, f"{name} is malformed")
    return value


def _read_address(raw: Mapping[str, Any]) -> str:
    try:
        return parse_address(str(raw.get("address", "")).partition("/")[0])
    except ValueError as error:
        raise Refused(400, "address is malformed") from error
