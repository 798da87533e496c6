"""Which machine is this? Identity scored from several facts, because each of them fails somewhere.

Boards ship with one UUID for a whole batch, or all FF; serials say "To Be Filled By O.E.M."; NICs and disks are swapped. So
facts that agree count for a match and facts that differ count against it, and a match needs a clear surplus: taking two
machines for one would install the wrong disks, taking one for two only asks the operator once more.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Final

from installer.model.facts import Disk, Machine, Nic

SAME: Final = 30  # from this score on it is the same machine
UUID_EQUAL, UUID_DIFFERS = 40, -40
SERIAL_EQUAL, SERIAL_DIFFERS = 40, -40
MACS_SHARED, MACS_DISJOINT = 40, -30
DISKS_SHARED, DISKS_DISJOINT = 25, -25
BMC_EQUAL, BMC_DIFFERS = 30, -30

UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Boards of several makers ship with these (fwupd and OCS Inventory keep such lists).
DUMMY_UUIDS: Final = {
    "03000200-0400-0500-0006-000700080009",
    "00020003-0004-0005-0006-000700080009",
    "12345678-1234-5678-90ab-cddeefaabbcc",
    "01234567-8910-1112-1314-151617181920",
    "fefefefe-fefe-fefe-fefe-fefefefefefe",
    "11111111-2222-3333-4444-555555555555",
}
DUMMY_SERIALS: Final = re.compile(
    r"to be filled.*|not (?:specified|applicable|available|provided)|none|n/?a|null|unknown|invalid|empty|default(?: string)?"
    r"|(?:(?:system|chassis|base board) )?serial(?: ?(?:number|#))?|o\.?e\.?m\.?|sernum\d*|(.)\1*|0?123456789(?:0|ab.*)?",
    re.IGNORECASE,
)
# A shorter one is a name that somebody gave a virtual disk, not a maker's serial.
DISK_SERIAL_LENGTH: Final = 8


def find_uuid(text: str) -> str:
    """An SMBIOS UUID in lower case; "" where it is absent, all one digit, or one that a whole batch of boards carries."""
    uuid = text.strip().lower()
    if not UUID.fullmatch(uuid) or len(set(uuid.replace("-", ""))) == 1 or uuid in DUMMY_UUIDS:
        return ""
    return uuid


def find_serial(*candidates: str) -> str:
    """The first of these serials that a maker really filled in; "" where none did."""
    return next((text.strip() for text in candidates if text.strip() and not DUMMY_SERIALS.fullmatch(text.strip())), "")


def score_identity(a: Machine, b: Machine) -> int:
    """How much speaks for two sets of facts being one machine: SAME and above is the same one, negative is another.

    Firmware's words alone never make it the same one: where all NICs differ, a disk or the BMC must be shared, because
    copies of a virtual machine have one UUID and one serial, and their disks have no serial at all.
    """
    bmc_a, bmc_b = (m.bmc.mac if m.bmc else "" for m in (a, b))
    macs = score_sets(list_macs(a), list_macs(b), MACS_SHARED, MACS_DISJOINT)
    disks = score_sets(list_disk_marks(a), list_disk_marks(b), DISKS_SHARED, DISKS_DISJOINT)
    bmc = score_text(bmc_a, bmc_b, BMC_EQUAL, BMC_DIFFERS)
    score = (
        score_text(find_uuid(a.uuid), find_uuid(b.uuid), UUID_EQUAL, UUID_DIFFERS)
        + score_text(find_serial(a.serial), find_serial(b.serial), SERIAL_EQUAL, SERIAL_DIFFERS)
        + bmc
        + macs
        + disks
    )
    return min(score, SAME - 1) if macs < 0 and disks <= 0 and bmc <= 0 else score


def score_text(a: str, b: str, equal: int, differs: int) -> int:
    if not a or not b:
        return 0
    return equal if a == b else differs


def score_sets(a: frozenset[str], b: frozenset[str], shared: int, disjoint: int) -> int:
    """The share that the smaller set has in common, so that parts added or taken out do not count."""
    if not a or not b:
        return 0
    common = len(a & b)
    return shared * common // min(len(a), len(b)) if common else disjoint


def list_macs(machine: Machine) -> frozenset[str]:
    """MACs that belong to this machine alone: a USB NIC travels, and a BMC's own USB NIC has one MAC in every machine."""
    return frozenset(n.mac for n in machine.nics if n.mac and not is_usb(n))


def is_usb(nic: Nic) -> bool:
    return "-usb-" in nic.pci_path or nic.driver in {"cdc_ether", "cdc_ncm", "cdc_eem", "rndis_host"}


def list_disk_marks(machine: Machine) -> frozenset[str]:
    """WWNs and serials of the disks that stay in the machine; not of USB sticks, nor of SAN disks that several machines see."""
    stays = [d for d in machine.disks if not d.removable and d.transport not in {"usb", "iscsi", "fc"}]
    return frozenset(mark for mark in map(make_disk_mark, stays) if mark)


def make_disk_mark(disk: Disk) -> str:
    if disk.wwn:
        return disk.wwn
    serial = find_serial(disk.serial)
    return f"{disk.model}/{serial}" if len(serial) >= DISK_SERIAL_LENGTH else ""


def find_machine(new: Machine, known: Mapping[str, Machine]) -> str | None:
    """The id under which this machine is known already, or None. Two that fit equally well are none: nobody guesses."""
    scores = sorted(((score_identity(new, machine), name) for name, machine in known.items()), reverse=True)
    if not scores or scores[0][0] < SAME:
        return None
    if len(scores) > 1 and scores[1][0] == scores[0][0]:
        return None
    return scores[0][1]


def make_machine_id(machine: Machine) -> str:
    """A short id for a machine seen for the first time: the same facts give the same id, twins with one UUID get two."""
    bmc = machine.bmc.mac if machine.bmc else ""
    facts = [machine.uuid, machine.serial, bmc, sorted(machine.macs), sorted(list_disk_marks(machine))]
    return "m-" + hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:8]
