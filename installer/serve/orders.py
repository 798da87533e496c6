"""Which order a machine has now. Orders come from the journal; a machine with none waits, and is told for what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from installer.model.ledger import MachineEntry
from installer.model.orders import InstallSpec, Order, parse_install
from installer.model.site import Site

WAIT: Final = "wait"


def make_order(entry: MachineEntry) -> Order:
    """The machine's open order, without secrets; else `wait` with what it waits for in words."""
    if entry.order is None:
        return _make_wait(_find_wait(entry))
    order = _parse_given(entry.order)
    if order is None:
        return _make_wait("waits: its order cannot be read by this release")
    if order.install is None:
        return (
            replace(order, shows=f"{entry.name or entry.code}: {order.kind}") if entry.admitted else _make_wait(_find_wait(entry))
        )
    refusal = find_refusal(entry, order.install)
    if refusal:
        return _make_wait(f"refused to install: {refusal}")
    return replace(order, shows=f"{entry.name}: installing")


def add_secrets(order: Order, site: Site) -> Order:
    """The order as it leaves for the node: an installation also carries the password hash, which is stored nowhere else."""
    if order.install is None or not site.access.password_hash:
        return order
    return replace(order, secrets={"password_hash": site.access.password_hash})


def find_refusal(entry: MachineEntry, install: InstallSpec) -> str:
    """Why this order must not reach the machine, "" when it may: the last look at admission and consent before it leaves."""
    consent = entry.consent
    if not entry.admitted:
        return "the machine is not admitted"
    if entry.left_out:
        return "the operator left it out"
    if entry.name != install.node or entry.epoch != install.epoch:
        return f"the order is for installation {install.epoch} of {install.node}"
    if consent is None or consent.epoch != install.epoch:
        return "nobody has consented to erase its disks"
    if not install.disks or not set(install.disks) <= set(consent.disks):
        return "the order names other disks than the consent"
    return ""


def _parse_given(data: Mapping[str, object]) -> Order | None:
    install = data.get("install")
    try:
        spec = parse_install(install) if isinstance(install, dict) else None
    except (KeyError, TypeError, ValueError):
        return None
    kind = data.get("kind")
    if kind == "install" and spec is not None:
        return Order(str(data["order"]), "install", install=spec, resumes=bool(data.get("resumes")))
    if kind in {"reboot", "poweroff", "identify", "probe"}:
        return Order(str(data["order"]), kind)
    return None


def _make_wait(shows: str) -> Order:
    return Order(WAIT, "wait", shows)


def _find_wait(entry: MachineEntry) -> str:
    name = entry.name or entry.code
    reason = entry.reason or entry.order_failed
    # The first that applies, from what stops everything to the usual course.
    waits = (
        (entry.left_out, f"{name}: left out by the operator"),
        (not entry.admitted, f"waits to be admitted: rackstrap node admit {entry.code}"),
        (not entry.name, "admitted; waits for a node in the site file that fits it"),
        (bool(reason), f"{name}: {entry.state}: {reason}"),
        (entry.installed is not None, f"{name} is {entry.state}"),
        (entry.unpacked_epoch == entry.epoch, f"{name}: hands over to the installed system"),
        (entry.consent is None, f"{name}: waits for leave to erase its disks: rackstrap node allocate {name} --erase"),
    )
    return next((text for applies, text in waits if applies), f"{name}: waits to be installed")
