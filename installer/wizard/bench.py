"""What both desks work at: a state folder, its journal, the draft, plans and the apply process."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from installer.engine.lock import Mode
from installer.engine.prepare import APPLIED, find_role_dirs
from installer.model.events import Event, Happened
from installer.model.problems import Problem, RackstrapError
from installer.plan.roles import Role, load_roles
from installer.preflight.check import Check
from installer.site.load import load_site
from installer.site.save import save_text
from installer.wizard import starting
from installer.wizard.asked import load_asked
from installer.wizard.draft import Draft, edit_draft, make_draft
from installer.wizard.keeping import Keeper
from installer.wizard.launching import Launcher
from installer.wizard.logs import LogReader
from installer.wizard.planning import PlaceFinder, Planned, Planner, Wanted
from installer.wizard.view import Applied, Continuing, Here, Running, View
from installer.wizard.watching import Moment, Watcher
from installer.wizard.wishes import Append, Request, SetPassword

RUNNING_EVERY_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Outside:
    """What a desk adds to a view: this machine and its preflight checks. `number` grows whenever one of them changes."""

    here: Here
    checks: tuple[Check, ...] = ()
    checks_at: float = 0.0
    ui: Mapping[str, str] = field(default_factory=dict)


class Bench:
    """For one worker thread at a time. The draft is None until `begin` or a kept or given one sets it."""

    def __init__(
        self,
        state: Path,
        launcher: Launcher,
        find_place: PlaceFinder,
        roles_dirs: Sequence[Path],
        installing: Launcher | None = None,
    ) -> None:
        self.watcher: Final = Watcher(state)
        self.keeper: Final = Keeper(state)
        self.launcher: Final = launcher
        self._installing: Final = installing
        self._launchers: Final = (launcher, installing) if installing is not None else (launcher,)
        self.logs: Final = LogReader(state)
        found: tuple[Mapping[str, Role], tuple[Problem, ...]] = load_roles([*find_role_dirs(), *roles_dirs])
        self.roles, self.role_problems = found
        self.page = ""
        self.draft: Draft | None = None
        self._kept_text: str | None = None  # the draft on disk, as far as this session knows
        self._find_place: Final = find_place
        self._planner: Final = Planner()
        self._planned_number = 0
        self._draft_number = 0
        self._wanted: Wanted | None = None
        self._running: Running | None = None
        self._running_at = 0.0

    @property
    def state(self) -> Path:
        return self.watcher.state

    def open(self, site: Path | None) -> None:
        """Take the site file that was given, else one that a headless start has handed over since, else the draft that was kept.

        Raises RackstrapError.
        """
        kept = self.keeper.load()
        self._kept_text = kept.text if kept is not None else None
        asked = load_asked(self.state)
        if site is None and asked is not None and asked.site.is_file() and (kept is None or kept.at < asked.at):
            site = asked.site
        if site is not None:
            self.set_draft(self.read_site(site))
        elif kept is not None:
            self.set_draft(make_draft(kept.text, self.roles, kept.origins, kept.file))
            self.page = kept.page

    def read_site(self, path: Path) -> Draft:
        """The draft of a site file. Raises RackstrapError when it is none; one with problems is taken as it is."""
        loaded = load_site(path)
        if not isinstance(loaded.document.data, dict):
            problem = loaded.problems[0] if loaded.problems else None
            raise RackstrapError(f"{path} is no site file" + (f": {problem.message}" if problem else ""), "name another one")
        return make_draft(loaded.document.text, self.roles, None, str(path.absolute()))

    def set_draft(self, draft: Draft) -> None:
        self.draft = draft
        self._draft_number += 1

    def keep(self, draft: Draft, page: str) -> None:
        """Make this the draft, and save it. What has not changed is not written again, nor over what another session wrote.

        Raises RackstrapError for a change where another session has made one: the draft stays as it was, here and there.
        """
        is_same = self.draft is not None and draft.text == self.draft.text and draft.origins == self.draft.origins
        if is_same and page == self.page and draft.file == (self.draft.file if self.draft else ""):
            self.draft = draft
            return
        if self.keeper.load_text() in (None, self._kept_text, self.draft.text if self.draft is not None else None):
            self.keeper.save(draft.text, draft.origins, draft.file, page)
            self._kept_text = draft.text
        elif not is_same:
            hint = "go on from it (Welcome: the draft of the last session); S saves this one elsewhere first"
            raise RackstrapError("another session has changed the draft meanwhile: nothing was changed here", hint)
        self.page = page
        if is_same:
            self.draft = draft
        else:
            self.set_draft(draft)

    def has_news(self) -> bool:
        return self.watcher.has_news() or self._planner.number != self._planned_number or self._has_run_changed()

    def _has_run_changed(self) -> bool:
        if time.monotonic() < self._running_at + RUNNING_EVERY_S:
            return False
        self._running_at = time.monotonic()
        return starting.find_running(self._launchers) != self._running

    def look(self, outside: Outside, wants: frozenset[str]) -> View:
        """The view of this moment. The draft must be set."""
        if self.draft is None:
            raise RackstrapError("there is no draft yet")
        moment = self.watcher.look()
        planned = self._plan(moment, wants, outside.here)
        self._running, self._running_at = starting.find_running(self._launchers), time.monotonic()
        applied = None
        if planned.applied_files is not None:
            applied = Applied(planned.applied_text, planned.applied_files)
        return View(
            draft=self.draft,
            here=replace(outside.here, continuing=(*self.find_continuing(), *outside.here.continuing)),
            machines=moment.machines,
            ledger=moment.ledger,
            status=moment.status,
            progress=moment.progress,
            roles=self.roles,
            role_problems=self.role_problems,
            checks=outside.checks,
            checks_at=outside.checks_at,
            plan=planned.plan,
            plan_problem=planned.problem,
            done=planned.done,
            own=planned.own,
            own_least_bytes=planned.own_least_bytes,
            applied=applied if "applied" in wants else None,
            running=self._running,
            last_end="" if self._running else starting.find_last_end(self._launchers),
            events=moment.events,
            logs={host: self.logs.read(host, moment) for host in _find_hosts(wants)},
            answers=moment.answers,
            ui={**outside.ui, "report": self.keeper.load_report()},
            now=time.time(),
        )

    def _plan(self, moment: Moment, wants: frozenset[str], here: Here) -> Planned:
        """The newest plan; wish for another where it is not of this draft, these machines, this ledger."""
        self._planned_number = self._planner.number
        planned = self._planner.planned
        if not wants & {"plan", "applied"} or self.draft is None:
            return planned if planned.key[:1] == (self._draft_number,) else Planned()
        applied = self._read_applied() if "applied" in wants else None
        own = here.machine if here.boot.source == "medium" else None
        key = (self._draft_number, id(moment.machines), moment.ledger.seq, applied, own)
        if planned.key != key and (self._wanted is None or self._wanted.key != key):
            self._wanted = Wanted(
                key,
                self.draft.site,
                moment.machines,
                moment.ledger,
                self.roles,
                self._find_place,
                applied,
                self.problems(),
                own,
                find_medium(here),
            )
            self._planner.want(self._wanted)
        return planned if planned.key[:1] == key[:1] else Planned()

    def problems(self) -> tuple[Problem, ...]:
        """The draft's errors: with any, nothing is planned or applied."""
        return tuple(p for p in self.draft.problems if p.severity == "error") if self.draft is not None else ()

    def _read_applied(self) -> str:
        try:
            return (self.state / APPLIED).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    def find_continuing(self) -> tuple[Continuing, ...]:
        """The saved draft and the applied site, where there are any."""
        found = []
        for kind, name, title in (
            ("draft", "draft.yaml", "the draft of the last session"),
            ("applied", APPLIED, "the site that was applied last"),
        ):
            path = self.state / name
            if path.exists():
                found.append(Continuing(kind, title, str(path), path.stat().st_mtime))  # type: ignore[arg-type]
        return tuple(found)

    def _find_applied_file(self) -> str:
        """Where the applied site came from, as far as that is known: there its relative paths begin."""
        try:
            folder = (self.state / APPLIED).with_name("beside").read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return ""
        return str(Path(folder) / "site.yaml")

    def append(self, wish: Append) -> str:
        self.watcher.append(*wish.events)
        return wish.says

    def ask(self, wish: Request) -> str:
        """Journal a request for whoever serves; its answer comes as an event."""
        self.watcher.append(Event(Happened.ASKED, wish.host, {**wish.asked, "request": uuid.uuid4().hex}))
        return "asked; the answer appears here"

    def launch(self, mode: Mode) -> str:
        """Start the apply process on the draft. Raises RackstrapError with what to correct first."""
        return starting.launch(self.launcher, self.draft, self.problems(), mode)

    def launch_installation(self) -> str:
        """Start the process that installs this machine. Raises RackstrapError."""
        if self._installing is None:
            raise RackstrapError("this machine cannot be installed from here", "start it from the admin ISO")
        return starting.launch_installation(self._installing, self.draft, self.problems())

    def save_site(self, path: Path) -> str:
        """Write the draft there, and take that for its file from now on."""
        if self.draft is None:
            raise RackstrapError("there is nothing to save yet")
        save_text(path, self.draft.text)
        self.keep(replace(self.draft, file=str(path.absolute())), self.page)
        return f"saved as {path}"

    def open_site(self, path: Path) -> str:
        """Go on from this file; the draft stays as it was where it is none."""
        draft = self.read_site(path)
        if path.absolute() == (self.state / APPLIED).absolute():
            draft = replace(draft, file=self._find_applied_file())
        if path.absolute() == self.keeper.text_path.absolute():
            kept = self.keeper.load()
            self._kept_text = kept.text if kept is not None else None
            draft = make_draft(kept.text, self.roles, kept.origins, kept.file) if kept is not None else draft
        self.keep(draft, self.page)
        return f"goes on from {path}"

    def set_password(self, wish: SetPassword) -> str:
        """Put the password's hash into the draft; the password itself goes no further. Raises RackstrapError."""
        from installer.site.password import check_password, make_password_hash

        wrong = check_password(wish.password)
        if wrong is not None:
            raise RackstrapError(wrong.message, wrong.hint)
        if self.draft is None:
            raise RackstrapError("there is no draft yet")
        edits = [(("access", "password_hash"), make_password_hash(wish.password))]
        draft, problems = edit_draft(self.draft, edits, self.roles)
        if problems:
            raise RackstrapError(problems[0].message, problems[0].hint)
        self.keep(draft, self.page)
        return "the password is set; only its hash is kept"

    def adopt(self, text: str) -> None:
        """Go on from this text, which has no file of its own here."""
        self.keep(make_draft(text, self.roles), self.page)

    def close(self) -> None:
        self._planner.close()
        for launcher in self._launchers:
            launcher.close()
        self.watcher.close()


def find_medium(here: Here) -> str:
    """The kernel name of the disk that this system runs from; "" where that is none, as with a CD."""
    return next((disk.name for disk in here.machine.disks if disk.id in here.boot_disks), "")


def _find_hosts(wants: frozenset[str]) -> list[str]:
    return sorted(want.removeprefix("log:") for want in wants if want.startswith("log:"))
