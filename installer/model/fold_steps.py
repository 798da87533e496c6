"""How events about steps, orders and requests change the ledger."""

from __future__ import annotations

from dataclasses import replace

from installer.model.events import Event
from installer.model.ledger import Ledger, MachineEntry, StepEntry
from installer.model.plan import StepKey


def fold_step_started(ledger: Ledger, event: Event) -> None:
    key = StepKey(event.host, event.data["name"])
    old = ledger.steps.get(key, StepEntry())
    ledger.steps[key] = replace(old, id=event.data["id"], attempts=int(event.data["attempt"]), started_at=event.at, waits_for="")


def fold_step_done(ledger: Ledger, event: Event) -> None:
    key = StepKey(event.host, event.data["name"])
    old = ledger.steps.get(key, StepEntry())
    ledger.steps[key] = replace(
        old,
        id=event.data["id"],
        done_id=event.data["id"],
        done_seq=event.id,
        failed="",
        waits_for="",
        attempts=0,
        seconds=float(event.data.get("seconds", 0)),
    )


def fold_step_failed(ledger: Ledger, event: Event) -> None:
    key = StepKey(event.host, event.data["name"])
    old = ledger.steps.get(key, StepEntry())
    attempts = int(event.data["attempt"])
    ledger.steps[key] = replace(
        old, id=event.data["id"], failed=event.data["reason"], failed_seq=event.id, attempts=attempts, waits_for=""
    )


def fold_step_waited(ledger: Ledger, event: Event) -> None:
    key = StepKey(event.host, event.data["name"])
    ledger.steps[key] = replace(ledger.steps.get(key, StepEntry()), waits_for=event.data["for"])


def fold_order_given(ledger: Ledger, event: Event) -> None:
    ledger.change(event.host, order=dict(event.data), order_failed="")


def fold_order_done(ledger: Ledger, event: Event) -> None:
    entry = ledger.machines.get(event.host)
    if entry is not None:
        order = None if _is_open(entry, event) else entry.order
        ledger.change(event.host, order=order, orders_done=(*entry.orders_done, event.data["order"]))


def fold_order_failed(ledger: Ledger, event: Event) -> None:
    """The end of an order that another has replaced says nothing about the new one."""
    entry = ledger.machines.get(event.host)
    if entry is not None and _is_open(entry, event):
        ledger.change(event.host, order=None, order_failed=event.data["reason"])


def _is_open(entry: MachineEntry, event: Event) -> bool:
    return entry.order is not None and entry.order.get("order") == event.data["order"]


def fold_asked(ledger: Ledger, event: Event) -> None:
    ledger.asked[event.data["request"]] = {**event.data, "host": event.host, "at": event.at}


def fold_answered(ledger: Ledger, event: Event) -> None:
    ledger.asked.pop(event.data["request"], None)
