"""How each kind of event changes the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from installer.model import fold_admin, fold_steps
from installer.model.events import Event, Happened
from installer.model.fold_restored import fold_restored
from installer.model.ledger import BmcEntry, Consent, Installed, Ledger, MachineEntry
from installer.model.orders import ChosenDisk
from installer.model.plan import StepKey


def add_event(ledger: Ledger, event: Event) -> None:
    """Fold one event in. Only a discovery creates a machine; events about unknown ones change nothing."""
    fold = FOLDS.get(event.kind)
    if fold is not None:
        fold(ledger, event)
    ledger.seq = max(ledger.seq, event.id)


def make_ledger(events: Iterable[Event]) -> Ledger:
    """The ledger that these events amount to."""
    ledger = Ledger()
    for event in events:
        add_event(ledger, event)
    return ledger


def _site_applied(ledger: Ledger, event: Event) -> None:
    ledger.site_sha256 = event.data["sha256"]


def _service_started(ledger: Ledger, event: Event) -> None:
    ledger.services[event.data["name"]] = event.data["digest"]


def _service_stopped(ledger: Ledger, event: Event) -> None:
    ledger.services.pop(event.data["name"], None)


def _bmc_imported(ledger: Ledger, event: Event) -> None:
    d = event.data
    ledger.bmcs[d["address"]] = BmcEntry(
        d["address"], d.get("serial", ""), d.get("user", ""), d.get("secret", ""), bool(d.get("uefi"))
    )


def _bmc_found(ledger: Ledger, event: Event) -> None:
    ledger.bmcs.setdefault(event.data["address"], BmcEntry(event.data["address"]))


def _discovered(ledger: Ledger, event: Event) -> None:
    d = event.data
    old = ledger.machines.get(event.host, MachineEntry(event.host))
    if not old.believes(d["key"]):  # another process admitted the machine between the look at the ledger and this
        _claim_refused(ledger, event)
        return
    ledger.machines[event.host] = replace(
        old,
        recording=d["recording"],
        code=d["code"],
        key=d["key"],
        seen_address=d.get("address", ""),
        boot_mac=d.get("mac", ""),
        boot_id=d.get("boot_id", ""),
        discovered_at=event.at,
        seen_at=event.at,
        boot_expected=False,
    )


def _reported(ledger: Ledger, event: Event) -> None:
    ledger.change(event.host, recording=event.data["recording"], seen_at=event.at)


def _claim_refused(ledger: Ledger, event: Event) -> None:
    entry = ledger.machines.get(event.host)
    if entry is not None and event.data["key"] not in entry.claims:
        ledger.change(event.host, claims=(*entry.claims, event.data["key"]))


def _claim_approved(ledger: Ledger, event: Event) -> None:
    ledger.change(event.host, key=event.data["key"], claims=(), boot_expected=True)


def _admitted(ledger: Ledger, event: Event) -> None:
    entry = ledger.machines.get(event.host)
    if entry is not None and event.data.get("key", entry.key) == entry.key:
        ledger.change(event.host, admitted=True)


def _deleted(ledger: Ledger, event: Event) -> None:
    entry = ledger.machines.pop(event.host, None)
    if entry is not None and entry.name:
        for key in [k for k in ledger.steps if k.host == entry.name]:
            del ledger.steps[key]


def _bound(ledger: Ledger, event: Event) -> None:
    ledger.change(event.host, name=event.data["name"], rule=event.data.get("rule", -1))


def _renamed(ledger: Ledger, event: Event) -> None:
    entry = ledger.machines.get(event.host)
    if entry is None:
        return
    for key in [k for k in ledger.steps if k.host == entry.name]:
        ledger.steps[StepKey(event.data["name"], key.name)] = ledger.steps.pop(key)
    ledger.change(event.host, name=event.data["name"])


def _address_given(ledger: Ledger, event: Event) -> None:
    entry = ledger.machines.get(event.host)
    if entry is not None:
        ledger.change(event.host, addresses={**entry.addresses, event.data["network"]: event.data["address"]})


def _group_set(ledger: Ledger, event: Event) -> None:
    ledger.change(event.host, group=event.data["group"])


def _roles_set(ledger: Ledger, event: Event) -> None:
    ledger.change(event.host, roles=tuple(event.data["roles"]))


def _consented(ledger: Ledger, event: Event) -> None:
    d = event.data
    entry = ledger.machines.get(event.host)
    if entry is None:
        return
    disks = tuple(ChosenDisk(**disk) for disk in d["disks"])
    consent = Consent(disks, int(d["epoch"]), str(d["how"]), own_mark=bool(d.get("own_mark")))
    state = "allocated" if entry.state == "discovered" else entry.state
    ledger.change(event.host, consent=consent, state=state)


def _install_started(ledger: Ledger, event: Event) -> None:
    entry = ledger.machines.get(event.host)
    if entry is None:
        return
    consent = replace(entry.consent, used=True) if entry.consent else None
    ledger.change(event.host, consent=consent, installing_epoch=int(event.data["epoch"]), state="installing", reason="")


def _unpacked(ledger: Ledger, event: Event) -> None:
    ledger.change(event.host, unpacked_epoch=int(event.data["epoch"]), phases=dict(event.data.get("phases") or {}))


def _installed(ledger: Ledger, event: Event) -> None:
    d = event.data
    entry = ledger.machines.get(event.host)
    if entry is None or int(d["epoch"]) != entry.epoch:  # the old system, while it is to be installed again
        ledger.change(event.host, seen_at=event.at)
        return
    first = entry.installed is None or entry.installed.epoch != int(d["epoch"])
    cold = bool(d.get("cold")) or (not first and entry.installed is not None and entry.installed.cold)
    installed = Installed(
        int(d["epoch"]), d["boot_id"], int(d["soft_reboots"]), tuple(d["ssh_host_keys"]), d["root"], d["disk"], d["address"], cold
    )
    state = "ready" if entry.state == "ready" else "installed"
    ledger.change(
        event.host,
        installed=installed,
        installed_at=event.at if first else entry.installed_at,
        state=state,
        reason="",
        seen_at=event.at,
        boot_expected=False,
    )


def _state(ledger: Ledger, event: Event) -> None:
    ledger.change(event.host, state=event.data["state"], reason=event.data.get("reason", ""))


def _left_out(ledger: Ledger, event: Event) -> None:
    ledger.change(event.host, left_out=True)


def _retried(ledger: Ledger, event: Event) -> None:
    entry = ledger.machines.get(event.host)
    if entry is None:
        return
    state = entry.state
    if state == "problem":
        state = "installed" if entry.installed else "allocated" if entry.consent else "discovered"
    ledger.change(event.host, left_out=False, retried_at=event.id, state=state, reason="")
    _clear_failures(ledger, entry.name)


def _reset(ledger: Ledger, event: Event) -> None:
    entry = ledger.machines.get(event.host)
    if entry is None:
        return
    ledger.change(
        event.host, state="discovered", reason="", consent=None, installed=None, epoch=entry.epoch + 1, phases={}, left_out=False
    )
    _clear_failures(ledger, entry.name)


def _reinstall(ledger: Ledger, event: Event) -> None:
    entry = ledger.machines.get(event.host)
    if entry is None:
        return
    epoch = int(event.data["epoch"])
    cleared: dict[str, Any] = {"installed": None, "consent": None, "state": "discovered", "reason": "", "phases": {}}
    disks = tuple(event.data.get("disks", ()))
    ledger.change(event.host, epoch=epoch, reinstall_epoch=epoch, reinstall_disks=disks, **cleared)
    _clear_failures(ledger, entry.name)


def _clear_failures(ledger: Ledger, host: str) -> None:
    for key, step in ledger.steps.items():
        if key.host == host and step.failed:
            ledger.steps[key] = replace(step, failed="", attempts=0)


def _power_set(ledger: Ledger, event: Event) -> None:
    bmc = ledger.bmcs.get(event.data["bmc"])
    if bmc is not None:
        ledger.bmcs[bmc.address] = replace(bmc, boot_expected=event.data["power"] != "off")
    ledger.change(event.host, boot_expected=event.data["power"] != "off")


def _told_only(ledger: Ledger, event: Event) -> None:
    """This machine's own network: nothing is planned from what became of it."""
    del ledger, event


