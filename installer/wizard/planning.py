"""Plans made beside the screen: in a thread of its own, only when somebody wants one and something has changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from installer.model.facts import Machine
from installer.model.ledger import Ledger
from installer.model.plan import AdminPlace, Plan, StepKey
from installer.model.problems import Problem, RackstrapError
from installer.model.site import Site
from installer.plan.roles import Role
from installer.site.load import parse_site

if TYPE_CHECKING:
    from installer.plan.admin import AdminInstall

PLAN_SHARE: Final = 4.0  # after planning it rests four times as long: a fifth of the time at most


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to plan: compared by `key`, which changes when anything that a plan depends on has changed."""

    key: tuple[object, ...]
    site: Site | None
    machines: Mapping[str, Machine] = field(repr=False)
    ledger: Ledger = field(repr=False)
    roles: Mapping[str, Role] = field(repr=False)
    find_place: Callable[[Site], AdminPlace] = field(repr=False)
    applied: str | None = field(default=None, repr=False)  # the applied site file's text, where its files are wanted too
    errors: tuple[Problem, ...] = ()  # of the draft: with any, it is not planned
    here: Machine | None = field(default=None, repr=False)  # this machine, where it may be installed: started from the ISO
    medium: str = ""  # the kernel name of the disk that it was started from


@dataclass(frozen=True, slots=True)
class Planned:
    """What came of it. `key`: of what was planned. `files`: of the plan, boot scripts among them."""

    key: tuple[object, ...] = ()
    plan: Plan | None = None
    problem: str = ""
    done: frozenset[StepKey] = frozenset()
    applied_files: Mapping[str, str] | None = None
    applied_text: str = ""
    own: AdminInstall | None = None
    own_least_bytes: int = 0


class Planner:
    """Ask with `want`; the newest result is in `planned`. `number` grows with each. A newer wish replaces one not begun."""

    def __init__(self) -> None:
        self.planned = Planned()
        self.number = 0
        self._wanted: Wanted | None = None
        self._change = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="planner", daemon=True)
        self._thread.start()

    def want(self, wanted: Wanted) -> None:
        """Plan this, unless it is what was planned last."""
        with self._change:
            self._wanted = wanted if wanted.key != self.planned.key else None
            self._change.notify_all()

    def close(self) -> None:
        with self._change:
            self._is_closed = True
            self._change.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while (wanted := self._take()) is not None:
            began = time.monotonic()
            planned = make_planned(wanted)
            with self._change:
                self.planned = planned
                self.number += 1
                rests_s = (time.monotonic() - began) * PLAN_SHARE
                self._change.wait_for(lambda: self._is_closed, rests_s)

    def _take(self) -> Wanted | None:
        with self._change:
            self._change.wait_for(lambda: self._is_closed or self._wanted is not None)
            wanted, self._wanted = self._wanted, None
            return None if self._is_closed else wanted


def make_planned(wanted: Wanted) -> Planned:
    """The plan, and the files of the applied site's plan. What cannot be planned is said, never raised."""
    from installer.engine.graph import make_graph

    plan, problem = None, "the site file has errors: it cannot be planned yet"
    done: frozenset[StepKey] = frozenset()
    own, least_bytes = None, 0
    if wanted.errors:
        problem = f"{wanted.errors[0].message}; {wanted.errors[0].hint}"
    elif wanted.site is not None:
        try:
            own, least_bytes = plan_own(wanted.site, wanted)
            plan, problem = plan_site(wanted.site, wanted), ""
            done = frozenset(make_graph(plan.steps, wanted.ledger).done)
        except RackstrapError as error:
            plan, problem = None, f"{error.message}; {error.hint}" if error.hint else error.message
    files = None
    if wanted.applied is not None:
        site = parse_site(wanted.applied.encode(), "site.yaml").site
        files = {} if site is None else _find_files(site, wanted)
    return Planned(wanted.key, plan, problem, done, files, wanted.applied or "", own, least_bytes)


def plan_own(site: Site, wanted: Wanted) -> tuple[AdminInstall | None, int]:
    """This machine's own installation, and the smallest disk that it fits on; nothing where it is not to be installed.

    A consent that does not hold for it any more is left out: then a new one is asked for.
    """
    if wanted.here is None:
        return None, 0
    from installer.model.orders import Layout
    from installer.plan.admin import make_admin_image, plan_admin
    from installer.plan.storage import make_least_bytes

    image = wanted.find_place(site).image

    def plan(ledger: Ledger) -> AdminInstall:
        assert wanted.here is not None  # noqa: S101 - looked at above
        base = wanted.roles["base"]
        return plan_admin(site, wanted.here, ledger, image, base, machines=wanted.machines, medium=wanted.medium)

    own = plan(wanted.ledger)
    if not own.chosen and wanted.ledger.admin.consent is not None:
        own = plan(replace(wanted.ledger, admin=replace(wanted.ledger.admin, consent=None)))
    return own, make_least_bytes(make_admin_image(image), Layout())


def plan_site(site: Site, wanted: Wanted) -> Plan:
    """The plan with its boot scripts among its files, as `rackstrap plan --into` writes them. Raises RackstrapError."""
    from installer.plan.boot_files import make_boot_files  # late, like all that renders: the first page needs no plan
    from installer.plan.plan import make_plan

    place = wanted.find_place(site)
    plan = make_plan(site, wanted.machines, wanted.ledger, wanted.roles, place)
    boot = make_boot_files(plan, site, wanted.machines, place)
    return replace(plan, files={**plan.files, **boot}) if boot else plan


def _find_files(site: Site, wanted: Wanted) -> Mapping[str, str]:
    try:
        return plan_site(site, wanted).files
    except RackstrapError:
        return {}


@dataclass(frozen=True, slots=True)
class PlaceFinder:
    """The place of an apply on this machine; what is not there yet is assumed, as `rackstrap plan` does."""

    state: Path
    image: Path
    interface: str = ""

    def __call__(self, site: Site) -> AdminPlace:
        from installer.engine.plan_verbs import ASSUMED_IMAGE
        from installer.engine.prepare import find_pin
        from installer.serve.place import load_image

        image = load_image(self.image) if (self.image / "manifest.json").is_file() else ASSUMED_IMAGE
        return AdminPlace(str(self.state), str(self.image), self.interface or find_name(site), find_pin(self.state), image)


def find_name(site: Site) -> str:
    """The interface that holds the admin address, else what `rackstrap plan` assumes."""
    from installer.serve.interface import find_interface

    try:
        return find_interface(site.admin.address)
    except RackstrapError:
        return "eth0"
