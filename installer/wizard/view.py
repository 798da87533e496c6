"""Everything that pages are made from, at one moment: values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from installer.engine.status import SiteStatus
from installer.engine.store import Progress
from installer.live.boot import Boot
from installer.live.volumes import Volume
from installer.model.events import Event
from installer.model.facts import Machine
from installer.model.ledger import Ledger
from installer.model.plan import Plan, StepKey
from installer.model.problems import Problem
from installer.plan.roles import Role
from installer.preflight.check import Check
from installer.wizard.draft import Draft

if TYPE_CHECKING:
    from installer.plan.admin import AdminInstall  # the first page needs no plan


@dataclass(frozen=True, slots=True)
class Continuing:
    """Something to go on from: a saved draft, the applied site, a file on a volume. `target`: for OpenSite."""

    kind: Literal["draft", "applied", "volume", "file", "offer"]
    title: str
    target: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class OnDisk:
    """An installation of an admin node that was found on this machine's disks. `stage`: where one that is not `finished` stopped.

    `disk`: as the operator knows it, by model and the end of its serial number. `at`: when it ended or stopped, 0 unknown.
    `ours`: of this machine; another one's disk may have been put in here.
    """

    hostname: str
    disk: str
    finished: bool
    stage: str = ""
    at: float = 0.0
    ours: bool = True


@dataclass(frozen=True, slots=True)
class Here:
    """This machine, the admin node. `ssh`: lines that say how to reach it. `keyboard`: its console's layout, "" unknown."""

    machine: Machine
    hostname: str
    ssh: tuple[str, ...] = ()
    keyboard: str = ""
    keyboards: tuple[str, ...] = ()
    volumes: tuple[Volume, ...] = ()
    continuing: tuple[Continuing, ...] = ()
    rehearsal: str = ""  # why nothing real is touched: "recorded machines, simulated rack"; "" where it is real
    state_dir: str = ""
    boot_disks: frozenset[str] = frozenset()  # ids of disks that this system runs from
    confirm_by: float = 0.0  # a changed network goes back by itself at this time unless confirmed; 0: nothing to confirm
    methods: Mapping[str, Literal["static", "dhcp"]] = field(default_factory=dict)  # NIC -> how it has its address now
    boot: Boot = field(default_factory=Boot)
    version: str = ""
    on_disks: tuple[OnDisk, ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()  # site files that are meant to be there and cannot be taken: what, what to do
    reading_disks: bool = False  # they are read for the first time: what is missing may still come
    only_looks: str = ""  # nothing can be changed from this screen: what to do instead; "" where it can


@dataclass(frozen=True, slots=True)
class Running:
    """The process that runs: `mode` discover or apply; install where it installs this machine, of which no pid is known."""

    pid: int
    mode: Literal["discover", "apply", "install"]
    since: float


@dataclass(frozen=True, slots=True)
class Applied:
    """What was applied last, to compare with."""

    text: str  # the site file's
    files: Mapping[str, str]  # rendered: folder-relative path -> text


@dataclass(frozen=True, slots=True)
class View:
    """One moment. `plan` is None while it is being made or where the draft cannot be planned; `plan_problem` then says why."""

    draft: Draft
    here: Here
    machines: Mapping[str, Machine]
    ledger: Ledger  # a copy of this moment's
    status: SiteStatus
    progress: Mapping[str, Progress]
    roles: Mapping[str, Role]
    role_problems: tuple[Problem, ...] = ()
    checks: tuple[Check, ...] = ()
    checks_at: float = 0.0
    plan: Plan | None = None
    plan_problem: str = ""
    done: frozenset[StepKey] = frozenset()  # of the plan's steps
    own: AdminInstall | None = None  # this machine's own installation, planned where it was started from the ISO
    own_least_bytes: int = 0  # the smallest disk that it fits on; 0 as long as the image is not known
    applied: Applied | None = None
    running: Running | None = None
    last_end: str = ""  # the last sentence of the apply that ended last
    events: tuple[Event, ...] = ()  # the last few hundred, oldest first
    logs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # host -> its last log lines, where a page wants them
    answers: tuple[Mapping[str, Any], ...] = ()  # the last requests answered: ANSWERED's data, with host
    ui: Mapping[str, str] = field(default_factory=dict)
    now: float = 0.0
