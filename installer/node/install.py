"""Carry out one install order: the stages in order, each timed. Nothing is written before every check has passed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from installer.model.facts import Machine
from installer.model.orders import InstallSpec, Order, Stage
from installer.model.problems import RackstrapError
from installer.node.admit import check_spec
from installer.node.bootloader import run_bootloader
from installer.node.configure import run_configure
from installer.node.handover import NEXT_ROOT, prepare_handover
from installer.node.identity import Identity
from installer.node.job import TARGET, AsNode, Job
from installer.node.layout import (
    ARRAY,
    BOOT_CODE,
    ESP,
    ROOT,
    make_array_command,
    make_esp_commands,
    make_partition_command,
    make_root_command,
    make_volume_ids,
    make_wipe_commands,
)
from installer.node.place import Installed, Place, load_boot_id
from installer.node.programs import run_program, run_programs
from installer.node.result import Result
from installer.node.targets import RefusedDiskError, Target, find_targets, make_unlock_commands
from installer.node.unpack import run_unpack

Report = Callable[[Stage, int, str], None]
PARTITIONS: Final = 3


@dataclass(slots=True)
class Phases:
    """The seconds that each stage took, and who hears of it."""

    report: Report
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, stage: Stage, text: str) -> Iterator[None]:
        """Announce a stage, and time it."""
        self.report(stage, 0, text)
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] = round(self.seconds.get(stage, 0) + time.monotonic() - start, 2)


def run_install(order: Order, machine: Callable[[], Machine], identity: Identity, place: Place, *, report: Report) -> Result:
    """Install as ordered, up to but without leaving this system. A refusal or a failure is a Result, never an exception.

    `machine` reads this machine's facts anew.
    """
    phases = Phases(report)
    spec = order.install
    reasons = ("the order names no installation",) if spec is None else check_spec(spec)
    if spec is None or reasons:
        return Result(False, "; ".join(reasons))
    try:
        keys = run_stages(order, spec, machine, identity, place, phases=phases)
    except RackstrapError as error:
        reason = f"{error.message} ({error.hint})" if error.hint else error.message
        return Result(False, reason[:500], phases.seconds)
    except OSError as error:
        return Result(False, f"{error}"[:500], phases.seconds)
    return Result(True, "", phases.seconds, keys)


def run_stages(
    order: Order, spec: InstallSpec, machine: Callable[[], Machine], identity: Identity, place: Place, *, phases: Phases
) -> tuple[str, ...]:
    """Every stage; the new system's SSH host keys. Raises RackstrapError, OSError."""
    facts, targets = run_disks(spec, machine, phases, resumes=order.resumes)
    job = make_job(spec, facts, order.secrets, make_node(spec, identity, place))
    with phases.stage("format", f"make filesystems on {render_names(spec)}"):
        run_format_esps(job, targets)
        run_format_root(job, targets)
    with phases.stage("unpack", "unpack the image"):
        run_unpack(job.target, lambda percent: phases.report("unpack", percent, "unpack the image"))
    with phases.stage("configure", "write the configuration"):
        keys = run_configure(job)
    with phases.stage("bootloader", "write the boot loader"):
        run_bootloader(job.target, [target.node() for target in targets], find_partitions(targets, ESP))
    with phases.stage("handover", f"prepare the hand-over: {spec.handover}"):
        run_program(("sync", "--file-system", str(job.target)), timeout_s=600)
        prepare_handover(job)
    return keys


def render_names(spec: InstallSpec) -> str:
    return ", ".join(disk.id for disk in spec.disks)


def run_disks(
    spec: InstallSpec, machine: Callable[[], Machine], phases: Phases, *, resumes: bool
) -> tuple[Machine, tuple[Target, ...]]:
    """Check every chosen disk against facts read now, then partition them. Raises RefusedDiskError before anything is written."""
    with phases.stage("partition", f"check {render_names(spec)}"):
        leave_earlier_try()
        facts = machine()
        targets = find_targets(spec, facts, resumes=resumes)
        for target in targets:
            run_partition(target, spec)
        check_partitions(targets)
    return facts, targets


