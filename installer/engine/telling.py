"""Events in words: one line each, for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from installer.model.events import Event, Happened

Data = Mapping[str, Any]


def render_event(event: Event, names: Mapping[str, str]) -> str:
    """`node1: install done in 57.0 s`. `names`: machine id -> node's name."""
    phrase = PHRASES.get(event.kind)
    told = phrase(event.data) if phrase else event.kind.value.replace("_", " ")
    return f"{names.get(event.host) or event.host}: {told}"


def _begins(data: Data) -> str:
    return f"{data['name']} begins" + (f", attempt {data['attempt']}" if data["attempt"] > 1 else "")


def _state(data: Data) -> str:
    return f"{data['state']}: {data['reason']}" if data.get("reason") else str(data["state"])


def _power(data: Data) -> str:
    return f"power {data['power']}" + (f", next boot from {data['boot']}" if data.get("boot") else "")


def _consent(data: Data) -> str:
    return f"may be erased: {', '.join(disk['id'] for disk in data['disks'])} ({data['how']})"


def _discovered(data: Data) -> str:
    return f"discovered at {data.get('address', '')}, its console shows {data['code']}"


PHRASES: Final[Mapping[Happened, Callable[[Data], str]]] = {
    Happened.SITE_APPLIED: lambda d: f"applies the site {d['name']}",
    Happened.SERVICE_STARTED: lambda d: f"{d['name']} serves",
    Happened.SERVICE_STOPPED: lambda d: f"{d['name']} stopped: {d.get('reason', '')}",
    Happened.NETWORK_SET: lambda d: f"its address is {d['address']} on {d['link']}, to be confirmed within {d['within']:.0f} s",
    Happened.NETWORK_CONFIRMED: lambda d: f"its network is kept: {d['what']}",
    Happened.NETWORK_REVERTED: lambda d: f"its network went back from {d['what']}: {d['reason']}",
    Happened.ADMIN_CONSENTED: _consent,
    Happened.ADMIN_INSTALL_STARTED: lambda d: f"its own installation {d['epoch']} begins",
    Happened.ADMIN_UNPACKED: lambda _: "installed on its own disk, hands over",
    Happened.ADMIN_INSTALLED: lambda d: f"runs from its own disk at {d['address']}",
    Happened.STATE_RESTORED: lambda d: f"restored as of {d['made_at']}; what was allowed before is withdrawn",
    Happened.BMC_IMPORTED: lambda d: f"credentials imported for {d.get('serial') or d['address']}",
    Happened.MACHINE_DISCOVERED: _discovered,
    Happened.CLAIM_REFUSED: lambda d: f"someone with code {d.get('code', '')} claims to be it: {d.get('reason', '')}",
    Happened.MACHINE_ADMITTED: lambda _: "admitted",
    Happened.NODE_BOUND: lambda d: f"is {d['name']}",
    Happened.NODE_RENAMED: lambda d: f"is now {d['name']}",
    Happened.ADDRESS_GIVEN: lambda d: f"has {d['address']} on {d['network']}",
    Happened.CONSENT_GIVEN: _consent,
    Happened.INSTALL_STARTED: lambda d: f"installation {d['epoch']} begins",
    Happened.NODE_UNPACKED: lambda _: "installed on its disk, hands over",
    Happened.NODE_INSTALLED: lambda d: f"runs from {d['root']} at {d['address']}",
    Happened.NODE_STATE: _state,
    Happened.REINSTALL_ASKED: lambda d: f"to be installed anew, as installation {d['epoch']}",
    Happened.POWER_SET: _power,
    Happened.STEP_STARTED: _begins,
    Happened.STEP_DONE: lambda d: f"{d['name']} done in {d.get('seconds', 0):.1f} s",
    Happened.STEP_FAILED: lambda d: f"{d['name']} failed: {d['reason']}",
    Happened.STEP_WAITED: lambda d: f"{d['name']} waits for {d['for']}",
    Happened.ORDER_GIVEN: lambda d: f"ordered to {d['kind']}" + (", resuming" if d.get("resumes") else ""),
    Happened.ORDER_FAILED: lambda d: f"its order failed: {d['reason']}",
    Happened.ASKED: lambda d: f"asked: {d.get('verb', '')} {d.get('power', '')}".rstrip(),
    Happened.ANSWERED: lambda d: f"answered: {d.get('message', '')}",
}
