"""What a restored backup means for the ledger: time has passed that it knows nothing of, so nothing that was allowed holds."""

from __future__ import annotations

from dataclasses import replace

from installer.model.events import Event
from installer.model.ledger import Ledger, MachineEntry

REASON = "a backup was restored in which its installation was not over: look at it, then reset it or leave it out"


def fold_restored(ledger: Ledger, event: Event) -> None:
    """Withdraw every consent, order and request.

    A machine whose installation had begun or was asked for may have been installed since, and be in use: going on with it
    would erase it by its own mark. It sits out until a person resets it, and then needs a consent of its own.
    """
    del event
    for key, entry in list(ledger.machines.items()):
        if is_under_way(entry):
            ledger.change(key, consent=None, order=None, epoch=entry.epoch + 1, left_out=True, state="problem", reason=REASON)
        else:
            ledger.change(key, consent=entry.consent if is_laid(entry) else None, order=None)
    ledger.asked.clear()
    ledger.admin = replace(ledger.admin, consent=None)


def is_under_way(entry: MachineEntry) -> bool:
    """Whether an installation of the present epoch is begun or asked for, and not laid on the disk yet."""
    return not is_laid(entry) and (entry.installing_epoch >= entry.epoch or entry.reinstall_epoch >= entry.epoch)


def is_laid(entry: MachineEntry) -> bool:
    """Whether the installation of the present epoch is on the disk: it is never written again, its consent is used up."""
    return entry.unpacked_epoch >= entry.epoch or (entry.installed is not None and entry.installed.epoch >= entry.epoch)
