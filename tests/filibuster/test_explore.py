"""The search as a whole, on simulated applications."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import pytest

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.catalogue import DEFAULT, Catalogue, Entry
from metaapps.filibuster.explore import (
    Done,
    Event,
    Limits,
    Pruned,
    Ran,
    StopReason,
    explore,
)
from metaapps.filibuster.finding import FindingKind
from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.filibuster.plan import FAULT_FREE, Plan
from metaapps.filibuster.reduce import NoReduction, Predictor, Reducer
from tests.filibuster.random_app import random_application
from tests.filibuster.synthetic import Application, Broken, Reply, Scope, Service, Test

REQUESTS = re.compile("requests")
SHORT = Catalogue(
    (
        Entry(REQUESTS, Fault(FaultKind.REFUSED)),
        Entry(REQUESTS, Fault(FaultKind.TIMEOUT), "timeout"),
        Entry(REQUESTS, Fault(FaultKind.STATUS, status=503)),
    )
)
DOWN = Catalogue((Entry(REQUESTS, Fault(FaultKind.STATUS, status=503)),))


def searched(
    application: Application,
    catalogue: Catalogue = DEFAULT,
    reducer: Reducer | None = None,
    limits: Limits | None = None,
) -> list[Event]:
    chosen = Predictor() if reducer is None else reducer
    return list(explore(application.run, catalogue, chosen, limits or Limits()))


def done(events: list[Event]) -> Done:
    last = events[-1]
    assert isinstance(last, Done)
    return last


def counts(events: list[Event]) -> tuple[int, int]:
    return done(events).ran, done(events).pruned


def ran(events: list[Event]) -> Iterator[Ran]:
    return (event for event in events if isinstance(event, Ran))


def pruned(events: list[Event]) -> list[Pruned]:
    return [event for event in events if isinstance(event, Pruned)]


def failures(events: list[Event]) -> set[str]:
    return {e.execution.failure.summary for e in ran(events) if e.execution.failure}


def failing(events: list[Event]) -> list[tuple[str, ...]]:
    return [labels(e.execution.plan) for e in ran(events) if not e.execution.passed]


def labels(plan: Plan) -> tuple[str, ...]:
    return tuple(planned.label for planned in plan.faults)


def plans(events: list[Event]) -> list[Plan]:
    return [e.execution.plan for e in events if not isinstance(e, Done)]


# The tutorial: test → foo → bar → baz.


def forward(target: str, timeout: float | None = 1.0) -> Service:
    """A service that turns any failure of its dependency into 503."""

    def serve(scope: Scope, operation: str, payload: bytes) -> Reply:
        try:
            reply = scope.call(target, f"GET /{target}", timeout=timeout)
        except Broken:
            return Reply(503)
        return Reply(200, reply.body) if reply.ok else Reply(503)

    return serve


def buggy_foo(scope: Scope, operation: str, payload: bytes) -> Reply:
    """The bug: a refused connection isn't caught."""
    try:
        reply = scope.call("bar", "GET /bar")
    except Broken as error:
        if "ConnectionError" in str(error):
            raise
        return Reply(503)
    return Reply(200, reply.body) if reply.ok else Reply(503)


def baz(scope: Scope, operation: str, payload: bytes) -> Reply:
    return Reply(200, b"foo bar baz")


def fault_aware_test(scope: Scope) -> None:
    reply = scope.call("foo", "GET /foo", function="test")
    if reply.ok:
        assert reply.body == b"foo bar baz"
    else:
        assert scope.ask(), "failed without a fault"
        assert reply.status == 503, f"{reply.status} under a fault"


def tutorial(foo: Service = buggy_foo) -> Application:
    return Application({"foo": foo, "bar": forward("baz"), "baz": baz}, fault_aware_test)


def test_the_tutorial_takes_ten_executions_for_eleven_plans() -> None:
    events = searched(tutorial())
    assert counts(events) == (10, 1)
    assert done(events).stopped_because is StopReason.COMPLETE
    assert done(events).remaining == 0
    (one,) = pruned(events)
    assert labels(one.plan) == ("foo → bar GET /bar: status 503",)
    assert one.predicted_by == (1, 2, 6)
    assert failing(events) == [("foo → bar GET /bar: refused",)]


