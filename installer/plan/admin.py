"""The admin node's own installation, decided: which disks of this machine, whether they may be erased, what is laid there.

Pure: the same facts and ledger give the same plan. It is the same choosing, consent and layout as a node's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from installer.model.facts import Disk, Machine
from installer.model.ledger import AdminEntry, Consent, Ledger, MachineEntry
from installer.model.orders import ChosenDisk, InstallSpec, Layout, NodeFile, make_disk_guid
from installer.model.plan import DiskPlan, Image
from installer.model.problems import Place, Problem
from installer.model.site import Handover, Site
from installer.plan.admin_files import make_admin_files, make_admin_users
from installer.plan.consent import check_consent, make_consent, make_file_consents, parse_consent
from installer.plan.describe import describe_holds
from installer.plan.estimate import estimate_bytes, estimate_minutes
from installer.plan.roles import Role
from installer.plan.steps import DEFAULT_CONSOLES, UNITS
from installer.plan.storage import DiskSet, choose_disks, find_shared_wwns, make_least_bytes
from installer.probe.identity import SAME, score_identity

HOST: Final = "admin"  # of its events and of its progress row
# Room for what the admin node writes itself: its store, logs and leases.
STATE_BYTES: Final = 10**9


@dataclass(frozen=True, slots=True)
class AdminInstall:
    """`disks` are those that would be written; `chosen` names them once a consent that holds allows it, else it is empty.

    `given`: ADMIN_CONSENTED's data, to be journaled before anything is written, where the file consents just now.
    `resumes`: this installation had begun; its disks may then be blank or carry this installation's own disk GUID.
    """

    hostname: str
    epoch: int
    resumes: bool
    disks: tuple[Disk, ...]
    refused: tuple[tuple[Disk, str], ...]
    chosen: tuple[ChosenDisk, ...]
    consent: Consent | None
    given: Mapping[str, Any] | None
    problems: tuple[Problem, ...]
    files: tuple[NodeFile, ...]
    users: tuple[str, ...]
    consoles: tuple[str, ...]
    handover: Handover
    write_bytes: int
    minutes: float
    enable: tuple[str, ...] = UNITS  # consoles, serving and going on come by our own generator
    layout: Layout = field(default_factory=Layout)

    @property
    def has_errors(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)

    @property
    def is_mirror(self) -> bool:
        return len(self.disks) == 2

    @property
    def losses(self) -> tuple[DiskPlan, ...]:
        """Each disk with what is lost on it, in words."""
        return tuple(DiskPlan(d.id, d.model, d.serial, d.size_bytes, describe_holds(d)) for d in self.disks)

    @property
    def spec(self) -> InstallSpec:
        """What the stages carry out. Without a consent that holds it names no disk: it cannot write."""
        return InstallSpec(
            self.hostname, self.epoch, self.chosen, self.layout, self.files, self.handover, self.consoles, self.users, self.enable
        )


def find_epoch(admin: AdminEntry) -> int:
    """The epoch of the next consent: every installation that has begun has its own."""
    return max(admin.epoch, admin.installing_epoch + 1)


def make_admin_consent(
    machine: Machine, disks: Sequence[str], ledger: Ledger, how: str, *, own_mark: bool = False
) -> dict[str, Any]:
    """ADMIN_CONSENTED's data for these disk ids of this machine, bound to what they hold now. Raises RackstrapError.

    `own_mark`: the operator was told that a disk carries an installation of Rackstrap, and means it all the same.
    """
    data = make_consent(machine, disks, find_epoch(ledger.admin), how, own_mark=own_mark)
    return {**data, "machine": {"uuid": machine.uuid, "serial": machine.serial}}


def make_admin_image(image: Image) -> Image:
    """The image as an admin node has it unpacked: all layers, the image folder, and room for its state."""
    return replace(image, root_bytes=image.root_bytes + image.admin_bytes + sum(image.bytes.values()) + STATE_BYTES)


def plan_admin(
    site: Site,
    machine: Machine,
    ledger: Ledger,
    image: Image,
    base: Role,
    *,
    machines: Mapping[str, Machine] | None = None,
    medium: str = "",
) -> AdminInstall:
    """Plan the installation of `machine`, which is this one, as the admin node of `site`.

    `machines`: the others that are known, whose disks may be seen from here too. `medium`: kernel name of the disk that this
    system was started from, "" when it is none. Problems are in words; with an error among them nothing may be written.
    """
    work = _Deciding(site, machine, ledger.admin, make_admin_image(image), dict(machines or {}), medium)
    found = work.choose()
    consent, given = work.find_consent(found.disks)
    chosen = work.allow(consent, found.disks)
    files, problems = make_admin_files(site, machine, base)
    return AdminInstall(
        hostname=site.admin.hostname,
        epoch=consent.epoch if consent is not None else find_epoch(ledger.admin),
        resumes=work.resumes,
        disks=found.disks,
        refused=tuple(sorted(found.refused, key=lambda row: row[0].id)),
        chosen=chosen,
        consent=consent if chosen else None,
        given=given if chosen else None,
        problems=(*work.problems, *problems),
        files=files,
        users=make_admin_users(site, base),
        consoles=machine.consoles or DEFAULT_CONSOLES,
        handover=site.handover,
        write_bytes=estimate_bytes(work.written, Layout(), len(found.disks)),
        minutes=estimate_minutes(work.written, found.disks, site.handover, discovered=True),
    )


@dataclass(slots=True)
class _Deciding:
    site: Site
    machine: Machine
    admin: AdminEntry
    image: Image
    machines: dict[str, Machine]
    medium: str
    problems: list[Problem] = field(default_factory=list)

    @property
    def written(self) -> Image:
        return replace(self.image, root_bytes=self.image.root_bytes - STATE_BYTES)

    @property
    def resumes(self) -> bool:
        """Whether this machine's installation of this epoch has begun, by the consent that was given for it."""
        consent = self.admin.consent
        return consent is not None and consent.used and self.admin.has_begun and consent.epoch == self.admin.installing_epoch

    def tell(self, message: str, hint: str, path: tuple[str | int, ...] = ("admin", "disk")) -> None:
        self.problems.append(Problem(Place(path), message, hint))

    def _find_others(self) -> dict[str, Machine]:
        """The known machines without this one: it may have discovered itself."""
        return {key: other for key, other in self.machines.items() if score_identity(other, self.machine) < SAME}

    def choose(self) -> DiskSet:
        """The disks that the site means on this machine; never the medium, whatever the kernel says of it."""
        shared = find_shared_wwns((self.machine, *self._find_others().values()))
        least = make_least_bytes(self.image, Layout())
        medium = tuple(disk for disk in self.machine.disks if disk.name == self.medium)
        rest = replace(self.machine, disks=tuple(disk for disk in self.machine.disks if disk not in medium))
        found = choose_disks(self.site.admin.disk, rest, shared, least)
        if found.problem:
            self.tell(f"the admin node: {found.problem}", found.hint)
        return replace(found, refused=(*found.refused, *((disk, "this system was started from it") for disk in medium)))

    def find_consent(self, disks: Sequence[Disk]) -> tuple[Consent | None, Mapping[str, Any] | None]:
        """The ledger's consent, else the one that the file gives now, with ADMIN_CONSENTED's data."""
        if self.admin.consent is not None and (self.resumes or not self.admin.consent.used):
            return self.admin.consent, None
        data = self._find_in_file(disks)
        if data is None:
            return None, None
        return parse_consent(data), {**data, "machine": {"uuid": self.machine.uuid, "serial": self.machine.serial}}

    def _find_in_file(self, disks: Sequence[Disk]) -> dict[str, Any] | None:
        """What the file consents to: blank disks, or a list that names this machine. Never a finished installation's disk."""
        if not disks:
            return None
        epoch = find_epoch(self.admin)
        consents = make_file_consents(self.site, {**self._find_others(), HOST: self.machine})
        entry = MachineEntry(HOST, epoch=epoch)
        data = consents.find(HOST, self.machine, entry, disks, exact=True)
        if data is None and self.site.erase == "blank" and all(d.is_blank or self._is_own_and_empty(d, epoch) for d in disks):
            return make_consent(self.machine, [d.id for d in disks], epoch, "file: erase blank", own_mark=True)
        return data

    def _is_own_and_empty(self, disk: Disk, epoch: int) -> bool:
        """Our own fresh table with nothing in it: power went in the second after partitioning, before anything was kept.

        The GUID is this site's, for this disk; not one partition has a signature. Nothing can be lost there.
        """
        guid = make_disk_guid(self.site.admin.hostname, epoch, disk.id)
        tables = [s for s in disk.holds if s.kind == "table" and s.where == disk.name]
        partitions = [s for s in disk.holds if s.kind == "partition"]
        is_own = any(s.type == "gpt" and s.uuid.upper() == guid for s in tables)
        is_named = bool(partitions) and all(s.label.startswith("rackstrap-") for s in partitions)
        return is_own and is_named and len(tables) + len(partitions) == len(disk.holds)

    def allow(self, consent: Consent | None, disks: Sequence[Disk]) -> tuple[ChosenDisk, ...]:
        """What may be erased: the consent's disks, when it holds, is for this machine and names exactly the chosen ones."""
        if consent is None or not disks:
            return ()
        again = "give the consent again: --erase with the disks' ids"
        if consent is self.admin.consent and not self._is_for_this_machine():
            self.tell("the consent to erase was given for another machine", again, ("consent",))
            return ()
        if {disk.id for disk in consent.disks} != {disk.id for disk in disks}:
            named, wanted = (", ".join(sorted(d.id for d in some)) for some in (consent.disks, disks))
            self.tell(f"consent was given for {named}, but the site chooses {wanted}", again)
            return ()
        problems = check_consent(consent, self.machine, consent.epoch, self.resumes)
        check = self._check_own if self.resumes else self._check_seen
        problems += [p for disk in disks for p in check(disk, consent)]
        self.problems += [Problem(p.place, p.message, again) for p in problems]
        if problems:
            return ()
        return consent.disks

    def _is_for_this_machine(self) -> bool:
        return self.admin.machine == (self.machine.uuid, self.machine.serial)

    def _check_seen(self, disk: Disk, consent: Consent) -> list[Problem]:
        """Leave to erase an installation of Rackstrap is for the one that was seen, not for another that came in its place."""
        if any(chosen.id == disk.id and chosen.holds_digest != disk.holds_digest for chosen in consent.disks):
            return [Problem(Place(("consent",)), f"{disk.id} holds something else than at consent", "")]
        return []

    def _check_own(self, disk: Disk, consent: Consent) -> list[Problem]:
        """Resuming goes over blank disks, what the consent saw, and this installation's own mark: no other one's."""
        guid = make_disk_guid(self.site.admin.hostname, consent.epoch, disk.id)
        own = any(s.kind == "table" and s.type == "gpt" and s.uuid.upper() == guid and s.where == disk.name for s in disk.holds)
        then = next((chosen.holds_digest for chosen in consent.disks if chosen.id == disk.id), "")
        if own or disk.is_blank or disk.holds_digest == then:
            return []
        return [Problem(Place(("consent",)), f"{disk.id} does not carry the installation that was begun", "")]


def dump_admin(plan: AdminInstall) -> dict[str, Any]:
    """The plan as JSON values, without the files' texts."""
    return {
        "hostname": plan.hostname,
        "epoch": plan.epoch,
        "resumes": plan.resumes,
        "disks": [asdict(disk) for disk in plan.losses],
        "mirror": plan.is_mirror,
        "refused": [{"id": disk.id, "reason": reason} for disk, reason in plan.refused],
        "consent": plan.consent.how if plan.consent is not None else "",
        "write_bytes": plan.write_bytes,
        "minutes": plan.minutes,
        "handover": plan.handover,
        "consoles": list(plan.consoles),
        "files": [file.path for file in plan.files],
        "problems": [str(problem) for problem in plan.problems],
    }
