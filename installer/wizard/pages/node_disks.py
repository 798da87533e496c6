"""Where a node's operating system goes: one of its disks, two as a mirror, or a rule for many nodes. Pure."""

from __future__ import annotations

from functools import partial
from typing import Final

from installer.model.facts import Disk, Machine
from installer.model.problems import RackstrapError
from installer.model.site import Site, Value
from installer.plan.describe import describe_holds
from installer.plan.storage import choose_disks, find_offered, find_shared_wwns
from installer.wizard.nodes_file import Changes, Member, find_members
from installer.wizard.page import Outcome, Selection
from installer.wizard.pages.asking import ask_one, join_titles
from installer.wizard.pages.node_actions import guarded, make_edited, pick_members
from installer.wizard.pages.node_cells import describe_disk
from installer.wizard.view import View

RULES: Final = (
    ("smallest", "the smallest that is large enough"),
    ("two-smallest", "the two smallest that are large enough, as a mirror"),
    ("largest", "the largest"),
    ("two-largest", "the two largest, as a mirror"),
)
SPELLED: Final[dict[str, dict[str, Value]]] = {
    "smallest": {"smallest": True},
    "two-smallest": {"smallest": True, "mirror": True},
    "largest": {"largest": True},
    "two-largest": {"largest": True, "mirror": True},
}


@guarded
def choose(view: View, selection: Selection) -> Outcome:
    """Ask for the disk of one machine by name, or for a rule that holds on all that are marked."""
    picked = pick_members(view, selection)
    keys = tuple(member.key for member in picked)
    begun = [member.title for member in picked if member.entry.installing_epoch >= member.entry.epoch]
    says = [f"Everything on the chosen disk of {join_titles([m.title for m in picked])} will be lost when it is installed."]
    says += [f"{join_titles(begun)}: installed, or being so; another disk counts at the next reinstallation."] if begun else []
    if len(picked) > 1 or picked[0].machine is None:
        return ask_one("disk", "Disk", RULES, partial(_follow_rule, keys=keys), says)
    offered, refused = find_disks(view, picked[0].machine)
    choices = [(disk.id, describe_choice(disk)) for disk in offered]
    says += [f"not offered: {describe_disk(disk)}: {reason}" for disk, reason in refused]
    start = next(iter(find_chosen(view, picked[0])), "")
    return ask_one("disk", "Disk", [*choices, *RULES], partial(_follow_disk, key=keys[0]), says, start)


def find_disks(view: View, machine: Machine) -> tuple[tuple[Disk, ...], tuple[tuple[Disk, str], ...]]:
    """Disks that are offered, and those that are not with the reason. What is too small for an image, the plan tells."""
    return find_offered(machine, find_shared_wwns(view.machines.values()), 0)


def describe_choice(disk: Disk) -> str:
    return f"{describe_disk(disk)}, holds {', '.join(describe_holds(disk)) or 'nothing'}"


def find_chosen(view: View, member: Member) -> tuple[str, ...]:
    """The ids of the disks that the site file means on this machine."""
    site, machine = view.draft.site, member.machine
    if site is None or machine is None or member.rule < 0:
        return ()
    planned = view.plan.node(member.name) if view.plan is not None else None
    if planned is not None and planned.disks and planned.begun:
        return tuple(disk.id for disk in planned.disks)
    return tuple(disk.id for disk in choose_now(view, site, machine, member.rule))


def choose_now(view: View, site: Site, machine: Machine, rule: int) -> tuple[Disk, ...]:
    """The disks that this entry of the site file chooses on this machine."""
    return choose_disks(site.nodes[rule].disk, machine, find_shared_wwns(view.machines.values()), 0).disks


def _follow_rule(view: View, chosen: str, keys: tuple[str, ...]) -> Outcome:
    wanted: dict[str, Changes] = {key: {"disk": dict(SPELLED[chosen])} for key in keys}
    titles = join_titles([member.title for member in find_members(view).pick(keys)])
    return make_edited(view, wanted, f"{titles}: {dict(RULES)[chosen]}")


def _follow_disk(view: View, chosen: str, key: str) -> Outcome:
    if chosen in SPELLED:
        return _follow_rule(view, chosen, (key,))
    member = find_members(view).by_key[key]
    if member.machine is None or member.machine.disk(chosen) is None:
        raise RackstrapError("this disk is not there any more", "choose another one")
    others = [disk for disk in find_disks(view, member.machine)[0] if disk.id != chosen]
    if not others:
        return _write(view, key, (chosen,))
    choices = [("none", "this one disk alone"), *((disk.id, describe_choice(disk)) for disk in others)]
    says = ("A second disk makes a mirror: the node starts from either.",)
    return ask_one("second", "Second disk", choices, lambda now, text: _write(now, key, (chosen, text)), says, "none")


def _write(view: View, key: str, disks: tuple[str, ...]) -> Outcome:
    ids: list[Value] = [disk for disk in disks if disk != "none"]
    choice: dict[str, Value] = {"by_id": ids[0]} if len(ids) == 1 else {"by_id": ids, "mirror": True}
    member = find_members(view).by_key[key]
    machine = member.machine
    named = [disk for disk in machine.disks if disk.id in ids] if machine is not None else []
    return make_edited(view, {key: {"disk": choice}}, f"{member.title}: {' and '.join(map(describe_disk, named))}")


def describe_rule(site: Site, member: Member) -> str:
    """How the site file chooses, in words."""
    choice = site.nodes[member.rule].disk if member.rule >= 0 else None
    if choice is None:
        return "no entry of the site file is for it"
    names = (*choice.by_id, *choice.serial, *choice.wwn, *choice.path)
    if names:
        return f"{' and '.join(names)}{', as a mirror' if choice.mirror else ''}"
    size = f" of at least {choice.min_gb} GB" if choice.min_gb else ""
    return f"the {'two ' if choice.mirror else ''}{'largest' if choice.largest else 'smallest'}{size}"
