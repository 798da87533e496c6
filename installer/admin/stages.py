"""The stages of the admin node's own installation, by the same code as a node's; between them what only it has.

The boot loader comes after everything that it starts is whole: a machine whose power goes before that cannot start half a system.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from installer import __version__
from installer.admin.image import LAYERS, copy_image, place_image, remove_whiteouts
from installer.admin.marks import Marks
from installer.admin.state import copy_state
from installer.admin.where import Where, Who
from installer.engine.journal import Journal
from installer.live.boot import ADMIN_MARK
from installer.model.events import Event, Happened
from installer.model.facts import Machine
from installer.model.plan import Image
from installer.node.bootloader import run_bootloader
from installer.node.configure import run_configure
from installer.node.install import (
    Phases,
    find_partitions,
    make_job,
    render_names,
    run_disks,
    run_format_esps,
    run_format_root,
)
from installer.node.job import Job
from installer.node.layout import ESP
from installer.node.place import load_boot_id
from installer.node.programs import run_program
from installer.node.tree import write_file
from installer.node.unpack import run_unpack
from installer.plan.admin import HOST, AdminInstall

LIVE_HOST_KEYS: Final = Path("/etc/ssh")
COPY_SHARE: Final = 40  # per cent of stage unpack that copying the image is: it reads the medium, which is slow


@dataclass(frozen=True, slots=True)
class Work:
    """One installation as its stages see it. `machine` reads this machine's facts anew."""

    plan: AdminInstall
    site: str
    who: Who
    image: Image
    image_dir: Path
    state: Path
    journal: Journal
    phases: Phases
    machine: Callable[[], Machine]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


def run_stages(work: Work) -> tuple[Job, Marks]:
    """Everything up to the hand-over. Raises RackstrapError, OSError: the installation can be begun again."""
    spec = work.plan.spec
    facts, targets = run_disks(spec, work.machine, work.phases, resumes=work.plan.resumes)
    job = make_job(spec, facts, work.secrets, None, host_keys=LIVE_HOST_KEYS)
    with work.phases.stage("format", f"make filesystems on {render_names(spec)}"):
        run_format_esps(job, targets)
        marks = Marks(lambda: find_partitions(targets, ESP), make_where(work))
        marks.begin(work.state)
        run_format_root(job, targets)
    marks.note("unpack")
    run_layers(work, job)
    marks.note("configure")
    with work.phases.stage("configure", "write the configuration"):
        run_configure(job)
        write_file(job.target, str(ADMIN_MARK), render_mark(work), 0o644)
        copy_state(work.state, find_installed_state(work, job))
    marks.note("bootloader")
    with work.phases.stage("bootloader", "write the boot loader"):
        run_program(("sync", "--file-system", str(job.target)), timeout_s=600)
        run_bootloader(job.target, [target.node() for target in targets], find_partitions(targets, ESP))
    marks.note("handover")
    return job, marks


def make_where(work: Work) -> Where:
    disks = tuple(disk.id for disk in work.plan.chosen)
    return Where(work.site, work.plan.hostname, work.plan.epoch, disks, work.who, "format", 0.0, __version__)


def run_layers(work: Work, job: Job) -> None:
    """Copy the image to the disk, comparing every byte with its manifest, and unpack the layers from that copy."""

    def tell(text: str, first: int, last: int) -> Callable[[int], None]:
        return lambda percent: work.phases.report("unpack", first + percent * (last - first) // 100, text)

    with work.phases.stage("unpack", "copy the image"):
        fresh = copy_image(work.image_dir, work.image, job.target, tell("copy the image", 0, COPY_SHARE))
        run_unpack(job.target, tell("unpack the image", COPY_SHARE, 100), fresh, LAYERS)
        remove_whiteouts(job.target)
        place_image(fresh, job.target)


def render_mark(work: Work) -> str:
    """/etc/rackstrap/admin.json: that this is an installed admin node, and of which installation."""
    shown = {
        "site": work.site,
        "hostname": work.plan.hostname,
        "epoch": work.plan.epoch,
        "disks": [disk.id for disk in work.plan.chosen],
        "boot_id": load_boot_id(),
        "release": __version__,
        "image": work.image.version,
        "state": str(work.state),
        "who": {"uuid": work.who.uuid, "serial": work.who.serial, "macs": list(work.who.macs)},
    }
    return json.dumps(shown, indent=1) + "\n"


def find_installed_state(work: Work, job: Job) -> Path:
    """The state's folder on the new root: the same path as here."""
    return job.target / str(work.state).lstrip("/")


def run_last_acts(work: Work, job: Job, marks: Marks) -> None:
    """Copy the state once more, now that nothing writes to it, and say on the ESPs that all is there.

    The caller has seen to it that no other process uses the state. Raises RackstrapError, OSError.
    """
    with work.phases.stage("handover", "move the state to the disk"):
        data = {"epoch": work.plan.epoch, "phases": dict(work.phases.seconds)}
        work.journal.append(Event(Happened.ADMIN_UNPACKED, HOST, data), durable=True)
        copy_state(work.state, find_installed_state(work, job))
        run_program(("sync", "--file-system", str(job.target)), timeout_s=600)
        marks.finish()
