"""Names: the site's, the domain, host names, groups, the time zone. What is refused here could not be rendered later."""

from __future__ import annotations

import re
import zoneinfo
from typing import Final

from installer.model.site import Site
from installer.site.addresses import shown
from installer.site.findings import Findings, make_suggestion
from installer.site.tree import Path

LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
SITE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
NETWORK_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,14}", re.ASCII)
RESERVED: Final = frozenset({"admin", "localhost", "bmc", "rule"})  # names that the ledger and DNS use for themselves
LABEL_HINT: Final = "write 1 to 63 letters, digits and hyphens, without a hyphen at either end (RFC 1123)"


def check_names(site: Site, findings: Findings) -> None:
    if not SITE_NAME.fullmatch(site.name):
        hint = "write letters, digits, `.`, `_` and `-`: the name is typed to consent to erasing"
        findings.error(("name",), f"the site's name {shown(site.name)} cannot be used", hint)
    _check_domain(site.domain, findings)
    check_label(site.admin.hostname, ("admin", "hostname"), "host name", findings)
    if site.admin.hostname == "localhost":
        findings.error(("admin", "hostname"), "the admin node cannot be called localhost", "write another name, like admin")
    for network in site.networks:
        if not NETWORK_NAME.fullmatch(network.name):
            hint = "write a letter, then letters, digits and hyphens: at most 15, in lower case"
            findings.error(("networks", network.name), f"{shown(network.name)} cannot name a network", hint, key=True)
    for conduit in site.conduits:
        if not NETWORK_NAME.fullmatch(conduit.name) or len(conduit.name) > 10:
            hint = "write a letter, then letters, digits and hyphens: at most 10, in lower case (it names the bond)"
            findings.error(("conduits", conduit.name), f"{shown(conduit.name)} cannot name a conduit", hint, key=True)
    _check_node_names(site, findings)
    _check_timezone(site.timezone, findings)


def check_label(text: str, path: Path, what: str, findings: Findings) -> bool:
    """Whether the text is one label of a host name, in lower case."""
    if LABEL.fullmatch(text):
        return True
    hint = LABEL_HINT
    if what == "host name" and "." in text and all(LABEL.fullmatch(part) for part in text.split(".")):
        hint = f"write {text.split('.', maxsplit=1)[0]}; the domain is added by itself"
    findings.error(path, f"{what} {shown(text)} cannot be used", hint)
    return False


def _check_domain(domain: str, findings: Findings) -> None:
    labels = domain.split(".")
    if not all(LABEL.fullmatch(label) for label in labels) or len(domain) > 180 or labels[-1].isdigit():
        findings.error(
            ("domain",), f"{shown(domain)} is not a domain", "write labels of letters, digits and hyphens: lab.example"
        )
    elif labels[-1] == "local":
        findings.warn(
            ("domain",), "names under .local belong to multicast DNS (RFC 6762)", "write another domain, like lab.internal"
        )


def _check_node_names(site: Site, findings: Findings) -> None:
    seen: dict[str, int] = {}
    for index, rule in enumerate(site.nodes):
        if rule.group:
            check_label(rule.group, ("nodes", index, "group"), "group", findings)
        if not rule.name:
            continue
        path: Path = ("nodes", index, "name")
        check_label(rule.name, path, "host name", findings)
        if rule.name == site.admin.hostname:
            findings.error(path, f"{rule.name} is the admin node's host name", "write another name")
        elif rule.name in RESERVED:
            findings.error(path, f"the name {rule.name} is reserved", "write another name")
        elif rule.name in seen:
            first = findings.document.place(("nodes", seen[rule.name], "name")).line
            findings.error(path, f"the name {rule.name} is on line {first} too", "give every node a name of its own")
        seen.setdefault(rule.name, index)


def _check_timezone(name: str, findings: Findings) -> None:
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        known = zoneinfo.available_timezones()
        if known and name not in known:
            hint = make_suggestion(name, sorted(known), "write one like Europe/Berlin or UTC (see `timedatectl list-timezones`)")
            findings.error(("timezone",), f"there is no time zone {shown(name)}", hint)
