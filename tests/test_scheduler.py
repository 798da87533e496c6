"""Which steps the scheduler runs, in which order, and which it takes for done."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from installer.engine.graph import REMOVED, is_done, make_graph, make_removals
from installer.model.events import Event, Happened
from installer.model.folds import add_event, make_ledger
from installer.model.ledger import StepEntry
from installer.model.plan import Step, StepKey
from tests.scheduling import World, graphs, make_facts, make_step, run


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
