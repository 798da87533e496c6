"""What each change that an operator makes to a node amounts to: events and a sentence. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from installer.model.codes import make_code
from installer.model.events import Event, Happened
from installer.model.facts import Machine
from installer.model.ledger import Ledger, MachineEntry
from installer.model.plan import DiskPlan, NodePlan
from installer.model.problems import RackstrapError

_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123


@dataclass(frozen=True, slots=True)
class Change:
    """`says`: what it means. `asks`: the word to type on a terminal first, "" for none. `loses`: what is lost for good."""

    events: tuple[Event, ...]
    says: str
    asks: str = ""
    loses: tuple[str, ...] = ()


def find_node(ledger: Ledger, word: str) -> MachineEntry:
    """The machine that is meant by a node's name, a machine id or a short code. Raises RackstrapError naming those that exist."""
    entry = ledger.find(word)
    if entry is not None:
        return entry
    names = sorted(e.name or e.code or e.id for e in ledger.machines.values())
    known = f"there are: {', '.join(names[:20])}" + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    raise RackstrapError(
        f"no node or machine is called {word!r}", known if names else "no machine has been discovered yet", exit_code=1
    )


def refuse(message: str, hint: str) -> RackstrapError:
    """A refusal: the input is at fault, and nothing has changed."""
    return RackstrapError(message, hint, exit_code=1)


def make_title(entry: MachineEntry) -> str:
    return entry.name or entry.code or entry.id


def make_admission(ledger: Ledger, word: str) -> Change:
    """Admit a machine; where someone claims to be it, believe the claim with this code, or the only one there is."""
    claimed = {make_code(key): (entry, key) for entry in ledger.machines.values() for key in entry.claims}
    if word.upper() in claimed:
        entry, key = claimed[word.upper()]
        return _make_approval(entry, key)
    entry = find_node(ledger, word)
    if len(entry.claims) > 1:
        codes = ", ".join(make_code(key) for key in entry.claims)
        hint = f"look at its console and admit the code that it shows: {codes}"
        raise refuse(f"{len(entry.claims)} machines claim to be {make_title(entry)}", hint)
    if entry.claims:
        return _make_approval(entry, entry.claims[0])
    if entry.admitted:
        return Change((), f"{make_title(entry)} is admitted already")
    admitted = Event(Happened.MACHINE_ADMITTED, entry.id, {"key": entry.key})
    return Change((admitted,), f"{make_title(entry)} may take part; nothing on it has changed")


def _make_approval(entry: MachineEntry, key: str) -> Change:
    events = [Event(Happened.CLAIM_APPROVED, entry.id, {"key": key})]
    if not entry.admitted:
        events.append(Event(Happened.MACHINE_ADMITTED, entry.id, {"key": key}))
    return Change(tuple(events), f"the machine with code {make_code(key)} is {make_title(entry)}")


def make_allocation(entry: MachineEntry, machine: Machine | None, planned: NodePlan, site: str, who: str) -> Change:
    """Consent to erase the planned disks, once, for the node's present epoch."""
    from installer.plan.consent import make_consent

    name = make_title(entry)
    if machine is None:
        raise RackstrapError(
            f"the facts of {name} are not known", "discover it again: rackstrap node power NAME cycle --boot pxe"
        )
    if entry.installed is not None or entry.installing_epoch >= entry.epoch:
        raise refuse(f"{name} is installed, or is being so", f"rackstrap node reinstall {name}")
    if not planned.disks:
        raise refuse(f"the site file chooses no disk of {name}", "rackstrap plan SITE says why")
    consent = make_consent(machine, [disk.id for disk in planned.disks], entry.epoch, f"node allocate --erase by {who}")
    events = [Event(Happened.CONSENT_GIVEN, entry.id, consent)]
    if entry.state == "problem":
        events.append(Event(Happened.NODE_RETRIED, entry.id))
    rest = "" if entry.admitted else f"; it still has to be admitted: rackstrap node admit {name}"
    losses = tuple(describe_loss(disk) for disk in planned.disks)
    return Change(tuple(events), f"{name}: its disks may be erased, once{rest}", site, losses)


