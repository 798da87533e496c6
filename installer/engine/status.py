"""What an operator sees of a site: its nodes, what runs and what waits. Pure, from the ledger and the progress rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from installer.engine.store import Progress
from installer.model.events import Event
from installer.model.ledger import AdminEntry, Ledger, MachineEntry

WORK = frozenset({"installing", "hardware-installing", "readying"})


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One machine. `name` is "" until it is a node; `age_s` is how long ago it was heard of last."""

    name: str
    machine: str
    code: str
    state: str
    reason: str
    address: str
    epoch: int
    group: str
    roles: tuple[str, ...]
    stage: str
    percent: int
    text: str
    waits_for: tuple[str, ...]
    age_s: float
    claims: int

    @property
    def title(self) -> str:
        return self.name or self.code or self.machine


@dataclass(frozen=True, slots=True)
class AdminStatus:
    """The admin node's own installation. `state`: "" where none was begun, installing, installed."""

    state: str = ""
    stage: str = ""
    percent: int = 0
    text: str = ""
    disks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SiteStatus:
    """Everything at one moment. `waits`: step -> what it waits for, for steps that are no node's."""

    nodes: tuple[NodeStatus, ...]
    waits: Mapping[str, str]
    failed: Mapping[str, str]
    services: tuple[str, ...]
    events: int
    admin: AdminStatus = AdminStatus()


def make_status(ledger: Ledger, progress: Mapping[str, Progress], now: float) -> SiteStatus:
    """The status at `now` (seconds since 1970): nodes by name, then unnamed machines."""
    entries = sorted(ledger.machines.values(), key=lambda e: (not e.name, e.name, e.id))
    waits: dict[str, list[str]] = {}
    for key, step in ledger.steps.items():
        if step.waits_for:
            waits.setdefault(key.host, []).append(f"{key.name}: {step.waits_for}")
    names = {entry.name for entry in entries if entry.name}
    others = {host: "; ".join(texts) for host, texts in sorted(waits.items()) if host not in names}
    failed = {str(key): step.failed for key, step in ledger.steps.items() if step.failed}
    nodes = tuple(_make_node(entry, progress.get(entry.id), waits.get(entry.name, ()), now) for entry in entries)
    own = make_admin_status(ledger.admin, progress.get("admin"))
    return SiteStatus(nodes, others, failed, tuple(sorted(ledger.services)), ledger.seq, own)


def make_admin_status(admin: AdminEntry, row: Progress | None) -> AdminStatus:
    """How the admin node's own installation stands; its progress counts only while it is under way."""
    if admin.has_begun:
        disks = tuple(disk.id for disk in admin.consent.disks) if admin.consent is not None else ()
        return AdminStatus("installing", row.stage if row else "", row.percent if row else 0, row.text if row else "", disks)
    return AdminStatus("installed", disks=admin.installed.disks) if admin.installed is not None else AdminStatus()


def _make_node(entry: MachineEntry, row: Progress | None, waits: Iterable[str], now: float) -> NodeStatus:
    shown = row if row is not None and entry.state in WORK else None
    heard = max(entry.seen_at, row.at if row is not None else 0.0)
    address = entry.addresses.get("admin", "") or entry.seen_address
    return NodeStatus(
        name=entry.name,
        machine=entry.id,
        code=entry.code,
        state="left out" if entry.left_out else entry.state,
        reason=entry.reason,
        address=address.partition("/")[0],
        epoch=entry.epoch,
        group=entry.group or "",
        roles=entry.roles or (),
        stage=shown.stage if shown else "",
        percent=shown.percent if shown else 0,
        text=shown.text if shown else "",
        waits_for=tuple(waits),
        age_s=round(max(0.0, now - heard), 1),
        claims=len(entry.claims),
    )


def dump_status(status: SiteStatus) -> dict[str, Any]:
    """The status as JSON values."""
    return asdict(status)


def dump_event(event: Event) -> dict[str, Any]:
    """An event as JSON values."""
    return {
        "id": event.id,
        "at": event.at,
        "who": event.who,
        "kind": event.kind.value,
        "host": event.host,
        "data": dict(event.data),
    }


def render_status(status: SiteStatus) -> Iterator[str]:
    """Lines of at most the width that its texts need: one a node, reasons and waits below it."""
    own = status.admin
    if own.state == "installing":
        yield f"{'admin':<14} {f'{own.state} {own.stage} {own.percent} %'.strip():<26} {own.text}".rstrip()
    if not status.nodes:
        yield "no machine has been discovered yet"
    for node in status.nodes:
        work = f" {node.stage} {node.percent} %" if node.stage else ""
        yield f"{node.title:<14} {node.state + work:<26} {node.address:<15} heard of {render_age(node.age_s)} ago"
        if node.reason:
            yield f"    {node.reason}"
        for wait in node.waits_for:
            yield f"    waits for {_after_colon(wait)}"
        if node.claims:
            yield f"    someone claims to be this machine; `rackstrap node admit {node.title}` believes it"
    for host, wait in status.waits.items():
        yield f"{host}: waits for {_after_colon(wait)}"
    for step, reason in status.failed.items():
        yield f"{step} failed: {reason}"


def _after_colon(wait: str) -> str:
    return wait.partition(": ")[2]


def render_age(age_s: float) -> str:
    """43 s, 12 min, 5 h, 3 d."""
    for unit, size_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if age_s >= size_s:
            return f"{age_s / size_s:.0f} {unit}"
    return f"{age_s:.0f} s"
