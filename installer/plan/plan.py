"""The plan: everything that will be done, before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from installer.model.facts import Machine
from installer.model.ledger import Ledger
from installer.model.network import NamedAddress
from installer.model.orders import Layout
from installer.model.plan import AdminPlace, DiskPlan, NodePlan, Plan
from installer.model.site import Site
from installer.plan.decide import decide
from installer.plan.decided import Decided
from installer.plan.describe import describe_holds
from installer.plan.estimate import estimate_bytes, estimate_minutes, estimate_reboots
from installer.plan.roles import Role
from installer.plan.steps import make_steps
from installer.render.services import render_dnsmasq, render_nginx


def make_plan(site: Site, machines: Mapping[str, Machine], ledger: Ledger, roles: Mapping[str, Role], place: AdminPlace) -> Plan:
    """The plan for this site with these machines (by machine id), given what the ledger says is given and done.

    Pure: the same input gives the same plan, whatever the order of `machines`. Names and addresses that the ledger does
    not know yet are in the plan already; gifts.make_gifts turns them into events, to be journaled before steps run.
    Raises RackstrapError when the site cannot be served at all (no DHCP range).
    """
    decision = decide(site, machines, ledger, roles, place)
    services = {
        "dnsmasq": render_dnsmasq(site, place, make_named_addresses(decision.nodes)),
        "nginx": render_nginx(site, place),
    }
    return Plan(
        site.name,
        tuple(make_node_plan(node, place) for node in decision.nodes),
        make_steps(site, ledger, decision.nodes, decision.lacking, services),
        _make_files(decision.nodes, services, place),
        decision.problems,
        decision.consents,
    )


def make_named_addresses(nodes: Sequence[Decided]) -> list[NamedAddress]:
    """Every node with a machine and an address on the admin network, for DNS and DHCP."""
    return [
        NamedAddress(node.name, node.addresses["admin"].partition("/")[0], _boot_mac(node))
        for node in nodes
        if node.machine is not None and "admin" in node.addresses
    ]


def _boot_mac(node: Decided) -> str:
    """The MAC that asks for an address: of the NIC it booted from, else of the first NIC on the admin network."""
    if node.machine is not None and node.machine.boot_nic:
        return node.machine.boot_nic
    links = node.network.links if node.network is not None else ()
    return node.entry.boot_mac or next((link.mac for link in links if link.mac), "")


def make_node_plan(node: Decided, place: AdminPlace) -> NodePlan:
    """What the operator reads about one node."""
    left = not node.has_begun
    layout = Layout()
    disks = tuple(DiskPlan(d.id, d.model, d.serial, d.size_bytes, describe_holds(d)) for d in node.disks)
    discovered = node.machine is not None and node.epoch == 1
    is_write = left and bool(disks)
    return NodePlan(
        name=node.name,
        machine=node.machine_id,
        rule=node.rule,
        group=_group(node),
        roles=node.roles,
        why=node.why,
        addresses=node.addresses,
        disks=disks,
        mirror=node.mirror,
        reboots=estimate_reboots(node.handover, node.epoch) if left else 0,
        write_bytes=estimate_bytes(place.image, layout, len(disks)) if is_write else 0,
        minutes=estimate_minutes(place.image, node.disks, node.handover, discovered=discovered) if left else 0.0,
        files=tuple(file.path for file in node.files),
        refused=tuple((disk.id, reason) for disk, reason in node.refused),
        consent=node.consent.how if node.consent is not None and node.chosen else "",
        begun=node.has_begun,
    )


def _group(node: Decided) -> str:
    if node.entry.group is not None:
        return node.entry.group
    return node.site_rule.group if node.site_rule is not None else ""


def _make_files(nodes: Sequence[Decided], services: Mapping[str, Mapping[str, str]], place: AdminPlace) -> dict[str, str]:
    """Folder-relative path -> text: the admin node's below admin/, each node's below nodes/NAME/."""
    root = place.state_dir.rstrip("/") + "/"
    files = {f"admin/{path.removeprefix(root).lstrip('/')}": text for some in services.values() for path, text in some.items()}
    files.update((f"nodes/{node.name}{file.path}", file.text) for node in nodes for file in node.files)
    return files