def make_node(spec: InstallSpec, identity: Identity, place: Place) -> AsNode:
    """What the installed node remembers of its admin node and of this boot."""
    disks = tuple(disk.id for disk in spec.disks)
    return AsNode(Installed(spec.node, spec.epoch, place.admin, place.pin, load_boot_id(), disks), identity)


def make_job(spec: InstallSpec, facts: Machine, secrets: Mapping[str, str], as_node: AsNode | None, **more: Path) -> Job:
    """The job with fresh volume ids. `more`: `target` and `host_keys`, where they are not the usual ones."""
    ids = make_volume_ids(os.urandom(64), len(spec.disks))
    return Job(spec, ids, facts.firmware.mode, as_node, secrets, **more)


def leave_earlier_try() -> None:
    """Let go of what an earlier try of this boot still holds: its mounts and its array, nothing else."""
    for place in (NEXT_ROOT, TARGET):
        while place.is_mount():
            run_program(("umount", "--recursive", str(place)))
    if Path("/sys/block", Path(ARRAY).name).exists():
        with suppress(RackstrapError):
            run_program(("mdadm", "--stop", ARRAY))


def run_partition(target: Target, spec: InstallSpec) -> None:
    """Wipe the old signatures of one chosen disk and write its new table. Raises RackstrapError."""
    old = target.partitions()
    run_programs(make_unlock_commands((target.node(), *old)))
    run_programs(make_wipe_commands(target.node(), old))
    command = make_partition_command(
        target.node(), target.guid, spec.layout, mirror=len(spec.disks) > 1, sector_bytes=target.sector_bytes
    )
    run_program(command)
    save_boot_code(target)


def save_boot_code(target: Target) -> None:
    """Let a BIOS pass this disk over for as long as it has no boot loader. Raises RefusedDiskError."""
    handle = os.open(target.node(), os.O_RDWR | os.O_CLOEXEC)
    try:
        device = os.fstat(handle).st_rdev
        if (os.major(device), os.minor(device)) != target.number:
            raise RefusedDiskError(f"disk {target.id} is not where it was checked")
        os.pwrite(handle, BOOT_CODE, 0)
        os.fsync(handle)
    finally:
        os.close(handle)


def check_partitions(targets: tuple[Target, ...]) -> None:
    """Wait until the kernel and udev know the new partitions, and lift their read-only flags. Raises RefusedDiskError."""
    run_program(("udevadm", "settle", "--timeout=60"))
    for target in targets:
        nodes = target.partitions()
        if len(nodes) != PARTITIONS:
            raise RefusedDiskError(f"disk {target.id} has {len(nodes)} partitions after partitioning, not {PARTITIONS}")
        run_programs(make_unlock_commands(nodes))
        run_program(("wipefs", "--all", "--quiet", *nodes))


def find_partitions(targets: tuple[Target, ...], number: int) -> tuple[str, ...]:
    """The device node of this partition on each chosen disk, now."""
    return tuple(target.partitions()[number - 1] for target in targets)


def run_format_esps(job: Job, targets: tuple[Target, ...]) -> None:
    """Make the filesystem of each ESP. Raises RackstrapError."""
    run_programs(make_esp_commands(find_partitions(targets, ESP), job.ids), timeout_s=600)


def run_format_root(job: Job, targets: tuple[Target, ...]) -> None:
    """Make the array where there are two disks and the root's filesystem, and mount it. Raises RackstrapError."""
    roots = find_partitions(targets, ROOT)
    root = roots[0]
    if job.ids.array:
        run_program(make_array_command(roots, job.ids))
        run_program(("udevadm", "settle", "--timeout=60"))
        run_programs(make_unlock_commands((ARRAY,)))
        root = ARRAY
    run_program(make_root_command(root, job.ids), timeout_s=600)
    job.target.mkdir(parents=True, exist_ok=True)
    run_program(("mount", "-t", "ext4", "-o", "noatime", root, str(job.target)))
