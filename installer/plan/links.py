"""A node's links: NICs, bonds and VLANs, from its networks, their conduits and its machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from installer.model.facts import Machine
from installer.model.network import Link, NodeNetwork
from installer.model.problems import Place, Problem
from installer.model.site import Conduit, Network, Site
from installer.plan.conduits import find_nics

NAME_LIMIT = 15  # IFNAMSIZ - 1, linux/if.h


def make_node_network(
    name: str, site: Site, machine: Machine, addresses: Mapping[str, str]
) -> tuple[NodeNetwork, tuple[Problem, ...]]:
    """The links of a node with these addresses (network -> CIDR), and the conduits that its NICs cannot carry.

    NICs come first, then bonds, then VLANs, each in the order of the site's networks. The default route is the public
    network's where the node is on it, else the admin network's, else the first router's.
    """
    work = _Wiring(name, site, machine)
    networks = [network for network in site.networks if network.name in addresses]
    for network in networks:
        work.attach(network, addresses[network.name])
    routed = _find_routed(networks)
    links = [work.finish(link, routed) for kind in ("nic", "bond", "vlan") for link in work.links.values() if link.kind == kind]
    address = addresses.get("admin", "").partition("/")[0]
    return NodeNetwork(name, site.domain, address, tuple(links)), tuple(work.problems)


def _find_routed(networks: Sequence[Network]) -> Network | None:
    routed = [network for network in networks if network.router is not None]
    rank = {"public": 0, "admin": 1}
    return min(routed, key=lambda network: rank.get(network.name, 2), default=None)


@dataclass(slots=True)
class _Wiring:
    name: str
    site: Site
    machine: Machine
    links: dict[str, Link] = field(default_factory=dict)
    base_of: dict[str, str] = field(default_factory=dict)  # conduit -> name of the NIC or bond that it is
    problems: list[Problem] = field(default_factory=list)

    def attach(self, network: Network, address: str) -> None:
        base = self._base(self.site.conduit(network.conduit))
        if not base:
            return
        self.links[base] = replace(self.links[base], mtu=max(self.links[base].mtu, network.mtu))
        link = base if network.vlan is None else self._vlan(base, network)
        old = self.links[link]
        self.links[link] = replace(old, networks=(*old.networks, network.name), addresses=(*old.addresses, address))

    def finish(self, link: Link, routed: Network | None) -> Link:
        """A link with its route and, on the admin network, its name servers; members of a bond take the bond's MTU."""
        router = str(routed.router) if routed is not None and routed.name in link.networks else ""
        bond = next((b for b in self.links.values() if link.name in b.members), None)
        on_admin = "admin" in link.networks
        return replace(
            link,
            router=router,
            mtu=bond.mtu if bond is not None else link.mtu,
            dns=(str(self.site.admin.address),) if on_admin else (),
            domains=(self.site.domain,) if on_admin else (),
        )

    def _base(self, conduit: Conduit) -> str:
        if conduit.name in self.base_of:
            return self.base_of[conduit.name]
        nics, missing = find_nics(conduit, self.machine)
        self._check(conduit, missing)
        for nic in nics:
            if nic.name not in self.links:
                self.links[nic.name] = Link(nic.name, "nic", mac=nic.mac)
            elif len(nics) > 1 or any(nic.name in link.members for link in self.links.values()):
                self.problems.append(self._problem(conduit, f"{nic.name} is in two conduits", "a NIC can be in one bond only"))
                nics = ()
        base = nics[0].name if nics else ""
        if len(conduit.nics) > 1 and nics:
            base = conduit.name[:NAME_LIMIT]
            members = tuple(nic.name for nic in nics)
            self.links[base] = Link(base, "bond", members=members, bond_mode=conduit.bond_mode)
        self.base_of[conduit.name] = base
        return base

    def _vlan(self, base: str, network: Network) -> str:
        vlan = network.vlan or 0
        name = f"{base}.{vlan}" if len(f"{base}.{vlan}") <= NAME_LIMIT else f"vlan{vlan}"
        if name not in self.links:
            self.links[name] = Link(name, "vlan", vlan_id=vlan, parent=base, mtu=network.mtu)
        elif self.links[name].parent != base:
            self.problems.append(self._problem(self.site.conduit(network.conduit), f"{name} exists twice", "use another VLAN id"))
        return name

    def _check(self, conduit: Conduit, missing: Sequence[str]) -> None:
        if missing:
            have = ", ".join(f"{n.name} {n.speed_mbps or '?'} Mbit/s {n.mac}" for n in self.machine.nics) or "none"
            message = f"{self.name} has no NIC for {', '.join(missing)} (it has: {have})"
            self.problems.append(self._problem(conduit, message, "`?1g1` takes any speed; or name it by mac=, pci= or lldp="))

    def _problem(self, conduit: Conduit, message: str, hint: str) -> Problem:
        return Problem(Place(("conduits", conduit.name)), message, hint)
