"""The white paper's networks and conduits: what a site has when its file names none."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class NetworkDefault:
    """One default network, spelled as in a site file."""

    subnet: str
    conduit: str
    vlan: int | None = None
    router: str | None = None
    ranges: dict[str, str] = field(default_factory=dict)


# Crowbar's network barclamp, as in "Bootstrapping Open Source Clouds". The admin network's VLAN 100 is untagged on
# the nodes: only the switches know it.
NETWORKS: Final = MappingProxyType(
    {
        "admin": NetworkDefault(
            "192.168.124.0/24",
            "intf0",
            router="192.168.124.1",
            ranges={"admin": ".10-.11", "dhcp": ".21-.80", "host": ".81-.160", "switch": ".241-.250"},
        ),
        "bmc": NetworkDefault("192.168.124.0/24", "intf2", ranges={"host": ".162-.240"}),
        "storage": NetworkDefault("192.168.125.0/24", "intf1", 200, ranges={"host": ".10-.239"}),
        "public": NetworkDefault("192.168.126.0/24", "intf1", 300, "192.168.126.1", {"host": ".2-.127"}),
        "floating": NetworkDefault("192.168.126.128/25", "intf1", 300, ranges={"host": ".129-.254"}),
        "sdn": NetworkDefault("192.168.130.0/24", "intf1", 400, ranges={"host": ".10-.254"}),
        "fixed": NetworkDefault("192.168.123.0/24", "intf1", 500, ranges={"dhcp": ".1-.254"}),
    }
)

# Crowbar's "dual" mode.
CONDUITS: Final = MappingProxyType({"intf0": ("?1g1",), "intf1": ("?1g2",), "intf2": ("?1g1",)})
