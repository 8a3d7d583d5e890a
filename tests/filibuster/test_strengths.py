"""What the four strengths of reduction find, and what they don't."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.catalogue import DEFAULT, Catalogue, Entry, Trial
from metaapps.filibuster.explore import Event, Fate, Limits, planned_fault, search_for
from metaapps.filibuster.observation import Execution, Observation
from metaapps.filibuster.plan import FAULT_FREE, Plan
from metaapps.filibuster.reduce import Strength, reducer
from metaapps.filibuster.tree import Tree, build
from tests.filibuster.random_app import random_application
from tests.filibuster.searching import (
    DOWN,
    DOWN_FAULT,
    REFUSED_FAULT,
    REQUESTS,
    SHORT,
    answering,
    done,
    failures,
    labels,
    never_500,
    plans,
    pruned,
    ran,
    targets,
)
from tests.filibuster.synthetic import Application, Broken, Reply, Scope

ALL = [strength.value for strength in Strength]


def searched(application: Application, reduction: str, catalogue: Catalogue = DOWN) -> list[Event]:
    return list(search_for(reduction=reduction).explore(application.run, catalogue))


def degrading() -> Application:
    """Only with d and c down a goes wrong: b then answers 200, but poorly."""

    def a(scope: Scope, operation: str, payload: bytes) -> Reply:
        poor = scope.call("b", "GET /b").body == b"poor"
        down = not scope.call("c", "GET /c").ok
        return Reply(500 if poor and down else 200, b"served")

    def b(scope: Scope, operation: str, payload: bytes) -> Reply:
        return Reply(200, b"rich" if scope.call("d", "GET /d").ok else b"poor")

    services = {"a": a, "b": b, "c": answering(), "d": answering()}
    return Application(services, never_500("a"))


def explaining() -> Application:
    """A reads the body of b's errors, and goes wrong where there is none."""

    def a(scope: Scope, operation: str, payload: bytes) -> Reply:
        reply = scope.call("b", "GET /b")
        return Reply(500 if not reply.body else reply.status)

    def b(scope: Scope, operation: str, payload: bytes) -> Reply:
        return Reply(200, b"b") if scope.call("c", "GET /c").ok else Reply(503, b"c is down")

    return Application({"a": a, "b": b, "c": answering()}, never_500("a"))


def tutorial() -> Application:
    def forward(scope: Scope, target: str) -> Reply:
        try:
            reply = scope.call(target, f"GET /{target}")
        except Broken:
            return Reply(503)
        return Reply(200, reply.body) if reply.ok else Reply(503)

    services = {
        "foo": lambda scope, *_: forward(scope, "bar"),
        "bar": lambda scope, *_: forward(scope, "baz"),
        "baz": answering(),
    }
    return Application(services, never_500("foo"))


def test_the_published_criterion_misses_a_failure_that_prediction_finds() -> None:
    """It does not look at what b answered: c was failed before, and so was d, though apart."""
    assert failures(searched(degrading(), "paper")) == set()
    (one,) = pruned(searched(degrading(), "paper"))
    assert sorted(targets(one.plan)) == ["c", "d"]
    for reduction in ("none", "strict", "dynamic"):
        assert failures(searched(degrading(), reduction)) == {"AssertionError: 500"}


def test_strict_finds_what_depends_on_the_body_of_an_error_and_dynamic_does_not() -> None:
    found = {reduction: failures(searched(explaining(), reduction)) for reduction in ALL}
    assert found["none"] == found["strict"] == {"AssertionError: 500"}
    assert found["dynamic"] == set()


@pytest.mark.parametrize("reduction", ALL)
def test_the_tutorial_takes_ten_executions_by_any_reduction(reduction: str) -> None:
    events = searched(tutorial(), reduction, DEFAULT)
    expected = {"none": (11, 0)}.get(reduction, (10, 1))
    assert (done(events).ran, done(events).pruned) == expected
    assert done(events).complete


def test_the_published_order_is_depth_first_with_the_last_call_and_fault_first() -> None:
    events = searched(tutorial(), "paper", SHORT)
    kinds = ("status 503", "timeout", "refused")
    assert [labels(plan) for plan in plans(events)] == [
        (),
        *((f"bar → baz GET /baz: {kind}",) for kind in kinds),
        *((f"foo → bar GET /bar: {kind}",) for kind in kinds),
    ]


def test_in_the_published_order_what_a_failure_leads_to_comes_next() -> None:
    def a(scope: Scope, operation: str, payload: bytes) -> Reply:
        for name in ("x", "y"):
            if not scope.call(name, f"GET /{name}").ok:
                scope.call("z", "GET /z", name.encode(), function=name)
        return Reply(200)

    services = {"a": a, **dict.fromkeys("xyz", answering())}
    events = searched(Application(services, never_500("a")), "paper")
    assert [targets(plan) for plan in plans(events)] == [
        (),
        ("y",),
        ("y", "z"),
        ("x",),
        ("x", "y"),
        ("x", "y", "z"),
        ("x", "z"),
        ("x", "z", "y"),
        ("x", "z", "y", "z"),
    ]


def test_what_the_published_criterion_prunes_has_no_outcome_and_no_children() -> None:
    events = searched(degrading(), "paper")
    for event in pruned(events):
        assert not event.predicted
        assert event.execution.observations == ()
        assert event.predicted_by
    assert all(event.predicted for event in pruned(searched(tutorial(), "dynamic", DEFAULT)))


