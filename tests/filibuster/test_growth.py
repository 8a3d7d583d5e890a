"""Which plans there are where branches run at the same time as what follows their start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from metaapps.filibuster.explore import (
    Event,
    Fate,
    Order,
    explore,
    planned_fault,
)
from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.filibuster.plan import FAULT_FREE
from metaapps.filibuster.reduce import NoReduction, Predictor, Reducer
from tests.filibuster.searching import (
    DOWN,
    DOWN_FAULT,
    answering,
    done,
    failures,
    never_500,
    plans,
    pruned,
    ran,
    targets,
)
from tests.filibuster.synthetic import Application, Reply, Scope, Service


def forked(scope: Scope) -> Scope:
    """Start a branch; what it does may come later, at the same time as what follows here."""
    return scope.branch(lambda inner: inner)


def in_background(scope: Scope, operation: str, payload: bytes) -> Reply:
    """As a web framework's background task: planned at first, and run after the answer, if any."""
    task = forked(scope)
    if not scope.call("bar", "GET /bar").ok:
        return Reply(503)
    task.call("mail", "POST /mail")
    return Reply(200)


def searched(
    application: Application,
    reducer: Reducer | None = None,
    order: Order = Order.CANONICAL,
    seed: int = 0,
) -> list[Event]:
    chosen = NoReduction() if reducer is None else reducer
    frontier = partial(order.frontier, seed)
    return list(explore(application.run, DOWN, chosen, frontier=frontier))


def applied(foo: Service, *others: str) -> Application:
    services = {"foo": foo, **dict.fromkeys(others, answering())}
    return Application(services, never_500("foo"))


def test_a_background_task_that_a_failure_prevents_is_no_missed_fault() -> None:
    """That bar and mail both fail can't be: but where mail stands does not say so."""
    for reducer in (NoReduction(), Predictor()):
        events = searched(applied(in_background, "bar", "mail"), reducer)
        assert [targets(plan) for plan in plans(events)] == [(), ("mail",), ("bar",)]
        assert not [finding for event in ran(events) for finding in event.findings]
        assert done(events).impossible == 1
        assert done(events).complete


def test_where_smaller_plans_come_later_what_is_impossible_runs_and_is_no_finding() -> None:
    fates = set()
    for seed in range(20):
        application = applied(in_background, "bar", "mail")
        for event in ran(searched(application, order=Order.RANDOM, seed=seed)):
            fates.add((targets(event.execution.plan), event.fates))
            assert not event.findings
    assert (("mail", "bar"), (Fate.UNREACHABLE, Fate.FIRED)) in fates


def test_a_task_that_runs_whatever_happens_fails_along_with_what_follows_its_start() -> None:
    def foo(scope: Scope, operation: str, payload: bytes) -> Reply:
        task = forked(scope)
        fine = scope.call("bar", "GET /bar").ok
        sent = task.call("mail", "POST /mail").ok
        return Reply(200 if fine or sent else 500)

    events = searched(applied(foo, "bar", "mail"))
    assert [sorted(targets(plan)) for plan in plans(events)] == [
        [],
        ["mail"],
        ["bar"],
        ["bar", "mail"],
    ]
    assert failures(events) == {"AssertionError: 500"}


def test_calls_that_one_failure_brings_about_in_several_branches_fail_together() -> None:
    """Both stand before the call that brings them about, and either may be the first."""

    def foo(scope: Scope, operation: str, payload: bytes) -> Reply:
        one, other = forked(scope), forked(scope)
        if scope.call("bar", "GET /bar").ok:
            return Reply(200)
        calls = other.call("y", "GET /y").ok, one.call("x", "GET /x").ok
        return Reply(200 if any(calls) else 500)

    events = searched(applied(foo, "bar", "x", "y"))
    assert {frozenset(targets(plan)) for plan in plans(events)} == {
        frozenset(names) for names in ((), ("bar",), ("bar", "x"), ("bar", "y"), ("bar", "x", "y"))
    }
    assert len(plans(events)) == 5
    assert failures(events) == {"AssertionError: 500"}


