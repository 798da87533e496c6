"""What a page may wish for. Whoever carries it out (installer.wizard.desk) was chosen once: the live world, or a rehearsal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from installer.model.events import Event
from installer.model.problems import RackstrapError


@dataclass(frozen=True, slots=True)
class Append:
    """Journal these events: a change to a node (engine.node_changes). `says`: what it means."""

    events: tuple[Event, ...]
    says: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """An immediate wish for the running service: ASKED's data without id. Verbs: power, identify, scan."""

    host: str
    asked: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Discover:
    """Serve the draft and discover, in a process of its own: nothing is installed (`rackstrap apply --discover`)."""


@dataclass(frozen=True, slots=True)
class Apply:
    """Carry the draft out, in a process of its own that outlives this one (`rackstrap apply`)."""


@dataclass(frozen=True, slots=True)
class InstallAdmin:
    """Install this machine on its own disk, hand over to it, and go on with the draft from there (`rackstrap install`).

    In a process of its own, as Apply. It needs a consent that was journaled before.
    """


@dataclass(frozen=True, slots=True)
class StopApplying:
    """End that process between two events; nothing is lost."""


@dataclass(frozen=True, slots=True)
class SetNetwork:
    """Give this machine the draft's admin address, commit-confirmed (`rackstrap network set`)."""


@dataclass(frozen=True, slots=True)
class ConfirmNetwork:
    """The operator still sees us: keep it."""


@dataclass(frozen=True, slots=True)
class RenewDhcp:
    """Ask the DHCP server anew on this NIC (`rackstrap network renew NIC`)."""

    nic: str


@dataclass(frozen=True, slots=True)
class CheckAgain:
    """Run the preflight checks now."""


class IsThereError(RackstrapError):
    """A file of that name is there already, and nobody has said that it may be replaced."""


@dataclass(frozen=True, slots=True)
class SaveSite:
    """Write the site file there: a path, or `volume:ID` for a removable volume of View.here.volumes.

    `over`: replaces what is there; without it, another file there raises IsThereError.
    """

    target: str
    over: bool = False


@dataclass(frozen=True, slots=True)
class SaveReport:
    """Write the report there: as SaveSite."""

    target: str
    over: bool = False


@dataclass(frozen=True, slots=True)
class OpenSite:
    """Go on from this site file: as SaveSite. Raises when it is no site file; the draft is then as it was."""

    target: str


@dataclass(frozen=True, slots=True)
class ImportBmcs:
    """Take in a CSV of BMCs (`rackstrap bmc import`); passwords stay in the files that it names."""

    path: str


@dataclass(frozen=True, slots=True)
class AddBmc:
    """One BMC with its password, which is kept in a root-only file and nowhere else."""

    address: str
    serial: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SetKeyboard:
    """The console's keyboard, now."""

    layout: str


@dataclass(frozen=True, slots=True)
class SetPassword:
    """Root's password for the admin node and all nodes.

    The desk puts `make_password_hash(password)` (installer.site.password) into its draft at access.password_hash, by edit_draft
    with origin "typed", keeps that draft, and keeps the password nowhere: not in a file, an event, an error or a log.
    """

    password: str = field(repr=False)


Wish = (
    Append
    | Request
    | Discover
    | Apply
    | InstallAdmin
    | StopApplying
    | SetNetwork
    | ConfirmNetwork
    | RenewDhcp
    | CheckAgain
    | SaveSite
    | SaveReport
    | OpenSite
    | ImportBmcs
    | AddBmc
    | SetKeyboard
    | SetPassword
)
