"""What is started on a draft: discovery, a deployment, or this machine's own installation; one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from installer.engine.lock import Mode
from installer.model.problems import Problem, RackstrapError
from installer.wizard.draft import Draft
from installer.wizard.launching import Launcher
from installer.wizard.view import Running


def find_running(launchers: Sequence[Launcher]) -> Running | None:
    """What runs now; an installation of this machine before all else."""
    return next((found for launcher in reversed(launchers) if (found := launcher.find_running()) is not None), None)


def launch(launcher: Launcher, draft: Draft | None, wrong: Sequence[Problem], mode: Mode) -> str:
    """Start the apply process on the draft. Raises RackstrapError with what to correct first.

    One that discovers is ended for it, unless it discovers by this very draft already.
    """
    draft, running = check_launch(launcher, draft, wrong)
    if running is not None and mode == "discover":
        if launcher.find_discovered() == draft.text:
            return "machines are being discovered already"
        launcher.stop()
    pid = launcher.start(draft.text, *find_beside(draft), *(("--discover",) if mode == "discover" else ()))
    return f"process {pid} has begun; it goes on when this terminal is closed"


def launch_installation(launcher: Launcher, draft: Draft | None, wrong: Sequence[Problem]) -> str:
    """Start the process that installs this machine; it ends one that discovers. Raises RackstrapError."""
    draft, _ = check_launch(launcher, draft, wrong)
    pid = launcher.start(draft.text, *find_beside(draft))
    return f"process {pid} installs this machine; it goes on when this terminal is closed"


def check_launch(launcher: Launcher, draft: Draft | None, wrong: Sequence[Problem]) -> tuple[Draft, Running | None]:
    """The draft that can be carried out, and who discovers now. Raises RackstrapError with what to correct first."""
    if draft is None or draft.site is None or wrong:
        message = f"{wrong[0].place}: {wrong[0].message}" if wrong else "the site file cannot be read"
        raise RackstrapError(message, wrong[0].hint if wrong else "")
    running = launcher.find_running()
    if running is not None and running.mode == "install":
        raise RackstrapError("this machine is being installed already", "wait for its end: it goes on with the site by itself")
    if running is not None and running.mode == "apply":
        raise RackstrapError(f"process {running.pid} is applying a site already", "stop it first, or wait for its end")
    return draft, running


def find_beside(draft: Draft) -> tuple[str, str]:
    """The words that name the folder in which the draft's relative paths begin."""
    return "--beside", str(Path(draft.file).absolute().parent if draft.file else Path.cwd())


def find_last_end(launchers: Sequence[Launcher]) -> str:
    """The last sentence of whatever ended last, on one line."""
    return max(launchers, key=lambda launcher: launcher.ended_at).find_last_end().replace("\n", ";")