def test_the_published_criterion_takes_a_status_for_the_same_wherever_it_came_from() -> None:
    """Bar passed on baz's failure as 503 before: to answer so for it shows nothing new."""
    (one,) = pruned(searched(tutorial(), "paper", DEFAULT))
    assert labels(one.plan) == ("foo → bar GET /bar: status 503",)
    assert one.predicted_by == (2,)


def test_for_the_published_criterion_a_call_must_have_failed_in_the_same_way() -> None:
    services = {"a": lambda scope, *_: scope.call("b", "GET /b"), "b": answering()}
    application = Application(services, swallowing)
    judge = reducer(Strength.PAPER)
    free = application.run(FAULT_FREE)
    judge.learn(1, free, build(free.observations))
    (call,) = [o for o in free.observations if not o.by_test]
    faults = (REFUSED_FAULT, DOWN_FAULT, Fault(FaultKind.TIMEOUT))
    for number, fault in enumerate(faults, 2):
        plan = Plan((planned_fault(call, fault),))
        assert judge.predict(plan) is None
        execution = application.run(plan)
        judge.learn(number, execution, build(execution.observations))
        found = judge.predict(plan)
        assert found is not None
        assert found.predicted_by == (number,)


def swallowing(scope: Scope) -> None:
    with suppress(Broken):
        scope.call("a", "GET /a", function="test")


class Twice(Catalogue):
    """Tries each fault at two attempts, and then at one."""

    def trials_for(self, call: Observation, tree: Tree) -> tuple[Trial, ...]:
        return tuple(
            Trial(fault, attempts) for fault in self.faults_for(call) for attempts in (2, 1)
        )


def retrying(attempts: int) -> Application:
    def a(scope: Scope, operation: str, payload: bytes) -> Reply:
        fine = any(scope.call("x", "GET /x").ok for _ in range(attempts))
        after = scope.call("y", "GET /y").ok
        return Reply(200 if fine and after else 500)

    return Application({"a": a, "x": answering(), "y": answering()}, never_500("a"))


@pytest.mark.parametrize("reduction", ALL)
def test_a_fault_at_two_attempts_is_one_fault_and_needs_only_one_attempt(reduction: str) -> None:
    catalogue = Twice(DOWN.entries)
    for attempts in (1, 2, 3):
        events = searched(retrying(attempts), reduction, catalogue)
        assert done(events).complete
        for event in ran(events):
            assert not event.findings
            must = [p for p in event.execution.plan.faults if not p.optional]
            assert all(p.index in event.execution.fired for p in must)


def test_further_attempts_that_are_not_made_are_no_finding_and_no_more_plans() -> None:
    events = searched(retrying(1), "none", Twice(DOWN.entries))
    fates = {event.fates for event in ran(events)}
    assert (Fate.FIRED, Fate.UNREACHABLE) in fates
    names = [targets(plan) for plan in plans(events)]
    both = [name for name in names if set(name) == {"x", "y"}]
    # x and its attempt that never comes is the same as x alone: what follows comes once.
    assert len(both) == 2


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_prediction_and_runs_agree_about_attempts(attempts: int) -> None:
    everything = searched(retrying(attempts), "none", Twice(DOWN.entries))
    events = searched(retrying(attempts), "dynamic", Twice(DOWN.entries))
    assert plans(events) == plans(everything)
    assert failures(events) == failures(everything)
    real = retrying(attempts)
    for event in pruned(events):
        assert event.execution.fired == real.run(event.plan).fired


@pytest.mark.parametrize("part", range(2))
def test_strict_predictions_are_exact_to_the_bodies_of_errors(part: int) -> None:
    some = 0
    for seed in range(part * 50, part * 50 + 12):
        application = random_application(seed)
        search = search_for(reduction="strict", limits=Limits(max_executions=40))
        for event in pruned(search.explore(application.run, SHORT)):
            real = application.run(event.plan)
            assert frozenset(event.execution.observations) == frozenset(real.observations), seed
            assert event.execution.failure == real.failure, seed
            some += 1
    assert some > 0


def test_an_answer_in_which_there_was_nothing_to_edit_is_not_tried_again() -> None:
    """That x has no price shows once, whatever happens to y and z beside it."""

    def a(scope: Scope, operation: str, payload: bytes) -> Reply:
        fine = [scope.call(name, f"GET /{name}").ok for name in "yzx"]
        return Reply(200, repr(fine).encode())

    services = {"a": a, **dict.fromkeys("xyz", answering())}
    application = Application(services, never_500("a"))
    edit = Entry(REQUESTS, Fault(FaultKind.BODY, edit="null price"))

    def run(plan: Plan) -> Execution:
        done_to = Plan(tuple(each for each in plan.faults if each.fault.edit is None))
        return replace(application.run(done_to), plan=plan)

    catalogue = Catalogue((edit, *DOWN.entries))
    events = list(search_for().explore(run, catalogue))
    everything = list(search_for(reduction="none").explore(run, catalogue))
    assert plans(events) == plans(everything)
    assert Fate.REFUSED in {fate for event in ran(events) for fate in event.fates}
    assert not [finding for event in ran(events) for finding in event.findings]
    edited = [event.plan for event in pruned(events) if refused(event.plan)]
    assert edited
    for event in pruned(events):
        assert event.execution.observations
        assert event.execution.fired == run(event.plan).fired
    tried = [event.execution.plan for event in ran(events) if refused(event.execution.plan)]
    assert (len(tried), len(edited)) == (3, 4)


def refused(plan: Plan) -> bool:
    return any(each.fault.edit is not None for each in plan.faults)
