"""An installed node and a file that has come to ask for another layout: a problem, never a step."""

from __future__ import annotations

from collections.abc import Sequence

from installer.model.facts import Machine
from installer.model.problems import Place, Problem
from installer.model.site import DiskChoice
from installer.plan.storage import has_name


def check_layout(name: str, place: Place, choice: DiskChoice, machine: Machine, installed: Sequence[str]) -> list[Problem]:
    """ "Needs reinstall", when the disks that the node was installed onto (by id) are not what the choice says.

    Only what was decided counts: a smaller disk that was fitted later changes nothing for `smallest`, nor does a disk
    that is not there any more.
    """
    reason = _find_change(choice, machine, installed)
    if not reason:
        return []
    message = f"{name} needs reinstall: it is installed on {' and '.join(installed)}, and {reason}"
    hint = f"`rackstrap node reinstall {name}`, or write the layout that it has"
    return [Problem(place, message, hint, severity="warning")]


def _find_change(choice: DiskChoice, machine: Machine, installed: Sequence[str]) -> str:
    if choice.mirror != (len(installed) == 2):
        return "the file asks for a mirror" if choice.mirror else "the file asks for one disk"
    disks = [disk for disk in machine.disks if disk.id in installed]
    for kind, wanted in (("by_id", choice.by_id), ("serial", choice.serial), ("wwn", choice.wwn), ("path", choice.path)):
        other = [disk.id for disk in disks if wanted and not any(has_name(disk, kind, word) for word in wanted)]
        if other:
            return f"the file asks for {kind} {', '.join(wanted)}"
        if wanted:
            return ""
    if any(disk.size_bytes < choice.min_gb * 10**9 for disk in disks):
        return f"the file asks for {choice.min_gb} GB or more"
    return ""
