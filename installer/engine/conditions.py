"""What a step waits for, as questions to the ledger: pure, asked again whenever something has happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from installer.model.facts import Machine
from installer.model.ledger import Ledger, MachineEntry
from installer.model.plan import WaitFor


@dataclass(frozen=True)
class Known:
    """The ledger and the machines at one moment, with the indexes that make 10,000 questions cheap."""

    ledger: Ledger
    machines: Mapping[str, Machine]

    @cached_property
    def nodes(self) -> dict[str, MachineEntry]:
        """Machines by the node's name that they were given."""
        return {entry.name: entry for entry in self.ledger.machines.values() if entry.name}

    @cached_property
    def bmc_of(self) -> dict[str, str]:
        """Machine id -> address of its BMC; `manual:NAME` where a person presses its button."""
        from installer.plan.match import find_bmcs

        return find_bmcs(self.machines, self.ledger)

    @cached_property
    def behind(self) -> dict[str, str]:
        """BMC address -> id of the machine behind it."""
        by_hand = {f"manual:{name}": entry.id for name, entry in self.nodes.items()}
        return by_hand | {address: machine for machine, address in self.bmc_of.items()}

    @cached_property
    def rule_counts(self) -> dict[int, int]:
        """Rule (index into site.nodes) -> how many machines are bound to it."""
        counts: dict[int, int] = {}
        for entry in self.ledger.machines.values():
            if entry.name:
                counts[entry.rule] = counts.get(entry.rule, 0) + 1
        return counts


def is_met(wait: WaitFor, known: Known) -> bool:
    """Whether the ledger shows what is waited for."""
    match wait.fact:
        case "service":
            return known.ledger.services.get(wait.subject) == wait.value
        case "matched":
            return known.rule_counts.get(int(wait.subject), 0) >= int(wait.value or 1)
        case "discovered":
            entry = known.ledger.machines.get(known.behind.get(wait.subject, "")) or known.nodes.get(wait.subject)
            return entry is not None and is_discovered(entry)
        case "admitted" | "allocated" | "installed" | "ready":
            entry = known.nodes.get(wait.subject)
            return entry is not None and _is_node_so(wait.fact, entry)


def is_discovered(entry: MachineEntry) -> bool:
    """Whether the machine is in the discovery system now, or is past it.

    One that was just powered on is not there yet; nor is one whose installed system reported since its last discovery,
    when that installation is to be replaced.
    """
    if entry.installed is not None and entry.installed.epoch == entry.epoch:
        return True
    return not entry.boot_expected and entry.discovered_at > entry.installed_at


def is_unpacked(entry: MachineEntry, epoch: int) -> bool:
    """Whether the installation of this epoch has been laid on the disk: from then on it is never written again."""
    return entry.unpacked_epoch >= epoch or (entry.installed is not None and entry.installed.epoch >= epoch)


def _is_node_so(fact: str, entry: MachineEntry) -> bool:
    if fact == "admitted":
        return entry.admitted
    if fact == "ready":
        return entry.state == "ready"
    if fact == "installed":
        return entry.installed is not None and entry.installed.epoch == entry.epoch
    consent = entry.consent
    fresh = consent is not None and not consent.used and consent.epoch == entry.epoch
    return fresh or entry.installing_epoch >= entry.epoch or is_unpacked(entry, entry.epoch)
