"""Whether a machine that enrols is believed to be who its facts say it is."""

from __future__ import annotations

from installer.model.ledger import Ledger, MachineEntry

MOST_STRANGERS = 4096  # machines that nobody has admitted: what a flood of false ones can cost is bounded


def find_doubt(ledger: Ledger, entry: MachineEntry | None, key: str) -> str:
    """Why this key is not taken for that machine; "" when it is."""
    owner = next((m for m in ledger.machines.values() if m.key == key), None)
    if owner is not None and owner is not entry:
        return "this key belongs to another machine"
    if entry is None:
        strangers = sum(1 for m in ledger.machines.values() if not m.admitted)
        return "too many unknown machines wait to be admitted" if strangers >= MOST_STRANGERS else ""
    if entry.believes(key):
        return ""
    name = entry.name or entry.code
    return f"someone claims to be {name}; if it is the same machine: rackstrap node admit {name}"