FOLDS: Final[Mapping[Happened, Callable[[Ledger, Event], None]]] = {
    Happened.SITE_APPLIED: _site_applied,
    Happened.SERVICE_STARTED: _service_started,
    Happened.SERVICE_STOPPED: _service_stopped,
    Happened.NETWORK_SET: _told_only,
    Happened.NETWORK_CONFIRMED: _told_only,
    Happened.NETWORK_REVERTED: _told_only,
    Happened.ADMIN_CONSENTED: fold_admin.fold_consented,
    Happened.ADMIN_INSTALL_STARTED: fold_admin.fold_started,
    Happened.ADMIN_UNPACKED: fold_admin.fold_unpacked,
    Happened.ADMIN_INSTALLED: fold_admin.fold_installed,
    Happened.STATE_RESTORED: fold_restored,
    Happened.BMC_IMPORTED: _bmc_imported,
    Happened.BMC_FOUND: _bmc_found,
    Happened.MACHINE_DISCOVERED: _discovered,
    Happened.MACHINE_REPORTED: _reported,
    Happened.CLAIM_REFUSED: _claim_refused,
    Happened.CLAIM_APPROVED: _claim_approved,
    Happened.MACHINE_ADMITTED: _admitted,
    Happened.MACHINE_DELETED: _deleted,
    Happened.NODE_BOUND: _bound,
    Happened.NODE_RENAMED: _renamed,
    Happened.ADDRESS_GIVEN: _address_given,
    Happened.GROUP_SET: _group_set,
    Happened.ROLES_SET: _roles_set,
    Happened.CONSENT_GIVEN: _consented,
    Happened.INSTALL_STARTED: _install_started,
    Happened.NODE_UNPACKED: _unpacked,
    Happened.NODE_INSTALLED: _installed,
    Happened.NODE_STATE: _state,
    Happened.NODE_LEFT_OUT: _left_out,
    Happened.NODE_RETRIED: _retried,
    Happened.NODE_RESET: _reset,
    Happened.REINSTALL_ASKED: _reinstall,
    Happened.POWER_SET: _power_set,
    Happened.STEP_STARTED: fold_steps.fold_step_started,
    Happened.STEP_DONE: fold_steps.fold_step_done,
    Happened.STEP_FAILED: fold_steps.fold_step_failed,
    Happened.STEP_WAITED: fold_steps.fold_step_waited,
    Happened.ORDER_GIVEN: fold_steps.fold_order_given,
    Happened.ORDER_DONE: fold_steps.fold_order_done,
    Happened.ORDER_FAILED: fold_steps.fold_order_failed,
    Happened.ASKED: fold_steps.fold_asked,
    Happened.ANSWERED: fold_steps.fold_answered,
}
