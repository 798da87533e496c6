"""The admin node's own installation as pages show it: whether it is wanted, how it stands, what it would erase. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from installer.model.events import Event, Happened
from installer.model.facts import Disk, Machine
from installer.wizard.losses import HOW, name_disk
from installer.wizard.outlook import SPANS
from installer.wizard.view import View

if TYPE_CHECKING:
    from installer.plan.admin import AdminInstall

# asks: needs consent here. consented: may be erased, not begun. begun: goes on without a new consent. unpacked: hands over.
# problem: cannot be installed. planning: not planned yet. no: this machine was not started from the ISO, or runs from its disk.
Standing = Literal["asks", "consented", "begun", "unpacked", "problem", "planning", "no"]
HOST: Final = "admin"
FAILED: Final = "failed"  # the stage that its progress row is left at
SAID: Final[dict[Standing, str]] = {
    "asks": "asks you",
    "consented": "consented",
    "begun": "begun",
    "unpacked": "hands over",
    "problem": "problem",
    "planning": "planning",
    "no": "-",
}


@dataclass(frozen=True, slots=True)
class OwnLoss:
    """The admin node with the disks that it loses. As installer.wizard.losses.Loss, to stand among them."""

    plan: AdminInstall
    machine: Machine

    @property
    def name(self) -> str:
        return self.plan.hostname

    @property
    def disks(self) -> tuple[Disk, ...]:
        return self.plan.disks

    @property
    def consent(self) -> str:
        return self.plan.consent.how if self.plan.consent is not None else ""

    @property
    def is_blank(self) -> bool:
        return all(disk.is_blank for disk in self.disks)

    @property
    def shown(self) -> tuple[object, ...]:
        """Everything that a person consents to: when any of it is different, it is another consent."""
        disks = tuple(sorted((d.id, d.wwn, d.serial, d.model, d.size_bytes, d.holds_digest) for d in self.disks))
        return (HOST, self.machine.uuid, self.machine.serial, self.plan.epoch, disks)


def can_install(view: View) -> bool:
    """Whether this machine runs from the ISO, so that it can be installed."""
    return view.here.boot.source == "medium"


def is_wanted(view: View) -> bool:
    """Whether a deployment installs this machine first: started from the ISO, and not to run live."""
    return can_install(view) and view.here.boot.mode != "live"


def find_standing(view: View) -> Standing:
    """How it stands with this machine's own installation, whether it is wanted now or later."""
    if not can_install(view):
        return "no"
    own, admin = view.own, view.ledger.admin
    if own is None:
        return "planning"
    is_at_work = view.running is not None and view.running.mode == "install"
    if admin.has_begun and admin.unpacked_epoch >= admin.installing_epoch and is_at_work:
        return "unpacked"
    if own.has_errors or not own.disks:
        return "problem"
    if own.resumes and own.chosen:
        return "begun"
    return "consented" if own.chosen else "asks"


def find_own_losses(view: View, wanted: Standing) -> tuple[OwnLoss, ...]:
    """This machine, where it stands so."""
    if view.own is None or find_standing(view) != wanted:
        return ()
    return (OwnLoss(view.own, view.here.machine),)


def is_stale(view: View) -> bool:
    """Whether the disks have changed since they were planned for: then it is planned anew, and nothing is consented to."""
    own = view.own
    return own is not None and any(view.here.machine.disk(disk.id) != disk for disk in own.disks)


def make_own_consent(view: View, loss: OwnLoss) -> Event:
    """ADMIN_CONSENTED for exactly these disks. Raises RackstrapError.

    A disk that carries an installation of Rackstrap may be among them: the operator has read so, and typed the name.
    """
    from installer.plan.admin import make_admin_consent

    own_mark = any(disk.has_own_mark for disk in loss.disks)
    data = make_admin_consent(view.here.machine, [disk.id for disk in loss.disks], view.ledger, HOW, own_mark=own_mark)
    return Event(Happened.ADMIN_CONSENTED, HOST, data)


def say_problem(view: View) -> tuple[str, str]:
    """What keeps this machine from being installed, and what to do."""
    own = view.own
    wrong = next((p for p in own.problems if p.severity == "error"), None) if own is not None else None
    return (wrong.message, wrong.hint) if wrong is not None else ("no disk of this machine can be chosen", "see the Disks page")


def name_disks(view: View) -> str:
    """Its disks by model and the end of the serial number, in a line; "-" for none."""
    own = view.own
    return " + ".join(name_disk(disk, view.here.machine) for disk in own.disks) if own is not None and own.disks else "-"


def find_failure(view: View) -> str:
    """Why the installation that ended last has failed; "" where none has."""
    row = view.progress.get(HOST)
    return row.text if row is not None and row.stage == FAILED and view.ledger.admin.has_begun else ""


def find_percent(view: View) -> tuple[int, str]:
    """How far it is, in whole per cent, and what is being done; 0 and "" before it has begun."""
    standing, row = find_standing(view), view.progress.get(HOST)
    if standing == "unpacked":
        return 99, "hands over"
    if not view.ledger.admin.has_begun or row is None or row.stage == FAILED:
        return 0, ""
    first, last = SPANS.get(row.stage, (0, 99))
    return min(99, first + (last - first) * max(0, min(100, row.percent)) // 100), f"{row.stage} {row.percent} %"
