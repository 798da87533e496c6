"""How events about the admin node's own installation change the ledger. They make no machine entry."""

from __future__ import annotations

from dataclasses import replace

from installer.model.events import Event
from installer.model.ledger import AdminInstalled, Consent, Ledger
from installer.model.orders import ChosenDisk


def fold_consented(ledger: Ledger, event: Event) -> None:
    """A consent begins its epoch. One for an epoch in which disks were written already says nothing: it was used up."""
    d = event.data
    epoch = int(d["epoch"])
    if epoch < ledger.admin.epoch or epoch <= ledger.admin.installing_epoch:
        return
    disks = tuple(ChosenDisk(**disk) for disk in d["disks"])
    consent = Consent(disks, epoch, str(d["how"]), own_mark=bool(d.get("own_mark")))
    machine = d.get("machine") or {}
    who = (str(machine.get("uuid", "")), str(machine.get("serial", "")))
    ledger.admin = replace(ledger.admin, epoch=epoch, consent=consent, machine=who)


def fold_started(ledger: Ledger, event: Event) -> None:
    admin = ledger.admin
    consent = replace(admin.consent, used=True) if admin.consent is not None else None
    ledger.admin = replace(admin, consent=consent, installing_epoch=int(event.data["epoch"]))


def fold_unpacked(ledger: Ledger, event: Event) -> None:
    phases = dict(event.data.get("phases") or {})
    ledger.admin = replace(ledger.admin, unpacked_epoch=int(event.data["epoch"]), phases=phases)


def fold_installed(ledger: Ledger, event: Event) -> None:
    d = event.data
    found = AdminInstalled(int(d["epoch"]), str(d["boot_id"]), tuple(d["disks"]), str(d["address"]))
    is_first = ledger.admin.installed is None or ledger.admin.installed.epoch != found.epoch
    ledger.admin = replace(ledger.admin, installed=found, installed_at=event.at if is_first else ledger.admin.installed_at)
