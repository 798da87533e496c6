"""What a support bundle is made of: one row for each thing that is looked at. Nothing here writes, mounts or asks the network."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from installer.engine.journal import Journal
from installer.engine.status import dump_event
from installer.live.boot import MEDIUM, find_boot
from installer.model.problems import RackstrapError

TOOL_S: Final = 15.0
SLOW_S: Final = 60.0
JOURNAL_LINES: Final = "20000"
UNITS: Final = ("rackstrap-*", "systemd-networkd*", "systemd-timesyncd*", "ssh*", "nginx*", "dnsmasq*")

_NAMES_SECRET: Final = re.compile(r"pass|secret|_key$|\.key$|token")


@dataclass(frozen=True, slots=True)
class Command:
    """A program's output. `name` is the file's in the bundle."""

    name: str
    argv: tuple[str, ...]
    within_s: float = TOOL_S


@dataclass(frozen=True, slots=True)
class File:
    """A file, of a long one its end."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Made:
    """What is made here: gives the text, or raises anything."""

    name: str
    make: Callable[[], str]


Source = Command | File | Made


def list_sources(state: Path, image: Path, root: Path = Path("/")) -> list[Source]:
    """Everything that a bundle has, where it can be had. `root`: where /etc, /proc and /run are."""
    return [
        *_list_own(state, image),
        *_list_logs(state, root),
        *_list_journal(),
        *_list_system(image, root),
        *_list_network(root),
        *_list_disks(root),
    ]


def _list_own(state: Path, image: Path) -> Iterator[Source]:
    """Status, plan, events and machines, each by a process of its own: one that fails or hangs takes nothing with it."""
    cli = (sys.executable, "-m", "installer.cli")
    yield Command("status.json", (*cli, "status", "--json", "--state", str(state)), SLOW_S)
    plan = ("plan", str(state / "site.yaml"), "--json", "--state", str(state), "--image", str(image))
    yield Command("plan.json", (*cli, *plan), SLOW_S)
    yield Command("facts.json", (*cli, "probe", "--record", "-"), SLOW_S)
    yield Command("installations.json", (*cli, "install", "--find", "--json"), SLOW_S)
    yield Command("report.txt", (*cli, "report", "--state", str(state)), SLOW_S)
    yield Made("events.jsonl", lambda: dump_events(state))
    yield Made("machines.jsonl", lambda: dump_machines(state))


def _list_logs(state: Path, root: Path) -> Iterator[Source]:
    for pattern in (
        "run/*.log",
        "run/*.out",
        "run/*.conf",
        "run/hosts",
        "run/leases",
        "log/*",
        "*.log",
        "network.json",
        "*.yaml",
    ):
        yield from (File(f"state/{path.relative_to(state)}", path) for path in sorted(state.glob(pattern)))
    for pattern in ("applied/site.yaml", "applied/beside", "run/wanted/site.yaml", "tftp/grub/grub.cfg", "known_hosts"):
        yield from (File(f"state/{path.relative_to(state)}", path) for path in sorted(state.glob(pattern)))
    for pattern in ("run/rackstrap/*", "etc/rackstrap/*", "var/log/rackstrap*/*", "run/initramfs/*.log"):
        found = (path for path in sorted(root.glob(pattern)) if path.is_file() and not _NAMES_SECRET.search(path.name))
        yield from (File(str(path.relative_to(root)), path) for path in found)


def _list_journal() -> Iterator[Source]:
    base = ("journalctl", "--no-pager", "--quiet", "--output=short-iso-precise", f"--lines={JOURNAL_LINES}")
    units = tuple(f"--unit={unit}" for unit in UNITS)
    for name, boot in (("this-boot", "--boot=0"), ("last-boot", "--boot=-1")):
        yield Command(f"journal/units-{name}.txt", (*base, boot, *units), SLOW_S)
        yield Command(f"journal/kernel-{name}.txt", (*base, boot, "--dmesg"), SLOW_S)
        yield Command(f"journal/warnings-{name}.txt", (*base, boot, "--priority=warning"), SLOW_S)
    yield Command("journal/boots.txt", ("journalctl", "--no-pager", "--list-boots"))
    yield Command("journal/dmesg.txt", ("dmesg", "--time-format=iso"))


