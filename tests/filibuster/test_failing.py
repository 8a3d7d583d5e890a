"""What failed under a part of a plan is told once, and comes first; what contains it comes last."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.explore import (
    Done,
    Event,
    Limits,
    Order,
    SearchError,
    StopReason,
    explore,
    search_for,
)
from metaapps.filibuster.failing import Failed, FailedPlans, Key, kind_of, smaller_ones
from metaapps.filibuster.observation import Death, Execution, Failure
from metaapps.filibuster.plan import Plan
from metaapps.filibuster.reduce import NoReduction, Predictor, Reducer
from tests.filibuster.random_app import random_application
from tests.filibuster.searching import DOWN, SHORT, answering, done, plans, ran
from tests.filibuster.synthetic import Application, Reply, Scope

REFUSED = Fault(FaultKind.REFUSED)
keys = st.frozensets(st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), st.just(REFUSED)))
faulty = keys.filter(bool)


# What failed alike.


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("AssertionError: 500 (test_a.py:7)", "AssertionError: 404 (test_a.py:7)"),
        ("refused by 127.0.0.1:4711: no", "refused by 127.0.0.1:4712: why"),
    ],
)
def test_values_and_ports_make_no_other_failure(one: str, other: str) -> None:
    assert kind_of(one) == kind_of(other)


def test_another_place_in_the_test_is_another_failure() -> None:
    assert kind_of("AssertionError: 500 (test_a.py:7)") != kind_of(
        "AssertionError: 500 (test_a.py:8)"
    )


def test_who_ended_is_what_counts_where_services_ended() -> None:
    def failed(*deaths: Death, summary: str = "") -> str:
        return Failed.of(Execution(Plan(), failure=Failure(summary), deaths=deaths)).how

    shop, stock = Death("shop", "exit code 3"), Death("stock", "exit code 3")
    assert failed(shop, summary="one") == failed(shop, summary="other")
    assert len({failed(shop), failed(stock), failed(shop, stock), failed()}) == 4


@given(st.lists(faulty), keys)
def test_a_plan_contains_what_is_a_part_of_it(failed: list[Key], plan: Key) -> None:
    known = FailedPlans()
    for each in failed:
        known.add(each)
    found = list(known.within(plan))
    smallest = {each for each in failed if not any(other < each for other in failed)}
    assert len(found) == len(set(found))
    assert {each for each in found if each in smallest} == {e for e in smallest if e <= plan}
    assert set(found) <= {each for each in failed if each <= plan}
    assert known.are_within(plan) == any(each <= plan for each in failed)


@given(st.lists(st.builds(Failed, faulty, st.sampled_from(["here", "there"]))))
def test_of_what_failed_alike_the_smallest_are_those_that_contain_no_other(
    failed: list[Failed],
) -> None:
    for each, smaller in smaller_ones(failed).items():
        alike = {one for one in failed if one.how == each.how}
        smallest = {one for one in alike if not any(other.key < one.key for other in alike)}
        assert smaller == {one for one in smallest if one.key < each.key}
        assert bool(smaller) == (each not in smallest)
    assert smaller_ones(failed).keys() == set(failed)


# A shop with three bugs. It calls users, stock, prices and reviews in turn, and is done at once if
# stock fails, or if prices do after users, or if reviews do.


def shop(scope: Scope, operation: str, payload: bytes) -> Reply:
    users = scope.call("users", "GET /users")
    if not scope.call("stock", "GET /stock").ok:
        return Reply(500, b"stock")
    if not scope.call("prices", "GET /prices").ok and not users.ok:
        return Reply(500, b"bill")
    return Reply(200) if scope.call("reviews", "GET /reviews").ok else Reply(500, b"reviews")


def buying(scope: Scope) -> None:
    reply = scope.call("shop", "GET /shop", function="test")
    assert reply.ok, reply.body.decode()


SHOP = Application(
    {"shop": shop, **dict.fromkeys(("users", "stock", "prices", "reviews"), answering())}, buying
)


def searched(reducer: Reducer, limits: Limits, order: Order = Order.CANONICAL) -> list[Event]:
    return list(explore(SHOP.run, DOWN, reducer, limits, frontier=order.frontier))


def initials(event_plans: list[Plan]) -> list[str]:
    return ["".join(fault.target[0] for fault in plan.faults) for plan in event_plans]


def test_plans_that_contain_one_that_failed_come_last() -> None:
    """s, r and up fail first: us, ur and pr contain them, though us and up were known at once."""
    events = searched(NoReduction(), Limits())
    assert initials(plans(events)) == ["", "u", "s", "p", "r", "up", "us", "ur", "pr"]
    failing = [each.execution.plan for each in ran(events) if not each.execution.passed]
    assert initials(failing) == ["s", "r", "up", "us", "ur", "pr"]
    assert events[-1] == Done(9, 0, 0, StopReason.COMPLETE)


def test_who_asks_for_no_such_plans_is_told_how_many_were_left_out() -> None:
    """Of nine plans six contain no other that fails, and the three bugs are found by those."""
    events = searched(NoReduction(), Limits(minimal=True))
    assert events[-1] == Done(6, 0, 3, StopReason.MINIMAL, containing=3)
    assert events[:-1] == searched(NoReduction(), Limits())[:6]


@pytest.mark.parametrize(("minimal", "last"), [(False, ["us", "ur", "pr"]), (True, [])])
def test_who_looks_ahead_sees_what_is_put_off_only_where_it_will_run(
    minimal: bool, last: list[str]
) -> None:
    looks: list[list[str]] = []

    def look(upcoming: Iterator[Plan]) -> None:
        looks.append(initials(list(upcoming)))

    limits = Limits(minimal=minimal)
    events = list(explore(SHOP.run, DOWN, NoReduction(), limits, look))
    assert events == searched(NoReduction(), limits)
    before_up = initials(plans(events)).index("up")
    assert looks[before_up] == last


def test_what_has_more_faults_than_are_asked_for_is_not_counted_as_containing_one() -> None:
    """Of two faults are up, us, ur and pr, which are never known to contain one that fails."""
    events = searched(NoReduction(), Limits(minimal=True, max_faults=1))
    assert events[-1] == Done(5, 0, 4, StopReason.MAX_FAULTS)


def test_the_published_order_stays_as_it_is() -> None:
    events = searched(NoReduction(), Limits(), Order.DEPTH_FIRST)
    assert initials(plans(events)) == ["", "r", "p", "pr", "s", "u", "ur", "up", "us"]
    with pytest.raises(SearchError, match="leave --minimal out"):
        search_for(reduction="paper", limits=Limits(minimal=True))


# Any application.


def containing(events: list[Event]) -> list[bool]:
    """Say for each plan, in order, whether it contains one that had failed by its turn."""
    known, told = FailedPlans(), []
    for event in events[:-1]:
        assert not isinstance(event, Done)
        key = event.execution.plan.key
        told.append(known.are_within(key))
        if not event.execution.passed:
            known.add(key)
    return told


@pytest.mark.parametrize("number", range(0, 60, 6))
@pytest.mark.parametrize("order", ["canonical", "random"])
def test_all_that_contains_no_failed_plan_comes_first_and_is_all_that_minimal_judges(
    number: int, order: str
) -> None:
    application = random_application(number)

    def judged(*, minimal: bool) -> list[Event]:
        limits = Limits(max_executions=40, minimal=minimal)
        search = search_for(order=order, seed=number, limits=limits, exhaustive=True)
        return list(search.explore(application.run, SHORT))

    whole, least = judged(minimal=False), judged(minimal=True)
    told = containing(whole)
    assert told == sorted(told)
    assert least[:-1] == whole[: len(least) - 1]
    assert not any(containing(least))
    if any(told):
        assert done(least).stopped_because is StopReason.MINIMAL
        assert len(least) - 1 == told.index(True)
        assert done(least).containing == done(least).remaining > 0


def test_what_is_predicted_to_fail_counts_as_well() -> None:
    for number in range(0, 60, 3):
        application = random_application(number)
        everything = list(explore(application.run, DOWN, NoReduction(), Limits(max_executions=60)))
        if done(everything).complete:
            assert plans(explore(application.run, DOWN, Predictor())) == plans(everything)


@given(st.sets(st.frozensets(st.sampled_from("abcd"), min_size=1), max_size=4))
def test_each_plan_comes_once_whatever_is_put_off(failing: set[frozenset[str]]) -> None:
    def serve(scope: Scope, operation: str, payload: bytes) -> Reply:
        down = {name for name in "abcd" if not scope.call(name, f"GET /{name}").ok}
        return Reply(500 if down in failing else 200)

    services = {"shop": serve, **dict.fromkeys("abcd", answering())}
    events = list(explore(Application(services, buying).run, DOWN, NoReduction()))
    told = containing(events)
    assert told == sorted(told)
    every = ["".join(some) for size in range(5) for some in combinations("abcd", size)]
    assert sorted(initials(plans(events))) == sorted(every)
    first = [plan for plan, late in zip(initials(plans(events)), told, strict=True) if not late]
    assert first == [plan for plan in every if plan in first]
