"""What is given, done and consented to: a fold over the journal, and the only state there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from installer.model.orders import ChosenDisk
from installer.model.plan import StepKey


@dataclass(frozen=True, slots=True)
class Consent:
    """The operator's word that these disks of this machine may be erased, once, in this epoch."""

    disks: tuple[ChosenDisk, ...]
    epoch: int
    how: str
    used: bool = False
    own_mark: bool = False  # given for disks that Rackstrap itself installed


@dataclass(frozen=True, slots=True)
class Installed:
    """What the installed system reported of itself."""

    epoch: int
    boot_id: str
    soft_reboots: int
    ssh_host_keys: tuple[str, ...]
    root: str
    disk: str
    address: str
    cold: bool  # it has come up from power-off at least once since installing: its boot loader is proven


@dataclass(frozen=True, slots=True)
class MachineEntry:
    """One machine, and the node that it became. `name` is "" until it is bound to one."""

    id: str
    state: str = "discovered"
    reason: str = ""
    recording: str = ""
    code: str = ""
    key: str = ""
    seen_address: str = ""
    boot_mac: str = ""
    boot_id: str = ""
    discovered_at: float = 0.0
    seen_at: float = 0.0
    admitted: bool = False
    name: str = ""
    rule: int = -1
    group: str | None = None
    roles: tuple[str, ...] | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)
    epoch: int = 1
    consent: Consent | None = None
    installing_epoch: int = 0  # the epoch whose installation has begun
    unpacked_epoch: int = 0
    phases: Mapping[str, float] = field(default_factory=dict)
    installed: Installed | None = None
    installed_at: float = 0.0
    left_out: bool = False
    boot_expected: bool = False  # Rackstrap itself powered it on: its next enrolment is believed
    claims: tuple[str, ...] = ()  # keys that claimed to be it and were refused
    retried_at: int = 0  # event id of the last retry
    reinstall_epoch: int = 0  # the epoch for which `node reinstall` consented to erase Rackstrap's own disks
    reinstall_disks: tuple[str, ...] = ()  # … and the ids of the disks that the operator was shown for it
    order: Mapping[str, Any] | None = None  # the open order: ORDER_GIVEN's data
    order_failed: str = ""  # reason of the last order's failure
    orders_done: tuple[str, ...] = ()

    def believes(self, key: str) -> bool:
        """Whether who enrols with this key is taken for this machine.

        One that is known only as discovered has nothing yet that another could steal. One that was admitted or consented to
        keeps its key until Rackstrap itself boots it anew, or the operator approves the claim.
        """
        if self.key == key or not self.key or self.boot_expected:
            return True
        return self.state == "discovered" and not self.admitted and self.consent is None and self.installed is None


@dataclass(frozen=True, slots=True)
class AdminInstalled:
    """What the admin node recorded of itself once it ran from its own disk. `disks`: stable ids."""

    epoch: int
    boot_id: str
    disks: tuple[str, ...]
    address: str


@dataclass(frozen=True, slots=True)
class AdminEntry:
    """The admin node's own installation. `machine`: uuid and serial of the one whose disks the consent is for."""

    epoch: int = 1
    consent: Consent | None = None
    machine: tuple[str, str] = ("", "")
    installing_epoch: int = 0  # the epoch whose installation has begun
    unpacked_epoch: int = 0  # … is on the disk, but for the hand-over
    phases: Mapping[str, float] = field(default_factory=dict)
    installed: AdminInstalled | None = None
    installed_at: float = 0.0

    @property
    def has_begun(self) -> bool:
        """Whether the installation of this epoch was begun and is not known to have ended."""
        is_done = self.installed is not None and self.installed.epoch >= self.epoch
        return self.installing_epoch >= self.epoch and not is_done


@dataclass(frozen=True, slots=True)
class BmcEntry:
    """One BMC. `secret` names a root-only file; the password itself is nowhere here."""

    address: str
    serial: str = ""
    user: str = ""
    secret: str = ""
    uefi: bool = False
    boot_expected: bool = False


@dataclass(frozen=True, slots=True)
class StepEntry:
    """The last that is known of a step."""

    id: str = ""
    done_id: str = ""  # step id of the last success
    done_seq: int = 0  # event id of the last success
    attempts: int = 0
    failed: str = ""  # reason of the last failure, "" after a success
    failed_seq: int = 0
    waits_for: str = ""
    started_at: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True)
class Ledger:
    """The fold's accumulator: own one per process, feed it every event once, in order (folds.add_event)."""

    seq: int = 0
    site_sha256: str = ""
    admin: AdminEntry = field(default_factory=AdminEntry)
    machines: dict[str, MachineEntry] = field(default_factory=dict)
    bmcs: dict[str, BmcEntry] = field(default_factory=dict)
    steps: dict[StepKey, StepEntry] = field(default_factory=dict)
    services: dict[str, str] = field(default_factory=dict)  # name -> digest of the configuration it runs on
    asked: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # open requests: ASKED's data, host and at

    def node(self, name: str) -> MachineEntry | None:
        """The machine that was given this name."""
        return next((m for m in self.machines.values() if m.name == name), None)

    def find(self, word: str) -> MachineEntry | None:
        """The machine that an operator means: a node's name, a machine id or a short code."""
        return (
            self.node(word)
            or self.machines.get(word)
            or next((m for m in self.machines.values() if m.code == word.upper()), None)
        )

    def change(self, machine: str, **changes: Any) -> None:
        entry = self.machines.get(machine)
        if entry is not None:
            self.machines[machine] = replace(entry, **changes)
