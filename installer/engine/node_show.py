"""Nodes as an operator looks at them: a list, or one with its facts and steps."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from installer.engine.journal import Journal
from installer.engine.status import NodeStatus, make_status
from installer.model.facts import Disk
from installer.model.ledger import MachineEntry
from installer.plan.describe import describe_bytes, describe_holds


def find_statuses(journal: Journal) -> tuple[NodeStatus, ...]:
    return make_status(journal.ledger, journal.progress(), time.time()).nodes


def render_list(journal: Journal, *, is_json: bool) -> str:
    """A line for each node or machine; as JSON, an object a line."""
    nodes = find_statuses(journal)
    if is_json:
        return "".join(json.dumps(asdict(node)) + "\n" for node in nodes)
    machines = journal.machines()
    lines = []
    for node in nodes:
        facts = machines.get(node.machine)
        product = f"{facts.product or '?'} {facts.serial}".strip() if facts else "?"
        lines.append(f"{node.title:<16} {node.state:<12} {node.address:<16} {node.code:<10} {product}\n")
    return "".join(lines) or "no machine has been discovered yet\n"


def show_node(journal: Journal, entry: MachineEntry) -> dict[str, Any]:
    """Everything about one machine as JSON values: status, facts, steps, consent, installation."""
    status = next(node for node in find_statuses(journal) if node.machine == entry.id)
    machine = journal.machines().get(entry.id)
    steps = {str(key): asdict(step) for key, step in journal.ledger.steps.items() if key.host == entry.name and entry.name}
    return {
        "status": asdict(status),
        "admitted": entry.admitted,
        "addresses": dict(entry.addresses),
        "consent": asdict(entry.consent) if entry.consent else None,
        "installed": asdict(entry.installed) if entry.installed else None,
        "phases": dict(entry.phases),
        "facts": asdict(machine) if machine else None,
        "disks": [_show_disk(disk) for disk in machine.disks] if machine else [],
        "steps": steps,
    }


def _show_disk(disk: Disk) -> dict[str, Any]:
    return {"id": disk.id, "model": disk.model, "size": describe_bytes(disk.size_bytes), "holds": list(describe_holds(disk))}


def render_node(shown: Mapping[str, Any]) -> Iterator[str]:
    status = shown["status"]
    yield f"{status['name'] or status['code']}: {status['state']}" + (f", {status['reason']}" if status["reason"] else "")
    yield f"  machine    {status['machine']}  code {status['code']}  {'admitted' if shown['admitted'] else 'not admitted'}"
    if shown["facts"]:
        facts = shown["facts"]
        serial, firmware = facts["serial"] or "unknown", facts["firmware"]["mode"]
        yield f"  hardware   {facts['vendor']} {facts['product']}, serial {serial}, {firmware}"
        yield f"             {facts['cpu']['threads']} threads, {facts['memory_bytes'] / 2**30:.1f} GiB"
    for network, address in shown["addresses"].items():
        yield f"  address    {address} on {network}"
    for disk in shown["disks"]:
        what = ", ".join(disk["holds"]) or "nothing"
        holds = f"held {what} when it was discovered" if shown["installed"] else f"holds {what}"
        yield f"  disk       {disk['id']}: {disk['model'] or 'unknown model'}, {disk['size']}, {holds}"
    if shown["consent"]:
        ids = ", ".join(disk["id"] for disk in shown["consent"]["disks"])
        used = ", used up" if shown["consent"]["used"] else ""
        yield f"  consent    {ids} ({shown['consent']['how']}{used})"
    if shown["installed"]:
        its = shown["installed"]
        yield f"  installed  runs from {its['root']} on {its['disk']}, at {its['address']}"
    for key, step in shown["steps"].items():
        if step["failed"]:
            yield f"  step       {key} failed: {step['failed']}"
        elif step["waits_for"]:
            yield f"  step       {key} waits for {step['waits_for']}"
