"""Read a rack's YAML file: a Rack, or every problem in it with line and column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from installer.lab.rack import Rack, RackMachine
from installer.model.problems import Place, Problem, RackstrapError

Path_ = tuple[str | int, ...]
MOST_SATA = 6  # ports of q35's AHCI controller


def load_rack(path: Path) -> Rack:
    """The rack in this file. Raises RackstrapError that lists every problem (exit code 1)."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise RackstrapError(f"cannot read {path}: {reason}", "name a rack's YAML file, like installer/lab/demo.yaml") from error
    rack, problems = parse_rack(text, str(path))
    if rack is None or problems:
        raise RackstrapError("\n".join(str(problem) for problem in problems), exit_code=1)
    return rack


def parse_rack(text: str, file: str = "") -> tuple[Rack | None, list[Problem]]:
    """The rack that the text describes, and what is wrong with it; None when it has not even the shape of one."""
    try:
        tree = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        place = Place((), file, mark.line + 1, mark.column + 1) if mark else Place((), file)
        return None, [Problem(place, str(error.problem or "not YAML"))]
    except YAMLError as error:
        return None, [Problem(Place((), file), f"not YAML: {error}")]
    if not isinstance(tree, dict):
        return None, [Problem(Place((), file, 1, 1), "not a rack", "write `admin:` and `machines:`, as in demo.yaml")]
    try:
        rack = TypeAdapter(Rack).validate_python(tree)
    except ValidationError as error:
        return None, [_make_problem(tree, file, item["loc"], item["msg"]) for item in error.errors()]
    return rack, [_make_problem(tree, file, path, message, hint) for path, message, hint in check_rack(rack)]


def _make_problem(tree: Any, file: str, path: Path_, message: str, hint: str = "") -> Problem:
    line, column = _find_place(tree, path)
    where = ".".join(str(part) for part in path)
    return Problem(Place(path, file, line, column), f"{where}: {message}", hint)


def _find_place(tree: Any, path: Path_) -> tuple[int, int]:
    """Line and column, from 1, of the innermost part of the path that the text has."""
    line, column, here = 1, 1, tree
    for part in path:
        try:
            at = here.lc.value(part) if isinstance(part, str) else here.lc.item(part)
            here = here[part]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
        line, column = at[0] + 1, at[1] + 1
    return line, column


def check_rack(rack: Rack) -> Iterator[tuple[Path_, str, str]]:
    """Path, message and hint of everything that a shape alone cannot say."""
    yield from _check_unique(rack)
    if rack.host and rack.host not in rack.admin.network:
        yield ("host",), f"{rack.host} is outside of {rack.admin.network}", "take an address of the admin network"
    for index, machine in enumerate(rack.machines):
        at: Path_ = ("machines", index)
        if machine.bmc and machine.bmc.address not in rack.admin.network:
            message = f"{machine.bmc.address} is outside of {rack.admin.network}"
            yield (*at, "bmc", "address"), message, "take an address of the admin network"
        if machine.iso and machine.stick:
            yield (*at, "stick"), "there is a CD in this machine already", "give it one of both: iso or stick"
        yield from _check_disks(at, machine)


def _check_unique(rack: Rack) -> Iterator[tuple[Path_, str, str]]:
    rows: list[tuple[Path_, str]] = [((), str(rack.admin.ip))]
    if rack.host:
        rows.append((("host",), str(rack.host)))
    for index, machine in enumerate(rack.machines):
        at: Path_ = ("machines", index)
        rows.append(((*at, "name"), machine.name))
        rows.extend(((*at, "nics", number, "mac"), nic.mac) for number, nic in enumerate(machine.nics))
        if machine.bmc:
            rows.append(((*at, "bmc", "address"), str(machine.bmc.address)))
    seen = Counter[str]()
    for path, value in rows:
        seen[value] += 1
        if seen[value] > 1:
            yield path, f"{value} is already taken", "give each its own"


def _check_disks(at: Path_, machine: RackMachine) -> Iterator[tuple[Path_, str, str]]:
    most_sata = MOST_SATA - bool(machine.iso)  # the CD has a port too
    if sum(disk.bus == "sata" for disk in machine.disks) > most_sata:
        yield (*at, "disks"), f"more than {most_sata} SATA disks", "put the others on scsi"
    for number, disk in enumerate(machine.disks):
        if disk.bus == "sata" and disk.sector_bytes != 512:
            yield (*at, "disks", number, "sector_bytes"), "QEMU's SATA disks have 512-byte sectors", "use scsi, nvme or virtio"
        if disk.wwn and disk.bus in {"virtio", "usb"}:
            yield (*at, "disks", number, "wwn"), f"a {disk.bus} disk has no WWN", "use scsi, sata or nvme"
        if disk.removable and disk.bus != "usb":
            yield (*at, "disks", number, "removable"), "only a usb disk is removable", "use usb"
