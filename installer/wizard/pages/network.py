"""The network: which port faces the rack, the address there, and whether the segment is fit to serve."""

from __future__ import annotations

from ipaddress import ip_interface
from typing import Final

from installer.model.facts import Nic
from installer.network.links import find_admin_nics
from installer.preflight.check import Check
from installer.wizard.page import Column, Line, Lines, Page, Part, Row, Table
from installer.wizard.pages.network_acts import make_network_actions
from installer.wizard.pages.network_fields import make_decided
from installer.wizard.view import View

HELP: Final = (
    "You should see every network port of this machine, and which of them has a cable with a light at both ends.",
    "Plug a cable in or out: the row changes within a few seconds, and so you find the port that faces the rack.",
    "The switch port is what the switch itself says by LLDP. A dash: it says nothing, or not yet; that takes up to 45 s.",
    "Choose the port with Enter. Two or more marked with Space become a bond with b.",
    "Nothing here changes this machine until you press u. What u sets goes back by itself after 60 s unless you press k.",
    "The checks run on their own, again and again. Each that fails says what to do.",
)
CHECK_NAMES: Final = {"dhcp": "other DHCP", "dns": "DNS", "ntp": "time", "mtu": "MTU"}


def make_network_page(view: View, subject: str) -> Page:
    """Ports to choose from, what is decided, and the checks. A subject is not used."""
    parts: list[Part] = [_make_ports(view), make_decided(view), _make_checks(view)]
    if view.here.confirm_by > view.now:
        parts.insert(0, _make_confirmation(view))
    actions = make_network_actions(view)
    question = "Which port faces the rack?"
    return Page("network", "Network", question, tuple(parts), actions, HELP, subject, frozenset({"preflight"}))


def describe_speed(speed_mbps: int | None) -> str:
    """10 G, 2.5 G, 100 M; "" where the driver does not tell."""
    if not speed_mbps or speed_mbps < 0:
        return ""
    return f"{speed_mbps / 1000:g} G" if speed_mbps >= 1000 else f"{speed_mbps} M"


def describe_duration(seconds: float) -> str:
    """`42 seconds`, `1 second`, in words that can be read aloud."""
    whole = max(0, round(seconds))
    return f"{whole} second{'' if whole == 1 else 's'}"


def _make_ports(view: View) -> Table:
    nics = view.here.machine.nics
    rows = [_make_port(nic) for nic in nics]
    site = view.draft.site
    chosen, missing = find_admin_nics(site, nics) if site is not None else ((), ())
    notes = ("the site file names it, and this machine has no such port", "choose another with Enter, or put the card back")
    rows += [Row(f"missing {name}", (name, "missing", "", "", "", ""), notes, "FAIL", offered=False) for name in missing]
    widths = [max((len(row.cells[at]) for row in rows), default=0) for at in range(6)]
    columns = (
        Column("port", _fit(widths[0], 4, 12)),
        Column("link", _fit(widths[1], 7, 8)),
        Column("driver", _fit(widths[2], 6, 10), drop=3),
        Column("MAC", 17, drop=1),
        Column("switch port", _fit(widths[4], 11, 16), drop=2, grow=True),
        Column("address", _fit(widths[5], 7, 15)),
    )
    empty = "No network port shows up. Fit a card whose driver this system has."
    return Table("ports", columns, tuple(rows), empty, marks=True, start=make_port_key(chosen[0]) if chosen else "")


def _fit(width: int, least: int, most: int) -> int:
    return max(least, min(width, most))


def make_port_key(nic: Nic) -> str:
    """What a row, and admin.nics, call a port: its MAC, else its name."""
    return nic.mac or nic.name


def _make_port(nic: Nic) -> Row:
    link = f"up {describe_speed(nic.speed_mbps)}".rstrip() if nic.has_link else "no link"
    switch = f"{nic.lldp.switch} {nic.lldp.port}" if nic.lldp else "-"
    addresses = [cidr.partition("/")[0] for cidr in nic.addresses if not _is_link_local(cidr)]
    cells = (nic.name, link, nic.driver or "-", nic.mac or "-", switch, " ".join(addresses) or "-")
    return Row(make_port_key(nic), cells)


def _is_link_local(cidr: str) -> bool:
    try:
        return ip_interface(cidr).is_link_local
    except ValueError:
        return False


def has_decided_address(view: View) -> bool:
    """Whether this machine has the decided address now."""
    site = view.draft.site
    held = {cidr.partition("/")[0] for nic in view.here.machine.nics for cidr in nic.addresses}
    return site is not None and str(site.admin.address) in held


def _make_checks(view: View) -> Lines:
    lines = [_make_check(check) for check in view.checks]
    if not has_decided_address(view) and view.draft.site is not None:
        address = view.draft.site.admin.address
        lines.insert(0, Line(f"{address} is not set here yet: u sets it now", "wait", "own address"))
    if not view.checks:
        lines.append(Line("no check has answered yet; they begin by themselves", "wait"))
    return Lines("checks", tuple(lines), "Checks, again every few seconds")


def _make_check(check: Check) -> Line:
    return Line(check.found, check.state, CHECK_NAMES.get(check.name, check.name), (check.remedy,) if check.remedy else ())


def _make_confirmation(view: View) -> Lines:
    left = describe_duration(view.here.confirm_by - view.now)
    text = f"The network of this machine was changed, and goes back by itself in {left}."
    return Lines("confirmation", (Line(text, "wait", "", ("If you can read this, press k to keep it.",)),))
