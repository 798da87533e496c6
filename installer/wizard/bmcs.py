"""Taking in BMCs: from a CSV file, or one that was typed. A password lives in a root-only file and nowhere else."""

from __future__ import annotations

from pathlib import Path

from installer.model.problems import RackstrapError
from installer.wizard.watching import Watcher
from installer.wizard.wishes import AddBmc


def import_bmcs(watcher: Watcher, path: Path) -> str:
    """All of the CSV's BMCs or none. Raises RackstrapError with its first problem."""
    from installer.power.credentials import load_credentials  # late: the first page needs no BMC
    from installer.power.verbs import find_changes

    found, problems = load_credentials(path)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise RackstrapError(f"{problems[0].place}: {problems[0].message}{more}", problems[0].hint)
    events = find_changes(found, watcher.journal)
    if events:
        watcher.append(*events)
    return f"{len(found)} BMCs, {len(events)} new or changed"


def add_bmc(watcher: Watcher, wish: AddBmc) -> str:
    """Keep the password, then journal the BMC. Raises RackstrapError before anything is written."""
    from installer.power.adding import keep_bmc

    event = keep_bmc(watcher.state, watcher.journal.ledger.bmcs, wish.address, wish.serial, wish.user, wish.password)
    watcher.append(event)
    return f"the BMC at {event.data['address']} is known; its password is in a file that only root reads"
