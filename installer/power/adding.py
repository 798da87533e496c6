"""One BMC that a person names, with its password: kept in a root-only file and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from installer.model.events import Event
from installer.model.ledger import BmcEntry
from installer.model.problems import RackstrapError
from installer.power.credentials import SERIAL, USER, Credential, make_imported
from installer.power.secrets import save_secret
from installer.site.addresses import UnreadableError, parse_address

LONGEST_PASSWORD: Final = 1000  # bytes; no BMC takes as many


def keep_bmc(state: Path, known: Mapping[str, BmcEntry], address: str, serial: str, user: str, password: str) -> Event:
    """Keep the password in state/secrets; gives the event to journal. Raises RackstrapError before anything is written."""
    try:
        address = str(parse_address(address.strip()))
    except UnreadableError as error:
        raise RackstrapError(error.message, error.hint) from error
    if serial and not SERIAL.fullmatch(serial):
        raise RackstrapError("this is not a serial number", "write what is on the machine's label, or leave it empty")
    if not USER.fullmatch(user):
        raise RackstrapError("this is not a BMC's user name", "IPMI takes up to 16 characters without spaces")
    if not password or not password.isprintable() or len(password.encode()) > LONGEST_PASSWORD:
        raise RackstrapError("this is not a password", "type it on one line")
    path = (state / "secrets" / f"bmc-{address.replace(':', '_')}").absolute()
    save_secret(path, password)
    before = known.get(address)
    return make_imported(Credential(serial, address, user, str(path), before.uefi if before is not None else False, 0))
