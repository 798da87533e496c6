"""Taking in BMCs: from a CSV file, or one that was typed. A password lives in a root-only file and nowhere else."""

from __future__ import annotations

from pathlib import Path

from installer.model.problems import RackstrapError
from installer.power.credentials import SERIAL, USER, Credential, load_credentials, make_imported
from installer.power.secrets import save_secret
from installer.power.verbs import find_changes
from installer.site.addresses import UnreadableError, parse_address
from installer.wizard.watching import Watcher
from installer.wizard.wishes import AddBmc


def import_bmcs(watcher: Watcher, path: Path) -> str:
    """All of the CSV's BMCs or none. Raises RackstrapError with its first problem."""
    found, problems = load_credentials(path)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise RackstrapError(f"{problems[0].place}: {problems[0].message}{more}", problems[0].hint)
    events = find_changes(found, watcher.journal)
    if events:
        watcher.append(*events)
    return f"{len(found)} BMCs, {len(events)} new or changed"


def add_bmc(watcher: Watcher, wish: AddBmc) -> str:
    """Keep the password in state/secrets, then journal the BMC. Raises RackstrapError before anything is written."""
    try:
        address = str(parse_address(wish.address.strip()))
    except UnreadableError as error:
        raise RackstrapError(error.message, error.hint) from error
    if wish.serial and not SERIAL.fullmatch(wish.serial):
        raise RackstrapError("this is not a serial number", "write what is on the machine's label, or leave it empty")
    if not USER.fullmatch(wish.user):
        raise RackstrapError("this is not a BMC's user name", "IPMI takes up to 16 characters without spaces")
    if not wish.password or not wish.password.isprintable() or len(wish.password.encode()) > 1000:
        raise RackstrapError("this is not a password", "type it on one line")
    path = (watcher.state / "secrets" / f"bmc-{address.replace(':', '_')}").absolute()
    save_secret(path, wish.password)
    known = watcher.journal.ledger.bmcs.get(address)
    credential = Credential(wish.serial, address, wish.user, str(path), known.uefi if known is not None else False, 0)
    watcher.append(make_imported(credential))
    return f"the BMC at {address} is known; its password is kept in {path.name}, readable by root only"
