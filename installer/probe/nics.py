"""NICs: hardware interfaces with their permanent MAC, their addresses and the switch port that LLDP shows."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from installer.model.facts import Lldp, Nic
from installer.probe import hostile

ETHERNET: Final = "1"  # ARPHRD_ETHER, linux/if_arp.h


def parse_nics(recording: Mapping[str, Any]) -> tuple[Nic, ...]:
    """Every Ethernet interface that is hardware, by name. Raises ValueError, with where."""
    commands = hostile.read_mapping(recording.get("commands"), "commands")
    permanent = parse_permanent_macs(commands.get("ip"))
    neighbours = parse_lldp(commands.get("lldp"))
    addresses = parse_addresses(recording.get("addresses", {}))
    found: list[Nic] = []
    for number, raw in enumerate(hostile.read_list(recording.get("net"), "net")):
        nic = parse_nic(hostile.read_mapping(raw, f"net[{number}]"), f"net[{number}]")
        if nic is None:
            continue
        mac = permanent.get(nic.name) or nic.mac
        if mac:
            found.append(replace(nic, mac=mac, addresses=addresses.get(nic.name, ()), lldp=neighbours.get(nic.name)))
    return tuple(sorted(found, key=lambda n: (len(n.name), n.name)))


def parse_nic(device: Mapping[str, Any], where: str) -> Nic | None:
    """One interface as udev and sysfs show it; None for what is no Ethernet NIC."""
    properties = hostile.read_mapping(device.get("properties"), f"{where}.properties")
    attributes = hostile.read_mapping(device.get("attributes"), f"{where}.attributes")
    if attributes.get("type") != ETHERNET or properties.get("DEVTYPE") == "wlan":
        return None
    speed = hostile.read_text(attributes, "speed", where)  # "-1" where the driver does not know
    has_link = attributes.get("carrier") == "1"
    path = hostile.read_text(device, "path", where).split("/")
    return Nic(
        name=hostile.read_kernel_name(path[-1], where),
        mac=hostile.find_mac(hostile.read_text(attributes, "address", where)),
        driver=hostile.read_label(device, "driver", where) or hostile.read_label(properties, "ID_NET_DRIVER", where),
        speed_mbps=int(speed) if has_link and speed.isascii() and speed.isdigit() and 0 < len(speed) < 9 else None,
        has_link=has_link,
        pci_path=hostile.read_label(properties, "ID_PATH", where) or find_pci_path(path),
    )


def find_pci_path(path: list[str]) -> str:
    """The last PCI function on the way to the device, as udev's path_id writes it: pci-0000:00:03.0."""
    functions = [part for part in path if part.count(":") == 2 and "." in part]
    return f"pci-{hostile.make_label(functions[-1])}" if functions else ""


def parse_permanent_macs(answer: object) -> dict[str, str]:
    """`ip -j -d link` → name: permanent MAC. It shows one only where the interface now uses another."""
    if answer is None:
        return {}
    text = hostile.read_text(hostile.read_mapping(answer, "commands.ip"), "out", "commands.ip")
    found: dict[str, str] = {}
    for raw in hostile.read_list(hostile.read_json(text, "commands.ip.out") or [], "commands.ip.out"):
        link = hostile.read_mapping(raw, "commands.ip.out")
        mac = hostile.find_mac(hostile.read_text(link, "permaddr", "commands.ip.out"))
        if mac:
            found[hostile.read_text(link, "ifname", "commands.ip.out")] = mac
    return found


def parse_addresses(value: object) -> dict[str, tuple[str, ...]]:
    """netifaces' rows as CIDR by interface; link-local ones say nothing about the network and are left out."""
    found: dict[str, tuple[str, ...]] = {}
    for name, rows in hostile.read_mapping(value, "addresses").items():
        where = f"addresses.{hostile.make_label(name)}"
        cidrs: list[str] = []
        for raw in hostile.read_list(rows, where):
            row = hostile.read_mapping(raw, where)
            address = hostile.find_address(hostile.read_text(row, "address", where))
            netmask = hostile.read_text(row, "netmask", where)
            if address and not ipaddress.ip_address(address).is_link_local:
                cidrs.append(make_cidr(address, netmask, where))
        found[name] = tuple(cidrs)
    return found


def make_cidr(address: str, netmask: str, where: str) -> str:
    """An address with its prefix length. netifaces writes v4 masks dotted and v6 ones as ffff:ffff::/32."""
    try:
        if "/" not in netmask and ":" in netmask:
            prefix = str(int(ipaddress.IPv6Address(netmask)).bit_count())
        else:
            prefix = netmask.rpartition("/")[2]
        return ipaddress.ip_interface(f"{address}/{prefix}" if prefix else address).with_prefixlen
    except ValueError:
        raise ValueError(f"{where}: {netmask[:64]!r} is no netmask") from None


def parse_lldp(answer: object) -> dict[str, Lldp]:
    """`lldpctl -f json0` → interface: neighbour (json0 writes everything as lists). No daemon, no neighbours."""
    if answer is None:
        return {}
    where = "commands.lldp"
    text = hostile.read_text(hostile.read_mapping(answer, where), "out", where)
    document = hostile.read_json(text, where)
    found: dict[str, Lldp] = {}
    for lldp in list_objects(document, "lldp"):
        for interface in list_objects(lldp, "interface"):
            name = interface.get("name")
            neighbour = make_neighbour(interface)
            if isinstance(name, str) and neighbour is not None and name not in found:
                found[name] = neighbour
    return found


def make_neighbour(interface: Mapping[str, Any]) -> Lldp | None:
    chassis = next(iter(list_objects(interface, "chassis")), {})
    port = next(iter(list_objects(interface, "port")), {})
    chassis_id, system = find_value(chassis, "id"), find_value(chassis, "name")
    if not (chassis_id or system):
        return None
    return Lldp(switch=system or chassis_id, port=find_value(port, "descr") or find_value(port, "id"), chassis_id=chassis_id)


def list_objects(document: object, key: str) -> list[Mapping[str, Any]]:
    value = document.get(key) if isinstance(document, Mapping) else None
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def find_value(document: Mapping[str, Any], key: str) -> str:
    value = next((item.get("value") for item in list_objects(document, key)), "")
    return hostile.make_label(value) if isinstance(value, str) else ""
