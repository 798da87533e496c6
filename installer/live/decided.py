"""Whether somebody has decided something, or a machine has come, since the site file was carried out as far as it went."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from installer.engine.lock import find_holder
from installer.engine.store import Store
from installer.model.events import Happened
from installer.model.problems import RackstrapError

NEWS: Final = frozenset({
    Happened.MACHINE_DISCOVERED, Happened.MACHINE_ADMITTED, Happened.MACHINE_DELETED, Happened.CLAIM_APPROVED,
    Happened.CONSENT_GIVEN, Happened.REINSTALL_ASKED, Happened.ROLES_SET, Happened.BMC_IMPORTED,
    Happened.NODE_LEFT_OUT, Happened.NODE_RETRIED, Happened.NODE_RESET,
})  # fmt: skip


def find_last_news(state: Path) -> int:
    """The id of the last such event in the journal; 0 for none, and where there is no journal that can be read."""
    if not (state / "store.db").exists():
        return 0
    try:
        with Store(state / "store.db") as store:
            return max((event.id for event in store.read() if event.kind in NEWS), default=0)
    except RackstrapError:
        return 0


def has_news(state: Path, after: int) -> bool:
    """Whether there was another since, and nobody carries the site out already."""
    return find_holder(state) is None and find_last_news(state) > after