def test_who_looks_ahead_changes_no_event() -> None:
    def look(upcoming: Iterator[Plan]) -> None:
        list(upcoming)

    seen = list(explore(tutorial().run, DEFAULT, Predictor(), look_ahead=look))
    assert [e.predicted_by for e in pruned(seen)] == [(1, 2, 6)]
    assert seen == searched(tutorial())


def test_without_reduction_the_tutorial_takes_all_eleven() -> None:
    events = searched(tutorial(), reducer=NoReduction())
    assert counts(events) == (11, 0)
    assert [e.number for e in ran(events)] == list(range(1, 12))


def test_a_call_without_a_timeout_has_one_plan_less() -> None:
    assert counts(searched(tutorial(forward("bar", timeout=None)))) == (9, 1)


def test_the_tutorial_by_its_analysis_file_takes_seven_executions_for_eight_plans() -> None:
    catalogue = Catalogue(
        (
            Entry(REQUESTS, Fault(FaultKind.REFUSED)),
            Entry(REQUESTS, Fault(FaultKind.TIMEOUT), "timeout"),
            Entry(REQUESTS, Fault(FaultKind.STATUS, status=500), services=re.compile(".*")),
            Entry(REQUESTS, Fault(FaultKind.STATUS, status=503), services=re.compile("foo|bar")),
        )
    )
    assert counts(searched(tutorial(), catalogue)) == (7, 1)
    assert counts(searched(tutorial(), catalogue, NoReduction())) == (8, 0)


def test_plans_come_callee_before_caller_and_fewest_faults_first() -> None:
    events = searched(tutorial(), SHORT, NoReduction())
    kinds = ("refused", "timeout", "status 503")
    assert [labels(plan) for plan in plans(events)] == [
        (),
        *((f"bar → baz GET /baz: {kind}",) for kind in kinds),
        *((f"foo → bar GET /bar: {kind}",) for kind in kinds),
    ]


# Bugs that need several faults.


def test_a_bug_behind_a_degraded_answer_is_found() -> None:
    """B degrades when d fails; only then, and with c down, a goes wrong."""
    events = searched(degrading(["b", "c"]), DOWN)
    assert ("b → d GET /d: status 503", "a → c GET /c: status 503") in failing(events)
    assert failures(events) == failures(searched(degrading(["b", "c"]), DOWN, NoReduction()))


def test_its_mirror_image_is_found() -> None:
    events = searched(degrading(["c", "b"]), DOWN)
    assert ("a → c GET /c: status 503", "b → d GET /d: status 503") in failing(events)


def degrading(order: list[str]) -> Application:
    def a(scope: Scope, operation: str, payload: bytes) -> Reply:
        replies = {name: scope.call(name, f"GET /{name}") for name in order}
        if replies["b"].body == b"poor" and not replies["c"].ok:
            return Reply(500)
        return Reply(200, b"served")

    def b(scope: Scope, operation: str, payload: bytes) -> Reply:
        return Reply(200, b"rich" if scope.call("d", "GET /d").ok else b"poor")

    return Application({"a": a, "b": b, "c": baz, "d": baz}, never_500("a"))


def never_500(target: str) -> Test:
    def test(scope: Scope) -> None:
        reply = scope.call(target, f"GET /{target}", function="test")
        assert reply.status != 500, "500"

    return test


def test_a_bug_of_two_faults_shows_under_no_single_one() -> None:
    def top(scope: Scope, operation: str, payload: bytes) -> Reply:
        down = [scope.call(name, f"GET /{name}").ok for name in ("x", "y")].count(False)
        return Reply(500 if down == 2 else 200)

    events = searched(Application({"a": top, "x": baz, "y": baz}, never_500("a")), DOWN)
    assert [len(faults) for faults in failing(events)] == [2]


