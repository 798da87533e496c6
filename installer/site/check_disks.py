"""How disks are chosen, as far as the file alone shows it, and the consent to erase."""

from __future__ import annotations

import re
from typing import Final

from installer.model.site import DiskChoice, EraseEntry, Site
from installer.site.addresses import shown
from installer.site.findings import Findings
from installer.site.tree import Path

KERNEL_NAME: Final = re.compile(
    r"(/dev/)?(sd[a-z]+|hd[a-z]+|vd[a-z]+|xvd[a-z]+|nvme[0-9]+n[0-9]+|mmcblk[0-9]+|md[0-9]+|dm-[0-9]+)(p?[0-9]+)?"
)
PARTITION: Final = re.compile(r".+-part[0-9]+")
UNIQUE: Final = ("wwn-", "nvme-eui.", "nvme-nvme.", "nvme-uuid.")  # names that one disk in the world has


def check_disks(site: Site, findings: Findings) -> None:
    check_choice(site.admin.disk, ("admin", "disk"), 1, findings)
    taken: dict[str, int] = {}
    for index, rule in enumerate(site.nodes):
        path: Path = ("nodes", index, "disk")
        check_choice(rule.disk, path, rule.expect, findings)
        for name in {*rule.disk.wwn, *(n for n in rule.disk.by_id if n.startswith(UNIQUE))}:
            if taken.setdefault(name, index) != index:
                first = findings.document.place(("nodes", taken[name], "disk")).line
                findings.error(path, f"disk {shown(name)} is another node's, on line {first}", "give each node a disk of its own")
    if isinstance(site.erase, tuple):
        _check_erase(site, site.erase, findings)
    elif site.erase == "blank" and any(rule.match.any for rule in site.nodes):
        hint = "keep other blank machines off this network, or name each machine"
        findings.warn(("erase",), "with `any`, the first machines to appear are installed, if their disks are blank", hint)


def find_ways(choice: DiskChoice) -> list[str]:
    """The ways in which this choice names its disk."""
    ways = {
        "by_id": choice.by_id,
        "serial": choice.serial,
        "wwn": choice.wwn,
        "path": choice.path,
        "smallest": choice.smallest,
        "largest": choice.largest,
    }
    return [way for way, given in ways.items() if given]


def check_choice(choice: DiskChoice, path: Path, expect: int, findings: Findings) -> None:
    """A choice that no machine can make true."""
    ways = find_ways(choice)
    if not ways:
        findings.error(path, "no disk is chosen", "write smallest: true, or name the disk by by_id, serial, wwn or path")
        return
    if len(ways) > 1:
        findings.error(path, f"a disk is chosen in {len(ways)} ways at once: {', '.join(ways)}", "keep one of them")
        return
    names = (*choice.by_id, *choice.serial, *choice.wwn, *choice.path)
    here: Path = (*path, ways[0])
    if not names:
        return
    for name in names:
        _check_name(name, here, "by_id" if ways[0] != "serial" else "serial", findings)
    if len(set(names)) != len(names):
        findings.error(here, "the same disk is named twice", "name two disks for a mirror")
    elif choice.mirror and len(names) != 2:
        findings.error(here, f"a mirror takes two disks; {len(names)} named", "name two disks, or leave mirror out")
    elif not choice.mirror and len(names) != 1:
        findings.error(here, f"{len(names)} disks are named where one is needed", "name one disk, or two with mirror: true")
    if expect > 1 and ways[0] != "path":
        findings.error(
            here, f"a disk that one machine has is named for {expect} machines", "write an entry for each, or smallest: true"
        )


def _check_name(name: str, path: Path, kind: str, findings: Findings) -> None:
    if KERNEL_NAME.fullmatch(name):
        hint = f"write its name from /dev/disk/by-id (`ls -l /dev/disk/by-id | grep {name.rpartition('/')[2][:20]}`)"
        findings.error(path, f"{shown(name)} is a name that changes from boot to boot", hint)
    elif PARTITION.fullmatch(name) and kind != "serial":
        findings.error(path, f"{shown(name)} is a partition", f"write the whole disk: {name.rpartition('-part')[0][:80]}")
    elif "/" in name and kind != "serial":
        findings.error(path, f"{shown(name)} is not a disk's name", "write the name alone, without its folder")


def _check_erase(site: Site, entries: tuple[EraseEntry, ...], findings: Findings) -> None:
    if not entries:
        findings.error(("erase",), "the list of machines to erase is empty", "write erase: no")
    explicit = {word for rule in site.nodes for word in (rule.match.serial, rule.match.uuid, rule.match.mac) if word}
    is_open = any(not (rule.match.serial or rule.match.uuid or rule.match.mac) for rule in site.nodes)
    seen: set[tuple[str, str]] = set()
    for index, entry in enumerate(entries):
        path: Path = ("erase", index)
        if entry.machine not in explicit and entry.machine.lower() not in explicit and not is_open:
            hint = "for a node, write the machine as its node entry does: by the same serial, uuid or mac"
            message = f"no node entry is for the machine {shown(entry.machine)}: only the admin node itself can be meant"
            findings.warn((*path, "machine"), message, hint)
        for disk in entry.disks:
            _check_name(disk, (*path, "disks"), "by_id", findings)
            if (entry.machine, disk) in seen:
                findings.error(
                    (*path, "disks"), f"disk {shown(disk)} of {shown(entry.machine)} is listed twice", "keep one of them"
                )
            seen.add((entry.machine, disk))
