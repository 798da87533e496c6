"""Whole plans: their steps, the files that they write, and what each machine is given."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from installer.engine.graph import make_graph
from installer.model.facts import Bmc, Firmware
from installer.model.orders import Layout
from installer.model.plan import OrderNode, SetPower, StepKey, WaitFor, WriteFile
from installer.model.problems import RackstrapError
from installer.plan.gifts import make_gifts
from installer.plan.into import save_files
from installer.plan.storage import find_offered, find_shared_wwns, make_least_bytes
from installer.probe.parse import parse_recording
from installer.render.services import make_digest
from tests.plan_samples import EXT4, PLACE, Bench, make_disk, make_machine, make_machines, make_site
from tests.whole_plans import ONE, keys, make_rack, note_done, step


def test_all_steps_of_a_rack_with_bmcs_before_anything_is_found() -> None:
    bench = Bench(make_site(ONE))
    bench.note("bmc_imported", "admin", address="10.0.0.11", serial="S1", user="u", secret="bmc/s1", uefi=True)
    bench.note("bmc_imported", "admin", address="10.0.0.9", serial="S2", user="u", secret="bmc/s2")
    bench.note("bmc_imported", "admin", address="manual:lamp", serial="S3")
    bench.note("bmc_found", "admin", address="10.0.0.12")
    plan = bench.settle()
    assert keys(plan) == [
        "admin/dnsmasq",
        "admin/nginx",
        "bmc 10.0.0.9/discover",
        "bmc 10.0.0.11/discover",
        "bmc manual:lamp/discover",
        "rule 0/match",
    ]
    found = step(plan, "bmc 10.0.0.11/discover")
    assert found.actions == (
        SetPower("10.0.0.11", "cycle", boot="pxe", uefi=True),
        WaitFor("discovered", "10.0.0.11", "the machine behind 10.0.0.11 to report itself"),
    )
    assert found.needs == (StepKey("admin", "dnsmasq"), StepKey("admin", "nginx"))
    assert step(plan, "rule 0/match").actions == (WaitFor("matched", "0", "1 machine that fits a", value="1"),)


def test_the_steps_of_a_node() -> None:
    plan = Bench(make_site(ONE), make_machines(1)).settle()
    assert keys(plan) == ["admin/dnsmasq", "admin/nginx", "a/admit", "a/allocate", "a/install", "a/boot"]
    assert [
        wait.gate for name in ("a/admit", "a/allocate") for wait in step(plan, name).actions if isinstance(wait, WaitFor)
    ] == [
        True,
        True,
    ]
    install = step(plan, "a/install")
    assert (install.destructive, install.needs) == (True, (StepKey("a", "admit"), StepKey("a", "allocate")))
    order = install.actions[0]
    assert isinstance(order, OrderNode)
    assert order.install is not None
    assert (order.install.node, order.install.epoch, order.install.handover) == ("a", 1, "soft-reboot")
    assert [disk.id for disk in order.install.disks] == ["ata-DISK_sda"]
    assert (order.install.consoles, order.install.users) == (("tty0", "ttyS0,115200n8"), ("root",))
    assert [file.path for file in order.install.files] == [
        "/etc/hostname",
        "/etc/hosts",
        "/etc/resolv.conf",
        "/etc/systemd/network/10-rackstrap-enp1s0.link",
        "/etc/systemd/network/10-rackstrap-enp1s0.network",
        "/etc/systemd/timesyncd.conf.d/rackstrap.conf",
        "/etc/tmpfiles.d/rackstrap-timezone.conf",
        "/root/.ssh/authorized_keys",
    ]


def test_services_wait_for_the_digest_of_what_is_written() -> None:
    plan = Bench(make_site(ONE), make_machines(1)).settle()
    for name in ("dnsmasq", "nginx"):
        actions = step(plan, f"admin/{name}").actions
        written = {action.path: action.text for action in actions if isinstance(action, WriteFile)}
        assert actions[-1] == WaitFor("service", name, f"{name} to run on its new configuration", value=make_digest(written))


def test_a_step_that_is_done_is_not_undone_by_a_service_that_was_configured_anew() -> None:
    bench = Bench(make_site(ONE))
    bench.note("bmc_imported", "admin", address="10.0.0.11", serial="S1", user="u", secret="bmc/s1")
    first = bench.settle()
    note_done(bench, first, "admin/dnsmasq", "admin/nginx", "bmc 10.0.0.11/discover")
    bench.discover("m-1", make_machine(1))
    second = bench.settle()
    assert step(second, "admin/dnsmasq").id != step(first, "admin/dnsmasq").id
    note_done(bench, second, "admin/dnsmasq")
    graph = make_graph(bench.settle().steps, bench.ledger)
    assert {str(key) for key in graph.done} == {"admin/dnsmasq", "admin/nginx", "bmc 10.0.0.11/discover"}


def test_install_is_keyed_by_node_and_epoch_alone() -> None:
    ids = set()
    for site, machine in (
        (ONE, make_machine(1)),
        (ONE.replace("erase: blank", "erase: no"), make_machine(1, [make_disk("sdb", holds=(EXT4,))])),
        ("handover: kexec\ntimezone: Europe/Berlin\n" + ONE, make_machine(1, firmware=Firmware("bios"))),
    ):
        ids.add(step(Bench(make_site(site), {"m-1": machine}).settle(), "a/install").id)
    assert len(ids) == 1


def test_a_reinstallation_rediscovers_first_over_the_bmc_or_by_hand() -> None:
    powers = []
    for bmc in (None, Bmc("10.0.0.9")):
        bench = Bench(make_site(ONE), {"m-1": make_machine(1, bmc=bmc)})
        first = bench.settle()
        note_done(bench, first, "a/admit", "a/allocate", "a/install", "a/boot")
        bench.note("reinstall_asked", "m-1", epoch=2)
        plan = bench.settle()
        assert keys(plan)[2:] == ["a/rediscover", "a/admit", "a/allocate", "a/install", "a/boot"]
        assert step(plan, "a/allocate").needs == (StepKey("a", "rediscover"),)
        assert step(plan, "a/install").id != step(first, "a/install").id
        graph = make_graph(plan.steps, bench.ledger)
        assert {str(key) for key in graph.done} == {"a/admit"}
        powers.append(step(plan, "a/rediscover").actions[0])
    assert powers == [SetPower("manual:a", "cycle", boot="pxe", uefi=True), SetPower("10.0.0.9", "cycle", boot="pxe", uefi=True)]


def test_a_node_that_cannot_be_installed_keeps_its_steps_once_it_has_begun() -> None:
    bench = Bench(make_site(ONE), make_machines(1))
    before = keys(bench.settle())
    bench.note("install_started", "m-1", epoch=1)
    bench.discover("m-1", make_machine(1, [], nics=()))
    assert keys(bench.settle()) == before
    fresh = Bench(make_site(ONE), {"m-1": make_machine(1, [])})
    assert keys(fresh.settle()) == ["admin/dnsmasq", "admin/nginx", "a/admit"]


def test_a_machine_with_hostile_facts_stops_itself_alone() -> None:
    site = make_site(ONE.replace("[{name: a, match: {serial: S1}}]", "[{match: {product: R1}, expect: 2}]"))
    evil = make_machine(2)
    evil = replace(evil, nics=(replace(evil.nics[0], name="x y\nNTP=evil"),))
    plan = Bench(site, {"m-1": make_machine(1), "m-2": evil}).settle()
    assert [key for key in keys(plan) if key.endswith("install")] == ["node1/install"]
    assert [p.message for p in plan.problems if p.severity == "error"] == [
        "node2: refused to write 'x y\\nNTP=evil' into a file: not a valid interface"
    ]


def test_a_value_that_no_file_can_hold_is_a_problem_of_the_site() -> None:
    plan = Bench(make_site(ONE + "roles: {base: {users: [{name: 'a b'}]}}\n"), make_machines(1)).settle()
    assert [problem.message for problem in plan.problems] == ["refused to write 'a b' into a file: not a valid user"]
    assert "a/install" not in keys(plan)


def test_every_file_goes_into_a_folder_and_nowhere_else(tmp_path: Path) -> None:
    plan = make_rack()
    count = save_files(plan.files, tmp_path / "new")
    written = {
        str(path.relative_to(tmp_path / "new")): path.read_text() for path in (tmp_path / "new").rglob("*") if path.is_file()
    }
    assert written == plan.files
    assert count == len(written)
    assert "admin/run/dnsmasq.conf" in written
    assert "nodes/control/etc/hostname" in written
    for folder, files in (
        (tmp_path / "new", {"a": ""}),
        (tmp_path / "other", {"../a": ""}),
        (tmp_path / "other", {"/etc/a": ""}),
    ):
        with pytest.raises(RackstrapError):
            save_files(files, folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new"]


def test_gifts_are_for_known_machines_only() -> None:
    bench = Bench(make_site(ONE), make_machines(1))
    gifts = make_gifts(bench.plan(), bench.site, bench.machines, bench.ledger)
    assert [(event.kind.value, event.host) for event in gifts] == [
        ("node_bound", "m-1"),
        ("address_given", "m-1"),
        ("machine_admitted", "m-1"),
        ("consent_given", "m-1"),
    ]
    assert gifts[1].data == {"network": "admin", "address": "192.168.124.81"}
    recorded = Bench(bench.site)
    recorded.machines = bench.machines
    assert make_gifts(recorded.plan(), recorded.site, recorded.machines, recorded.ledger) == ()
    assert recorded.plan().nodes == bench.plan().nodes


@pytest.mark.parametrize("recording", sorted((Path(__file__).parent / "machines").glob("*.json")), ids=lambda path: path.stem)
def test_every_recorded_machine_can_be_planned(recording: Path) -> None:
    machine = parse_recording(json.loads(recording.read_text()))
    bench = Bench(make_site("nodes: [{name: a, match: {any: true}}]\n"), {"m-1": machine})
    plan = bench.settle()
    offered, refused = find_offered(machine, find_shared_wwns([machine]), make_least_bytes(PLACE.image, Layout()))
    node = plan.nodes[0]
    assert {disk.id for disk in node.disks} <= {disk.id for disk in offered}
    assert set(node.refused) == {(disk.id, reason) for disk, reason in refused}
    assert bool(node.disks) == bool(offered)
    assert ("a/install" in keys(plan)) == bool(offered and machine.nics)