def describe_loss(disk: DiskPlan) -> str:
    holds = ", ".join(disk.holds) or "nothing"
    return f"{disk.id}: {disk.model or 'unknown model'}, {disk.size_bytes / 1e9:.1f} GB, holds {holds}"


def make_rename(ledger: Ledger, entry: MachineEntry, name: str, reserved: Collection[str] = ()) -> Change:
    check_label(name, "name")
    if not entry.name:
        raise RackstrapError(
            f"{make_title(entry)} is no node yet", "it is named when a rule of the site file fits it", exit_code=1
        )
    other = ledger.node(name)
    if (other is not None and other is not entry) or name in reserved:
        raise refuse(f"{name} is taken", "choose another name")
    note = "; the running system keeps its old host name until it is installed anew" if entry.installed else ""
    return Change((Event(Happened.NODE_RENAMED, entry.id, {"name": name}),), f"{entry.name} is now {name}{note}")


def make_grouping(entry: MachineEntry, group: str) -> Change:
    check_label(group, "group")
    return Change((Event(Happened.GROUP_SET, entry.id, {"group": group}),), f"{make_title(entry)} is in group {group}")


def make_roles_choice(entry: MachineEntry, roles: Sequence[str], known: Collection[str]) -> Change:
    unknown = [role for role in roles if role not in known]
    if unknown:
        raise refuse(f"no role is called {', '.join(unknown)}", f"there are: {', '.join(sorted(known))}")
    chosen = list(dict.fromkeys(roles))
    return Change(
        (Event(Happened.ROLES_SET, entry.id, {"roles": chosen}),), f"{make_title(entry)} has the roles {', '.join(chosen)}"
    )


def make_reset(entry: MachineEntry) -> Change:
    """Back to discovered: the installation is forgotten, disks are untouched."""
    name = make_title(entry)
    says = f"{name} is back to discovered; its disks are untouched and may not be erased until it is allocated again"
    return Change((Event(Happened.NODE_RESET, entry.id),), says, name)


def make_reinstallation(entry: MachineEntry, planned: NodePlan | None) -> Change:
    """A new epoch, with leave to erase what Rackstrap installed before on the disks planned for it, and on no other."""
    name = make_title(entry)
    if not entry.name:
        raise refuse(f"{name} is no node", "only a node can be installed anew")
    disks = planned.disks if planned is not None else ()
    losses = tuple(f"{disk.id}: {disk.model or 'unknown model'}, {disk.size_bytes / 1e9:.1f} GB" for disk in disks)
    event = Event(Happened.REINSTALL_ASKED, entry.id, {"epoch": entry.epoch + 1, "disks": [disk.id for disk in disks]})
    return Change((event,), f"{name} will be switched off, discovered and installed anew", name, losses)


def make_deletion(entry: MachineEntry) -> Change:
    name = make_title(entry)
    says = f"{name} is forgotten: its name and addresses are free; its disks and its power are untouched"
    return Change((Event(Happened.MACHINE_DELETED, entry.id),), says, name)


def make_retry(entry: MachineEntry) -> Change:
    return Change((Event(Happened.NODE_RETRIED, entry.id),), f"{make_title(entry)} is tried again")


def make_leaving_out(entry: MachineEntry) -> Change:
    name = make_title(entry)
    return Change((Event(Happened.NODE_LEFT_OUT, entry.id),), f"{name} sits out; `rackstrap node retry {name}` brings it back")


def check_label(text: str, what: str) -> None:
    if not _LABEL.fullmatch(text):
        raise refuse(f"{text!r} is no {what}", "lower-case letters, digits and hyphens, at most 63")


SIMPLE: Final[Mapping[str, Callable[[MachineEntry], Change]]] = {
    "reset": make_reset,
    "delete": make_deletion,
    "retry": make_retry,
    "leave-out": make_leaving_out,
}
