"""An installation of this machine that was begun before the power went: the state that was taken back from its disk wins."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from installer.live.asking import WANTED
from installer.live.given import FOLDER, load_digest
from installer.live.sources import SITE_FILE, Sighted
from installer.model.problems import RackstrapError
from installer.site.load import load_site, parse_site
from installer.site.save import save_text

# Where the site of an installation lies: as the TUI started it, as it was given, as it was applied.
KEPT: Final = (WANTED, f"{FOLDER}/{SITE_FILE}", SITE_FILE)


@dataclass(frozen=True, slots=True)
class Begun:
    """A begun installation's site. `is_other`: the file that was found now is another than the one it was begun with."""

    name: str
    text: str = field(repr=False)
    path: Path
    is_other: bool


def find_begun(state: Path, sighted: Sighted) -> Begun | None:
    """The begun installation that this file is of; None where none was begun, or of another site. Raises RackstrapError.

    What was decided then is kept as it was, a person's answers among it, unless the file itself was changed since it was given.
    """
    if not has_begun(state):
        return None
    found = parse_site(sighted.content, sighted.says).site
    digest = load_digest(state)
    is_other = bool(digest) and digest != sha256(sighted.content).hexdigest()
    for kept in (state / name for name in KEPT):
        try:
            loaded = load_site(kept)
        except RackstrapError:
            continue
        if loaded.site is not None and found is not None and loaded.site.name == found.name:
            return Begun(loaded.site.name, loaded.document.text, kept, is_other)
    return None


def has_begun(state: Path) -> bool:
    """Whether the journal tells of an installation of this machine that has not ended."""
    if not (state / "store.db").exists():
        return False
    from installer.engine.journal import Journal

    with Journal(state / "store.db") as journal:
        return journal.ledger.admin.has_begun


def keep_beside(state: Path, begun: Begun) -> Path:
    """The begun site's text where the files that it names are. Gives its path."""
    path = state / FOLDER / SITE_FILE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if begun.path != path:
        save_text(path, begun.text)
    return path
