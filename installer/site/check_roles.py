"""Roles: whether those that the file names exist, and its options for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from installer.model.problems import Problem
from installer.model.site import Site
from installer.plan.options import check_options
from installer.site.addresses import shown
from installer.site.findings import Findings, make_suggestion


def check_roles(site: Site, roles: Mapping[str, Any] | Collection[str], findings: Findings) -> None:
    """`roles`: those that exist, by name, or their names alone; then options are not checked.

    Options may also stand under what several roles share: `swift` for swift-proxy.
    """
    families = {name.split("-")[0] for name in roles}
    known = ", ".join(sorted(roles))
    for index, rule in enumerate(site.nodes):
        for position, name in enumerate(rule.roles):
            path = ("nodes", index, "roles", position)
            if name not in roles:
                findings.error(path, f"there is no role {shown(name)}", make_suggestion(name, roles, f"roles: {known}"))
            elif name in rule.roles[:position]:
                findings.error(path, f"role {name} is in the list twice", "keep one of them")
    for name in site.roles:
        if name not in roles and name not in families:
            hint = make_suggestion(name, {*roles, *families}, f"roles: {known}")
            findings.error(("roles", name), f"there is no role {shown(name)}", hint, key=True)
    if isinstance(roles, Mapping):
        for problem in check_options(site.roles, roles):
            place = findings.document.place(problem.place.path)
            findings.problems.append(Problem(place, problem.message, problem.hint, problem.severity))
