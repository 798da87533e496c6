"""Power-on to discovered, with where the time goes, against a stock Debian live image on the same virtual machine."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from installer.engine.journal import Journal
from installer.model.ledger import MachineEntry
from tests.baselines import load_baseline
from tests.rack.one import One, one_machine


def measure_discover(firmware: str, memory_mb: int) -> tuple[float, dict[str, float]]:
    """Seconds from power-on to discovered, and seconds after power-on of each request that the machine made."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        one_machine(
            Path(scratch), firmware=firmware, machine={"memory_mb": memory_mb}, site={"discovery": {"admit": "ask"}}
        ) as one,
    ):
        apply = one.rack.start_apply(one.site, "apply")
        one.rack.wait_for("the service", lambda j: j.ledger.services.get("nginx") and j.ledger.services.get("dnsmasq"), 60)
        powered_at = time.time()
        one.rack.power("m1", "on")
        entry = one.rack.wait_for("discovery", _find_first, 400)
        apply.terminate()
        apply.wait(30)
        return entry.discovered_at - powered_at, find_requests(one, powered_at)


def _find_first(journal: Journal) -> MachineEntry | None:
    return next(iter(journal.ledger.machines.values()), None)


def find_requests(one: One, powered_at: float) -> dict[str, float]:
    """Seconds after power-on at which nginx had answered for each path for the last time (its log has whole seconds)."""
    seen: dict[str, float] = {}
    for line in (one.rack.state / "run" / "nginx-access.log").read_text().splitlines():
        at, _, _, path, *_ = line.split()
        seen[path] = datetime.fromisoformat(at).timestamp() - powered_at
    return dict(sorted(seen.items(), key=lambda item: item[1]))


def main(_argv: Sequence[str] = ()) -> int:
    """Two kinds of stock image: with live-boot alone, and with live-config and what it recommends, as Debian ships its own."""
    kept = [load_baseline(name, measure=os.environ.get("BASELINE") == "1") for name in ("discover", "discover_live")]
    baselines = [baseline for baseline in kept if baseline]
    for firmware in ("bios", "uefi", "secure-boot"):
        seconds, requests = measure_discover(firmware, 1024)
        ratios = ", ".join(f"{seconds / stock.seconds:.2f} of a stock image's {stock.seconds:.0f} s" for stock in baselines)
        print(f"discover, {firmware}, 1 GB: {seconds:.1f} s: {ratios}")
        print("  " + ", ".join(f"{path} {at:.0f}" for path, at in requests.items()), flush=True)
    print(*(stock.text for stock in baselines), sep="\n")
    return 0
