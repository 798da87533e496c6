"""What a deployment erases: which disks of which machines, who has consented, and what a person is asked to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from textwrap import wrap
from typing import Final, Literal, Protocol

from installer.engine.node_changes import make_allocation
from installer.model.events import Event, Happened
from installer.model.facts import Disk, Machine
from installer.model.ledger import MachineEntry
from installer.model.plan import NodePlan
from installer.plan.describe import describe_bytes, describe_holds
from installer.wizard.view import View

# asks: needs consent here. consented: may be erased, not begun. begun, installed: no consent is needed. own: Rackstrap's mark.
# reinstall: consent comes from `node reinstall` once it was discovered anew. out: left out. gone: a chosen disk is not there.
Standing = Literal["asks", "consented", "begun", "installed", "own", "reinstall", "out", "gone", "no disk", "no machine"]
HOW: Final = "the site's name, typed on the review screen"
WIDTH: Final = 76


class Lost(Protocol):
    """A machine with the disks that it loses: a node's, or this one's own (installer.wizard.own)."""

    @property
    def name(self) -> str: ...
    @property
    def machine(self) -> Machine: ...
    @property
    def disks(self) -> tuple[Disk, ...]: ...
    @property
    def consent(self) -> str: ...
    @property
    def shown(self) -> tuple[object, ...]: ...


@dataclass(frozen=True, slots=True)
class Loss:
    """One node with the disks that it loses, as they are now."""

    node: NodePlan
    entry: MachineEntry
    machine: Machine
    disks: tuple[Disk, ...]

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def consent(self) -> str:
        """How a consent that holds was given."""
        return self.node.consent

    @property
    def is_blank(self) -> bool:
        return all(disk.is_blank for disk in self.disks)

    @property
    def shown(self) -> tuple[object, ...]:
        """Everything that a person consents to: when any of it is different, it is another consent."""
        disks = tuple(sorted((d.id, d.wwn, d.serial, d.model, d.size_bytes, d.holds_digest) for d in self.disks))
        return (self.node.name, self.node.machine, self.entry.epoch, self.entry.key, disks)


def find_standing(view: View, node: NodePlan) -> Standing:  # noqa: PLR0911 - one way for each standing
    """How it stands with consent for this node."""
    entry, machine = view.ledger.machines.get(node.machine), view.machines.get(node.machine)
    if entry is None or machine is None:
        return "no machine"
    if entry.left_out:
        return "out"
    if entry.installed is not None and entry.installed.epoch == entry.epoch:
        return "installed"
    if node.begun or entry.installing_epoch >= entry.epoch or entry.installed is not None:
        return "begun"
    disks = find_disks(machine, node)
    if not node.disks:
        return "no disk"
    if len(disks) != len(node.disks):
        return "gone"
    if node.consent:
        return "consented"
    if entry.reinstall_epoch == entry.epoch:
        return "reinstall"
    return "own" if any(disk.has_own_mark for disk in disks) else "asks"


def find_disks(machine: Machine, node: NodePlan) -> tuple[Disk, ...]:
    """The chosen disks as the machine shows them now; one that is not there, or is there twice, is missing."""
    found = ([disk for disk in machine.disks if disk.id == planned.id] for planned in node.disks)
    return tuple(disks[0] for disks in found if len(disks) == 1)


def find_losses(view: View, wanted: Standing = "asks") -> tuple[Loss, ...]:
    """The nodes that stand so, with their disks: those with something on them first, then in the order of the plan."""
    losses = []
    for node in view.plan.nodes if view.plan is not None else ():
        if find_standing(view, node) == wanted:
            entry, machine = view.ledger.machines[node.machine], view.machines[node.machine]
            losses.append(Loss(node, entry, machine, find_disks(machine, node)))
    return tuple(sorted(losses, key=lambda loss: loss.is_blank))


def find_shown(losses: Iterable[Lost]) -> frozenset[tuple[object, ...]]:
    """To compare what was shown with what is."""
    return frozenset(loss.shown for loss in losses)


def make_consents(losses: Iterable[Loss], site: str) -> tuple[Event, ...]:
    """CONSENT_GIVEN for exactly these disks of these machines. Raises RackstrapError; then no consent at all is given."""
    events: list[Event] = []
    for loss in losses:
        for event in make_allocation(loss.entry, loss.machine, loss.node, site, HOW).events:
            is_consent = event.kind is Happened.CONSENT_GIVEN
            events.append(replace(event, data={**event.data, "how": HOW}) if is_consent else event)
    return tuple(events)


def say_losses(losses: Iterable[Lost]) -> tuple[str, ...]:
    """Every disk, its node before it, at most 78 columns a line."""
    lines: list[str] = []
    for loss in losses:
        for disk in loss.disks:
            text = f"{loss.name}: {name_disk(disk, loss.machine)}, {describe_bytes(disk.size_bytes)}: {say_contents(disk)}"
            lines += wrap(text, WIDTH, subsequent_indent="    ", break_on_hyphens=False)
    return tuple(lines)


def say_contents(disk: Disk) -> str:
    """`nothing on it`, or what is lost."""
    return f"LOSES {', '.join(describe_holds(disk))}" if not disk.is_blank else "nothing on it"


def name_disk(disk: Disk, machine: Machine) -> str:
    """`SAMSUNG MZ7LH960 ..0017`: model and the end of the serial, as long as it takes to tell it from its fellows."""
    model = disk.model.strip() or f"{disk.transport} disk"
    if not disk.serial:
        return f"{model} {disk.id}"
    others = [other.serial for other in machine.disks if other.id != disk.id]
    if disk.serial in others:
        return f"{model} {disk.id}"
    length = next((n for n in range(4, len(disk.serial)) if not any(o.endswith(disk.serial[-n:]) for o in others)), None)
    return f"{model} ..{disk.serial[-length:] if length else disk.serial}"
