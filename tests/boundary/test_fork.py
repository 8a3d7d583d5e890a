"""Forks: who knows what when branches start, end, are joined, or are not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from baggage.boundary import (
    Answer,
    Arrival,
    Boundary,
    Fork,
    Inject,
    Kind,
    Proceed,
    Raised,
    Returned,
    collect,
    read_header,
)
from baggage.boundary.outcome import Fault, FaultKind
from baggage.context import Branch, attached, branch, ensure, pack, unpack
from baggage.instrumentation._forking import ForkAdapter
from baggage.testing import Parcel, Recorder, Scripted
from baggage.testing.suite import failure
from baggage.values import EMPTY
from tests.boundary.parts import DOWN, HOME, arrive, strict

ADAPTER = ForkAdapter("strands", "Strand.start", frozenset())


def fork(boundary: Boundary) -> Fork:
    started = boundary.fork(ADAPTER, None)
    assert started is not None
    started.start(lambda: None)
    return started


def home_of(arrival: Arrival) -> tuple[Any, ...]:
    response = Parcel()
    arrival.respond(response)
    return read_header(response.headers["baggage"]).unpack(HOME)


def test_a_fork_starts_runs_and_joins() -> None:
    pack("n", 1)
    child = fork(strict())
    assert child.run(lambda: (unpack("n"), pack("n", 2))[0]) == (1,)  # type: ignore[func-returns-value]
    assert unpack("n") == (1,)
    child.join()
    assert unpack("n") == (1, 2)


def test_a_branch_is_left_as_it_was_entered() -> None:
    running = ensure()
    child = fork(strict())
    inside = child.run(branch)
    assert branch() is running
    assert inside is not running


def test_a_launch_that_fails_brings_its_half_home() -> None:
    pack("n", 1)
    running = ensure()
    before = running.baggage.history.own
    recorder = Recorder(kinds=(Kind.SPAWN,))
    boundary = strict(recorder)
    started = boundary.fork(ADAPTER, None)
    assert started is not None
    error = RuntimeError("can't start")

    def launch() -> None:
        raise error

    assert failure(lambda: started.start(launch)) is error
    assert running.baggage.history.own == before
    assert running.family.release() == []
    assert isinstance(recorder.ended[0].outcome, Raised)


def test_a_launch_that_fails_where_nothing_was_carried_leaves_nothing() -> None:
    started = strict().fork(ADAPTER, None)
    assert started is not None
    failure(lambda: started.start(lambda: 1 // 0))
    assert branch() is None


def test_home_values_of_a_branch_that_ended_go_with_the_scope() -> None:
    boundary = strict()
    arrival = arrive(boundary)
    with arrival.scope():
        fork(boundary).run(lambda: pack(HOME, 1))
        assert home_of(arrival) == (1,)


def test_home_values_of_a_branch_that_outlives_its_scope_go_to_their_owner() -> None:
    recorder = Recorder("test", kinds=())
    boundary = strict(recorder)
    arrival = arrive(boundary)
    with arrival.scope():
        child = fork(boundary)
        assert home_of(arrival) == ()
    arrival.close()
    child.run(lambda: pack(HOME, 1))
    assert recorder.lost == [("test.home", 1)]


def test_home_values_of_a_grandchild_go_by_its_parent() -> None:
    boundary = strict()
    arrival = arrive(boundary)
    with arrival.scope():
        fork(boundary).run(lambda: fork(boundary).run(lambda: pack(HOME, 1)))
        assert home_of(arrival) == (1,)


def test_a_grandchild_that_outlives_its_parent_is_on_its_own() -> None:
    recorder = Recorder("test", kinds=())
    boundary = strict(recorder)
    arrival = arrive(boundary)
    grandchildren: list[Fork] = []
    with arrival.scope():
        fork(boundary).run(lambda: grandchildren.append(fork(boundary)))
        grandchildren[0].run(lambda: pack(HOME, 1))
        assert home_of(arrival) == ()
    assert recorder.lost == [("test.home", 1)]


def test_home_values_of_a_branch_without_a_parent_go_to_their_owner() -> None:
    recorder = Recorder("test", kinds=())
    fork(strict(recorder)).run(lambda: pack(HOME, 1))
    assert recorder.lost == [("test.home", 1)]


def test_a_joined_branch_is_not_collected_again() -> None:
    boundary = strict()
    arrival = arrive(boundary)
    with arrival.scope():
        child = fork(boundary)
        child.run(lambda: pack(HOME, 1))
        child.join()
        assert unpack(HOME) == (1,)
        collect(arrival.branch)
        assert home_of(arrival) == (1,)


def test_what_is_known_already_is_not_joined_again() -> None:
    running = ensure()
    started = fork(strict())
    started.run(lambda: pack("n", 1))
    started.join()
    known = running.baggage
    started.join()
    assert running.baggage is known
    started.resume(lambda: pack("n", 2))
    started.join()
    assert sorted(unpack("n"), key=repr) == [1, 2]


def test_another_ones_join_leaves_the_home_values_to_the_parent_too() -> None:
    boundary = strict()
    arrival = arrive(boundary)
    with arrival.scope():
        child = fork(boundary)
        child.run(lambda: pack(HOME, 1))
    with attached(EMPTY):
        child.join()
        assert unpack(HOME) == (1,)
    with arrival.scope():
        assert home_of(arrival) == (1,)


def test_a_branch_that_joins_itself_stays_as_it_is() -> None:
    pack("n", 1)
    child = fork(strict())
    child.run(lambda: pack("n", 2))
    child.resume(child.join)
    assert child.resume(lambda: unpack("n")) == (1, 2)


def test_what_follows_on_a_branch_brings_home_what_it_packs() -> None:
    recorder = Recorder("test", kinds=())
    boundary = strict(recorder)
    arrival = arrive(boundary)
    with arrival.scope():
        child = fork(boundary)
        child.run(lambda: None)
        child.resume(lambda: pack(HOME, 1))
        child.resume(lambda: fork(boundary).run(lambda: pack(HOME, 2)))
        child.join()
        assert {*unpack(HOME), *(value for _, value in recorder.lost)} == {1, 2}


def test_what_follows_on_a_branch_may_fail() -> None:
    child = fork(strict())
    child.run(lambda: None)
    assert isinstance(failure(lambda: child.resume(lambda: 1 // 0)), ZeroDivisionError)
    assert branch() is None


def test_children_of_children_are_joined_in_any_thread() -> None:
    pack("n", 0)
    boundary = strict()

    def work(depth: int) -> None:
        pack("n", depth)
        if depth < 4:
            in_thread(lambda: work(depth + 1))

    def in_thread(step: Callable[[], None]) -> None:
        started = boundary.fork(ADAPTER, None)
        assert started is not None
        thread = threading.Thread(target=lambda: started.run(step))
        started.start(thread.start)
        thread.join()
        started.join()

    in_thread(lambda: work(1))
    assert unpack("n") == (0, 1, 2, 3, 4)


def test_a_start_that_is_answered_is_not_made() -> None:
    started = strict(Scripted(Answer(Returned("answered")), kinds=(Kind.SPAWN,))).fork(
        ADAPTER, None
    )
    assert started is not None
    assert started.start(lambda: "started") == "answered"


def test_a_run_may_be_replaced() -> None:
    child = fork(strict(Scripted(then=Returned("replaced"), kinds=(Kind.RUN,))))
    assert child.run(lambda: "real") == "replaced"


def test_a_fault_at_a_run_cannot_be_enacted() -> None:
    scripted = Scripted(Inject(Fault(FaultKind.REFUSED), Proceed({DOWN: 1})), kinds=(Kind.RUN,))
    child = fork(strict(scripted))
    assert child.run(lambda: unpack(DOWN)) == (1,)
    assert scripted.saw[0].injected is None


@pytest.mark.parametrize("kinds", [(Kind.SPAWN,), (Kind.RUN,), (Kind.SPAWN, Kind.RUN)])
def test_who_asks_for_one_side_is_asked_about_that_alone(kinds: tuple[Kind, ...]) -> None:
    recorder = Recorder(kinds=kinds)
    fork(strict(recorder)).run(lambda: None)
    assert [crossed.call.kind for crossed in recorder.begun] == list(kinds)


def test_a_child_is_of_its_parents_service() -> None:
    recorder = Recorder(kinds=(Kind.RUN,))
    boundary = strict(recorder)
    with attached(Branch(service="named")):
        child = fork(boundary)
    running = child.run(branch)
    assert running is not None
    assert (running.service, recorder.begun[0].call.source) == ("named", "named")


def test_facts_of_a_result_say_nothing_of_it() -> None:
    assert ADAPTER.facts(object()).digest() is None
    assert ADAPTER.request_carrier(None) is None  # type: ignore[func-returns-value]
    assert ADAPTER.response_carrier(None) is None  # type: ignore[func-returns-value]
