"""The site file that is to be carried out once this machine runs from its own disk, kept in the state with all that it names."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from installer.engine.folders import swap_folder
from installer.engine.journal import Journal
from installer.engine.prepare import APPLIED
from installer.model.events import Event, Happened
from installer.model.problems import RackstrapError
from installer.model.site import Site
from installer.power.credentials import Credential, load_credentials
from installer.power.secrets import load_secret, save_secret
from installer.site.load import load_site
from installer.site.save import edit_site, save_text

FOLDER: Final = "wanted"
FILE: Final = f"{FOLDER}/site.yaml"
CSV: Final = "bmc.csv"


def find_wanted(state: Path) -> tuple[Path, Path] | None:
    """The site file that this state wants carried out, and where its relative paths begin; None where there is none.

    One that an installation left, as long as it was not applied; else the one that was applied last.
    """
    if (state / FILE).is_file():
        return state / FILE, state / FOLDER
    try:
        beside = (state / APPLIED).with_name("beside").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return (state / APPLIED, Path(beside)) if (state / APPLIED).is_file() else None


def save_wanted(path: Path, beside: Path, site: Site, state: Path) -> None:
    """Keep this site file, its CSV of BMCs and their passwords in the state. Raises RackstrapError where one cannot be read."""
    if path.absolute() == (state / FILE).absolute():
        return
    fresh = state / f"{FOLDER}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700, parents=True)
    loaded = load_site(path)
    text = loaded.document.text
    if site.discovery.credentials:
        rows, _ = load_credentials(beside / site.discovery.credentials)
        save_rows(rows, fresh)
        if site.discovery.credentials != CSV:
            text = edit_site(loaded, {("discovery", "credentials"): CSV})
    save_text(fresh / "site.yaml", text)
    swap_folder(fresh, state / FOLDER)


def save_rows(rows: Sequence[Credential], folder: Path) -> None:
    """The CSV anew, with each password in a file of its own beside it."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(("serial", "address", "user", "secret", "uefi"))
    for row in rows:
        name = f"secrets/{make_name(row.address)}" if row.secret else ""
        if row.secret:
            save_secret(folder / name, load_secret(Path(row.secret)))
        table.writerow((row.serial, row.address, row.user, name, "yes" if row.uefi else "no"))
    save_text(folder / CSV, out.getvalue())


def make_name(address: str) -> str:
    """Where the password of the BMC at this address is kept: as `rackstrap bmc` names it."""
    return f"bmc-{address.replace(':', '_')}"


def keep_secrets(journal: Journal, state: Path) -> tuple[str, ...]:
    """Take the passwords of BMCs that lie outside of the state into it, and journal where they are now.

    What cannot be read is told, and stays as it is: the machine can be switched by hand.
    """
    moved, lost = [], []
    for address, entry in sorted(journal.ledger.bmcs.items()):
        if not entry.secret or Path(entry.secret).is_relative_to(state):
            continue
        place = state / "secrets" / make_name(address)
        try:
            save_secret(place, load_secret(Path(entry.secret)))
        except RackstrapError as error:
            lost.append(f"the password of the BMC at {address} is not taken along: {error.message}")
            continue
        row = {key: value for key, value in asdict(entry).items() if key in ("address", "serial", "user", "uefi")}
        moved.append(Event(Happened.BMC_IMPORTED, f"bmc {address}", {**row, "secret": str(place)}))
    if moved:
        journal.append(*moved, durable=True)
    return tuple(lost)
