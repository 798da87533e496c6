"""apply from a site file to installed nodes, over a rack that is fake behind the real seams."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from installer.engine.apply import Applying
from installer.engine.heartbeat import Heartbeat
from installer.engine.hosts import LiveEffects
from installer.engine.journal import Journal
from installer.engine.ordering import Patience
from installer.engine.outlets import JsonLines
from installer.engine.prepare import find_new_bmcs, load_input
from installer.model.events import Event, Happened
from installer.model.plan import AdminPlace, Image
from tests.fake_rack import FakeMachine, Rack

CANARY_HASH = "$y$j9T$CANARYhash$0123456789012345678901234567890123456789012"
CANARY_PASSWORD = "CANARY-bmc-password"
IMAGE = Image("1", "6.12", {"root.squashfs": "a" * 64, "rackstrap.squashfs": "b" * 64}, {}, 700_000_000)
SITE = """\
rackstrap: 1
name: lab
domain: lab.example
access: {{ssh_keys: [], password_hash: {hash}}}
admin: {{hostname: admin, address: 192.168.124.10}}
discovery: {{credentials: bmc.csv, admit: {admit}}}
erase: {erase}
nodes:
{nodes}
"""


@dataclass
class Run:
    """What one apply came to."""

    code: int
    text: str
    out: list[dict[str, Any]]
    journal: Journal

    def state_of(self, node: str) -> tuple[str, str]:
        entry = self.journal.ledger.node(node)
        assert entry is not None
        return entry.state, entry.reason


def save_site(folder: Path, *serials: str, erase: str = "blank", admit: str = "matched") -> Path:
    nodes = "\n".join(f"  - {{name: node{n}, match: {{serial: {serial}}}}}" for n, serial in enumerate(serials, 1))
    site = folder / "site.yaml"
    site.write_text(SITE.format(hash=CANARY_HASH, nodes=nodes, erase=erase, admit=admit))
    secret = folder / "bmc.secret"
    secret.write_text(CANARY_PASSWORD + "\n")
    secret.chmod(0o600)
    rows = [f"{serial},192.168.124.{200 + n},root,bmc.secret" for n, serial in enumerate(serials, 1)]
    (folder / "bmc.csv").write_text("\n".join(["serial,address,user,secret", *rows]) + "\n")
    return site


def make_rack(folder: Path, *serials: str) -> Rack:
    (folder / "state").mkdir(mode=0o700, exist_ok=True)
    return Rack(folder / "state", *(FakeMachine(serial, f"192.168.124.{200 + n}") for n, serial in enumerate(serials, 1)))


def apply(
    folder: Path,
    site: Path,
    rack: Rack,
    *,
    patience: Patience | None = None,
    before: Callable[[Journal], None] = lambda _: None,
    deadline_s: float = 30,
) -> Run:
    """As run_live does, without preflight and serving, which have tests of their own."""
    found = load_input(site)
    assert found.site is not None, found.problems
    out = io.StringIO()
    journal = Journal(folder / "state" / "store.db", "root@apply")
    journal.append(*find_new_bmcs(found.bmcs, journal), durable=True)
    journal.refresh()
    before(journal)
    journal.refresh()
    place = AdminPlace(str(folder / "state"), "/srv/image", "br0", "c" * 64, IMAGE)
    heartbeat = Heartbeat(journal)
    with ThreadPoolExecutor(4) as pool:
        effects = LiveEffects(journal, heartbeat.waits, pool, rack.make_power, patience or Patience())
        outlet = JsonLines(out)
        applying = Applying(found.site, found.roles, place, journal, heartbeat, effects, outlet, found.document, deadline_s, 0.01)
        code = asyncio.run(applying.run())
    journal.refresh()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    return Run(code, lines[-1]["result"]["text"], lines, journal)


def kinds(run: Run, host: str) -> list[str]:
    return [event.kind.value for event in run.journal.store.read() if event.host == host]


def test_blank_machines_become_nodes(tmp_path: Path) -> None:
    site = save_site(tmp_path, "A1", "A2")
    with make_rack(tmp_path, "A1", "A2") as rack:
        run = apply(tmp_path, site, rack)
        assert (run.code, run.text) == (0, "Done: 12 of 12 steps are done.")
        assert [run.state_of(node) for node in ("node1", "node2")] == [("installed", "")] * 2
        assert sorted(rack.calls) == ["A1 cycle", "A1 ordered", "A2 cycle", "A2 ordered"]
        order = [kind for kind in kinds(run, "m-A1") if kind not in {"machine_reported", "address_given"}]
        assert order == [
            "machine_discovered", "node_bound", "machine_admitted", "consent_given", "install_started", "order_given",
            "node_unpacked", "order_done", "node_installed",
        ]  # fmt: skip
        rack.calls.clear()
        again = apply(tmp_path, site, rack)
        assert (again.code, rack.calls) == (0, [])
    run.journal.close()
    again.journal.close()


def test_power_is_journalled_before_it_is_set(tmp_path: Path) -> None:
    site = save_site(tmp_path, "A1")
    with make_rack(tmp_path, "A1") as rack:
        run = apply(tmp_path, site, rack)
        events = run.journal.store.read()
        power = next(event for event in events if event.kind is Happened.POWER_SET)
        assert (power.host, dict(power.data)) == (
            "bmc 192.168.124.201",
            {"bmc": "192.168.124.201", "power": "cycle", "boot": "pxe"},
        )
        assert power.id < next(event.id for event in events if event.kind is Happened.MACHINE_DISCOVERED)
    run.journal.close()


def test_without_consent_nothing_is_ordered_and_apply_stops_at_the_gate(tmp_path: Path) -> None:
    site = save_site(tmp_path, "A1", erase="no")
    with make_rack(tmp_path, "A1") as rack:
        run = apply(tmp_path, site, rack)
        assert (run.code, rack.calls) == (3, ["A1 cycle"])
        assert "node1 to be allocated" in run.text
        assert "order_given" not in kinds(run, "m-A1")
    run.journal.close()


def test_a_machine_waits_to_be_admitted(tmp_path: Path) -> None:
    site = save_site(tmp_path, "A1", admit="ask")
    with make_rack(tmp_path, "A1") as rack:
        run = apply(tmp_path, site, rack)
        assert (run.code, "node1 to be admitted" in run.text) == (3, True)
        run.journal.close()
        run = apply(tmp_path, site, rack, before=lambda j: void(j.append(Event(Happened.MACHINE_ADMITTED, "m-A1"), durable=True)))
        assert (run.code, run.state_of("node1")) == (0, ("installed", ""))
        assert rack.calls == ["A1 cycle", "A1 ordered"]
    run.journal.close()


def test_a_failed_installation_is_tried_again_from_a_fresh_boot(tmp_path: Path) -> None:
    site = save_site(tmp_path, "A1")
    with make_rack(tmp_path, "A1") as rack:
        rack.machines["192.168.124.201"].outcomes[:] = ["the disk went away"]
        run = apply(tmp_path, site, rack)
        assert (run.code, run.state_of("node1")) == (0, ("installed", ""))
        assert rack.calls == ["A1 cycle", "A1 ordered", "A1 cycle", "A1 ordered again"]
        assert kinds(run, "m-A1").count("install_started") == 1
    run.journal.close()


def test_a_node_that_keeps_failing_sits_out_and_the_others_go_on(tmp_path: Path) -> None:
    site = save_site(tmp_path, "A1", "A2")
    with make_rack(tmp_path, "A1", "A2") as rack:
        rack.machines["192.168.124.201"].outcomes[:] = ["no such disk"] * 3
        run = apply(tmp_path, site, rack)
        assert run.code == 4
        assert [run.state_of(node) for node in ("node1", "node2")] == [("problem", "install: no such disk"), ("installed", "")]
        run.journal.close()
        run = apply(tmp_path, site, rack)  # applied again: the failed one is tried again
        assert (run.code, run.state_of("node1")) == (0, ("installed", ""))
        assert rack.calls.count("A2 ordered") == 1
    run.journal.close()


def test_a_silent_agent_is_power_cycled_and_resumes(tmp_path: Path) -> None:
    site = save_site(tmp_path, "A1")
    with make_rack(tmp_path, "A1") as rack:
        rack.machines["192.168.124.201"].outcomes[:] = ["silent"]
        run = apply(tmp_path, site, rack, patience=Patience(0.3, 0.3))
        assert (run.code, run.state_of("node1")) == (0, ("installed", ""))
        assert rack.calls == ["A1 cycle", "A1 ordered", "A1 cycle", "A1 ordered again"]
    run.journal.close()


def test_a_bmc_that_does_not_answer_stops_only_its_machine(tmp_path: Path) -> None:
    site = save_site(tmp_path, "A1", "A2")
    with make_rack(tmp_path, "A1", "A2") as rack:
        rack.broken.add("192.168.124.201")
        run = apply(tmp_path, site, rack, deadline_s=4)
        assert (run.code, run.state_of("node2")) == (4, ("installed", ""))
        assert rack.calls.count("A1 cycle") == 3
        reason = run.out[-1]["result"]["status"]["failed"]["bmc 192.168.124.201/discover"]
        assert reason == "the BMC at 192.168.124.201 is silent; look at its cable"
    run.journal.close()


def test_consent_that_no_longer_fits_the_disk_stops_the_node(tmp_path: Path) -> None:
    """What the disk holds changes between consent and deed: nothing is ordered."""
    site = save_site(tmp_path, "A1", admit="ask")
    with make_rack(tmp_path, "A1") as rack:
        apply(tmp_path, site, rack).journal.close()

        def forge(journal: Journal) -> None:
            disk = journal.machines()["m-A1"].disks[0]
            chosen = {
                "id": disk.id,
                "wwn": disk.wwn,
                "serial": disk.serial,
                "size_bytes": disk.size_bytes,
                "holds_digest": "0" * 64,
            }
            consent = {"disks": [chosen], "epoch": 1, "how": "test", "own_mark": False}
            journal.append(Event(Happened.CONSENT_GIVEN, "m-A1", consent), Event(Happened.MACHINE_ADMITTED, "m-A1"), durable=True)

        run = apply(tmp_path, site, rack, before=forge)
        assert (run.code, "A1 ordered" in rack.calls) == (4, False)
        assert "order_given" not in kinds(run, "m-A1")
    run.journal.close()


def test_secrets_are_in_no_event_log_or_plan(tmp_path: Path) -> None:
    site = save_site(tmp_path, "A1")
    with make_rack(tmp_path, "A1") as rack:
        rack.machines["192.168.124.201"].outcomes[:] = ["it broke"]
        run = apply(tmp_path, site, rack)
    run.journal.store.flush()
    run.journal.close()
    found = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert tmp_path / "state/store.db" in found
    for path in found:
        content = path.read_bytes()
        assert b"CANARY" not in content, path
    assert "CANARY" not in json.dumps(run.out)
    with Journal(tmp_path / "state/store.db") as journal:
        assert "CANARY" not in repr(journal.store.read())
        assert all("CANARY" not in repr(journal.store.blob(entry.recording)) for entry in journal.ledger.machines.values())


def void(_: object) -> None:
    """For lambdas whose value nobody wants."""


@pytest.mark.parametrize("erase", ["no", "blank"])
def test_a_reinstalled_node_is_discovered_and_installed_anew(tmp_path: Path, erase: str) -> None:
    site = save_site(tmp_path, "A1")
    with make_rack(tmp_path, "A1") as rack:
        apply(tmp_path, site, rack).journal.close()
        save_site(tmp_path, "A1", erase=erase)
        rack.calls.clear()
        asked = Event(Happened.NODE_RESET, "m-A1")
        run = apply(tmp_path, site, rack, before=lambda j: void(j.append(asked, durable=True)))
        expected = (0, ["A1 cycle", "A1 ordered"]) if erase == "blank" else (3, ["A1 cycle"])
        assert (run.code, rack.calls) == expected
    run.journal.close()
