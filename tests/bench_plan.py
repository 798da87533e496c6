"""How long planning and rendering take for 1,000 and 10,000 nodes of six disks and two networks.

Each size runs in a process of its own, so that its memory is its own. The ratio printed is the time per node at the
larger size against the smaller, both warm.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from installer.model.site import Match, NodeRule
from installer.plan.gifts import make_gifts
from installer.plan.plan import make_plan
from tests.plan_samples import PLACE, ROLES, Bench, make_disk, make_machine, make_site

SIZES: Final = (1000, 10_000)
GOAL_S: Final = 30.0
GOAL_MB: Final = 500.0
SITE: Final = """
admin: {hostname: admin, address: 10.0.0.10}
networks:
  admin:
    subnet: 10.0.0.0/16
    conduit: intf0
    ranges: {admin: .0.10-.0.20, dhcp: .1.0-.20.255, host: .64.0-.255.200}
  storage: {subnet: 10.1.0.0/16, conduit: intf1, vlan: 200, ranges: {host: .64.0-.255.200}}
conduits: {intf0: {nics: ["?1g1"]}, intf1: {nics: ["?1g2"]}}
roles: {base: {networks: [storage]}}
erase: blank
discovery: {admit: matched}
"""


def measure(count: int) -> dict[str, float]:
    """Plan for `count` discovered machines, each named by a rule of its own: at first, and again once all is given."""
    rules = tuple(NodeRule(Match(serial=f"S{n}"), name=f"n{n}") for n in range(1, count + 1))
    decoys = [make_disk(f"sd{letter}", 4000) for letter in "bcdef"]
    machines = {
        f"m-{n}": make_machine(n, [make_disk(serial=f"SER-{n}", wwn=f"0x5000{n:08x}"), *decoys]) for n in range(1, count + 1)
    }
    bench = Bench(replace(make_site(SITE), nodes=rules), machines)
    started = time.perf_counter()
    plan = make_plan(bench.site, bench.machines, bench.ledger, ROLES, PLACE)
    seconds = time.perf_counter() - started
    bench.add(*make_gifts(plan, bench.site, bench.machines, bench.ledger))
    started = time.perf_counter()
    plan = make_plan(bench.site, bench.machines, bench.ledger, ROLES, PLACE)
    again_seconds = time.perf_counter() - started
    assert len(plan.nodes) == count
    assert not plan.problems, plan.problems[:3]
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "nodes": count,
        "steps": len(plan.steps),
        "files": len(plan.files),
        "seconds": round(seconds, 2),
        "again_seconds": round(again_seconds, 2),
        "peak_mb": round(peak_mb, 1),
    }


def main(argv: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if argv is None else argv)
    if given:
        print(json.dumps(measure(int(given[0]))))
        return 0
    rows = []
    for count in SIZES:
        command = [sys.executable, "-m", "tests.bench_plan", str(count)]
        rows.append(json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout))
        print("   ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    small, large = rows
    ratio = (large["again_seconds"] / large["nodes"]) / (small["again_seconds"] / small["nodes"])
    print(f"time per node, {large['nodes']} against {small['nodes']}: {ratio:.2f} (1 is linear)")
    is_met = max(large["seconds"], large["again_seconds"]) < GOAL_S and large["peak_mb"] < GOAL_MB
    print(f"goal: {large['nodes']} under {GOAL_S:g} s and {GOAL_MB:g} MB: {'met' if is_met else 'missed'}")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
