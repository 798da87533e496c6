"""What fails with a device: the answer within 30 seconds to "may I pull this?". Pure, from plan, machines and roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from installer.model.facts import Machine, Nic
from installer.model.plan import NodePlan
from installer.plan.conduits import find_nics
from installer.wizard.view import View

ADMIN = "the admin node"


@dataclass(frozen=True, slots=True)
class Blast:
    """`cut`: nodes without any link left. `thinned`: node -> networks that it loses, or keeps on fewer links.

    `lost_roles`: whose every holder is cut. `without_majority`: whose holders left are no majority of them (Count.odd: a
    quorum). `unknown`: machines without LLDP, of which nobody can say where they hang.
    """

    device: str
    cut: tuple[str, ...]
    lost: Mapping[str, tuple[str, ...]]  # node -> networks that it loses, of those that keep a link
    thinned: Mapping[str, tuple[str, ...]]  # node -> networks that go on with fewer links
    lost_roles: tuple[str, ...]
    without_majority: tuple[str, ...]
    admin: str  # "", "cut" or "thinned"
    unknown: int


def find_switches(machine: Machine) -> tuple[str, ...]:
    """The switches that LLDP shows, each once."""
    return tuple(dict.fromkeys(nic.lldp.switch for nic in machine.nics if nic.lldp))


def find_blast(view: View, device: str) -> Blast:
    """What fails with this switch."""
    cut: list[str] = []
    lost: dict[str, tuple[str, ...]] = {}
    thinned: dict[str, tuple[str, ...]] = {}
    unknown = 0
    for node in view.plan.nodes if view.plan is not None else ():
        machine = view.machines.get(node.machine)
        if machine is None:
            continue
        gone, left = split_links(machine, device)
        unknown += not find_switches(machine)
        if gone and not left:
            cut.append(node.name)
        elif gone:
            networks = find_networks(view, node, machine, gone)
            lost[node.name] = tuple(name for name, some in networks.items() if not some)
            thinned[node.name] = tuple(name for name, some in networks.items() if some)
    dead, weak = find_roles(view, frozenset(cut))
    gone, left = split_links(view.here.machine, device)
    return Blast(device, tuple(cut), lost, thinned, dead, weak, "" if not gone else "thinned" if left else "cut", unknown)


def find_node_blast(view: View, name: str) -> Blast:
    """What fails with this node."""
    dead, weak = find_roles(view, frozenset({name}))
    return Blast(name, (name,), {}, {}, dead, weak, "", 0)


def split_links(machine: Machine, device: str) -> tuple[list[Nic], list[Nic]]:
    """NICs that hang on the device, and others with a link."""
    gone = [nic for nic in machine.nics if nic.lldp and nic.lldp.switch == device]
    return gone, [nic for nic in machine.nics if nic.has_link and nic not in gone]


def find_networks(view: View, node: NodePlan, machine: Machine, gone: list[Nic]) -> dict[str, bool]:
    """Networks of the node that are touched -> whether a NIC of their conduit is left."""
    site = view.draft.site
    touched = {}
    for network in site.networks if site is not None else ():
        conduit = next((c for c in site.conduits if c.name == network.conduit), None) if site is not None else None
        if conduit is None or network.name not in node.addresses:
            continue
        nics, _ = find_nics(conduit, machine)
        if any(nic in gone for nic in nics):
            touched[network.name] = any(nic.has_link and nic not in gone for nic in nics)
    return touched


def find_roles(view: View, cut: frozenset[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Roles whose every holder is cut; and those that live by a majority and have none left."""
    holders: dict[str, list[str]] = {}
    for node in view.plan.nodes if view.plan is not None else ():
        for role in node.roles:
            holders.setdefault(role, []).append(node.name)
    dead = tuple(role for role, names in holders.items() if all(name in cut for name in names))
    weak = tuple(
        role
        for role, names in holders.items()
        if role not in dead and role in view.roles and view.roles[role].count.odd
        if 2 * sum(name not in cut for name in names) <= len(names)
    )
    return dead, weak


def say_blast(blast: Blast) -> tuple[str, ...]:
    """In words, counted, worst first."""
    lines = []
    if blast.admin:
        lines.append(
            f"{ADMIN} {'is cut off: nothing can be installed or seen' if blast.admin == 'cut' else 'loses part of its links'}"
        )
    lines += [f"role {role} stops: every node that has it is cut off" for role in blast.lost_roles]
    lines += [f"role {role} loses its majority" for role in blast.without_majority]
    if blast.cut:
        lines.append(f"{_count(len(blast.cut))} cut off: {_some(blast.cut)}")
    lost = {name: networks for name, networks in blast.lost.items() if networks}
    by_networks: dict[tuple[str, ...], list[str]] = {}
    for name, networks in lost.items():
        by_networks.setdefault(networks, []).append(name)
    lines += [
        f"{_count(len(names))} without {', '.join(networks)}: {_some(tuple(names))}" for networks, names in by_networks.items()
    ]
    fewer = tuple(name for name, networks in blast.thinned.items() if networks and name not in lost)
    if fewer:
        lines.append(f"{_count(len(fewer))} on fewer links: {_some(fewer)}")
    spare = tuple(name for name in blast.thinned if name not in lost and name not in fewer)
    if spare:
        lines.append(f"{_count(len(spare))} with a spare link there, in no network: {_some(spare)}")
    if blast.unknown:
        lines.append(f"not known of {_count(blast.unknown)}: LLDP shows no switch")
    return tuple(lines) or ("nothing that is known hangs on it",)


def _count(number: int) -> str:
    return f"{number} node{'' if number == 1 else 's'}"


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
