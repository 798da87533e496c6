"""A plan as text and as JSON: the same input gives the same bytes, and no secret is in them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from installer.engine.graph import make_graph
from installer.plan.dump import dump_plan
from installer.plan.text import render_plan_text
from tests.plan_samples import Bench, make_machines, make_site
from tests.whole_plans import ONE, keys, make_rack, note_done

GOLDEN = Path(__file__).parent / "golden"


def test_the_same_input_gives_the_same_bytes_whatever_the_order() -> None:
    site = make_site(ONE.replace("[{name: a", "[{match: {product: R1}, expect: 12}, {name: a"))
    texts = set()
    for seed in range(5):
        numbers = random.Random(seed).sample(range(1, 12), 11)  # noqa: S311 -- no secret: the same order in each run
        plan = Bench(site, make_machines(*numbers)).settle()
        texts.add((dump_plan(plan, with_files=True), render_plan_text(plan)))
    assert len(texts) == 1


HASHED = """
import hashlib
from installer.plan.dump import dump_plan
from installer.plan.text import render_plan_text
from tests.whole_plans import make_rack
plan = make_rack()
print(hashlib.sha256((dump_plan(plan, with_files=True) + render_plan_text(plan)).encode()).hexdigest())
"""


def test_the_same_input_gives_the_same_bytes_in_every_process() -> None:
    found = set()
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        answer = subprocess.run([sys.executable, "-c", HASHED], env=environment, capture_output=True, text=True, check=True)
        found.add(answer.stdout)
    assert len(found) == 1


def check_golden(name: str, text: str) -> None:
    """Compare with tests/golden/NAME; RACKSTRAP_GOLDEN=write makes it anew, to be read before it is committed."""
    path = GOLDEN / name
    if os.environ.get("RACKSTRAP_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def test_the_text_of_a_plan() -> None:
    text = render_plan_text(make_rack())
    check_golden("plan_rack.txt", text)
    assert max(len(line) for line in text.splitlines()) <= 80


def test_the_json_of_a_plan() -> None:
    check_golden("plan_rack.json", dump_plan(make_rack()))


def test_the_text_of_a_finished_installation() -> None:
    bench = Bench(make_site(ONE), make_machines(1))
    plan = bench.settle()
    bench.note("install_started", "m-1", epoch=1)
    data = {"boot_id": "b", "soft_reboots": 1, "ssh_host_keys": [], "root": "/dev/sda3", "disk": "ata-DISK_sda", "address": "x"}
    bench.note("node_installed", "m-1", epoch=1, **data)
    note_done(bench, plan, *keys(plan))
    done = bench.settle()
    check_golden("plan_done.txt", render_plan_text(done, make_graph(done.steps, bench.ledger).done))


def test_no_secret_of_the_site_is_in_a_plan() -> None:
    site = make_site(ONE.replace("access: {", "access: {password_hash: '$y$j9T$canary$hash', "))
    bench = Bench(site, make_machines(1))
    bench.note("bmc_imported", "admin", address="10.0.0.11", serial="S1", user="canary-user", secret="bmc/canary")
    plan = bench.settle()
    assert "canary" not in dump_plan(plan, with_files=True) + render_plan_text(plan) + repr(plan)