def test_a_fallback_masks_until_it_fails_too_and_so_three_deep() -> None:
    def top(scope: Scope, operation: str, payload: bytes) -> Reply:
        for name in ("x", "y", "z"):
            if scope.call(name, f"GET /{name}").ok:
                return Reply(200, b"by some")
        return Reply(500)

    events = searched(Application({"a": top, "x": baz, "y": baz, "z": baz}, never_500("a")), DOWN)
    assert [len(faults) for faults in failing(events)] == [3]
    assert done(events).ran == 4


def test_a_bug_of_three_faults_in_three_services_is_found() -> None:
    def top(scope: Scope, operation: str, payload: bytes) -> Reply:
        bodies = [scope.call(name, f"GET /{name}").body for name in ("x", "y", "z")]
        return Reply(500 if bodies == [b"poor"] * 3 else 200, b"".join(bodies[:1]))

    def middle(scope: Scope, operation: str, payload: bytes) -> Reply:
        return Reply(200, b"rich" if scope.call("db", f"{operation} in db").ok else b"poor")

    services = {"a": top, "x": middle, "y": middle, "z": middle, "db": baz}
    events = searched(Application(services, never_500("a")), SHORT)
    everything = searched(Application(services, never_500("a")), SHORT, NoReduction())
    assert failures(events) == failures(everything) == {"AssertionError: 500"}
    assert counts(everything)[0] == sum(counts(events))
    assert counts(events)[0] < counts(everything)[0] * 2 / 3


def test_a_retried_call_is_failed_once_and_twice() -> None:
    def top(scope: Scope, operation: str, payload: bytes) -> Reply:
        tries = (scope.call("x", "GET /x") for _ in range(2))
        return Reply(200 if any(reply.ok for reply in tries) else 500)

    events = searched(Application({"a": top, "x": baz}, never_500("a")), DOWN)
    first, second = "a → x GET /x: status 503", "a → x GET /x #2: status 503"
    assert [labels(plan) for plan in plans(events)] == [(), (first,), (first, second)]
    assert failing(events) == [(first, second)]


def test_branches_are_failed_apart_and_together() -> None:
    def top(scope: Scope, operation: str, payload: bytes) -> Reply:
        replies = [scope.branch(lambda inner: inner.call("x", "GET /x")) for _ in range(2)]
        return Reply(500 if not any(reply.ok for reply in replies) else 200)

    events = searched(Application({"a": top, "x": baz}, never_500("a")), DOWN)
    assert [len(plan.faults) for plan in plans(events)] == [0, 1, 1, 2]
    assert [len(faults) for faults in failing(events)] == [2]


# Any application.


def read(execution: Execution) -> frozenset[Observation]:
    """What an execution shows, without the bodies of failed answers, which nobody reads."""
    return frozenset(replace(o, digest=None) if not o.ok else o for o in execution.observations)


def outcomes(events: list[Event]) -> set[tuple[str | None, tuple[object, ...]]]:
    """The failing verdicts with what the test itself was answered."""
    return {
        (e.execution.failure.summary, answers(e.execution))
        for e in ran(events)
        if e.execution.failure
    }


def answers(execution: Execution) -> tuple[object, ...]:
    calls = sorted((o for o in execution.observations if o.by_test), key=lambda o: o.position)
    return tuple((o.raised, o.status, o.digest if o.ok else None) for o in calls)


def calls_inside(execution: Execution) -> int:
    return sum(o.role is Role.CALL and not o.by_test for o in execution.observations)


def test_prediction_misses_no_failing_outcome_of_random_applications_and_is_exact() -> None:
    compared = shortened = 0
    for seed in range(260):
        application = random_application(seed)
        if calls_inside(application.run(FAULT_FREE)) > 7:
            continue
        everything = searched(application, SHORT, NoReduction(), Limits(max_executions=80))
        if done(everything).stopped_because is not StopReason.COMPLETE:
            continue
        events = searched(application, SHORT)
        assert outcomes(events) == outcomes(everything), seed
        assert plans(events) == plans(everything), seed
        for event in pruned(events):
            real = application.run(event.plan)
            assert read(event.execution) == read(real), seed
            assert event.execution.failure == real.failure, seed
        assert not [finding for event in ran(events) for finding in event.findings], seed
        compared += 1
        shortened += bool(pruned(events))
    assert compared >= 100
    assert shortened >= 20


