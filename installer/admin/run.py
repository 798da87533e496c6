"""`rackstrap install SITE`: decide, ask for nothing, journal, install, hand over."""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from installer.admin.image import check_layers
from installer.admin.telling import Telling
from installer.admin.wanted import find_wanted, keep_secrets, save_wanted
from installer.engine.journal import Journal
from installer.engine.prepare import Input, load_input
from installer.engine.store import make_who
from installer.live.boot import MEDIUM, find_boot
from installer.model.events import Event, Happened
from installer.model.facts import Machine
from installer.model.fold_admin import fold_consented
from installer.model.ledger import Ledger
from installer.model.orders import Stage
from installer.model.plan import Image
from installer.model.problems import RackstrapError
from installer.model.site import Site
from installer.plan.admin import HOST, AdminInstall, dump_admin, make_admin_consent, plan_admin
from installer.plan.describe import describe_bytes, join_words
from installer.serve.place import load_image

if TYPE_CHECKING:
    from installer.admin.find import Installation
    from installer.admin.stages import Work

DONE: Final = 0
WRONG: Final = 1
AT_GATE: Final = 3
FAILED: Final = 4
LOCK: Final = "install.lock"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an installation is planned from."""

    path: Path
    beside: Path
    found: Input
    site: Site
    image: Image
    image_dir: Path
    machine: Machine


def run_install_site(args: argparse.Namespace, telling: Telling) -> int:
    """Install, or with --dry-run tell what would be done. Returns the exit code; does not return after a hand-over."""
    state: Path = args.state.absolute()
    if not args.dry_run:
        check_live_system(state)
    wanted = load_wanted(args, state, telling)
    if wanted is None:
        return telling.result(WRONG, "The site file has errors; nothing was touched.")
    if args.dry_run:
        ledger, machines = load_known(state)
        plan, _ = make_plan(wanted, ledger, machines, args.erase)
        return tell_dry(plan, telling)
    with hold_install(state), Journal(state / "store.db", make_who("install")) as journal:
        plan, consent = make_plan(wanted, journal.ledger, journal.machines(), args.erase)
        code = judge(plan, telling)
        if code == DONE:
            check_unfinished(plan, look_for_installations())
        return code if code != DONE else carry_out(wanted, plan, consent, journal, telling)


def check_live_system(state: Path) -> None:
    """Raise RackstrapError anywhere but in the live system of the ISO: nowhere else are disks held back from being written."""
    from installer.engine.folders import check_live

    source = find_boot().source
    if source == "disk":
        raise RackstrapError("this admin node runs from its own disk already", "`rackstrap apply SITE` carries a site out")
    if source != "medium":
        raise RackstrapError("this machine was not started from the admin ISO", "look first: rackstrap install SITE --dry-run")
    check_live(state)


def load_wanted(args: argparse.Namespace, state: Path, telling: Telling) -> Wanted | None:
    """Everything that the plan is made from; None where the site file has errors, which are told. Raises RackstrapError."""
    from installer.node.agent import find_machine
    from installer.probe.record import make_recording

    path, beside = args.site, args.beside
    if path is None:
        kept = find_wanted(state)
        if kept is None:
            raise RackstrapError("no site file is named, and none was kept", "rackstrap install SITE")
        path, beside = kept
    found = load_input(path, beside)
    telling.problems(found.problems)
    if found.site is None:
        return None
    image = load_image(args.image.absolute())
    check_layers(image)
    machine = find_machine(make_recording)()
    beside = beside or path.absolute().parent
    return Wanted(path, beside, found, found.site, image, args.image.absolute(), machine)


def load_known(state: Path) -> tuple[Ledger, Mapping[str, Machine]]:
    """For a dry run: what has happened so far, where something has."""
    if not (state / "store.db").is_file():
        return Ledger(), {}
    with Journal(state / "store.db") as journal:
        return journal.ledger, journal.machines()


def make_plan(
    wanted: Wanted, ledger: Ledger, machines: Mapping[str, Machine], erase: list[str]
) -> tuple[AdminInstall, Mapping[str, Any] | None]:
    """The plan, and ADMIN_CONSENTED's data that has to be journaled before it is carried out. Raises RackstrapError.

    `erase`: the ids of the disks that the operator named; a consent that names just these is not given twice.
    """

    def plan(known: Ledger) -> AdminInstall:
        base = wanted.found.roles["base"]
        return plan_admin(wanted.site, wanted.machine, known, wanted.image, base, machines=machines, medium=find_medium_disk())

    found = plan(ledger)
    if not erase or {disk.id for disk in found.chosen} == set(erase):
        return found, found.given
    own = any(disk.has_own_mark for disk in wanted.machine.disks if disk.id in erase)
    data = make_admin_consent(wanted.machine, erase, ledger, "install --erase", own_mark=own)
    known = replace(ledger)
    fold_consented(known, Event(Happened.ADMIN_CONSENTED, HOST, data))
    return plan(known), data


def find_medium_disk() -> str:
    """The kernel name of the disk that the medium is on; "" when it is none, or there is no medium."""
    if not MEDIUM.is_mount():
        return ""
    device = MEDIUM.stat().st_dev
    block = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    return block.parent.name if (block / "partition").exists() else block.name


def judge(plan: AdminInstall, telling: Telling) -> int:
    """Whether it may begin: problems, then the gate. Nothing has been touched where not."""
    telling.problems(plan.problems)
    if plan.has_errors:
        return telling.result(WRONG, "Nothing was touched.")
    if not plan.chosen:
        ids = " ".join(f"--erase {disk.id}" for disk in plan.disks)
        telling.tell(*render_losses(plan), "To allow it:", f"  rackstrap install SITE {ids}")
        return telling.result(AT_GATE, "Stopped: nobody has allowed these disks to be erased. Nothing was touched.")
    return DONE


def check_unfinished(plan: AdminInstall, found: Iterable[Installation]) -> None:
    """Never go on over an installation that has come to its end meanwhile. Raises RackstrapError (exit code 3).

    `found`: what the disks tell. The journal of this start may not know of the end: its state was taken back from before it,
    or the hand-over failed.
    """
    names = {disk.name for disk in plan.disks}
    for one in found:
        if plan.resumes and one.kind == "finished" and any(esp.disk in names for esp in one.esps):
            hint = "start it: choose the installed admin node in the ISO's menu"
            raise RackstrapError(f"{one.where.hostname} is installed on this disk already", hint, exit_code=AT_GATE)


def look_for_installations() -> Sequence[Installation]:
    """The admin installations on this machine's disks."""
    from installer.admin.find import find_esps, find_installations, find_who

    return find_installations(find_esps(), find_who())[0]


