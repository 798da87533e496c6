"""The site against machines that are known: matches, disks, consents, cards and firmware."""

from __future__ import annotations

from collections.abc import Mapping

from installer.model.facts import Machine
from installer.model.ledger import Ledger
from installer.model.problems import Problem
from installer.model.site import EraseEntry, NodeRule, Site
from installer.plan.conduits import find_nics
from installer.plan.match import Matches, check_matches, find_bmcs, find_matches, identity_keys
from installer.plan.storage import choose_disks, find_shared_wwns, has_name
from installer.site.addresses import shown
from installer.site.findings import Findings, make_suggestion
from installer.site.tree import Path


def check_machines(site: Site, machines: Mapping[str, Machine], are_all: bool, findings: Findings) -> None:
    """`are_all`: no other machines will come, so an entry that none fits is an error rather than a wait."""
    ledger = Ledger()
    matches = find_matches(site, machines, ledger, find_bmcs(machines, ledger))
    findings.problems += [_placed(problem, findings) for problem in matches.problems]
    missing = check_matches(site, matches)
    if are_all:
        _report_missing(site, machines, missing, findings)
    else:
        findings.problems += [_placed(problem, findings) for problem in missing]
    shared = find_shared_wwns(machines.values())
    for key, index in sorted(matches.rule_of.items(), key=lambda pair: (pair[1], pair[0])):
        _check_disk(site.nodes[index], machines[key], index, shared, findings)
        _check_cards(site, machines[key], index, findings)
    _check_secure_boot(site, machines, matches, findings)
    if isinstance(site.erase, tuple):
        _check_erase(site.erase, machines, are_all, findings)


def _placed(problem: Problem, findings: Findings) -> Problem:
    return Problem(findings.document.place(problem.place.path), problem.message, problem.hint, problem.severity)


def _report_missing(site: Site, machines: Mapping[str, Machine], missing: list[Problem], findings: Findings) -> None:
    words = {
        "serial": {m.serial for m in machines.values()},
        "uuid": {m.uuid for m in machines.values()},
        "mac": {mac for m in machines.values() for mac in m.macs},
        "bmc": {m.bmc.address for m in machines.values() if m.bmc},
    }
    for problem in missing:
        path = problem.place.path
        keys = identity_keys(site.nodes[int(path[1])].match)
        if keys:
            kind, word = keys[0]
            hint = make_suggestion(word, words[kind] - {""}, "correct it, or give this machine's recording too")
            findings.error((*path, kind), f"no machine has the {kind} {shown(word)}", hint)
        else:
            findings.error(path, problem.message.replace(" yet", ""), "correct the match, or expect fewer machines")


def _check_disk(rule: NodeRule, machine: Machine, index: int, shared: frozenset[str], findings: Findings) -> None:
    chosen = choose_disks(rule.disk, machine, shared, 0)
    if chosen.problem:
        who = machine.serial or machine.uuid or "the machine without a serial number"
        findings.error(("nodes", index, "disk"), f"{who}: {chosen.problem}", chosen.hint)


def _check_cards(site: Site, machine: Machine, index: int, findings: Findings) -> None:
    """Only the conduit of the admin network must exist on every machine; the others carry what its roles need."""
    conduit = site.conduit(site.network("admin").conduit)
    cards, missing = find_nics(conduit, machine)
    if not cards:
        who = machine.serial or machine.uuid
        hint = f"it has {len(machine.nics)} network cards; see `rackstrap probe`, and correct conduits.{conduit.name}"
        findings.error(("nodes", index), f"{who}: no network card fits the conduit {conduit.name} ({', '.join(missing)})", hint)


def _check_secure_boot(site: Site, machines: Mapping[str, Machine], matches: Matches, findings: Findings) -> None:
    """Signed GRUB takes its server from the DHCP answer proper and ignores proxy offers."""
    secure = sorted(machines[key].serial or key for key in matches.rule_of if machines[key].firmware.secure_boot)
    if site.services.dhcp == "proxy" and secure:
        message = f"proxy DHCP cannot boot machines with Secure Boot: {', '.join(secure[:6])}"
        hint = "write dhcp: own or dhcp: external, or switch Secure Boot off on them"
        findings.error(("services", "dhcp"), message, hint)


def _check_erase(entries: tuple[EraseEntry, ...], machines: Mapping[str, Machine], are_all: bool, findings: Findings) -> None:
    for index, entry in enumerate(entries):
        path: Path = ("erase", index)
        found = [m for m in machines.values() if entry.machine == m.serial or entry.machine.lower() in {m.uuid, *m.macs}]
        if len(found) > 1:
            message = f"{len(found)} machines go by {shown(entry.machine)}"
            findings.error((*path, "machine"), message, "write the MAC address of the one that you mean")
        elif not found and are_all:
            known = {m.serial for m in machines.values()} - {""}
            hint = make_suggestion(entry.machine, known, "write a machine's serial, uuid or mac")
            findings.error((*path, "machine"), f"no machine is {shown(entry.machine)}", hint)
        for disk in entry.disks if len(found) == 1 else ():
            if not any(has_name(d, "by_id", disk) for d in found[0].disks):
                ids = [d.id for d in found[0].disks]
                hint = make_suggestion(disk, ids, f"it has: {', '.join(sorted(ids)) or 'no disk'}")
                findings.error((*path, "disks"), f"{entry.machine} has no disk {shown(disk)}", hint)