def test_what_runs_one_after_the_other_grows_in_one_way_only() -> None:
    def foo(scope: Scope, operation: str, payload: bytes) -> Reply:
        for name in "wxyz":
            scope.call(name, f"GET /{name}")
        return Reply(200)

    events = searched(applied(foo, *"wxyz"))
    assert len(plans(events)) == 2**4
    assert done(events).impossible == 0


# Any such service.


@dataclass(frozen=True)
class Asking:
    """A call that one branch makes; only if another one of the calls ended so, if that is said."""

    branch: int
    after: int | None
    ended_well: bool


@dataclass(frozen=True)
class Busy:
    """A service of branches that run at once: `calls` are in the order in which they begin."""

    branches: int
    calls: tuple[Asking, ...]
    fatal: frozenset[int]
    """Where all these failed, the service answers 500."""

    def __call__(self, scope: Scope, operation: str, payload: bytes) -> Reply:
        scopes = [scope, *(forked(scope) for _ in range(self.branches))]
        ended: dict[int, bool] = {}
        for number, asking in enumerate(self.calls):
            if asking.after is None or ended.get(asking.after) is asking.ended_well:
                name = f"s{number}"
                ended[number] = scopes[asking.branch].call(name, f"GET /{name}").ok
        fatal = self.fatal and all(ended.get(number) is False for number in self.fatal)
        return Reply(500 if fatal else 200, repr(sorted(ended.items())).encode())


@st.composite
def busy(draw: st.DrawFn) -> Busy:
    branches = draw(st.integers(1, 3))
    count = draw(st.integers(1, 5))
    calls = tuple(
        Asking(
            draw(st.integers(0, branches)),
            draw(st.sampled_from([None, None, *range(number)])),
            draw(st.booleans()),
        )
        for number in range(count)
    )
    fatal = draw(st.sets(st.integers(0, count - 1), min_size=1, max_size=3))
    return Busy(branches, calls, frozenset(fatal))


def in_any_order(application: Application) -> Iterator[Execution]:
    """Yield the executions of all plans whose faults can all happen, grown by whatever is reached.

    So this depends on no rule for which call may be next.
    """
    waiting, known = [FAULT_FREE], {FAULT_FREE.key}
    while waiting:
        execution = application.run(waiting.pop())
        if len(execution.fired) < len(execution.plan.faults):
            continue
        yield execution
        for call in execution.observations:
            if call.role is Role.CALL and not call.by_test and call.injected is None:
                plan = execution.plan.with_fault(planned_fault(call, DOWN_FAULT))
                if plan.key not in known:
                    known.add(plan.key)
                    waiting.append(plan)


@given(busy())
def test_every_plan_whose_faults_can_all_happen_is_judged_once_and_no_other(service: Busy) -> None:
    names = [f"s{number}" for number in range(len(service.calls))]
    application = applied(service, *names)
    possible = {execution.plan.key for execution in in_any_order(application)}
    events = searched(application)
    judged = [plan.key for plan in plans(events)]
    assert len(judged) == len(set(judged))
    assert set(judged) == possible
    assert not [finding for event in ran(events) for finding in event.findings]
    assert done(events).remaining == 0


@given(busy(), st.sampled_from([Order.RANDOM, Order.DEPTH_FIRST]))
def test_in_other_orders_every_such_plan_is_judged_and_nothing_is_called_missed(
    service: Busy, order: Order
) -> None:
    names = [f"s{number}" for number in range(len(service.calls))]
    application = applied(service, *names)
    possible = {execution.plan.key for execution in in_any_order(application)}
    events = searched(application, order=order)
    assert {plan.key for plan in plans(events)} >= possible
    assert not [finding for event in ran(events) for finding in event.findings]


@given(busy())
def test_prediction_finds_every_failure_among_branches(service: Busy) -> None:
    names = [f"s{number}" for number in range(len(service.calls))]
    application = applied(service, *names)
    events = searched(application, Predictor())
    every = [*in_any_order(application)]
    assert failures(events) == {e.failure.summary for e in every if e.failure}
    assert {plan.key for plan in plans(events)} == {e.plan.key for e in every}
    for event in pruned(events):
        assert outcome(application.run(event.plan)) == outcome(event.execution)


def outcome(execution: Execution) -> tuple[frozenset[Observation], object]:
    return frozenset(execution.observations), execution.failure
