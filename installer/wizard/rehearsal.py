"""The desk of a rehearsal: recorded machines are the rack, and nothing real is touched."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from installer.engine.folders import claim_rehearsal
from installer.lab import fleet_recordings
from installer.lab.fleet import LOOKED
from installer.live.boot import Boot
from installer.model.facts import Machine
from installer.model.problems import RackstrapError
from installer.preflight.check import Check
from installer.probe.parse import parse_recording
from installer.serve.verbs import find_image_dir
from installer.wizard import bmcs, targets
from installer.wizard.bench import Bench, Outside
from installer.wizard.draft import Draft, make_new_draft
from installer.wizard.launching import Launcher, let_go, make_environment
from installer.wizard.planning import PlaceFinder
from installer.wizard.view import Here, View
from installer.wizard.wishes import (
    AddBmc,
    Append,
    Apply,
    CheckAgain,
    ConfirmNetwork,
    Discover,
    ImportBmcs,
    InstallAdmin,
    OpenSite,
    RenewDhcp,
    Request,
    SaveReport,
    SaveSite,
    SetKeyboard,
    SetNetwork,
    SetPassword,
    StopApplying,
    Wish,
)

TOUCH_EVERY_S: Final = 5.0
SAYS: Final = "a rehearsal: recorded machines, nothing real is touched"
SAYS_DEMO: Final = "a demo: recorded machines, a simulated rack; nothing real is touched"
NO_REACH: Final = RackstrapError(
    "these are recorded machines: nothing can be done to them", "start again with --demo to see it simulated"
)


class RehearsalDesk:
    """See installer.wizard.desk.Desk. `state`: where the rehearsal is kept; None for a folder that goes with it.

    `boot`: how this machine is taken to have been started.
    """

    def __init__(
        self,
        machines: Sequence[Path],
        *,
        is_demo: bool = False,
        state: Path | None = None,
        site: Path | None = None,
        roles_dirs: Sequence[Path] = (),
        speed: float = 1.0,
        boot: Boot | None = None,
    ) -> None:
        self._boot: Final = boot or Boot()
        self._is_demo: Final = is_demo
        self._speed: Final = speed
        self._files: Final = tuple(str(path.absolute()) for path in machines)
        self._recordings: Final = fleet_recordings.load_rack(self._files)
        self._temporary: Final = tempfile.mkdtemp(prefix="rackstrap-rehearsal-") if state is None else ""
        self._state: Final = (state or Path(self._temporary)).absolute()
        claim_rehearsal(self._state)
        words = (sys.executable, "-m", "installer.lab.fleet_apply", "--speed", str(speed))
        launcher = Launcher(self._state, words, make_environment(roles_dirs))
        self.bench: Final = Bench(self._state, launcher, PlaceFinder(self._state, find_image_dir().absolute()), roles_dirs)
        self.bench.open(site)
        self._machine: Final = parse_recording(fleet_recordings.make_admin(self._recordings))
        if self.bench.draft is None:
            self.bench.set_draft(make_new_draft(self._machine, self.bench.roles))
        self._fleet: subprocess.Popen[bytes] | None = None
        self._touched_at = -TOUCH_EVERY_S
        if is_demo:
            self._fleet = self._start_fleet()
        else:
            self._discover_all()
        self._outside: Final = self._make_outside()

    def look(self, wants: frozenset[str]) -> View:
        self._show_presence()
        return self.bench.look(self._outside, wants)

    def has_news(self) -> bool:
        self._show_presence()
        return self.bench.has_news()

    def _show_presence(self) -> None:
        """Tell the fleet now and then that somebody is looking."""
        if self._is_demo and time.monotonic() > self._touched_at + TOUCH_EVERY_S:
            (self._state / LOOKED).touch(mode=0o600)
            self._touched_at = time.monotonic()

    def find_page(self) -> str:
        return self.bench.page

    def keep(self, draft: Draft, page: str) -> None:
        self.bench.keep(draft, page)

    def carry_out(self, wish: Wish) -> str:  # noqa: PLR0911, PLR0912 - one way for each wish
        match wish:
            case Append():
                return self.bench.append(wish)
            case Request() | Discover() | Apply() if not self._is_demo:
                raise RackstrapError(NO_REACH.message, NO_REACH.hint)
            case Request():
                return self.bench.ask(wish)
            case Discover():
                return self.bench.launch("discover")
            case Apply():
                return self.bench.launch("apply")
            case InstallAdmin():
                raise RackstrapError("nothing is installed in a rehearsal", "start this machine from the admin ISO")
            case StopApplying():
                return self.bench.launcher.stop()
            case SaveSite():
                return targets.save_site(self.bench, (), wish)
            case OpenSite():
                return targets.open_site(self.bench, (), wish.target)
            case SaveReport():
                said = targets.save_report(self.look(frozenset({"plan"})), (), wish)
                self.bench.keeper.note_report(said)
                return said
            case ImportBmcs():
                return bmcs.import_bmcs(self.bench.watcher, Path(wish.path).expanduser())
            case AddBmc():
                return bmcs.add_bmc(self.bench.watcher, wish)
            case SetPassword():
                return self.bench.set_password(wish)
            case CheckAgain():
                return "nothing is checked in a rehearsal"
            case SetNetwork() | ConfirmNetwork() | RenewDhcp() | SetKeyboard():
                return "in a rehearsal this machine stays as it is"

    def close(self) -> None:
        is_at_work = self.bench.launcher.find_running() is not None
        self.bench.close()
        if self._fleet is not None:
            if self._temporary and not is_at_work:
                self._fleet.terminate()
                self._fleet.wait()
            let_go(self._fleet)
        if self._temporary and not is_at_work:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _start_fleet(self) -> subprocess.Popen[bytes]:
        """The simulated rack in a process of its own, which meets us in the store; one that runs already is left alone."""
        words = [sys.executable, "-m", "installer.lab.fleet", *self._files, "--state", str(self._state)]
        words += ["--speed", str(self._speed), *(["--temporary"] if self._temporary else [])]
        (self._state / "run").mkdir(mode=0o700, exist_ok=True)
        with (self._state / "run/fleet.log").open("ab") as log:
            return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/")

    def _discover_all(self) -> None:
        """Every recorded machine that the journal does not know yet is discovered at once."""
        watcher = self.bench.watcher
        for number, recording in enumerate(self._recordings):
            event = fleet_recordings.make_discovery(recording, watcher.journal.store, number, boots=1)
            if event.host not in watcher.journal.ledger.machines:
                watcher.append(event)

    def _make_outside(self) -> Outside:
        says = SAYS_DEMO if self._is_demo else SAYS
        return Outside(
            Here(
                machine=self._machine,
                hostname="rehearsal",
                rehearsal=says,
                boot=self._boot,
                state_dir=str(self._state),
            ),
            make_checks(self._machine),
        )


def make_checks(machine: Machine) -> tuple[Check, ...]:
    """Preflight as it would look: the link as it was recorded; the rest says that nothing was asked."""
    names = ("dhcp", "address", "gateway", "dns", "ntp", "mtu")
    return (make_link_check(machine), *(Check(name, "ok", "rehearsal: taken as good, nothing was asked") for name in names))


def make_link_check(machine: Machine) -> Check:
    nic = next((one for one in machine.nics if one.has_link), None)
    if nic is None:
        return Check("link", "FAIL", "rehearsal: no NIC had a link when this was recorded", "take a recording with its cables in")
    where = f", {nic.lldp.switch} port {nic.lldp.port}" if nic.lldp is not None else ""
    return Check("link", "ok", f"rehearsal: {nic.name} was up when it was recorded{where}")
