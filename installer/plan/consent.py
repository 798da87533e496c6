"""Consent to erase: made from what a person or the file says, and held against what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from installer.model.facts import Disk, Machine
from installer.model.ledger import Consent, MachineEntry
from installer.model.orders import ChosenDisk
from installer.model.problems import Place, Problem, RackstrapError
from installer.model.site import EraseEntry, Site
from installer.plan.storage import make_chosen


def make_consent(machine: Machine, disks: Sequence[str], epoch: int, how: str, *, own_mark: bool = False) -> dict[str, Any]:
    """CONSENT_GIVEN's data for these disk ids, bound to what they hold now.

    Raises RackstrapError when the machine has no such disk, when none or more than two are named, or when one carries
    Rackstrap's own mark and `own_mark` is not set: that consent is `node reinstall`'s alone.
    """
    if not 1 <= len(set(disks)) == len(disks) <= 2:
        raise RackstrapError(f"consent names {len(disks)} disks", "name one disk, or the two of a mirror")
    chosen: list[ChosenDisk] = []
    for name in disks:
        disk = machine.disk(name)
        if disk is None:
            have = ", ".join(sorted(d.id for d in machine.disks)) or "no disk"
            raise RackstrapError(f"there is no disk {name}", f"the machine has: {have}")
        if disk.has_own_mark and not own_mark:
            raise RackstrapError(f"{name} carries an installation of Rackstrap", "use `rackstrap node reinstall NAME`")
        chosen.append(make_chosen(disk))
    return {"disks": [asdict(disk) for disk in chosen], "epoch": epoch, "how": how, "own_mark": own_mark}


def parse_consent(data: Mapping[str, Any]) -> Consent:
    """The consent that CONSENT_GIVEN's data amounts to."""
    disks = tuple(ChosenDisk(**disk) for disk in data["disks"])
    return Consent(disks, int(data["epoch"]), str(data["how"]), own_mark=bool(data.get("own_mark")))


def check_consent(consent: Consent, machine: Machine, epoch: int, resumes: bool) -> list[Problem]:
    """Why this consent does not allow an installation in this epoch; empty when it does.

    Every disk must still be there with the same WWN, serial and size, and hold what it held. `resumes` says that the
    installation had begun: its disks may then also be blank, or carry Rackstrap's mark.
    """
    place = Place(("consent",))
    if consent.epoch != epoch:
        hint = "allocate it again"
        return [Problem(place, f"the consent is for installation {consent.epoch}, this would be {epoch}", hint)]
    if consent.used and not resumes:
        return [Problem(place, "the consent was used up by an installation", "`rackstrap node reinstall NAME` gives a new one")]
    if not consent.disks:
        return [Problem(place, "the consent names no disk", "allocate it again")]
    problems = []
    for chosen in consent.disks:
        reason = _find_difference(chosen, machine, consent.own_mark, resumes)
        if reason:
            problems.append(Problem(place, f"{chosen.id} {reason}", "look at the disk, then allocate it again"))
    return problems


def _find_difference(chosen: ChosenDisk, machine: Machine, own_mark: bool, resumes: bool) -> str:
    disks = [disk for disk in machine.disks if disk.id == chosen.id]
    if len(disks) != 1:
        return "is not there any more" if not disks else "is there twice"
    disk = disks[0]
    for what, then, now in (
        ("WWN", chosen.wwn, disk.wwn),
        ("serial number", chosen.serial, disk.serial),
        ("size", chosen.size_bytes, disk.size_bytes),
    ):
        if then != now:
            return f"has {what} {now or 'none'}, at consent it was {then or 'none'}"
    if resumes and (disk.is_blank or disk.has_own_mark):
        return ""
    if disk.has_own_mark and not own_mark:
        return "carries an installation of Rackstrap"
    if disk.holds_digest != chosen.holds_digest and not (own_mark and disk.has_own_mark):
        return "holds something else than at consent"
    return ""


@dataclass(frozen=True, slots=True)
class FileConsents:
    """What the file consents to: `listed` holds, by machine id, the entries of its list that name this machine alone."""

    site: Site
    listed: Mapping[str, tuple[EraseEntry, ...]]

    def find(
        self, key: str, machine: Machine, entry: MachineEntry, chosen: Sequence[Disk], *, exact: bool
    ) -> dict[str, Any] | None:
        """CONSENT_GIVEN's data when the file consents to erase exactly these disks of this machine, else None.

        `erase: blank` consents to disks without any signature; a list, to the disks that it names on the machine that it
        names. `exact`: as many machines were found for the rule as it expects, not more and not fewer. A disk that carries
        Rackstrap's own mark is never erased by a file, and a consent once given in an epoch is not given in it again.
        """
        given = entry.consent is not None and entry.consent.epoch == entry.epoch
        if self.site.erase == "no" or given or not chosen or not exact or entry.installing_epoch >= entry.epoch:
            return None
        if any(disk.has_own_mark for disk in chosen):
            return None
        if self.site.erase == "blank":
            allowed = all(disk.is_blank for disk in chosen)
        else:
            allowed = any(all(_lists(e, disk, machine) for disk in chosen) for e in self.listed.get(key, ()))
        how = "file: erase blank" if self.site.erase == "blank" else "file: erase list"
        return make_consent(machine, [disk.id for disk in chosen], entry.epoch, how) if allowed else None


def make_file_consents(site: Site, machines: Mapping[str, Machine]) -> FileConsents:
    """The file's consents by machine; an entry whose word fits two machines names none of them."""
    listed: dict[str, tuple[EraseEntry, ...]] = {}
    if isinstance(site.erase, tuple):
        words: dict[str, set[str]] = {}
        for key, machine in machines.items():
            for word in {machine.serial, machine.uuid, *machine.macs} - {""}:
                words.setdefault(word, set()).add(key)
        for entry in site.erase:
            keys = words.get(entry.machine, set()) | words.get(entry.machine.lower(), set())
            if len(keys) == 1:
                key = next(iter(keys))
                listed[key] = (*listed.get(key, ()), entry)
    return FileConsents(site, listed)


def make_reinstall_consent(machine: Machine, entry: MachineEntry, chosen: Sequence[Disk]) -> dict[str, Any] | None:
    """CONSENT_GIVEN's data when `node reinstall` was asked for and the chosen disks carry Rackstrap's mark, else None.

    Where half of a mirror was replaced, the new half may be blank instead; it is not the only one. A marked disk that the
    operator was not shown when asking is not taken: it may be another node's, put into this machine since.
    To be asked only once the machine was discovered anew, so that the consent is bound to what the disks hold now.
    """
    asked = entry.reinstall_epoch == entry.epoch and entry.installing_epoch < entry.epoch
    given = entry.consent is not None and entry.consent.epoch == entry.epoch
    own = [disk for disk in chosen if disk.has_own_mark]
    is_own = bool(own) and all(disk.id in entry.reinstall_disks for disk in own) and all(d in own or d.is_blank for d in chosen)
    if not asked or given or not is_own:
        return None
    return make_consent(machine, [disk.id for disk in chosen], entry.epoch, "node reinstall", own_mark=True)


def _lists(entry: EraseEntry, disk: Disk, machine: Machine) -> bool:
    """Whether the entry names this disk, and no other disk of the machine by the same name."""
    named = ([other for other in machine.disks if word in (other.id, *other.by_id)] for word in entry.disks)
    return any(disks == [disk] for disks in named)
