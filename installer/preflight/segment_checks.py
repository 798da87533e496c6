"""The checks of the wire and of what else is on the segment: link, dhcp, address, gateway, mtu. Wording for a tired operator."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from installer.preflight.arp import find_duplicate, find_neighbour
from installer.preflight.check import Check
from installer.preflight.interface import Interface, find_interface_now, find_own_macs, has_address
from installer.preflight.path import measure_way
from installer.preflight.segment import find_dhcp_server
from installer.preflight.target import Target

SET_IT = "set this machine's network (rackstrap network set SITE)"


@dataclass(frozen=True, slots=True)
class Wire:
    """What can be looked through now. `name` is "" when nothing can; `why` then says so."""

    name: str
    why: str = ""


def find_wire(target: Target) -> Wire:
    """The interface of the target, or the first port below it that has a link while its bond does not exist yet."""
    now = find_interface_now(target.interface) if target.interface else None
    if now is not None:
        return Wire(now.name) if now.is_up else Wire("", f"{now.name} is switched off")
    if target.vlan is not None and target.ports:
        return Wire("", f"VLAN {target.vlan} is not set up on this machine yet")
    below = [found for port in target.ports if (found := find_interface_now(port.name))]
    usable = [found.name for found in below if found.is_up and found.has_link] or [found.name for found in below if found.is_up]
    return Wire(usable[0]) if usable else Wire("", "no port to look through")


def check_link(target: Target, for_s: float) -> Check:
    """Whether the port is there, switched on and plugged in, and at which switch port."""
    del for_s
    if target.missing:
        return Check(
            "link", "FAIL", f"this machine has no port {', '.join(target.missing)}", "choose another port, or admin.nics"
        )
    if not target.interface:
        found = f"no port of this machine has {target.address}"
        return Check("link", "FAIL", found, "choose the port that faces the rack (admin.nics)")
    now = find_interface_now(target.interface)
    below = [find_interface_now(port.name) for port in target.ports if port.name != target.interface]
    members = [member for member in below if member is not None]
    if now is None and not members:
        return Check(
            "link", "FAIL", f"this machine has no {target.interface}", "choose another port, or look into the kernel log"
        )
    dead = [member.name for member in members if not member.has_link]
    if now is None:
        return _tell_future(target, members, dead)
    return _tell_link(target, now, members, dead)


def _tell_future(target: Target, members: list[Interface], dead: list[str]) -> Check:
    if len(dead) == len(members):
        return Check("link", "FAIL", f"no cable on {', '.join(dead)}", "plug the cable in, or choose another port")
    return Check("link", "warn", f"{target.interface} does not exist on this machine yet", SET_IT)


def _tell_link(target: Target, now: Interface, members: list[Interface], dead: list[str]) -> Check:
    if not now.is_up:
        return Check("link", "FAIL", f"{now.name} is switched off", f"switch it on: ip link set {now.name} up")
    if not now.has_link and now.driver == "bridge":
        return Check("link", "warn", f"{now.name} is a bridge with nothing on it yet", "attach the ports that face the rack")
    if not now.has_link:
        remedy = "plug the cable in, switch the switch port on, or choose another port"
        return Check("link", "FAIL", f"no cable or no link on {now.name}", remedy)
    speed = f" at {now.speed_mbps / 1000:g} G" if now.speed_mbps >= 1000 else f" at {now.speed_mbps} M" if now.speed_mbps else ""
    seen = next((port.switch for port in target.ports if port.switch), "")
    found = f"{now.name} up{speed}" + (f", {seen}" if seen else "")
    if dead and len(members) > 1:
        return Check("link", "warn", f"{found}; no link on {', '.join(dead)}", "the bond works, but nothing is spare: plug it in")
    return Check("link", "ok", found)


def check_dhcp_servers(target: Target, for_s: float) -> Check:
    """Whether another DHCP server answers, and whether one should."""
    wire = find_wire(target)
    if not wire.name:
        return Check("dhcp", "warn", f"not looked: {wire.why}", SET_IT)
    server = find_dhcp_server(wire.name, target.address, for_s)
    if server is None:
        if target.dhcp == "own":
            return Check("dhcp", "ok", f"no other DHCP server answers on {wire.name}")
        remedy = "start it, or let Rackstrap give the addresses (services: {dhcp: own})"
        return Check("dhcp", "warn", f"no DHCP server answers on {wire.name}: machines get no address", remedy)
    who = f"{server.address} ({server.mac}) answers on {wire.name}"
    if target.dhcp == "own":
        remedy = "stop it, move the cable, or serve beside it (services: {dhcp: proxy})"
        return Check("dhcp", "FAIL", who, remedy)
    return Check("dhcp", "ok", f"{who} and gives the addresses")


def check_address(target: Target, for_s: float) -> Check:
    """Whether another machine has the admin address, and whether this one has it."""
    address = target.address
    if not isinstance(address, IPv4Address):
        return Check("address", "warn", "not looked: only IPv4 addresses are checked")
    wire = find_wire(target)
    if not wire.name:
        return Check("address", "warn", f"not looked: {wire.why}", SET_IT)
    mac = find_duplicate(wire.name, address, target.own_macs | find_own_macs(), for_s)
    if mac:
        return Check("address", "FAIL", f"{mac} has {address} too", "unplug that machine, or choose another admin address")
    if not has_address(wire.name, address):
        return Check("address", "warn", f"{address} is free; {wire.name} does not have it yet", SET_IT)
    return Check("address", "ok", f"nobody else answers for {address}")


def check_gateway(target: Target, for_s: float) -> Check:
    """Whether the router answers on the segment."""
    router, own = target.router, target.address
    if router is None:
        return Check("gateway", "ok", "none is named: the rack keeps to itself")
    if router == own:
        return Check("gateway", "ok", f"{router} is this machine")
    if not isinstance(router, IPv4Address) or not isinstance(own, IPv4Address):
        return Check("gateway", "warn", "not looked: only IPv4 routers are checked")
    wire = find_wire(target)
    if not wire.name:
        return Check("gateway", "warn", f"not looked: {wire.why}", SET_IT)
    asks = own if has_address(wire.name, own) else IPv4Address(0)
    mac = find_neighbour(wire.name, router, asks, target.own_macs | find_own_macs(), for_s)
    if mac:
        return Check("gateway", "ok", f"{router} answers ({mac})")
    return Check(
        "gateway", "FAIL", f"{router} does not answer on {wire.name}", "is it on, is this its VLAN, is its address right?"
    )


def check_mtu(target: Target, for_s: float) -> Check:
    """Whether packets of the admin network's size leave this machine, and come back from the router."""
    wire = find_wire(target)
    now = find_interface_now(wire.name) if wire.name else None
    if now is None:
        return Check("mtu", "warn", f"not looked: {wire.why or 'the port is gone'}", SET_IT)
    if now.mtu < target.mtu:
        remedy = f"{SET_IT}, or write mtu: {now.mtu}"
        return Check("mtu", "FAIL", f"{now.name} takes {now.mtu} bytes, the network has {target.mtu}", remedy)
    router = target.router
    if not isinstance(router, IPv4Address) or router == target.address:
        return Check("mtu", "ok", f"{now.name} takes {now.mtu} bytes")
    way = measure_way(now.name, router, target.mtu, for_s)
    if way.largest >= target.mtu:
        return Check("mtu", "ok", f"{target.mtu} bytes reach {router} in one piece")
    if way.largest:
        found = f"{target.mtu} bytes do not reach {router}, {way.largest} do"
        return Check("mtu", "FAIL", found, f"raise the switch's MTU, or write mtu: {way.largest} for network admin")
    return Check("mtu", "ok", f"{now.name} takes {now.mtu} bytes; {router} answers no ping")
