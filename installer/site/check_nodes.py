"""Node entries among themselves: what each matches, how many, and whether two want the same machine."""

from __future__ import annotations

import re
from typing import Final

from installer.model.site import Match, NodeRule, Site
from installer.plan.match import identity_keys
from installer.site.addresses import shown
from installer.site.findings import Findings
from installer.site.tree import Path

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
NO_SERIAL: Final = frozenset(
    {"0", "none", "n/a", "default string", "to be filled by o.e.m.", "system serial number", "not specified"}
)


def check_nodes(site: Site, findings: Findings) -> None:
    taken: dict[tuple[str, str], int] = {}
    alike: dict[Match, int] = {}
    for index, rule in enumerate(site.nodes):
        _check_rule(rule, index, findings)
        keys = identity_keys(rule.match)
        for kind, word in keys:
            first = taken.setdefault((kind, word), index)
            if first != index:
                line = findings.document.place(("nodes", first, "match", kind)).line
                path: Path = ("nodes", index, "match", kind)
                findings.error(path, f"{kind} {shown(word)} is matched on line {line} too", "keep one entry for each machine")
        if not keys and rule.match != Match():
            first = alike.setdefault(rule.match, index)
            if first != index:
                line = findings.document.place(("nodes", first, "match")).line
                hint = "make them differ, or write one entry that expects more"
                findings.error(("nodes", index, "match"), f"this match is the same as the one on line {line}", hint)


def _check_rule(rule: NodeRule, index: int, findings: Findings) -> None:
    path: Path = ("nodes", index)
    match, keys = rule.match, identity_keys(rule.match)
    if match == Match():
        findings.error(
            (*path, "match"),
            "this match fits no machine: it is empty",
            "write serial, uuid, mac or bmc; or any: true with expect",
        )
        return
    if match.any:
        _check_any(rule, path, findings)
    elif rule.name and rule.expect > 1:
        hint = "leave the name out (names are given), or write an entry for each machine"
        findings.error((*path, "expect"), f"one name, {rule.name}, for {rule.expect} machines", hint)
    elif keys and rule.expect > 1:
        message = f"{keys[0][0]} names one machine; {rule.expect} are expected"
        findings.error((*path, "expect"), message, "leave expect out, or match by product, memory or switch")
    _check_words(match, path, findings)


def _check_any(rule: NodeRule, path: Path, findings: Findings) -> None:
    if (*path, "expect") not in findings.document.keys:
        findings.error(
            (*path, "match"),
            "`any: true` without `expect` could take every machine in reach",
            "add expect: and how many machines",
        )
    if rule.name:
        hint = "match the machine by serial, uuid, mac or bmc, or leave the name out"
        findings.error((*path, "name"), f"the name {rule.name} would go to whichever machine comes first", hint)
    if rule.match != Match(any=True):
        findings.error((*path, "match"), "`any: true` stands beside keys that say which machine", "keep one or the other")


def _check_words(match: Match, path: Path, findings: Findings) -> None:
    if match.uuid and not _UUID.fullmatch(match.uuid):
        hint = "write it like 5f1d2a60-0001-4c1e-9d3b-52540012a001"
        findings.error((*path, "match", "uuid"), f"{shown(match.uuid)} is not a UUID", hint)
    elif match.uuid and set(match.uuid) - {"-"} in ({"0"}, {"f"}):
        findings.error((*path, "match", "uuid"), "this UUID means that the machine has none", "match it by serial or mac")
    if match.serial.lower() in NO_SERIAL:
        message = f"{shown(match.serial)} is what machines say that have no serial number"
        findings.error((*path, "match", "serial"), message, "match it by uuid or mac")
    if match.mac and (int(match.mac[:2], 16) & 1 or match.mac == "00:00:00:00:00:00"):
        findings.error(
            (*path, "match", "mac"), f"{match.mac} is not the address of a network card", "write the card's own MAC address"
        )