def _list_system(image: Path, root: Path) -> Iterator[Source]:
    yield Made("versions/rackstrap.txt", describe_release)
    yield Made("versions/boot.txt", describe_boot)
    for name in ("manifest.json", "packages.lock"):
        yield File(f"versions/image-{name}", image / name)
    yield File("versions/medium.txt", MEDIUM / ".disk/info")
    yield Command("versions/kernel.txt", ("uname", "-a"))
    yield Command("versions/packages.txt", ("dpkg-query", "--show"))
    for name in ("os-release", "hostname"):
        yield File(f"versions/{name}", root / "etc" / name)
    for name in ("cmdline", "consoles", "meminfo", "loadavg", "uptime", "mounts", "interrupts", "modules"):
        yield File(f"system/{name}.txt", root / "proc" / name)
    yield Command("system/units.txt", ("systemctl", "--no-pager", "--all", "list-units"))
    yield Command("system/failed.txt", ("systemctl", "--no-pager", "--full", "status", "--failed", "rackstrap-*"))
    yield Command("system/boot-time.txt", ("systemd-analyze", "time"))
    yield Command("system/processes.txt", ("ps", "-eo", "pid,ppid,user,stat,etimes,rss,comm"))
    yield Command("system/clock.txt", ("timedatectl", "--no-pager", "show"))
    yield Command("system/firmware.txt", ("efibootmgr", "-v"))


def _list_network(root: Path) -> Iterator[Source]:
    for name, words in (("addresses", "addr"), ("links", "-s link"), ("routes", "route show table all"), ("neighbours", "neigh")):
        yield Command(f"network/{name}.txt", ("ip", "-d", *words.split()))
    yield Command("network/networkctl.txt", ("networkctl", "--no-pager", "status", "--all"))
    yield Command("network/sockets.txt", ("ss", "-tulpn"))
    yield Command("network/lldp.txt", ("lldpctl",))
    yield File("network/resolv.conf", root / "etc/resolv.conf")
    for pattern in ("run/systemd/network/*", "etc/systemd/network/*", "run/systemd/netif/l*/*"):
        yield from (File(f"network/{path.relative_to(root)}", path) for path in sorted(root.glob(pattern)) if path.is_file())


def _list_disks(root: Path) -> Iterator[Source]:
    """What udev and the kernel know of disks: no content is read, and none wakes."""
    columns = "NAME,KNAME,TYPE,SIZE,RO,RM,TRAN,MODEL,SERIAL,WWN,FSTYPE,LABEL,UUID,PARTUUID,MOUNTPOINTS"
    yield Command("disks/lsblk.txt", ("lsblk", "--all", "--output", columns))
    yield Command("disks/by-id.txt", ("ls", "-l", "/dev/disk/by-id"))
    yield Command("disks/free.txt", ("df", "--local", "--human-readable", "--print-type"))
    for name in ("partitions", "mdstat", "diskstats"):
        yield File(f"disks/{name}.txt", root / "proc" / name)


def dump_events(state: Path) -> str:
    """The journal's events, one JSON object a line."""
    with open_journal(state) as journal:
        return "".join(json.dumps(dump_event(event)) + "\n" for event in journal.store.read())


def dump_machines(state: Path) -> str:
    """The last recording of every known machine, one JSON object a line."""
    with open_journal(state) as journal:
        entries = [entry for entry in journal.ledger.machines.values() if entry.recording]
        rows = (
            {"machine": one.id, "name": one.name, "recording": json.loads(journal.store.blob(one.recording))} for one in entries
        )
        return "".join(json.dumps(row) + "\n" for row in rows)


def open_journal(state: Path) -> Journal:
    """The journal of a state folder that has one. Raises RackstrapError: nothing is made here."""
    if not (state / "store.db").exists():
        raise RackstrapError(f"there is no store in {state}")
    return Journal(state / "store.db")


def describe_release() -> str:
    from importlib import metadata

    from installer import __version__

    rows = [f"rackstrap {__version__}", f"python {sys.version}", f"code in {Path(__file__).parents[2]}"]
    found = sorted({f"{one.metadata['Name']} {one.version}" for one in metadata.distributions() if one.metadata["Name"]})
    return "\n".join([*rows, *found]) + "\n"


def describe_boot() -> str:
    return f"{find_boot()}\n"
