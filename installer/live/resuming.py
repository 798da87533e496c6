"""An installation of this machine that was begun before the power went: the state that was taken back from its disk wins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from installer.live.given import FOLDER, load_digest
from installer.live.sources import SITE_FILE, Sighted
from installer.model.problems import RackstrapError
from installer.model.site import Site
from installer.site.load import load_site, parse_site


@dataclass(frozen=True, slots=True)
class Begun:
    """A begun installation's site file, and where its relative paths begin."""

    site: Site
    path: Path
    beside: Path


def find_begun_of(state: Path, sighted: Sighted) -> Begun | None:
    """The begun installation that this file is of; None where none was begun, or of another site. Raises RackstrapError.

    What was decided then is kept as it was, a person's answers among it, unless the file was changed since it was given.
    """
    begun = find_begun(state)
    if begun is None or load_digest(state) not in ("", sha256(sighted.content).hexdigest()):
        return None
    found = parse_site(sighted.content, sighted.name).site
    return begun if found is not None and begun.site.name == found.name else None


def find_begun(state: Path) -> Begun | None:
    """The installation of this machine that was begun and has not ended. Raises RackstrapError where the store is damaged."""
    if not has_begun(state):
        return None
    for path, beside in _find_kept(state):
        try:
            kept = load_site(path).site
        except RackstrapError:
            continue
        if kept is not None:
            return Begun(kept, path, beside)
    return None


def _find_kept(state: Path) -> Iterator[tuple[Path, Path]]:
    """What the installation wants carried out; else what was given."""
    from installer.admin.wanted import find_wanted

    wanted = find_wanted(state)
    if wanted is not None:
        yield wanted
    yield state / FOLDER / SITE_FILE, state / FOLDER


def has_begun(state: Path) -> bool:
    """Whether the journal tells of an installation of this machine that has not ended."""
    if not (state / "store.db").exists():
        return False
    from installer.engine.journal import Journal

    with Journal(state / "store.db") as journal:
        return journal.ledger.admin.has_begun
