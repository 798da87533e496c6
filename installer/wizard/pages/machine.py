"""One machine: everything that is known about it, what happened to it, its log, and what can be done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from time import gmtime, strftime
from typing import Final

from installer.engine.node_changes import make_reinstallation, make_reset
from installer.engine.status import NodeStatus, render_age
from installer.model.events import Event
from installer.model.facts import Disk, Machine
from installer.model.ledger import MachineEntry
from installer.model.plan import DiskPlan, NodePlan
from installer.plan.describe import describe_bytes, describe_holds
from installer.wizard.nodes_file import Member, find_members
from installer.wizard.page import Action, Column, Go, Line, Lines, Mood, Outcome, Page, Part, Row, Selection, Table, Wished
from installer.wizard.pages import node_disks
from installer.wizard.pages.asking import ask_word
from installer.wizard.pages.node_actions import find_group, guarded, pick_machines
from installer.wizard.pages.node_cells import describe_disk, describe_memory, describe_slot
from installer.wizard.pages.node_notes import find_notes
from installer.wizard.pages.nodes import SHARED
from installer.wizard.view import View
from installer.wizard.wishes import Append

HELP: Final = (
    "What the machine itself reported at its last discovery boot, what was decided for it, and what has happened.",
    "Something is missing that you know is there? Reseat it, then w, cycle-pxe: the machine is discovered anew.",
    "Its short code is on its own console as well: admit it only when the two are the same.",
    "t forgets an installation and leaves the disks alone; i installs it anew and erases what Rackstrap put on them.",
)
DISK_COLUMNS: Final = (
    Column("disk", 24, grow=True), Column("size", 8, right=True), Column("kind", 8, 3), Column("slot", 8, 4),
    Column("health", 10, 2), Column("holds", 22, 1),
)  # fmt: skip
NIC_COLUMNS: Final = (
    Column("card", 10), Column("link", 8), Column("speed", 7, 3), Column("driver", 10, 5), Column("MAC", 17),
    Column("switch port", 20, 1, grow=True), Column("address", 18, 4),
)  # fmt: skip
MOST_EVENTS: Final = 20


def make_machine_page(view: View, subject: str) -> Page:
    """The page of the machine with this id; of one that is gone, a line that says so."""
    member = find_members(view).by_key.get(subject)
    if member is None:
        gone = Lines("facts", (Line("This machine is not known any more: it was forgotten.", "warn", notes=("Esc goes back",)),))
        return Page("machine", "Machine", "Which machine is this?", (gone,), help=HELP, subject=subject)
    status = next((status for status in view.status.nodes if status.machine == subject), None)
    facts = [*_describe_state(view, member, status), *(_describe_hardware(member.machine, member) if member.machine else ())]
    parts: list[Part] = [Lines("facts", tuple(facts))]
    if member.machine is not None:
        parts += _make_hardware(view, member, member.machine)
    happened = Lines("events", _describe_events(view, member), "What happened")
    log = Lines("log", tuple(Line(text) for text in view.logs.get(subject, ()) or ("nothing yet",)), "Log", follows=True)
    title = f"Node {member.name}" if member.name else f"Machine {member.entry.code or subject}"
    wants = frozenset({f"log:{subject}", "plan"})
    return Page(
        "machine", title, "What is it, and how is it?", (*parts, happened, log), _make_actions(subject),
        HELP, subject, wants,
    )  # fmt: skip


def _make_hardware(view: View, member: Member, machine: Machine) -> tuple[Part, ...]:
    chosen = frozenset(node_disks.find_chosen(view, member))
    return (
        Table("disks", DISK_COLUMNS, tuple(_make_disk_row(d, chosen) for d in machine.disks), "it has no disk", title="Disks"),
        Table("cards", NIC_COLUMNS, tuple(_make_nic_row(machine, at) for at in range(len(machine.nics))), "none", title="Cards"),
    )


def _describe_state(view: View, member: Member, status: NodeStatus | None) -> Iterator[Line]:
    entry, site = member.entry, view.draft.site
    mood: Mood = "FAIL" if entry.state == "problem" else "ok" if entry.state == "ready" else "wait"
    state = status.state if status is not None else entry.state
    work = f", {status.stage} {status.percent} % {status.text}" if status is not None and status.stage else ""
    heard = f", heard of {render_age(status.age_s)} ago" if status is not None else ""
    yield Line(f"{state}{work}{heard}", mood, "state")
    for note in find_notes(view, find_members(view)).get(member.key, ()):
        yield Line(note.reason, note.mood or "wait", notes=(note.remedy,))
    yield Line(f"{entry.code or 'none'}, {'admitted' if entry.admitted else 'not admitted'}", label="code")
    group, roles = find_group(view, member), _find_roles(view, member)
    yield Line(f"{member.name or 'no name'}{f', group {group}' if group else ''}, {roles}", label="node")
    if site is not None:
        yield Line(node_disks.describe_rule(site, member), label="its disk")
    addresses = ", ".join(f"{address} on {network}" for network, address in entry.addresses.items())
    yield Line(
        addresses or (f"{entry.seen_address} while it discovers itself" if entry.seen_address else "none"), label="addresses"
    )
    yield Line(_describe_consent(entry), label="consent")
    yield from _describe_installed(entry)


def _find_roles(view: View, member: Member) -> str:
    planned = view.plan.node(member.name) if view.plan is not None and member.name else None
    return f"roles {', '.join(planned.roles) or 'none'}" if planned is not None else "no roles planned"


def _describe_consent(entry: MachineEntry) -> str:
    consent = entry.consent
    if consent is None:
        return f"none: no disk of it may be erased (epoch {entry.epoch})"
    used = ", used up" if consent.used else ", once"
    return f"{', '.join(disk.id for disk in consent.disks)} by {consent.how}{used} (epoch {consent.epoch})"


def _describe_installed(entry: MachineEntry) -> Iterator[Line]:
    installed = entry.installed
    if installed is not None:
        cold = "has come up from power-off" if installed.cold else "has not come up from power-off yet"
        yield Line(f"runs from {installed.root} at {installed.address or 'an unknown address'}; {cold}", label="installed")


def _describe_hardware(machine: Machine, member: Member) -> Iterator[Line]:
    yield Line(f"{machine.vendor} {machine.product}".strip() or "unknown", label="product")
    yield Line(machine.serial or "none", label="serial")
    yield Line(machine.uuid or "none", label="UUID")
    firmware = machine.firmware
    secure = ", Secure Boot" if firmware.secure_boot else ""
    yield Line(f"{firmware.mode.upper()}{secure}, {firmware.vendor} {firmware.version}".strip(), label="firmware")
    cpu = machine.cpu
    virtual = "" if cpu.virtualization else ", no virtualization"
    yield Line(f"{cpu.model or 'unknown'}: {cpu.sockets} sockets, {cpu.cores} cores, {cpu.threads} threads{virtual}", label="CPU")
    yield Line(describe_memory(machine), label="memory")
    bmc = machine.bmc
    within = f", {bmc.mac} by {bmc.source or 'unknown'}" if bmc is not None and bmc.address else ""
    yield Line(f"{member.bmc}{within}" if member.bmc else "none found", label="BMC")
    yield Line(machine.tpm or "none", label="TPM")
    if machine.consoles:
        yield Line(", ".join(machine.consoles), label="consoles")
    yield Line(member.entry.id, label="machine id")


def _make_disk_row(disk: Disk, chosen: frozenset[str]) -> Row:
    kind = "USB" if disk.transport == "usb" else "NVMe" if disk.transport == "nvme" else "disk" if disk.rotational else "SSD"
    health = {"ok": "ok", "failing": "failing", "unknown": "-"}[disk.health.state]
    mood: Mood = "FAIL" if disk.health.state == "failing" else "ok" if disk.id in chosen else ""
    notes = ["the operating system goes here"] if disk.id in chosen else []
    notes += [disk.health.detail] if disk.health.detail and disk.health.state == "failing" else []
    title = describe_disk(disk).rpartition("  ")[0]
    holds = ", ".join(describe_holds(disk)) or "nothing"
    slot = describe_slot(disk.by_path).removeprefix("slot ") if disk.by_path else "-"
    return Row(disk.id, (title, describe_bytes(disk.size_bytes), kind, slot, health, holds), tuple(notes), mood)


def _make_nic_row(machine: Machine, at: int) -> Row:
    nic = machine.nics[at]
    speed = f"{nic.speed_mbps / 1000:g} G" if nic.speed_mbps else "-"
    port = f"{nic.lldp.switch} {nic.lldp.port}" if nic.lldp is not None else "-"
    boots = ("it booted from this card",) if nic.mac and nic.mac == machine.boot_nic else ()
    link = "up" if nic.has_link else "no cable"
    return Row(
        f"{at} {nic.mac}", (nic.name, link, speed, nic.driver or "-", nic.mac, port, ", ".join(nic.addresses) or "-"), boots
    )


def _describe_events(view: View, member: Member) -> tuple[Line, ...]:
    hosts = {member.entry.id, member.name} - {""}
    own = [event for event in view.events if event.host in hosts][-MOST_EVENTS:]
    return tuple(map(describe_event, own)) or (Line("nothing lately"),)


def describe_event(event: Event) -> Line:
    """When (UTC), what, by whom, and the words in its data that tell more."""
    telling = ("name", "state", "reason", "message", "for", "group", "network", "address", "how", "verb", "power")
    words = [str(event.data[key]) for key in telling if event.data.get(key)]
    at = strftime("%d %b %H:%M:%S", gmtime(event.at)) if event.at else "-"
    by = f" ({event.who})" if event.who else ""
    return Line(f"{at}  {event.kind.value.replace('_', ' ')}{': ' if words else ''}{', '.join(words)}{by}")


@guarded
def reset(view: View, selection: Selection) -> Outcome:
    """Back to discovered."""
    change = make_reset(pick_machines(view, selection)[0].entry)
    says = (
        "The installation is forgotten: who is logged in loses nothing, but Rackstrap does not know the system any more.",
        change.says,
    )
    return ask_word(
        change.asks,
        f"To reset it, type {change.asks}",
        says,
        lambda _: Wished((Append(change.events, change.says),), change.says),
    )


@guarded
def reinstall(view: View, selection: Selection) -> Outcome:
    """A new epoch, with leave to erase what Rackstrap installed on the disks planned for it."""
    member = pick_machines(view, selection)[0]
    change = make_reinstallation(member.entry, _plan_anew(view, member))
    losses = [f"erases {loss}" for loss in change.loses] or ["No disk is planned for it: it will have to be allocated."]
    says = (f"{change.says}, once the plan is applied.", "Everything on these disks is lost:", *losses)
    return ask_word(
        change.asks,
        f"To install it anew, type {change.asks}",
        says,
        lambda _: Wished((Append(change.events, change.says),), change.says),
    )


def _plan_anew(view: View, member: Member) -> NodePlan | None:
    """The node as it would be planned once its installation is forgotten: with the disks that the site file chooses now."""
    planned = view.plan.node(member.name) if view.plan is not None and member.name else None
    if planned is None or view.draft.site is None or member.machine is None or member.rule < 0:
        return None
    chosen = node_disks.choose_now(view, view.draft.site, member.machine, member.rule)
    return replace(planned, disks=tuple(DiskPlan(d.id, d.model, d.serial, d.size_bytes, describe_holds(d)) for d in chosen))


def _on_subject(does: Callable[[View, Selection], Outcome], subject: str, view: View, selection: Selection) -> Outcome:
    return does(view, replace(selection, row=subject, marked=()))


def _make_actions(subject: str) -> tuple[Action, ...]:
    """The same as on the nodes page, on this machine wherever the cursor is, and what is done to one machine at a time."""
    own = (
        Action("t", "reset", reset, help="Forget its installation; its disks are untouched. It asks first."),
        Action("i", "reinstall", reinstall, help="Install it anew, and erase what Rackstrap installed on it. It asks first."),
    )
    log = Action("o", "log", lambda _view, _: Go("log", subject), help="Its log alone.")
    return (*(replace(action, does=partial(_on_subject, action.does, subject)) for action in (*SHARED, *own)), log)
