"""One simulated machine: boots, enrols, installs stage by stage and reports, as an agent would, in the journal alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from installer.engine.journal import Journal
from installer.lab.fleet_recordings import Recording, make_discovery
from installer.model.events import Event, Happened
from installer.model.ledger import MachineEntry

BOOT_S: Final = 5.0  # believable for a demo; real firmware takes minutes
FIRST_BOOT_STEP_S: Final = 1.2  # no two machines of a rack come up at the same moment
FAILS_AT: Final = 0.61  # of the stage in which the machine with the bad disk fails, once
FAILURE: Final = "unpack: input/output error on the disk at 61 %; the kernel reset its link"
SLOW_BMC_TRIES: Final = 3  # the BMC that takes its time answers this one
Mode = Literal["off", "booting", "discovery", "installing", "starting", "disk"]
# Seconds of each stage, as install.py names them; unpacking takes longer on every machine with a higher number.
STAGES: Final = (
    ("partition", 1.0),
    ("format", 2.0),
    ("unpack", 12.0),
    ("configure", 2.0),
    ("bootloader", 3.0),
    ("handover", 2.0),
)


@dataclass
class Simulated:
    """`until`: when the present mode is over, on the fleet's clock; `pressed`: how often its power was switched on."""

    id: str
    recording: Recording
    number: int
    bmc: str = ""
    serial: str = ""
    fails: bool = False  # its next installation
    has_slow_bmc: bool = False
    mode: Mode = "off"
    until: float = 0.0
    boots: int = 0
    pressed: int = 0
    order: str = ""
    began: float = 0.0
    told: tuple[str, int] = ("", -1)
    seen: set[str] = field(default_factory=set)

    @property
    def stages(self) -> tuple[tuple[str, float], ...]:
        return tuple((name, length + self.number * 0.8 if name == "unpack" else length) for name, length in STAGES)

    def resume(self, entry: MachineEntry) -> None:
        """Be where the journal says that it was: the fleet was ended and started again."""
        self.boots = 1
        self.mode = "disk" if entry.installed is not None else "discovery"

    def switch(self, power: str, now: float) -> None:
        """Its power was switched by its BMC or by hand."""
        self.order = ""
        if power == "off":
            self.mode = "off"
            return
        self.pressed += 1
        if self.has_slow_bmc and not self.boots and self.pressed < SLOW_BMC_TRIES:
            return
        self.mode, self.until = "booting", now + BOOT_S + (0 if self.boots else self.number * FIRST_BOOT_STEP_S)

    def advance(self, now: float, entry: MachineEntry | None, journal: Journal) -> None:
        """Do what is due."""
        if self.mode == "booting" and now >= self.until:
            self._come_up(entry, journal)
        elif entry is None:
            return
        elif self.mode == "discovery" and entry.order is not None and entry.order["order"] not in self.seen:
            self._take_order(entry.order, now, entry, journal)
        elif self.mode == "installing":
            self._install(now, entry, journal)
        elif self.mode == "starting" and now >= self.until:
            self.mode = "disk"
            journal.append(Event(Happened.NODE_INSTALLED, self.id, self._make_installed(entry)), durable=True)

    def _come_up(self, entry: MachineEntry | None, journal: Journal) -> None:
        self.boots += 1
        if entry is not None and entry.installed is not None and entry.installed.epoch == entry.epoch:
            self.mode = "disk"
            journal.append(Event(Happened.NODE_INSTALLED, self.id, self._make_installed(entry)), durable=True)
            return
        self.mode = "discovery"
        journal.append(make_discovery(self.recording, journal.store, self.number, self.boots), durable=True)

    def _take_order(self, order: Mapping[str, Any], now: float, entry: MachineEntry, journal: Journal) -> None:
        self.order = str(order["order"])
        self.seen.add(self.order)
        if order["kind"] == "install":
            self.mode, self.began, self.told = "installing", now, ("", -1)
            self._install(now, entry, journal)
            return
        journal.append(Event(Happened.ORDER_DONE, self.id, {"order": self.order}), durable=True)
        if order["kind"] in {"reboot", "poweroff"}:
            self.switch("cycle" if order["kind"] == "reboot" else "off", now)

    def _install(self, now: float, entry: MachineEntry, journal: Journal) -> None:
        if entry.order is None or entry.order["order"] != self.order:  # it was withdrawn
            self.mode = "discovery"
            return
        stage, share = find_stage(self.stages, now - self.began)
        if self.fails and stage == "unpack" and share >= FAILS_AT:
            self.fails, self.mode = False, "discovery"
            journal.append(Event(Happened.ORDER_FAILED, self.id, {"order": self.order, "reason": FAILURE}), durable=True)
        elif stage:
            self._tell(stage, int(share * 100), journal)
        else:
            self._finish(now, entry, journal)

    def _tell(self, stage: str, percent: int, journal: Journal) -> None:
        if (stage, percent) != self.told:
            self.told = (stage, percent)
            text = f"{percent * 7} of 700 MB" if stage == "unpack" else "simulated"
            journal.store.set_progress(self.id, stage, percent, text)

    def _finish(self, now: float, entry: MachineEntry, journal: Journal) -> None:
        self.mode, self.until = "starting", now + BOOT_S
        told = {"epoch": entry.epoch, "phases": dict(self.stages)}
        done = Event(Happened.ORDER_DONE, self.id, {"order": self.order})
        journal.append(Event(Happened.NODE_UNPACKED, self.id, told), done, durable=True)

    def _make_installed(self, entry: MachineEntry) -> dict[str, Any]:
        disks = entry.consent.disks if entry.consent is not None else ()
        disk = disks[0].id if disks else ""
        return {
            "epoch": entry.epoch,
            "boot_id": f"simulated-disk-{self.boots}",
            "soft_reboots": 1,
            "ssh_host_keys": [],
            "root": f"/dev/disk/by-id/{disk}-part3",
            "disk": disk,
            "address": entry.addresses.get("admin", ""),
            "cold": self.pressed > 0,
        }


def find_stage(stages: tuple[tuple[str, float], ...], spent: float) -> tuple[str, float]:
    """The stage after this time at work, and how far it is (0 to 1); "" when all are over."""
    for name, length in stages:
        if spent < length:
            return name, spent / length
        spent -= length
    return "", 1.0