@pytest.mark.parametrize("seed", range(0, 40, 4))
def test_two_searches_give_the_same_events(seed: int) -> None:
    bound = Limits(max_executions=30)
    first = searched(random_application(seed), SHORT, limits=bound)
    assert searched(random_application(seed), SHORT, limits=bound) == first


def test_each_plan_is_judged_once_and_executions_are_numbered_in_order() -> None:
    for seed in range(20):
        events = searched(random_application(seed), SHORT, limits=Limits(max_executions=30))
        keys = [plan.key for plan in plans(events)]
        assert len(keys) == len(set(keys))
        assert [e.number for e in ran(events)] == list(range(1, done(events).ran + 1))


# What can't be relied upon.


def test_answers_that_differ_every_time_prevent_pruning_and_are_reported() -> None:
    served = iter(range(10_000))

    def clock(scope: Scope, operation: str, payload: bytes) -> Reply:
        return Reply(200, b"%d" % next(served))

    def top(scope: Scope, operation: str, payload: bytes) -> Reply:
        scope.call("clock", "GET /clock")
        scope.call("clock", "GET /clock", b"again")
        return Reply(200, b"same")

    events = searched(Application({"a": top, "clock": clock}, never_500("a")), SHORT)
    assert not pruned(events)
    found = [finding for event in ran(events) for finding in event.findings]
    assert {finding.kind for finding in found} == {FindingKind.NONDETERMINISTIC}
    assert any("a → clock GET /clock answered differently" in finding.text for finding in found)


def test_a_service_that_remembers_is_noticed() -> None:
    stored: list[bytes] = []

    def store(scope: Scope, operation: str, payload: bytes) -> Reply:
        if operation == "PUT /item":
            stored.append(payload)
        return Reply(200, b"".join(stored))

    def top(scope: Scope, operation: str, payload: bytes) -> Reply:
        stored.clear()
        scope.call("store", "PUT /item", b"item")
        return Reply(200 if scope.call("store", "GET /item").body else 500)

    events = searched(Application({"a": top, "store": store}, never_500("a")), DOWN)
    assert ("a → store PUT /item: status 503",) in failing(events)
    assert any(finding for event in ran(events) for finding in event.findings)


def test_a_streamed_answer_is_never_predicted() -> None:
    def top(scope: Scope, operation: str, payload: bytes) -> Reply:
        scope.call("x", "GET /x", streamed=True)
        scope.call("y", "GET /y")
        return Reply(200, b"same")

    events = searched(Application({"a": top, "x": baz, "y": baz}, never_500("a")), SHORT)
    for event in pruned(events):
        x = [o for o in event.execution.observations if o.target == "x"]
        assert [o.injected is not None for o in x] == [True]


