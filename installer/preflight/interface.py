"""An interface as the kernel shows it to this thread's network namespace (netdevice(7), linux/ethtool.h)."""

from __future__ import annotations

import array
import fcntl
import socket
import struct
from dataclasses import dataclass
from typing import Final

import netifaces

from installer.model.site import Address

_SIOCGIFFLAGS: Final = 0x8913
_SIOCGIFMTU: Final = 0x8921
_SIOCETHTOOL: Final = 0x8946
_IFF_UP: Final = 0x1
_IFF_RUNNING: Final = 0x40
_ETHTOOL_GSET: Final = 1
_ETHTOOL_GDRVINFO: Final = 3
BUILT: Final = ("bonding", "bridge", "802.1Q VLAN Support")  # what is built of other interfaces
_NO_SPEED: Final = (0, 0xFFFF, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Interface:
    """`driver`: e1000e, bonding, bridge, veth …; `speed_mbps` is 0 where the driver does not tell."""

    name: str
    is_up: bool
    has_link: bool
    mtu: int
    driver: str
    speed_mbps: int


def find_interface_now(name: str) -> Interface | None:
    """The interface of this name; None when there is none. Raises no error for what a driver does not tell."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        try:
            flags = int(struct.unpack_from("=H", _ask(handle, _SIOCGIFFLAGS, name), 16)[0])
            mtu = int(struct.unpack_from("=i", _ask(handle, _SIOCGIFMTU, name), 16)[0])
        except OSError:
            return None
        driver = _ask_ethtool(handle, name, _ETHTOOL_GDRVINFO, 196)[4:36].split(b"\0")[0].decode("ascii", "replace")
        link = _ask_ethtool(handle, name, _ETHTOOL_GSET, 44)
        low, high = struct.unpack_from("=H14xH", link, 12)
        speed = (high << 16) | low
        return Interface(name, bool(flags & _IFF_UP), bool(flags & _IFF_RUNNING), mtu, driver, 0 if speed in _NO_SPEED else speed)


def find_own_macs() -> frozenset[str]:
    """The MACs that this machine's interfaces use now."""
    found = set()
    for name in netifaces.interfaces():
        found |= {entry["addr"].lower() for entry in _entries(name, netifaces.AF_LINK)}
    return frozenset(found)


def find_mac(name: str) -> str:
    """The MAC that the interface uses now; "" where it has none."""
    return next((entry["addr"].lower() for entry in _entries(name, netifaces.AF_LINK)), "")


def find_name(mac: str) -> str:
    """The first interface that uses this MAC now; "" for none. A bond is not meant by the MAC that it has from a member."""
    names = (name for name in netifaces.interfaces() if find_mac(name) == mac)
    return next((name for name in names if (now := find_interface_now(name)) and now.driver not in BUILT), "")


def has_address(name: str, address: Address) -> bool:
    """Whether the interface holds the address now."""
    family = netifaces.AF_INET if address.version == 4 else netifaces.AF_INET6
    return str(address) in {entry["addr"].partition("%")[0] for entry in _entries(name, family)}


def _entries(name: str, family: int) -> list[dict[str, str]]:
    try:
        rows = netifaces.ifaddresses(name).get(family, [])
    except ValueError:  # it is gone by now
        return []
    return [row for row in rows if isinstance(row.get("addr"), str)]


def _ask(handle: socket.socket, number: int, name: str) -> bytes:
    return fcntl.ioctl(handle, number, struct.pack("=16s24x", name.encode()[:15]))


def _ask_ethtool(handle: socket.socket, name: str, command: int, size: int) -> bytes:
    """All zeros where the driver does not answer."""
    told = array.array("B", struct.pack("=I", command) + bytes(size - 4))
    try:
        fcntl.ioctl(handle, _SIOCETHTOOL, struct.pack("16sP16x", name.encode()[:15], told.buffer_info()[0]))
    except OSError:
        return bytes(size)
    return told.tobytes()
