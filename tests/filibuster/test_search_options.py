"""Orders of a search, its bounds, and what it says at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaapps.filibuster.explore import (
    DEFAULT_LIMITS,
    NO_LIMITS,
    Done,
    Event,
    Limits,
    Order,
    Pruned,
    Ran,
    SearchError,
    StopReason,
    explore,
    search_for,
)
from metaapps.filibuster.explore.frontier import Growth
from metaapps.filibuster.explore.steps import Step
from metaapps.filibuster.plan import FAULT_FREE, Plan, PlannedFault
from metaapps.filibuster.reduce import NoReduction, Predictor
from tests.filibuster.random_app import random_application
from tests.filibuster.searching import DOWN, DOWN_FAULT, SHORT, done, plans, ran
from tests.filibuster.synthetic import Application

FEW = Limits(max_executions=60)


def searched(application: Application, order: str, seed: int = 0) -> list[Event]:
    search = search_for(order=order, seed=seed, limits=FEW, exhaustive=True)
    return list(search.explore(application.run, SHORT))


@pytest.mark.parametrize("number", range(0, 30, 3))
def test_a_random_order_is_the_same_for_the_same_seed(number: int) -> None:
    first = searched(random_application(number), "random", 7)
    assert searched(random_application(number), "random", 7) == first


def test_another_seed_is_another_order_and_neither_is_canonical() -> None:
    orders = {
        tuple(plans(searched(random_application(4), order, seed)))
        for order, seed in (("random", 1), ("random", 2), ("canonical", 0))
    }
    assert len(orders) == 3


@pytest.mark.parametrize("number", range(0, 60, 5))
@pytest.mark.parametrize("order", [Order.RANDOM, Order.DEPTH_FIRST])
def test_in_any_order_the_same_plans_are_judged_each_after_one_that_it_grew_from(
    number: int, order: Order
) -> None:
    application = random_application(number)
    canonical = list(explore(application.run, DOWN, NoReduction(), FEW))
    if not done(canonical).complete:
        return
    new = lambda: order.frontier(3)  # noqa: E731
    found = plans(explore(application.run, DOWN, NoReduction(), frontier=new))
    assert {plan.key for plan in found} == {plan.key for plan in plans(canonical)}
    assert len(found) == len(plans(canonical))
    assert found[0] == FAULT_FREE
    seen = set()
    for plan in found:
        assert not plan.faults or Plan(plan.faults[:-1]).key in seen
        seen.add(plan.key)


@pytest.mark.parametrize("order", ["canonical", "random"])
def test_prediction_finds_the_same_failures_in_any_order(order: str) -> None:
    for number in range(0, 40, 4):
        application = random_application(number)
        everything = list(explore(application.run, DOWN, NoReduction(), FEW))
        if not done(everything).complete:
            continue
        search = search_for(order=order, seed=number, exhaustive=True)
        events = list(search.explore(application.run, DOWN))
        assert summaries(events) == summaries(everything), number


def summaries(events: list[Event]) -> set[str]:
    return {e.execution.failure.summary for e in ran(events) if e.execution.failure}


@pytest.mark.parametrize("order", ["canonical", "random"])
def test_workers_that_run_ahead_change_no_event_in_any_order(order: str) -> None:
    application = random_application(4)

    def read(upcoming: Iterator[Plan]) -> None:
        list(islice(upcoming, 5))

    search = search_for(order=order, seed=5, limits=FEW, exhaustive=True)
    looking = list(search.explore(application.run, SHORT, read))
    assert looking == list(search.explore(application.run, SHORT))


# Frontiers.


@st.composite
def growths(draw: st.DrawFn) -> list[Growth]:
    names = count()

    def growth() -> Growth:
        paths = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=4))
        steps = []
        for path in paths:
            index = next(names).to_bytes(16, "big")
            steps.append(Step((PlannedFault(index, DOWN_FAULT),), ((path, 0, index),)))
        base = [next(names).to_bytes(16, "big") for _ in range(draw(st.integers(0, 2)))]
        faults = tuple(PlannedFault(index, DOWN_FAULT) for index in base)
        return Growth(Plan(faults), tuple(((0.0,), 0, index) for index in base), tuple(steps))

    return [growth() for _ in range(draw(st.integers(1, 5)))]


@given(growths(), st.sampled_from(list(Order)), st.integers(0, 3), st.data())
def test_what_is_upcoming_is_what_will_come(
    made: list[Growth], order: Order, taken: int, data: st.DataObject
) -> None:
    frontier = order.frontier(1)
    for growth in made:
        frontier.add(growth)
    for _ in range(min(taken, len(frontier))):
        frontier.pop()
    known = [candidate.plan for candidate in frontier.upcoming()]
    for plan in data.draw(st.sets(st.sampled_from(known)) if known else st.just(set())):
        frontier.failed(plan)
    upcoming = [candidate.plan for candidate in frontier.upcoming()]
    assert len(upcoming) == len(frontier)
    assert [frontier.pop().plan for _ in range(len(frontier))] == upcoming
    assert not frontier


# Bounds.


def ticking(step: float) -> Callable[[], float]:
    """A clock that goes on by so many seconds whenever it is asked."""
    ticks = count()
    return lambda: next(ticks) * step


def test_a_search_ends_when_its_time_is_over_and_says_so() -> None:
    application = random_application(4)
    limits = Limits(max_time=10.0)
    events = list(explore(application.run, SHORT, NoReduction(), limits, clock=ticking(2.0)))
    assert done(events).stopped_because is StopReason.MAX_TIME
    assert done(events).stopped_because.is_bound
    assert done(events).remaining > 0
    # Asked once at the start, and once before each plan after the first.
    assert done(events).ran == 5


def test_pruning_takes_time_too() -> None:
    application = random_application(4)
    whole = list(explore(application.run, DOWN, Predictor()))
    judged = [event for event in whole if isinstance(event, Ran | Pruned)]
    limits = Limits(max_time=len(judged) - 2.0)
    events = list(explore(application.run, DOWN, Predictor(), limits, clock=ticking(1.0)))
    assert events[:-1] == whole[: len(events) - 1]
    assert done(events).stopped_because is StopReason.MAX_TIME


def test_the_fault_free_execution_runs_in_no_time() -> None:
    limits = Limits(max_time=0.0)
    events = list(explore(random_application(4).run, SHORT, NoReduction(), limits))
    assert done(events).ran == 1


def test_bounds_are_told_apart_from_the_end() -> None:
    bounds = {reason for reason in StopReason if reason.is_bound}
    assert StopReason.COMPLETE not in bounds
    assert bounds == {
        StopReason.FIRST_FAILURE,
        StopReason.MAX_FAULTS,
        StopReason.MAX_EXECUTIONS,
        StopReason.MAX_TIME,
        StopReason.MINIMAL,
    }
    assert Done(1, 0, 0, StopReason.COMPLETE).complete


def test_what_was_known_is_what_was_judged_and_what_was_left() -> None:
    for limits in (NO_LIMITS, Limits(max_executions=5), Limits(max_faults=1)):
        events = list(explore(random_application(4).run, DOWN, Predictor(), limits))
        last = done(events)
        assert last.known == last.ran + last.pruned + last.remaining
        assert last.ran + last.pruned == len(plans(events))
        assert last.complete is (last.remaining == 0)


def test_unless_a_search_is_exhaustive_it_has_bounds() -> None:
    assert search_for().limits == DEFAULT_LIMITS
    assert search_for(exhaustive=True).limits == NO_LIMITS
    assert search_for(limits=Limits(max_executions=3), exhaustive=True).limits.max_executions == 3
    chosen = search_for(limits=Limits(fail_fast=True, max_executions=3)).limits
    assert chosen == Limits(True, None, 3, DEFAULT_LIMITS.max_time)


def test_the_published_reduction_has_its_own_order() -> None:
    assert search_for(reduction="paper").order is Order.DEPTH_FIRST
    with pytest.raises(SearchError, match="leave out 'random'"):
        search_for(reduction="paper", order="random")


def test_a_pattern_that_is_none_is_refused_in_one_line() -> None:
    with pytest.raises(SearchError, match="arrow") as caught:
        search_for(ignore_answers=["clock"])
    assert "\n" not in str(caught.value)
