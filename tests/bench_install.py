"""Discovered to SSH from the installed disk, for each hand-over, against the usual way of installing.

The usual way (debootstrap of the same packages from a local cache, then boot, on the same virtual machine) takes
long: `BASELINE=1 make bench NAME=install` measures it first and keeps it in tests/baselines.json.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from installer.model.ledger import MachineEntry
from tests.baselines import load_baseline
from tests.rack.one import One, one_machine

HANDOVERS: Final = ("soft-reboot", "kexec", "reboot")


def measure_install(handover: str, firmware: str = "bios") -> tuple[float, MachineEntry]:
    """Seconds from discovered to the first SSH banner of the installed system, and the node's ledger entry."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        one_machine(Path(scratch), firmware=firmware, site={"handover": handover}) as one,
    ):
        apply = one.rack.start_apply(one.site, "apply")
        one.rack.wait_for("the installation's end", lambda j: [m for m in j.ledger.machines.values() if m.unpacked_epoch], 600)
        answered_at = one.wait_ssh(600)
        apply.wait(600)
        _check_is_installed(one)
        entry = one.entry()
        return answered_at - entry.discovered_at, entry


def _check_is_installed(one: One) -> None:
    assert one.ask("findmnt -no FSTYPE /") == "ext4"


def main(_argv: Sequence[str] = ()) -> int:
    baseline = load_baseline("install", measure=os.environ.get("BASELINE") == "1")
    for handover in HANDOVERS:
        seconds, entry = measure_install(handover)
        phases = ", ".join(f"{stage} {s:.1f}" for stage, s in entry.phases.items())
        ratio = f", 1/{baseline.seconds / seconds:.1f} of the usual way's {baseline.seconds:.0f} s" if baseline else ""
        print(f"install, {handover}: {seconds:.1f} s{ratio}  ({phases})", flush=True)
    print(baseline.text if baseline else "no baseline kept: BASELINE=1 measures it (about half an hour)")
    return 0
