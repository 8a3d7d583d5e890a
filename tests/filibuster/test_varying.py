"""Answers that differ from run to run: they are named, counted, and can be ignored."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

import pytest

from metaapps.filibuster.explore import Event, Pruned, search_for
from metaapps.filibuster.finding import FindingKind
from metaapps.filibuster.reduce import ignoring
from tests.filibuster.searching import (
    DOWN,
    answering,
    done,
    failures,
    never_500,
    pruned,
    ran,
    targets,
)
from tests.filibuster.synthetic import Application, Reply, Scope, Service

NAME = "foo → clock GET /now"


def ticking() -> Service:
    times = count()

    def serve(scope: Scope, operation: str, payload: bytes) -> Reply:
        return Reply(200, b"%d" % next(times))

    return serve


def foo(scope: Scope, operation: str, payload: bytes) -> Reply:
    """Asks for the time, and does with a failing x what it does with a failing y."""
    scope.call("clock", "GET /now")
    return both(scope)


def both(scope: Scope) -> Reply:
    fine = [scope.call(name, f"GET /{name}").ok for name in ("x", "y")]
    return Reply(200 if all(fine) else 503, b"done")


def ask_twice(scope: Scope) -> None:
    for _ in range(2):
        assert scope.call("foo", "GET /foo", function="test").status != 500


def application() -> Application:
    services = {"foo": foo, "clock": ticking(), "x": answering(), "y": answering()}
    return Application(services, ask_twice)


def searched(*ignored: str, reduction: str = "dynamic") -> list[Event]:
    search = search_for(reduction=reduction, ignore_answers=ignored)
    return list(search.explore(application().run, DOWN))


def relying(events: Iterable[Event], target: str = "clock") -> list[Pruned]:
    """The pruned plans in which a call to the target is answered: it is called twice."""
    return [event for event in pruned(events) if targets(event.plan).count(target) < 2]


def nondeterministic(events: list[Event]) -> list[str]:
    found = [finding for event in ran(events) for finding in event.findings]
    return [f.text for f in found if f.kind is FindingKind.NONDETERMINISTIC]


def test_the_call_that_is_answered_differently_is_named_with_the_executions() -> None:
    first, *others = nondeterministic(searched())
    told = f"{NAME} answered differently in executions 1 and {{}} after the same requests"
    # Asked twice, it differs within the first execution already.
    assert first.startswith(told.format(1))
    assert all(NAME in text for text in others)


def test_how_many_executions_vary_is_counted_and_comes_with_a_pattern() -> None:
    last = done(searched())
    (varying,) = last.varying
    assert varying.call == NAME
    assert varying.pattern == "foo→clock GET /now"
    assert varying.executions > last.ran / 2
    clock = next(
        o for e in ran(searched()) for o in e.execution.observations if o.target == "clock"
    )
    assert ignoring([varying.pattern])(clock)


def test_what_varies_defeats_prediction_until_it_is_ignored() -> None:
    assert not relying(searched())
    events = searched("foo→clock GET /now")
    assert relying(events)
    assert not nondeterministic(events)
    assert done(events).varying == ()
    assert done(events).ran < done(searched()).ran


@pytest.mark.parametrize("pattern", ["foo -> clock GET /now", "*->clock", "foo→cl* GET *"])
def test_patterns_have_arrows_of_both_kinds_and_wildcards(pattern: str) -> None:
    assert relying(searched(pattern))


@pytest.mark.parametrize("pattern", ["foo→clock GET /later", "bar→clock", "foo→x"])
def test_answers_of_other_calls_still_count(pattern: str) -> None:
    assert not relying(searched(pattern))


def test_in_the_strict_reduction_they_are_ignored_as_well() -> None:
    assert relying(searched("foo→clock", reduction="strict"))


def test_an_ignored_answer_still_counts_by_its_status() -> None:
    def top(scope: Scope, operation: str, payload: bytes) -> Reply:
        return Reply(200 if scope.call("clock", "GET /now").ok else 500)

    services = {"foo": top, "clock": ticking()}
    search = search_for(ignore_answers=["foo→clock"])
    events = list(search.explore(Application(services, never_500("foo")).run, DOWN))
    assert failures(events) == {"AssertionError: 500"}


def test_an_ignored_stream_can_be_predicted() -> None:
    def top(scope: Scope, operation: str, payload: bytes) -> Reply:
        scope.call("feed", "GET /feed", streamed=True)
        return both(scope)

    services = {"foo": top, **dict.fromkeys(("feed", "x", "y"), answering())}
    streaming = Application(services, ask_twice)
    assert not relying(search_for().explore(streaming.run, DOWN), "feed")
    found = search_for(ignore_answers=["foo→feed"]).explore(streaming.run, DOWN)
    assert relying(found, "feed")
