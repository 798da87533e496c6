"""`rackstrap install --continue`: on the installed admin node, go on with the rack until its site file is carried out.

Run at each start. What was done is not done again: `apply` is idempotent, and what had ended well only serves.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from installer.admin.applying import APPLY_ENDED_WELL, run_apply
from installer.admin.wanted import FILE, find_wanted
from installer.engine.journal import Journal
from installer.engine.lock import find_holder
from installer.engine.prepare import APPLIED
from installer.engine.store import make_who
from installer.live.telling import NOTICE, Telling
from installer.model.events import Event, Happened
from installer.model.problems import RackstrapError
from installer.plan.admin import HOST
from installer.site.load import load_site
from installer.site.save import save_text

ENDED: Final = "applied/ended"  # the SHA-256 of the site file that ended well
LOOK_EVERY_S: Final = 2.0
AGAIN_S: Final = 60.0  # what stopped it before its first step may pass by itself: a cable, another DHCP server
WAITING: Final = frozenset({3, 4, 130})  # for a person, for a failed node, for whoever stopped it: until something happens
# What an apply and the services tell of themselves is no reason to begin again.
OWN: Final = frozenset({
    Happened.STEP_STARTED, Happened.STEP_DONE, Happened.STEP_FAILED, Happened.STEP_WAITED, Happened.SERVICE_STARTED,
    Happened.SERVICE_STOPPED, Happened.SITE_APPLIED, Happened.ADMIN_INSTALLED,
})  # fmt: skip


@dataclass(slots=True)
class GoingOn:
    """`apply` carries a site file out and returns its exit code; `serve` sees to it that this machine serves."""

    state: Path
    telling: Telling
    apply: Callable[[Path, Path], int]
    serve: Callable[[], object]
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> int:
        """Until the wanted site file has ended well. Returns 0."""
        with Journal(self.state / "store.db", make_who("continue")) as journal:
            while True:
                wanted = find_wanted(self.state)
                if wanted is None:
                    self.telling.head("No site file was left to carry out. Press Enter to see this machine.")
                    return 0
                if self.has_ended(wanted[0]):
                    self.keep_serving()
                    self.telling.head("The rack is installed; this machine serves it.")
                    return 0
                self.wait_for_others()
                journal.take_new()
                code = self.carry_out(*wanted)
                if code != APPLY_ENDED_WELL:
                    self.wait(journal, wanted[0], code)

    def carry_out(self, path: Path, beside: Path) -> int:
        """One run of apply. Its exit code; the site file that it took in is no longer only wanted."""
        text = path.read_bytes()
        code = self.apply(path, beside)
        applied = self.state / APPLIED
        if applied.is_file() and applied.read_bytes() == text:
            (self.state / FILE).unlink(missing_ok=True)
            if code == APPLY_ENDED_WELL:
                save_text(self.state / ENDED, sha256(text).hexdigest() + "\n")
        return code

    def has_ended(self, path: Path) -> bool:
        """Whether this very site file was carried out to its end before."""
        try:
            ended = (self.state / ENDED).read_text(encoding="ascii").strip()
        except OSError:
            return False
        return path == self.state / APPLIED and ended == sha256(path.read_bytes()).hexdigest()

    def keep_serving(self) -> None:
        while True:
            try:
                self.serve()
                return
            except RackstrapError as error:
                self.telling.head(f"This machine does not serve yet: {error.message}")
                self.telling.tell(error.hint)
                self.sleep(AGAIN_S)

    def wait_for_others(self) -> None:
        """Whoever applies a site already is left to it."""
        while find_holder(self.state) is not None:
            self.sleep(LOOK_EVERY_S)

    def wait(self, journal: Journal, path: Path, code: int) -> None:
        """Until trying again can help: something has happened, the file has changed, or a minute has passed."""
        journal.take_new()
        stamp = _stamp(path)
        left_s = float("inf") if code in WAITING else AGAIN_S
        while left_s > 0 and _stamp(path) == stamp:
            if any(event.kind not in OWN for event in journal.take_new()):
                return
            self.sleep(LOOK_EVERY_S)
            left_s -= LOOK_EVERY_S


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)


def run_going_on(state: Path, image: Path) -> int:
    """On the installed admin node; refused anywhere else. Raises RackstrapError."""
    from installer.admin.settle import load_mark, settle
    from installer.live.boot import find_boot
    from installer.serve.verbs import start_serving

    if find_boot().source != "disk":
        raise RackstrapError("this machine does not run from an admin node's disk", "nothing was done", exit_code=1)
    telling = Telling(lambda: (), NOTICE)
    mark = load_mark()
    telling.tell(*settle(mark))
    record_installed(state, mark.epoch, mark.disks)
    going_on = GoingOn(
        state,
        telling,
        lambda path, beside: run_apply(path, beside, state, image, telling),
        lambda: start_serving(state, image, None),
    )
    return going_on.run()


def record_installed(state: Path, epoch: int, disks: tuple[str, ...]) -> bool:
    """Journal once that this machine runs from its own disk; whether it was new."""
    from installer.node.place import load_boot_id

    wanted = find_wanted(state)
    site = load_site(wanted[0]).site if wanted is not None else None
    address = str(site.admin.address) if site is not None else ""
    with Journal(state / "store.db", make_who("continue")) as journal:
        known = journal.ledger.admin.installed
        if known is not None and known.epoch == epoch:
            return False
        data = {"epoch": epoch, "boot_id": load_boot_id(), "disks": list(disks), "address": address}
        journal.append(Event(Happened.ADMIN_INSTALLED, HOST, data), durable=True)
        journal.store.set_progress(HOST, "installed", 100, "runs from its own disk")
    return True
