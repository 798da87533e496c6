"""A node with everything decided about it: between the site and the plan's steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from installer.model.facts import Disk, Machine
from installer.model.ledger import Consent, MachineEntry
from installer.model.network import NodeNetwork
from installer.model.orders import ChosenDisk, NodeFile
from installer.model.plan import StepKey
from installer.model.site import Handover, NodeRule


@dataclass(frozen=True, slots=True)
class Decided:
    """`machine_id` is "" and `machine` None while no machine fits; `rule` -1 for a node that no rule fits any more."""

    name: str
    rule: int
    site_rule: NodeRule | None
    machine_id: str
    machine: Machine | None
    entry: MachineEntry
    bmc: str
    roles: tuple[str, ...]
    why: Mapping[str, str]
    addresses: Mapping[str, str]
    network: NodeNetwork | None
    disks: tuple[Disk, ...]
    chosen: tuple[ChosenDisk, ...]  # what an order may erase: empty without a consent that holds
    consent: Consent | None
    mirror: bool
    handover: Handover
    files: tuple[NodeFile, ...] = ()
    users: tuple[str, ...] = ("root",)
    refused: tuple[tuple[Disk, str], ...] = ()
    blocked: bool = False  # a problem stands in the way of its installation

    @property
    def epoch(self) -> int:
        return self.entry.epoch

    @property
    def has_begun(self) -> bool:
        """Whether this epoch's installation has begun: from then on its disks are what was consented to."""
        return has_begun(self.entry)

    def key(self, name: str) -> StepKey:
        return StepKey(self.name, name)


def has_begun(entry: MachineEntry) -> bool:
    """Whether the installation of the machine's present epoch has begun, or is over."""
    done = entry.installed is not None and entry.installed.epoch >= entry.epoch
    return entry.installing_epoch >= entry.epoch or done
