"""The scheduler: needs, retries, deadlines, gates, plans that change, and resuming."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from installer.engine.conditions import is_met
from installer.engine.dry import MemoryFacts
from installer.engine.effects import Facts, StepError
from installer.engine.graph import REMOVED, is_done, make_graph, make_removals
from installer.engine.heartbeat import Heartbeat
from installer.engine.journal import Journal
from installer.engine.scheduler import Scheduler
from installer.engine.waits import Waits
from installer.model.events import Event, Happened
from installer.model.folds import add_event, make_ledger
from installer.model.ledger import StepEntry
from installer.model.plan import OrderNode, PlayRole, RunCommand, SetPower, Step, StepKey, WaitFor, WriteFile

FOUND = {"recording": "", "code": "ABCD-EFGH", "key": "k"}


@dataclass
class World:
    """Records which programs ran; those named in `fails` fail that many times, `hang` never end."""

    facts: Facts
    waits: Waits
    fails: dict[str, int] = field(default_factory=dict)
    hangs: set[str] = field(default_factory=set)
    final: set[str] = field(default_factory=set)
    ran: list[str] = field(default_factory=list)

    async def write_file(self, action: WriteFile) -> None:
        self.ran.append(action.path)

    async def run_command(self, action: RunCommand) -> None:
        name = action.argv[0]
        self.ran.append(name)
        await asyncio.sleep(0)
        if name in self.hangs:
            await asyncio.Event().wait()
        if self.fails.get(name, 0) > 0:
            self.fails[name] -= 1
            raise StepError(f"{name} broke", is_final=name in self.final)

    async def set_power(self, action: SetPower, step: Step) -> None:
        del step
        self.ran.append(f"power {action.bmc}")

    async def wait_for(self, action: WaitFor, step: Step) -> None:
        del step
        await self.waits.until(lambda known: is_met(action, known), self.facts.known)

    async def order_node(self, action: OrderNode, step: Step, attempt: int) -> None:
        self.ran.append(f"order {step.key} {action.node} {attempt}")

    async def play_role(self, action: PlayRole) -> None: ...


def make_step(name: str, *needs: str, id: str = "1", host: str = "admin", attempts: int = 3, deadline_s: float = 60) -> Step:
    keys = tuple(StepKey(host, need) for need in needs)
    return Step(StepKey(host, name), id, name, (RunCommand((name,)),), keys, deadline_s, attempts)


def make_gate(name: str, node: str) -> Step:
    return Step(StepKey(node, name), "1", name, (WaitFor("admitted", node, f"{node} to be admitted", gate=True),))


def run(
    facts: Facts,
    plans: Sequence[Sequence[Step]],
    prepare: Callable[[World], None] = lambda _: None,
    between: Callable[[Facts], None] = lambda _: None,
    most_beats: int = 100,
) -> tuple[World, Scheduler]:
    """Run the plans one after the other: each is taken once the one before has settled, after `between`."""

    async def drive() -> tuple[World, Scheduler]:
        heartbeat = Heartbeat(facts)
        world = World(facts, heartbeat.waits)
        prepare(world)
        async with asyncio.TaskGroup() as group:
            scheduler = Scheduler(group, world, facts, retry_s=0.01)
            for n, steps in enumerate(plans):
                if n:
                    between(facts)
                    facts.refresh()
                scheduler.take(steps)
                for _ in range(most_beats):
                    await asyncio.sleep(0.002)
                    facts.take_new()
                    heartbeat.waits.look(facts.known)
                    if scheduler.wants_plan:
                        scheduler.take(steps)
                    if scheduler.is_settled():
                        break
            done = frozenset(scheduler.graph.done)
            scheduler.cancel()
        scheduler.graph.done.update(done)
        return world, scheduler

    return asyncio.run(drive())


def make_facts(*events: Event) -> MemoryFacts:
    return MemoryFacts([replace(event, id=n) for n, event in enumerate(events, 1)], {})


@st.composite
def graphs(draw: st.DrawFn) -> list[Step]:
    steps: list[Step] = []
    for n in range(draw(st.integers(1, 25))):
        needs = draw(st.lists(st.integers(0, max(0, n - 1)), max_size=4, unique=True)) if n else []
        steps.append(make_step(f"s{n}", *(f"s{need}" for need in needs)))
    return steps


@given(graphs(), st.sets(st.integers(0, 24), max_size=3))
@settings(max_examples=60, deadline=None)
def test_each_step_runs_once_after_all_that_it_needs(steps: list[Step], broken: set[int]) -> None:
    names = {step.key.name for step in steps}
    bad = {f"s{n}" for n in broken} & names

    def prepare(world: World) -> None:
        world.fails = dict.fromkeys(bad, 1)
        world.final = bad

    world, scheduler = run(make_facts(), [steps], prepare)
    assert len(world.ran) == len(set(world.ran))
    blocked = set(bad)
    for step in steps:
        needs = {need.name for need in step.needs}
        if needs & blocked:
            blocked.add(step.key.name)
        if step.key.name in world.ran:
            place = world.ran.index(step.key.name)
            assert all(need in world.ran[:place] for need in needs)
    assert set(world.ran) == (names - blocked) | {n for n in bad if n in world.ran}
    assert {key.name for key in scheduler.graph.done} == names - blocked


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_a_second_run_does_nothing(steps: list[Step]) -> None:
    facts = make_facts()
    first, _ = run(facts, [steps])
    second, scheduler = run(facts, [steps])
    assert (len(first.ran), second.ran) == (len(steps), [])
    assert scheduler.graph.done == {step.key for step in steps}


@given(graphs(), st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_step_runs_again_with_all_that_need_it(steps: list[Step], data: st.DataObject) -> None:
    facts = make_facts()
    run(facts, [steps])
    changed = data.draw(st.sampled_from(steps)).key
    again = [replace(step, id="2") if step.key == changed else step for step in steps]
    world, _ = run(facts, [again])
    affected = {changed}
    for step in steps:
        if affected & set(step.needs):
            affected.add(step.key)
    assert sorted(world.ran) == sorted(key.name for key in affected)


def test_done_is_the_last_success_with_this_id_and_no_newer_need() -> None:
    step = make_step("b", "a")
    a, b = StepKey("admin", "a"), StepKey("admin", "b")
    assert is_done(step, {b: StepEntry(done_id="1", done_seq=5)})
    assert is_done(step, {a: StepEntry(done_id="x", done_seq=4), b: StepEntry(done_id="1", done_seq=5)})
    assert not is_done(step, {a: StepEntry(done_id="x", done_seq=6), b: StepEntry(done_id="1", done_seq=5)})
    assert not is_done(step, {b: StepEntry(done_id="2", done_seq=5)})
    assert not is_done(step, {})


def test_a_step_is_not_done_while_its_need_is_not() -> None:
    done = Event(Happened.STEP_DONE, "admin", {"name": "b", "id": "1", "seconds": 0}, id=1)
    graph = make_graph([make_step("a"), make_step("b", "a")], make_ledger([done]))
    assert (graph.done, [step.key.name for step in graph.ready()]) == (set(), ["a"])


@pytest.mark.parametrize(
    "steps", [[make_step("b", "a")], [make_step("b", "a"), make_step("a")], [make_step("a"), make_step("a")]]
)
def test_a_plan_out_of_order_is_refused(steps: list[Step]) -> None:
    with pytest.raises(ValueError, match=r"does not come before|two steps"):
        make_graph(steps, make_ledger([]))


def test_a_vanished_key_is_forgotten_and_done_again_when_it_is_back() -> None:
    facts = make_facts()
    run(facts, [[make_step("a"), make_step("b")]])
    assert [(step.key.name, step.id) for step in make_removals([make_step("a")], facts.ledger)] == [("b", REMOVED)]
    world, _ = run(facts, [[make_step("a")]])
    assert (world.ran, facts.ledger.steps[StepKey("admin", "b")].done_id) == ([], REMOVED)
    assert make_removals([make_step("a")], facts.ledger) == ()
    world, _ = run(facts, [[make_step("a"), make_step("b")]])
    assert world.ran == ["b"]


def test_a_wait_that_is_planned_no_more_is_forgotten() -> None:
    ledger = make_ledger([Event(Happened.STEP_WAITED, "rule 0", {"name": "match", "for": "1 machine"}, id=1)])
    assert [step.key for step in make_removals([], ledger)] == [StepKey("rule 0", "match")]
    add_event(ledger, Event(Happened.STEP_DONE, "rule 0", {"name": "match", "id": REMOVED}, id=2))
    assert (make_removals([], ledger), ledger.steps[StepKey("rule 0", "match")].waits_for) == ((), "")


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
