"""What a rack's journal holds at a moment, for the views of the wizard's tests: machines discovered, named, half-way deployed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from installer.engine.store import Progress
from installer.model.codes import make_code
from installer.model.events import Event, Happened
from installer.model.facts import Machine
from installer.model.folds import make_ledger
from installer.model.ledger import Ledger
from installer.model.plan import AdminPlace, Image, Plan, StepKey
from installer.model.site import Site
from installer.plan.consent import make_consent
from installer.plan.gifts import make_gifts
from installer.plan.plan import make_plan
from installer.plan.roles import load_roles

ROLES: Final = load_roles()[0]
NOW: Final = 1_700_000_000.0
IMAGE: Final = Image("1.0", "6.12.1-amd64", {"root.squashfs": "a" * 64, "rackstrap.squashfs": "b" * 64}, {}, 700 * 10**6)
PLACE: Final = AdminPlace("/var/lib/rackstrap", "/srv/image", "enp0s6", "c" * 64, IMAGE)


def make_discoveries(machines: Iterable[str], at: float = NOW - 600) -> tuple[Event, ...]:
    """Each machine was discovered, a second after the other, in the order of its id."""
    events = []
    for number, host in enumerate(sorted(machines)):
        key = f"{number:04x}" * 16
        address = f"192.168.124.{21 + number % 60}"
        data = {"recording": "r" * 64, "code": make_code(key), "key": key, "address": address, "mac": "", "boot_id": f"b{number}"}
        events.append(Event(Happened.MACHINE_DISCOVERED, host, data, "root@serve", at + number))
    return number_events(events)


def number_events(events: Iterable[Event], first: int = 1) -> tuple[Event, ...]:
    """The events with ids that grow from `first`, as the store gives them."""
    return tuple(replace(event, id=number) for number, event in enumerate(events, first))


def make_named(site: Site, machines: Mapping[str, Machine], events: Sequence[Event]) -> tuple[Event, ...]:
    """The events, followed by the names and addresses that the plan gives to these machines."""
    ledger = make_ledger(events)
    gifts = make_gifts(make_plan(site, machines, ledger, ROLES, PLACE), site, machines, ledger)
    return number_events((*events, *(replace(gift, at=NOW - 400, who="root@apply") for gift in gifts)))


def make_deployment(site: Site, machines: Mapping[str, Machine], named: Sequence[Event]) -> tuple[Event, ...]:
    """Half-way through: of the nodes in the plan, in turns of four, one is ready, one installs, one waits, one has a problem."""
    ledger = make_ledger(named)
    plan = make_plan(site, machines, ledger, ROLES, PLACE)
    events: list[Event] = []
    for number, node in enumerate(node for node in plan.nodes if node.machine):
        consent = make_consent(machines[node.machine], [disk.id for disk in node.disks], 1, "the review screen")
        events.append(Event(Happened.MACHINE_ADMITTED, node.machine, {}, "operator@tui", NOW - 300))
        events.append(Event(Happened.CONSENT_GIVEN, node.machine, consent, "operator@tui", NOW - 300))
        if number % 4 != 2:
            events.append(Event(Happened.INSTALL_STARTED, node.machine, {"epoch": 1}, "root@apply", NOW - 242))
            events.append(_make_start(plan, node.name, "install"))
        events += _make_fate(plan, node.name, node.machine, number % 4)
    return number_events((*named, *events))


def _make_start(plan: Plan, node: str, name: str) -> Event:
    step = next((s for s in plan.steps if s.key == StepKey(node, name)), None)
    return Event(
        Happened.STEP_STARTED, node, {"name": name, "id": step.id if step else "", "attempt": 1}, "root@apply", NOW - 242
    )


def _make_fate(plan: Plan, node: str, machine: str, turn: int) -> list[Event]:
    step_id = _make_start(plan, node, "install").data["id"]
    if turn == 0:
        installed = {
            "epoch": 1,
            "boot_id": "i1",
            "soft_reboots": 1,
            "ssh_host_keys": [],
            "root": "/dev/vda3",
            "disk": "",
            "address": "",
        }
        return [
            Event(Happened.NODE_INSTALLED, machine, installed, "root@serve", NOW - 60),
            Event(Happened.STEP_DONE, node, {"name": "install", "id": step_id, "seconds": 182.0}, "root@apply", NOW - 60),
            Event(Happened.NODE_STATE, machine, {"state": "ready", "reason": ""}, "root@apply", NOW - 50),
        ]
    if turn == 2:
        wait = {"name": "install", "for": f"the BMC of {node}: try 3 of 5, next in 20 s"}
        return [Event(Happened.STEP_WAITED, node, wait, "root@apply", NOW - 20)]
    if turn == 3:
        reason = "no DHCP request within 10 min of power-on: is its port in VLAN 100?"
        failed = {"name": "install", "id": step_id, "attempt": 3, "reason": reason}
        return [
            Event(Happened.STEP_FAILED, node, failed, "root@apply", NOW - 30),
            Event(Happened.NODE_STATE, machine, {"state": "problem", "reason": reason}, "root@apply", NOW - 30),
        ]
    return []


def make_progress(ledger: Ledger, percent: int = 61) -> dict[str, Progress]:
    """Every machine that is being installed is unpacking, so far."""
    work = [entry.id for entry in ledger.machines.values() if entry.state == "installing"]
    return {host: Progress(host, "unpacking", percent, "root.squashfs", NOW - 1) for host in work}
