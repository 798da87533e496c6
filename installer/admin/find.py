"""What installations of an admin node the disks of this machine carry. Nothing is mounted and nothing is written.

Partitions are known by udev (name, and the disk GUID that `make_disk_guid` gave), files on ESPs are read by mtools.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from installer.admin.esp import has_file, read_file
from installer.admin.where import FINISHED, MOST_BYTES, STATE, WHERE, Where, Who, parse_where
from installer.model.orders import make_disk_guid
from installer.model.problems import RackstrapError

PARTITION: Final = "rackstrap-esp"
Kind = Literal["finished", "unfinished"]


@dataclass(frozen=True, slots=True)
class Esp:
    """One ESP that an installation made. `image`: as mtools names it; `disk`: kernel name; `guid`: the disk's, upper case."""

    image: str
    disk: str
    guid: str


@dataclass(frozen=True, slots=True)
class Installation:
    """One admin installation. `esps`: of the disks on which it was found; `states`: those that carry its state."""

    kind: Kind
    where: Where
    esps: tuple[Esp, ...]
    states: tuple[Esp, ...] = ()
    is_ours: bool = False  # of this machine

    @property
    def key(self) -> tuple[str, int, tuple[str, ...]]:
        return (self.where.hostname, self.where.epoch, self.where.disks)


def find_esps() -> tuple[Esp, ...]:
    """Every ESP of this machine that one of our installations made, by udev; not those on removable or USB disks."""
    import pyudev

    context = pyudev.Context()
    found = []
    for device in context.list_devices(subsystem="block", DEVTYPE="partition"):
        parent = device.parent
        if device.properties.get("ID_PART_ENTRY_NAME") != PARTITION or parent is None or not device.device_node:
            continue
        removable = (Path(parent.sys_path) / "removable").read_text(encoding="ascii").strip() == "1"
        if not removable and parent.properties.get("ID_BUS") != "usb":
            guid = parent.properties.get("ID_PART_TABLE_UUID") or device.properties.get("ID_PART_TABLE_UUID", "")
            found.append(Esp(device.device_node, parent.sys_name, guid.upper()))
    return tuple(sorted(found, key=lambda esp: esp.disk))


def find_installations(esps: Iterable[Esp], who: Who) -> tuple[tuple[Installation, ...], tuple[str, ...]]:
    """The installations on these ESPs, those of this machine first, and what could not be read, in words.

    A mirror is finished once one of its ESPs says so: all else was written before.
    """
    found: dict[tuple[str, int, tuple[str, ...]], list[Installation]] = {}
    doubts = []
    for esp in esps:
        try:
            one = read_esp(esp, who)
        except RackstrapError as error:
            doubts.append(f"{esp.disk}: {error.message}")
            continue
        if one is not None:
            found.setdefault(one.key, []).append(one)
    merged = (merge(halves) for halves in found.values())
    return tuple(sorted(merged, key=lambda one: (not one.is_ours, one.kind != "unfinished", -one.where.at))), tuple(doubts)


def read_esp(esp: Esp, who: Who) -> Installation | None:
    """The installation that this ESP tells of; None where it tells of none: a node's. Raises RackstrapError."""
    raw = read_file(esp.image, FINISHED, MOST_BYTES)
    kind: Kind = "finished" if raw is not None else "unfinished"
    raw = raw if raw is not None else read_file(esp.image, WHERE, MOST_BYTES)
    if raw is None:
        return None
    where = parse_where(raw)
    if esp.guid not in {make_disk_guid(where.hostname, where.epoch, disk) for disk in where.disks}:
        raise RackstrapError("what it says was not written for this disk", "it may be a copy of another disk")
    states = (esp,) if has_file(esp.image, STATE) else ()
    return Installation(kind, where, (esp,), states, where.who.is_same(who))


def merge(halves: Sequence[Installation]) -> Installation:
    """One installation from what its disks say; the newest words count."""
    newest = max(halves, key=lambda half: (half.kind == "finished", half.where.at))
    states = sorted((half for half in halves if half.states), key=lambda half: -half.where.at)
    return Installation(
        newest.kind,
        newest.where,
        tuple(esp for half in halves for esp in half.esps),
        tuple(esp for half in states for esp in half.states),
        newest.is_ours,
    )


def find_who() -> Who:
    """This machine, by its firmware's tables and its NICs. Costs some milliseconds."""
    from installer.probe.hostile import find_mac
    from installer.probe.identity import find_serial, find_uuid
    from installer.probe.sysfs import read_dmi, read_text

    dmi = read_dmi()
    serial = find_serial(dmi.get("product_serial", ""), dmi.get("board_serial", ""))
    ports = (path.parent for path in sorted(Path("/sys/class/net").glob("*/device")))
    macs = sorted({mac for port in ports if (mac := find_mac(read_text(port / "address")))})
    plain = "".join(c for c in serial if " " <= c <= "~")[:64]
    return Who(find_uuid(dmi.get("product_uuid", "")), plain, tuple(macs))


def dump_installation(one: Installation) -> dict[str, Any]:
    """As JSON values."""
    return {
        "state": one.kind,
        "this_machine": one.is_ours,
        "site": one.where.site,
        "hostname": one.where.hostname,
        "epoch": one.where.epoch,
        "stage": one.where.stage,
        "at": one.where.at,
        "disks": list(one.where.disks),
        "found_on": [esp.disk for esp in one.esps],
        "has_state": bool(one.states),
    }


def render_installation(one: Installation) -> str:
    """In a sentence."""
    whose = "" if one.is_ours else ", of another machine"
    disks = " and ".join(esp.disk for esp in one.esps)
    what = f"installation of {one.where.hostname} (site {one.where.site}) on {disks}{whose}"
    if one.kind == "finished":
        return f"finished {what}"
    kept = "its answers can be taken back" if one.states else "its answers were not kept yet"
    return f"unfinished {what}: it was at {one.where.stage}; {kept}"
