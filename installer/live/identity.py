"""Who this machine is, as far as a server that hands out site files needs to know. Read from sysfs; no program is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from installer.model.problems import RackstrapError
from installer.probe.identity import find_serial, find_uuid

SERIAL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:/+-]{0,63}")
MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
PATH_VALUE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]*")
PLACE: Final = re.compile(r"\$\{([^}]*)\}?")
DMI: Final = Path("/sys/class/dmi/id")
NETS: Final = Path("/sys/class/net")
ROUTES: Final = Path("/proc/net/route")


@dataclass(frozen=True, slots=True)
class Identity:
    """Each value fits its grammar or is "". `mac`: of the NIC that faces out; `macs`: of every NIC that is hardware."""

    uuid: str = ""
    serial: str = ""
    mac: str = ""
    macs: tuple[str, ...] = ()

    def headers(self) -> dict[str, str]:
        """What a request for a site file says of this machine."""
        told = {"UUID": self.uuid, "Serial": self.serial, "MAC": ",".join(self.macs)}
        return {f"X-Rackstrap-{name}": value for name, value in told.items() if value}


def find_identity(dmi: Path = DMI, nets: Path = NETS, routes: Path = ROUTES) -> Identity:
    """This machine, now. Firmware that says nothing of use leaves a value empty."""
    serial = find_serial(_read(dmi / "product_serial"), _read(dmi / "board_serial"))
    found: dict[str, str] = {}
    for nic in sorted(nets.iterdir()) if nets.is_dir() else ():
        mac = _read(nic / "address").lower()
        if (nic / "device").exists() and MAC.fullmatch(mac):
            found[nic.name] = mac
    linked = [name for name in found if _read(nets / name / "carrier") == "1"]
    first = [name for name in (find_default(_read(routes)), *linked, *found) if name in found]
    return Identity(
        find_uuid(_read(dmi / "product_uuid")),
        serial if SERIAL.fullmatch(serial) else "",
        found[first[0]] if first else "",
        tuple(found.values()),
    )


def find_default(routes: str) -> str:
    """The interface of the default route in /proc/net/route text (proc_net(5)); "" for none."""
    rows = [line.split() for line in routes.splitlines()[1:]]
    return next((row[0] for row in rows if len(row) > 7 and row[1] == row[7] == "00000000"), "")


def fill(template: str, identity: Identity, *, is_url: bool) -> str:
    """The template with `${uuid}`, `${mac}` and `${serial}` filled in, percent-encoded for a URL.

    Raises RackstrapError for another name, and for a value that this machine has not, or that is no part of a path.
    """

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name not in {"uuid", "mac", "serial"} or not match[0].endswith("}"):
            raise RackstrapError(f"the site file's address names ${{{name[:20]}}}", "it may name ${uuid}, ${mac} and ${serial}")
        value = str(getattr(identity, name))
        if not value:
            raise RackstrapError(f"this machine's firmware tells no {name}", f"write the site file's address without ${{{name}}}")
        if is_url:
            return quote(value, safe="")
        if not PATH_VALUE.fullmatch(value):
            raise RackstrapError(
                f"this machine's {name} is no part of a path", f"write the site file's address without ${{{name}}}"
            )
        return value

    return PLACE.sub(replace, template)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