def tell_dry(plan: AdminInstall, telling: Telling) -> int:
    telling.plan(dump_admin(plan), render_plan(plan))
    telling.problems(plan.problems)
    code = WRONG if plan.has_errors else DONE if plan.chosen else AT_GATE
    said = {WRONG: "It cannot be done. ", AT_GATE: "Nobody has allowed these disks to be erased. "}.get(code, "")
    return telling.result(code, f"{said}This was a dry run: nothing was touched.")


def render_losses(plan: AdminInstall) -> list[str]:
    """A line for each disk that would be erased, with what is lost."""
    lines = []
    for disk in plan.losses:
        serial = f", serial {disk.serial}" if disk.serial else ""
        lines.append(f"erases {disk.id}")
        lines.append(f"  {disk.model or 'disk'}, {describe_bytes(disk.size_bytes)}{serial}")
        lines.append(f"  holds {join_words(disk.holds) if disk.holds else 'nothing'}")
    return lines


def render_plan(plan: AdminInstall) -> list[str]:
    """What would be done, for people."""
    went = "goes on with" if plan.resumes else "begins"
    allowed = f"allowed by: {plan.consent.how}" if plan.consent is not None else "not allowed yet"
    return [
        f"{went} installation {plan.epoch} of {plan.hostname} ({allowed})",
        *render_losses(plan),
        *(f"leaves {disk.id}: {reason}" for disk, reason in plan.refused),
        f"writes {describe_bytes(plan.write_bytes)}, about {plan.minutes:g} minutes; then {plan.handover}",
        f"consoles: {' '.join(plan.consoles)}",
    ]


@contextmanager
def hold_install(state: Path) -> Iterator[None]:
    """Be the only installation. Raises RackstrapError where another runs."""
    from installer.engine.schema import make_folder

    try:
        make_folder(state)
        lock = os.open(state / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RackstrapError(f"cannot use {state}: {error.strerror}", "run as root, or choose --state DIR") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RackstrapError("an installation runs already", "follow it with `rackstrap status --follow`") from None
        yield
    finally:
        os.close(lock)


def carry_out(wanted: Wanted, plan: AdminInstall, consent: Mapping[str, Any] | None, journal: Journal, telling: Telling) -> int:
    """Journal what is about to happen, install, hand over. Raises RackstrapError (exit code 4) where it failed."""
    from installer.admin.leave import hold_still, leave, prepare
    from installer.admin.stages import run_last_acts, run_stages

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a console that hangs up ends no installation
    state = journal.store.path.parent
    save_wanted(wanted.path, wanted.beside, wanted.site, state)
    telling.tell(*keep_secrets(journal, state))
    events = [Event(Happened.ADMIN_CONSENTED, HOST, consent)] if consent is not None else []
    journal.append(*events, Event(Happened.ADMIN_INSTALL_STARTED, HOST, {"epoch": plan.epoch}), durable=True)
    work = make_work(wanted, plan, journal, telling)
    try:
        job, marks = run_stages(work)
        with hold_still(state):
            run_last_acts(work, job, marks)
            how = prepare(job)
            took = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in work.phases.seconds.items())
            telling.result(DONE, f"Installed ({took}). This machine goes on from its disk: {how}.")
            journal.store.flush()
            leave(how)
    except (RackstrapError, OSError) as error:
        said = error.message if isinstance(error, RackstrapError) else str(error)
        tell_failure(journal, said)
        hint = "correct it, then run the same command: it goes on with the consent that was given"
        raise RackstrapError(f"the installation failed: {said}", hint, exit_code=FAILED) from error
    return DONE


def tell_failure(journal: Journal, said: str) -> None:
    journal.store.set_progress(HOST, "failed", 0, said[:200])


def make_work(wanted: Wanted, plan: AdminInstall, journal: Journal, telling: Telling) -> Work:
    """What the stages need; progress goes to the store, to ours and to everybody's consoles."""
    from installer.admin.find import find_who
    from installer.admin.stages import Work
    from installer.node.agent import find_machine
    from installer.node.install import Phases
    from installer.probe.record import make_recording

    def report(stage: Stage, percent: int, text: str) -> None:
        journal.store.set_progress(HOST, stage, percent, text)
        telling.progress(stage, percent, text)

    secrets = {"password_hash": wanted.site.access.password_hash} if wanted.site.access.password_hash else {}
    return Work(
        plan,
        wanted.site.name,
        find_who(),
        wanted.image,
        wanted.image_dir,
        journal.store.path.parent,
        journal,
        Phases(report),
        find_machine(make_recording),
        secrets,
    )
