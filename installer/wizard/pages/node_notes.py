"""What is to be said of each machine: why it needs somebody, and what to do. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from installer.engine.status import NodeStatus
from installer.model.codes import make_code
from installer.model.facts import Machine
from installer.model.site import Match, Site
from installer.plan.decide import is_admitted_by_file
from installer.plan.match import identity_keys, is_fit
from installer.wizard.nodes_file import Member, Members
from installer.wizard.page import Mood
from installer.wizard.pages.node_cells import describe_memory, describe_slot
from installer.wizard.view import View

Kind = Literal["problem", "claim", "twin", "rule", "coming", "admit", "bmc", "wait"]
T = TypeVar("T")
REPAIR: Final = "reseat or replace the part; or go on: nothing waits for it"
ALIGN: Final = "set it up as its twins are; or go on: nothing waits for it"
MANY: Final = 4  # what is to be said of more machines than this is said once, above the table
SAID_ONCE: Final[Mapping[str, str]] = {
    "rule": "fit no entry of the site file: e names them, p names all",
    "admit": "to admit: compare the codes with their consoles, mark them, press a",
    "bmc": "without a known BMC: power them by hand; b scans, c gives an address",
    "coming": "entries wait for machines: power them on, or correct their match: m",
}


@dataclass(frozen=True, slots=True)
class Note:
    """`reason` and `remedy` are a line each. `needs`: whether it stands against the machine's taking part."""

    kind: Kind
    reason: str
    remedy: str
    mood: Mood = ""
    needs: bool = False


def find_notes(view: View, members: Members) -> dict[str, tuple[Note, ...]]:
    """By member key, for those of whom there is something to say."""
    twins = find_odd_ones(view.machines)
    statuses = {status.machine: status for status in view.status.nodes}
    misfits = _find_misfits(view.draft.site, members)
    notes = {
        member.key: tuple(
            _find_notes(view.draft.site, member, statuses.get(member.key), twins.get(member.key, ()), misfits.get(member.key, ""))
        )
        for member in members.all
    }
    return {key: found for key, found in notes.items() if found}


def _find_notes(
    site: Site | None, member: Member, status: NodeStatus | None, odd: tuple[tuple[str, str], ...], misfit: str
) -> Iterator[Note]:
    entry = member.entry
    if not entry.id:
        yield Note("coming", "no machine fits this entry yet", "power it on, or correct its match: m shows the entries", "wait")
        return
    if entry.state == "problem" and not entry.left_out:
        remedy = "r tries again, x leaves it out, Enter shows its log"
        yield Note("problem", entry.reason or "it has a problem that it does not name", remedy, "FAIL", True)
    if entry.claims:
        codes = ", ".join(make_code(key) for key in entry.claims[:3])
        remedy = f"if its console shows {codes}: a believes it; else find out who that is"
        yield Note("claim", "someone claims to be this machine", remedy, "warn", True)
    for reason, remedy in odd:
        yield Note("twin", reason, remedy, "warn", True)
    if member.rule < 0 and site is not None:
        remedy = "correct that entry: m; or e names it anew" if misfit else "e names it, p names all that have no name"
        yield Note("rule", misfit or "no entry of the site file is for it", remedy, "warn", True)
    if not entry.admitted and not entry.claims and not _is_let_in(site, member):
        remedy = f"if its console shows {entry.code or 'its code'} too: a admits it"
        yield Note("admit", "not admitted yet", remedy)
    if not member.bmc and member.machine is not None:
        yield Note("bmc", "no BMC found", "power it by hand, or press c to give its address")
    for wait in status.waits_for[:2] if status is not None else ():
        yield Note("wait", f"waits for {wait.partition(': ')[2]}", "", "wait")


def _is_let_in(site: Site | None, member: Member) -> bool:
    return site is not None and member.rule >= 0 and is_admitted_by_file(site, site.nodes[member.rule])


def find_said_once(notes: Mapping[str, tuple[Note, ...]]) -> dict[str, int]:
    """Kinds of note that too many machines share to be said under each, and how many."""
    counts = Counter(note.kind for found in notes.values() for note in found)
    return {kind: counts[kind] for kind in SAID_ONCE if counts[kind] > MANY}  # type: ignore[index]


def _find_misfits(site: Site | None, members: Members) -> dict[str, str]:
    """Machine id -> which fact keeps it from the entry that names it."""
    if site is None:
        return {}
    by_identity: dict[tuple[str, str], int] = {}
    for index, rule in enumerate(site.nodes):
        for key in identity_keys(rule.match):
            by_identity.setdefault(key, index)
    found = {}
    for member in members.all if by_identity else ():
        machine = member.machine
        if machine is None or member.rule >= 0:
            continue
        words = [("serial", machine.serial), ("uuid", machine.uuid), *(("mac", mac) for mac in sorted(machine.macs))]
        index = next((by_identity[key] for key in words if key in by_identity), -1)
        if index >= 0:
            found[member.key] = explain_misfit(site.nodes[index].match, machine, site.nodes[index].name or f"entry {index + 1}")
    return found


