"""What a plan gives for good: names, addresses, admission and consent, as events for the journal."""

from __future__ import annotations

from collections.abc import Mapping

from installer.model.events import Event, Happened
from installer.model.facts import Machine
from installer.model.ledger import Ledger
from installer.model.plan import Plan
from installer.model.site import Site
from installer.plan.addresses import make_gift_pairs
from installer.plan.decide import is_admitted_by_file


def make_gifts(plan: Plan, site: Site, machines: Mapping[str, Machine], ledger: Ledger) -> tuple[Event, ...]:
    """NODE_BOUND, ADDRESS_GIVEN, MACHINE_ADMITTED and CONSENT_GIVEN for what the plan decided and the ledger lacks.

    Only machines that the ledger knows are given anything. Addresses are without their prefix length. Journal them all
    before the plan's steps run; a plan made after that gives nothing more.
    """
    events: list[Event] = []
    for node in plan.nodes:
        entry = ledger.machines.get(node.machine)
        if entry is None or node.machine not in machines or node.rule < 0:
            continue
        if entry.name != node.name or entry.rule != node.rule:
            events.append(Event(Happened.NODE_BOUND, entry.id, {"name": node.name, "rule": node.rule}))
        for network, address in make_gift_pairs(node.addresses, entry):
            events.append(Event(Happened.ADDRESS_GIVEN, entry.id, {"network": network, "address": address}))
        if not entry.admitted and is_admitted_by_file(site, site.nodes[node.rule]):
            events.append(Event(Happened.MACHINE_ADMITTED, entry.id))
        consent = plan.consents.get(entry.id)
        if consent is not None:
            events.append(Event(Happened.CONSENT_GIVEN, entry.id, consent))
    return tuple(events)
