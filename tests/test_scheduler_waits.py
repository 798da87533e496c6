"""The scheduler over time: retries, deadlines, gates, steps left out, a plan that changes meanwhile, and a kill."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from installer.engine.effects import Facts
from installer.engine.graph import make_graph
from installer.engine.heartbeat import Heartbeat
from installer.engine.journal import Journal
from installer.engine.scheduler import Scheduler
from installer.model.events import Event, Happened
from installer.model.plan import RunCommand, SetPower, Step, StepKey, WaitFor
from tests.scheduling import FOUND, World, make_facts, make_gate, make_step, run


def test_retries_are_bounded_and_others_go_on() -> None:
    def prepare(world: World) -> None:
        world.fails = {"bad": 9, "shaky": 2}

    facts = make_facts()
    steps = [make_step("bad"), make_step("after", "bad"), make_step("shaky"), make_step("good", "shaky")]
    world, scheduler = run(facts, [steps], prepare)
    assert (world.ran.count("bad"), world.ran.count("shaky"), world.ran[-1]) == (3, 3, "good")
    assert "after" not in world.ran
    assert {key.name: failure.reason for key, failure in scheduler.failed.items()} == {"bad": "bad broke"}
    entry = facts.ledger.steps[StepKey("admin", "bad")]
    assert (entry.failed, entry.attempts, entry.done_id) == ("bad broke", 3, "")


def test_a_failed_node_shows_its_reason_until_it_is_retried() -> None:
    facts = make_facts(
        Event(Happened.MACHINE_DISCOVERED, "m1", FOUND), Event(Happened.NODE_BOUND, "m1", {"name": "node1", "rule": 0})
    )

    def prepare(world: World) -> None:
        world.fails = {"install": 3}

    def retry(facts: Facts) -> None:
        entry = facts.ledger.machines["m1"]
        assert (entry.state, entry.reason) == ("problem", "install: install broke")
        facts.post(Event(Happened.NODE_RETRIED, "m1"))

    steps = [make_step("install", host="node1")]
    world, scheduler = run(facts, [steps, steps], prepare, retry)
    assert (world.ran, scheduler.failed) == (["install"] * 4, {})


def test_what_fails_for_good_is_tried_once() -> None:
    def prepare(world: World) -> None:
        world.fails, world.final = {"install": 1}, {"install"}

    world, scheduler = run(make_facts(), [[make_step("install")]], prepare)
    assert (world.ran, len(scheduler.failed)) == (["install"], 1)


def test_a_deadline_ends_a_step_that_hangs() -> None:
    def prepare(world: World) -> None:
        world.hangs = {"slow"}

    facts = make_facts()
    _, scheduler = run(facts, [[make_step("slow", attempts=1, deadline_s=0.02), make_step("quick")]], prepare)
    assert [failure.reason for failure in scheduler.failed.values()] == ["not done within 0.02 s"]


def test_a_wait_that_ends_at_its_deadline_says_what_was_waited_for() -> None:
    wait = WaitFor("installed", "node1", "node1 to report itself")
    step = Step(StepKey("node1", "boot"), "1", "Boot", (wait,), deadline_s=0.02, attempts=1)
    _, scheduler = run(make_facts(), [[step]])
    assert [f.reason for f in scheduler.failed.values()] == ["not done within 0.02 s; waited for: node1 to report itself"]


def test_a_gate_waits_for_ever_and_opens_on_the_event() -> None:
    facts = make_facts(
        Event(Happened.MACHINE_DISCOVERED, "m1", FOUND), Event(Happened.NODE_BOUND, "m1", {"name": "node1", "rule": 0})
    )
    gate = replace(make_gate("admit", "node1"), deadline_s=0.001)
    after = make_step("install", "admit", host="node1")
    steps = [gate, after]
    seen: list[list[str]] = []

    def admit(facts: Facts) -> None:
        seen.append([str(step.key) for step in make_graph(steps, facts.ledger).ready()])
        facts.post(Event(Happened.MACHINE_ADMITTED, "m1"))

    world, scheduler = run(facts, [steps, steps], between=admit)
    assert seen == [["node1/admit"]]
    assert (world.ran, scheduler.failed) == (["install"], {})


def test_what_is_left_out_sits_out() -> None:
    facts = make_facts(
        Event(Happened.MACHINE_DISCOVERED, "m1", FOUND),
        Event(Happened.NODE_BOUND, "m1", {"name": "node1", "rule": 0}),
        Event(Happened.NODE_LEFT_OUT, "m1"),
    )
    world, scheduler = run(facts, [[make_step("install", host="node1"), make_step("other")]])
    assert (world.ran, scheduler.is_settled()) == (["other"], True)


def test_a_wait_that_a_new_plan_does_not_know_is_given_up() -> None:
    wait = WaitFor("matched", "0", "a machine", value="1")
    old = Step(StepKey("rule 0", "match"), "1", "Match", (wait,))
    world, scheduler = run(make_facts(), [[old], [make_step("a")]], most_beats=5)
    assert (world.ran, scheduler.running, scheduler.failed) == (["a"], {}, {})


def test_no_machine_is_switched_when_it_has_reported_itself_already() -> None:
    facts = make_facts(
        Event(Happened.MACHINE_DISCOVERED, "m1", FOUND, at=5.0), Event(Happened.NODE_BOUND, "m1", {"name": "node1", "rule": 0})
    )
    seen = Step(StepKey("a", "discover"), "1", "", (SetPower("b1", "cycle", "pxe"), WaitFor("discovered", "node1", "it")))
    unseen = Step(
        StepKey("b", "discover"), "1", "", (SetPower("b2", "cycle", "pxe"), WaitFor("discovered", "node2", "it")), deadline_s=0.02
    )
    world, _ = run(facts, [[seen, replace(unseen, attempts=1)]])
    assert world.ran == ["power b2"]


def test_a_destructive_step_waits_for_a_plan_that_knows_of_everything() -> None:
    """The operator changes his mind while the plan of before is still the newest: the deed is the new plan's."""
    facts = make_facts()
    old = replace(make_step("install"), destructive=True)
    new = replace(old, actions=(RunCommand(("install-otherwise",)),))

    async def drive() -> list[str]:
        heartbeat = Heartbeat(facts)
        world = World(facts, heartbeat.waits)
        async with asyncio.TaskGroup() as group:
            scheduler = Scheduler(group, world, facts)
            scheduler.take([old])
            facts.post(Event(Happened.SITE_APPLIED, "admin", {"sha256": "x", "name": "x"}))
            await asyncio.sleep(0.01)
            assert (world.ran, scheduler.wants_plan) == ([], True)
            scheduler.take([new])
            await asyncio.sleep(0.01)
        return world.ran

    assert asyncio.run(drive()) == ["install-otherwise"]


def test_started_is_on_the_disk_before_the_effect_and_a_killed_run_resumes(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    seen: list[list[str]] = []

    class Looking(World):
        async def run_command(self, action: RunCommand) -> None:
            with Journal(path) as other:
                seen.append([str(key) for key, entry in other.ledger.steps.items() if entry.started_at and not entry.done_id])
            await super().run_command(action)

    async def drive() -> None:
        with Journal(path) as journal:
            heartbeat = Heartbeat(journal)
            async with asyncio.TaskGroup() as group:
                scheduler = Scheduler(group, Looking(journal, heartbeat.waits), journal)
                scheduler.take([make_step("a"), make_step("b", "a")])

    asyncio.run(drive())
    assert seen == [["admin/a"], ["admin/b"]]
    with Journal(path) as journal:
        world, _ = run(journal, [[make_step("a"), make_step("b", "a"), make_step("c", "b")]])
        assert world.ran == ["c"]