class Flaky:
    """Skips the second call when asked a second time."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, scope: Scope, operation: str, payload: bytes) -> Reply:
        self.asked += 1
        scope.call("x", "GET /x")
        if self.asked == 1:
            scope.call("y", "GET /y")
        return Reply(200, b"same")


def test_a_planned_fault_that_does_not_happen_is_a_finding() -> None:
    application = Application({"a": Flaky(), "x": baz, "y": baz}, never_500("a"))
    events = searched(application, DOWN)
    missed = {
        labels(event.execution.plan): [f.text for f in event.findings]
        for event in ran(events)
        if any(f.kind is FindingKind.UNREACHABLE for f in event.findings)
    }
    alone = "a → y GET /y: status 503"
    assert list(missed) == [(alone,)]
    assert any(alone in text for text in missed[(alone,)])
    assert len(plans(events)) == 3


# Where it stops.


def test_a_test_that_fails_without_faults_stops_the_search() -> None:
    def test(scope: Scope) -> None:
        scope.call("foo", "GET /foo")
        raise AssertionError("always")

    application = Application({"foo": forward("baz"), "baz": baz}, test)
    events = searched(application)
    assert len(events) == 2
    assert events[-1] == Done(1, 0, 0, StopReason.FAULT_FREE_FAILED)


def test_a_test_whose_calls_lead_nowhere_has_no_calls_to_fail() -> None:
    events = searched(Application({"foo": baz}, never_500("foo")))
    assert events[-1] == Done(1, 0, 0, StopReason.NO_CALLS)
    assert searched(Application({}, lambda scope: None))[-1] == events[-1]


def test_calls_that_the_catalogue_does_not_know_are_told_apart_from_none() -> None:
    assert searched(tutorial(), Catalogue())[-1] == Done(1, 0, 0, StopReason.NO_FAULTS)


def test_the_tests_own_calls_are_never_failed() -> None:
    for plan in plans(searched(tutorial())):
        assert all("test →" not in label for label in labels(plan))


def test_fail_fast_stops_at_the_first_failure() -> None:
    events = searched(tutorial(), limits=Limits(fail_fast=True))
    last = list(ran(events))[-1]
    assert last is events[-2]
    assert not last.execution.passed
    assert events[-1] == Done(7, 0, 4, StopReason.FIRST_FAILURE)


def test_at_most_so_many_faults_go_into_one_execution() -> None:
    application = degrading(["b", "c"])
    events = searched(application, DOWN, NoReduction(), Limits(max_faults=1))
    assert max(len(plan.faults) for plan in plans(events)) == 1
    assert done(events).stopped_because is StopReason.MAX_FAULTS
    assert done(events).remaining > 0
    assert counts(searched(application, DOWN, limits=Limits(max_faults=0)))[0] == 1
    unbounded = searched(application, DOWN, limits=Limits(max_faults=9))
    assert done(unbounded).stopped_because is StopReason.COMPLETE


def test_at_most_so_many_executions_run() -> None:
    application = tutorial()
    events = searched(application, limits=Limits(max_executions=4))
    assert application.runs == 4
    assert events[-1] == Done(4, 0, 7, StopReason.MAX_EXECUTIONS)
    assert counts(searched(tutorial(), limits=Limits(max_executions=10))) == (10, 1)


def test_what_remains_is_known_at_every_event() -> None:
    events = searched(tutorial())
    assert [e.remaining for e in events] == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]


def test_a_plan_runs_only_when_its_event_is_asked_for() -> None:
    application = tutorial()
    events = explore(application.run, DEFAULT, Predictor())
    assert application.runs == 0
    next(events)
    assert application.runs == 1


def test_workers_that_run_ahead_change_no_event() -> None:
    application = degrading(["b", "c"])
    ahead: dict[Plan, Execution] = {}

    def look_ahead(upcoming: Iterator[Plan]) -> None:
        for plan in islice(upcoming, 3):
            if plan not in ahead:
                ahead[plan] = application.run(plan)

    def run(plan: Plan) -> Execution:
        return ahead.pop(plan, None) or application.run(plan)

    events = list(explore(run, SHORT, Predictor(), look_ahead=look_ahead))
    assert events == searched(degrading(["b", "c"]), SHORT)
    assert application.runs == done(events).ran + len(ahead)


def test_looking_ahead_shows_no_more_plans_than_may_run() -> None:
    application = tutorial()
    shown: list[int] = []
    limits = Limits(max_executions=4)
    list(
        explore(
            application.run,
            DEFAULT,
            Predictor(),
            limits,
            look_ahead=lambda upcoming: shown.append(len(list(upcoming))),
        )
    )
    assert shown == [0, 2, 1, 0]


def test_the_fault_free_plan_comes_first() -> None:
    first = next(explore(tutorial().run, DEFAULT, Predictor()))
    assert isinstance(first, Ran)
    assert first.execution.plan == FAULT_FREE