def explain_misfit(match: Match, machine: Machine, title: str) -> str:
    """Which facts differ from what the match asks for; or that more machines fit than it expects."""
    asked = (
        ("serial", match.serial, machine.serial),
        ("uuid", match.uuid.lower(), machine.uuid),
        ("product", match.product, machine.product),
    )
    wrong = [f"{what} is {have or 'unknown'}, not {want}" for what, want, have in asked if want and want != have]
    if match.min_memory_gb * 10**9 > machine.memory_bytes:
        wrong.append(f"{machine.memory_bytes // 10**9} GB of memory, not {match.min_memory_gb}")
    if match.min_disks > len(machine.disks):
        wrong.append(f"{len(machine.disks)} disks, not {match.min_disks}")
    if match.switch and not is_fit(Match(switch=match.switch), machine):
        wrong.append(f"it is not on the switch {match.switch}")
    if match.mac and match.mac.lower() not in machine.macs:
        wrong.append(f"no card has {match.mac}")
    return f"{title} does not fit: {'; '.join(wrong)}" if wrong else f"more machines than one fit {title}"


def find_odd_ones(machines: Mapping[str, Machine]) -> dict[str, tuple[tuple[str, str], ...]]:
    """Machine id -> what differs from most machines of the same product, and what to do: the parts, then the firmware.

    Only where more than half of them, and at least two, agree: of two that differ, nobody can say which one is right.
    """
    kinds: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, machine in machines.items():
        if machine.product:
            kinds[machine.vendor, machine.product].append(key)
    odd: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for keys in kinds.values():
        twins = {key: machines[key] for key in keys}
        for phrases, remedy in ((_compare_parts(twins), REPAIR), (_compare_firmware(twins), ALIGN)) if len(keys) > 2 else ():
            for key, found in phrases.items():
                odd[key].append(("; ".join(found), remedy))
    return {key: tuple(said) for key, said in odd.items()}


def _compare_parts(twins: Mapping[str, Machine]) -> dict[str, list[str]]:
    said: dict[str, list[str]] = defaultdict(list)
    disks = _find_usual({key: len(machine.disks) for key, machine in twins.items()})
    normal = next(machine for key, machine in twins.items() if key not in disks)
    for key, usual in disks.items():
        said[key].append(_explain_disks(twins[key], usual, normal))
    for key, memory in _find_usual({key: describe_memory(machine) for key, machine in twins.items()}).items():
        said[key].append(f"{describe_memory(twins[key])} of memory where its twins have {memory}")
    for key, usual in _find_usual({key: len(machine.nics) for key, machine in twins.items()}).items():
        said[key].append(f"{len(twins[key].nics)} network cards where its twins have {usual}")
    for key, usual in _find_usual({key: machine.cpu.cores for key, machine in twins.items()}).items():
        said[key].append(f"{twins[key].cpu.cores} cores where its twins have {usual}")
    return said


def _compare_firmware(twins: Mapping[str, Machine]) -> dict[str, list[str]]:
    said: dict[str, list[str]] = defaultdict(list)
    for key, mode in _find_usual({key: machine.firmware.mode for key, machine in twins.items()}).items():
        said[key].append(f"it boots by {twins[key].firmware.mode.upper()} where its twins boot by {mode.upper()}")
    for key, version in _find_usual({key: machine.firmware.version for key, machine in twins.items()}).items():
        if key not in said:  # another mode is another firmware
            said[key].append(f"firmware {twins[key].firmware.version or 'unknown'} where its twins have {version or 'none'}")
    return said


def _find_usual(values: Mapping[str, T]) -> dict[str, T]:
    """Those whose value is not what more than half have, each with the usual value."""
    usual, count = Counter(values.values()).most_common(1)[0]
    if count * 2 <= len(values) or count < 2 or count == len(values):
        return {}
    return {key: usual for key, value in values.items() if value != usual}


def _explain_disks(machine: Machine, usual: int, normal: Machine) -> str:
    """`one disk fewer than its twins: slot 7 does not answer`."""
    apart = usual - len(machine.disks)
    count = "one disk" if abs(apart) == 1 else f"{abs(apart)} disks"
    if apart < 0:
        return f"{count} more than its twins"
    have = {describe_slot(disk.by_path) for disk in machine.disks if disk.by_path}
    empty = [slot for disk in normal.disks if disk.by_path and (slot := describe_slot(disk.by_path)) not in have]
    where = f": {', '.join(empty[:3])} {'does' if len(empty) == 1 else 'do'} not answer" if 0 < len(empty) <= apart else ""
    return f"{count} fewer than its twins{where}"
