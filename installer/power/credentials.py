"""The CSV of BMC credentials: serial, address, user, secret and, if given, uefi.

`secret` is the path, relative to the CSV, of a file that holds the password and that only root can read. Everything
in the CSV is hostile until it is parsed here.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from installer.model.events import Event, Happened
from installer.model.problems import Place, Problem, RackstrapError
from installer.power.secrets import load_secret
from installer.site.addresses import UnreadableError, parse_address, shown

NEEDED: Final = ("serial", "address", "user", "secret")
COLUMNS: Final = (*NEEDED, "uefi")
YES_NO: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": False}
MOST_BYTES: Final = 4 * 2**20
SERIAL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:/+-]{0,63}")
USER: Final = re.compile(r"[!-~]{1,16}")  # IPMI 2.0, section 22.28: 16 bytes
MANUAL: Final = re.compile(r"manual:[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class Credential:
    """One BMC and how to log in to it. `secret` is an absolute path, or "" where the password is still unknown.

    `address` is an IP address, or `manual:NAME` for a machine whose button a person presses.
    """

    serial: str
    address: str
    user: str
    secret: str
    uefi: bool
    line: int


def load_credentials(path: Path, needs_secrets: bool = True) -> tuple[tuple[Credential, ...], list[Problem]]:
    """The credentials in this file, and every problem in it, in the password files too unless told otherwise.

    Raises RackstrapError when the file itself cannot be read.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        hint = "name a CSV file with the columns serial,address,user,secret"
        raise RackstrapError(f"cannot read {path}: {error.strerror}", hint) from error
    except UnicodeDecodeError as error:
        raise RackstrapError(f"{path} is not UTF-8 text", "save it as CSV in UTF-8") from error
    if len(raw) > MOST_BYTES:
        raise RackstrapError(f"{path} is larger than {MOST_BYTES // 2**20} MiB", "is it the right file?")
    found, problems = parse_credentials(text, path)
    return found, [*problems, *(_check_secrets(found, path) if needs_secrets else ())]


def parse_credentials(text: str, path: Path) -> tuple[tuple[Credential, ...], list[Problem]]:
    """The credentials in the text of the CSV at this path, and what is wrong with every other line. Reads nothing."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    found: list[Credential] = []
    problems: list[Problem] = []
    try:
        problems += _check_header(reader.fieldnames or (), path)
        if problems:
            return (), problems
        for row in reader:
            parsed = _parse_row(row, reader.line_num, path)
            if isinstance(parsed, Credential):
                found.append(parsed)
            else:
                problems += parsed
    except csv.Error as error:
        problems.append(_at(path, reader.line_num, f"not CSV: {error}", "check its quotes and commas"))
    return tuple(found), [*problems, *_check_twice(found, path)]


def make_imported(credential: Credential) -> Event:
    """What the journal keeps of a credential: the path of its secret, never the secret."""
    data = {"address": credential.address, "serial": credential.serial, "user": credential.user}
    data |= {"secret": credential.secret}
    return Event(Happened.BMC_IMPORTED, f"bmc {credential.address}", {**data, "uefi": credential.uefi})


def _at(path: Path, line: int, message: str, hint: str = "") -> Problem:
    return Problem(Place((), str(path), max(line, 1), 1), message, hint)


def _check_header(names: Any, path: Path) -> list[Problem]:
    hint = f"begin the file with {','.join(NEEDED)}"
    missing = [name for name in NEEDED if name not in names]
    if missing:
        return [_at(path, 1, f"the header has no {', '.join(missing)}", hint)]
    unknown = [name for name in names if name not in COLUMNS]
    twice = [name for name, count in Counter(names).items() if count > 1]
    strange = [*unknown, *twice]
    return [_at(path, 1, f"the header's {shown(name)} is unknown or there twice", hint) for name in strange]


def _parse_row(row: dict[Any, Any], line: int, path: Path) -> Credential | list[Problem]:
    if None in row or any(row[name] is None for name in NEEDED):
        return [_at(path, line, "this line has more or fewer fields than the header", "quote values that hold a comma")]
    value = {name: (row.get(name) or "").strip() for name in COLUMNS}
    problems = [_at(path, line, message, hint) for message, hint in _check_row(value)]
    if problems:
        return problems
    is_manual = value["address"].startswith("manual:")
    address = value["address"] if is_manual else str(parse_address(value["address"]))
    secret = str(path.absolute().parent / value["secret"]) if value["secret"] else ""
    return Credential(value["serial"], address, value["user"], secret, YES_NO[value["uefi"].lower()], line)


def _check_row(value: dict[str, str]) -> Iterator[tuple[str, str]]:
    is_manual = value["address"].startswith("manual:")
    if is_manual and not MANUAL.fullmatch(value["address"]):
        yield f"{shown(value['address'])} does not name a machine", "write it like manual:rack3-unit7"
    if not is_manual:
        try:
            parse_address(value["address"])
        except UnreadableError as error:
            yield error.message, error.hint
    if value["serial"] and not SERIAL.fullmatch(value["serial"]):
        yield f"{shown(value['serial'])} is not a serial number", "write what is on the machine's label, or leave it empty"
    if not is_manual and not USER.fullmatch(value["user"]):
        yield f"{shown(value['user'])} is not a BMC's user name", "IPMI takes up to 16 characters without spaces"
    if value["secret"] and not value["secret"].isprintable():
        yield f"{shown(value['secret'])} is not a path", "name the file that holds the password, relative to this one"
    if value["uefi"].lower() not in YES_NO:
        yield f"{shown(value['uefi'])} is not yes or no", "write yes when the machine boots by UEFI"


def _check_twice(found: list[Credential], path: Path) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for credential in found:
        earlier = first.setdefault(credential.address, credential.line)
        if earlier != credential.line:
            message = f"{credential.address} is already on line {earlier}"
            yield _at(path, credential.line, message, "give every BMC one line")


def _check_secrets(found: tuple[Credential, ...], path: Path) -> Iterator[Problem]:
    for credential in found:
        if credential.address.startswith("manual:"):
            continue
        if not credential.secret:
            hint = "name its password file, or run bmc import with --ask-password"
            yield _at(path, credential.line, f"the BMC at {credential.address} has no secret", hint)
            continue
        try:
            load_secret(Path(credential.secret))
        except RackstrapError as error:
            yield _at(path, credential.line, error.message, error.hint)
