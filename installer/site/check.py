"""Every problem of a site: its own, and against the machines and roles that are known. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from installer.model.facts import Machine
from installer.model.problems import Problem
from installer.plan.roles import Role
from installer.site.check_access import check_access
from installer.site.check_addresses import check_addresses
from installer.site.check_admin import check_admin
from installer.site.check_disks import check_disks
from installer.site.check_machines import check_machines
from installer.site.check_names import check_names
from installer.site.check_networks import check_networks
from installer.site.check_nodes import check_nodes
from installer.site.check_roles import check_roles
from installer.site.check_services import check_services
from installer.site.findings import Findings, sort_problems
from installer.site.load import LoadedSite
from installer.site.tree import Path

_CHECKS: Final = (
    check_names, check_access, check_admin, check_networks, check_addresses, check_services, check_disks, check_nodes,
)  # fmt: skip


def check_site(
    loaded: LoadedSite,
    machines: Mapping[str, Machine] | None = None,
    roles: Mapping[str, Role] | Collection[str] | None = None,
    *,
    are_all: bool = False,
) -> tuple[Problem, ...]:
    """All problems, those of `loaded.problems` among them, in the order of the file. Warnings are among them too.

    `machines` by machine id, where some are known; `are_all` when no others will come. `roles`: those that exist,
    by name, or their names alone; left out, roles are not checked.
    """
    site = loaded.site
    if site is None:
        return loaded.problems
    findings = Findings(loaded.document)
    for check in _CHECKS:
        check(site, findings)
    if roles is not None:
        check_roles(site, roles, findings)
    if machines:
        check_machines(site, machines, are_all, findings)
    unclear = {problem.place.path[:-1] for problem in loaded.problems}
    problems = [*loaded.problems, *(p for p in findings.problems if find_written(p.place.path, loaded) not in unclear)]
    return sort_problems(problems)


def find_written(path: Path, loaded: LoadedSite) -> Path:
    """The part of a key path that is written in the file. Where an unknown key stands, what is missing is no news."""
    return next((path[:n] for n in range(len(path), -1, -1) if path[:n] in loaded.document.values), ())


def has_errors(problems: Collection[Problem]) -> bool:
    """Whether any of these stops the work; warnings do not."""
    return any(problem.severity == "error" for problem in problems)
