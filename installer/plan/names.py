"""What nodes are called: the ledger's name, else the rule's, else the lowest free node<N>."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count

from installer.model.ledger import Ledger
from installer.model.problems import Place, Problem
from installer.model.site import Site
from installer.plan.match import Matches


def give_names(site: Site, ledger: Ledger, matches: Matches) -> tuple[dict[str, str], list[Problem]]:
    """Machine id -> name, for every machine that fits a rule, and what stands in the way.

    A name once given stays, also when the file has come to say another one; a name that any known machine holds, that
    a rule reserves or that is the admin node's is never given again.
    """
    held = {entry.name: key for key, entry in ledger.machines.items() if entry.name}
    taken = {*held, *(rule.name for rule in site.nodes if rule.name), site.admin.hostname}
    numbers = count(1)
    names: dict[str, str] = {}
    problems: list[Problem] = []
    for index, rule in enumerate(site.nodes):
        for key in matches.found.get(index, ()):
            entry = ledger.machines.get(key)
            if entry is not None and entry.name:
                names[key] = entry.name
                problems += _check_kept(index, rule.name, entry.name)
            elif rule.name and rule.name not in held:
                names[key] = rule.name
            elif rule.name:
                problems.append(_held(index, rule.name, held[rule.name], key))
            else:
                names[key] = next(name for n in numbers if (name := f"node{n}") not in taken)
    return names, problems


def _check_kept(index: int, wanted: str, name: str) -> list[Problem]:
    if not wanted or wanted == name:
        return []
    message = f"this machine is known as {name}, and keeps that name"
    hint = f"write `name: {name}`, or `rackstrap node rename {name} {wanted}`"
    return [Problem(Place(("nodes", index, "name")), message, hint, severity="warning")]


def _held(index: int, name: str, holder: str, key: str) -> Problem:
    message = f"machine {key} would be {name}, but machine {holder} has that name"
    hint = f"if it was replaced: `rackstrap node delete {name}`; else give this rule another name"
    return Problem(Place(("nodes", index, "name")), message, hint)


def find_holders(ledger: Ledger) -> Mapping[str, str]:
    """Name -> machine id, over the whole ledger."""
    return {entry.name: key for key, entry in ledger.machines.items() if entry.name}
