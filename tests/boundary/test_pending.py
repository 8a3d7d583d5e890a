"""A departure that is answered later ends once, and is joined by whoever takes the answer."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from baggage.boundary import (
    PROCEED,
    Boundary,
    Call,
    Departure,
    Fault,
    FaultKind,
    Flow,
    Inject,
    Kind,
    Outcome,
    Raised,
    Returned,
    underway,
    write_header,
)
from baggage.boundary.pending import Pending, launch
from baggage.context import (
    Branch,
    attached,
    branch,
    current,
    enter,
    pack,
    suppressed,
    unpack,
)
from baggage.testing import Parcel, ParcelAdapter, ParcelRefused, Recorder, Scripted
from baggage.testing.suite import failure
from baggage.values import EMPTY, Direction, key
from tests.boundary.parts import strict

HOME = key("recorder.home", direction=Direction.HOME)
REFUSED = Fault(FaultKind.REFUSED)


def answer(n: int) -> Parcel:
    """Return what a callee answers that packed something."""
    with attached(EMPTY) as callee:
        pack("n", n)
    return Parcel({"baggage": write_header(callee.baggage, origin="callee")})


def telling(parcel: Parcel) -> Callable[[Departure], Outcome]:
    return lambda departure: departure.answered(parcel)


def start(boundary: Boundary) -> Pending:
    departure = boundary.depart(ParcelAdapter(), Parcel())
    assert departure is not None
    launched = launch(departure, lambda: None)
    assert isinstance(launched, Pending)
    return launched


def elsewhere(step: Callable[[], object]) -> None:
    thread = threading.Thread(target=step)
    thread.start()
    thread.join()


@pytest.fixture
def boundary() -> Boundary:
    return strict()


def test_what_an_answer_brought_is_joined_where_it_is_taken_and_not_before(
    boundary: Boundary,
) -> None:
    with attached(EMPTY):
        pending = start(boundary)
        elsewhere(lambda: pending.settle(telling(answer(1))))
        assert unpack("n") == ()
        pending.join()
        pending.join()
        assert unpack("n") == (1,)


def test_another_branch_that_takes_the_answer_joins_it_too(boundary: Boundary) -> None:
    with attached(EMPTY):
        pending = start(boundary)
    pending.settle(telling(answer(1)))
    with attached(EMPTY):
        pending.join()
        assert unpack("n") == (1,)


def test_a_crossing_ends_once_whoever_settles_it(boundary: Boundary) -> None:
    recorder = Recorder()
    boundary.register(recorder)
    with attached(EMPTY):
        pending = start(boundary)
        assert recorder.ended == []
        first = pending.settle(telling(answer(1)))
        assert pending.settle(telling(answer(2))) is first
    assert len(recorder.ended) == 1


def test_flows_end_in_a_branch_that_knows_what_the_caller_knew(boundary: Boundary) -> None:
    seen: list[object] = []

    class Watching(Scripted):
        def around(self, call: Call) -> Flow:
            yield PROCEED
            seen.append(unpack("tenant"))
            return None

    boundary.register(Watching())
    with attached(EMPTY.pack("tenant", "acme")):
        pending = start(boundary)
    elsewhere(lambda: pending.settle(telling(answer(1))))
    assert seen == [("acme",)]


def test_home_values_of_an_answer_that_nobody_takes_come_home_with_the_scope(
    boundary: Boundary,
) -> None:
    recorder = Recorder()
    boundary.register(recorder)
    arrival = boundary.arrive(ParcelAdapter(Kind.SERVER), Parcel())
    assert arrival is not None

    def tell(departure: Departure) -> Outcome:
        pack(HOME, 1)
        return departure.answered(Parcel())

    with arrival.scope():
        arrival.begin()
        early, late = start(boundary), start(boundary)
        early.settle(tell)
    arrival.close()
    assert recorder.lost == [(HOME.name, 1)]
    late.settle(tell)
    assert recorder.lost == [(HOME.name, 1)] * 2


def test_a_fault_that_befalls_the_answer_is_what_is_settled(boundary: Boundary) -> None:
    boundary.register(Scripted(then=REFUSED))
    with attached(EMPTY):
        outcome = start(boundary).settle(telling(answer(1)))
    assert isinstance(outcome, Raised)
    assert isinstance(outcome.error, ParcelRefused)


def test_a_departure_that_is_not_to_happen_returns_its_outcome(boundary: Boundary) -> None:
    boundary.register(Scripted(Inject(REFUSED)))
    started: list[int] = []
    departure = boundary.depart(ParcelAdapter(), Parcel())
    assert departure is not None
    outcome = launch(departure, lambda: started.append(1))
    assert isinstance(outcome, Raised)
    assert (outcome.injected, started) == (REFUSED, [])


def test_what_the_start_raises_passes_and_ends_the_crossing(boundary: Boundary) -> None:
    recorder = Recorder()
    boundary.register(recorder)
    departure = boundary.depart(ParcelAdapter(), Parcel())
    assert departure is not None
    own = LookupError("the library's own")

    def begin() -> None:
        raise own

    assert failure(lambda: launch(departure, begin)) is own
    outcome = recorder.ended[0].outcome
    assert isinstance(outcome, Raised)
    assert outcome.error is own


def test_a_start_that_fails_may_be_made_an_answer(boundary: Boundary) -> None:
    instead = Returned(Parcel())
    boundary.register(Scripted(then=instead))
    departure = boundary.depart(ParcelAdapter(), Parcel())
    assert departure is not None

    def begin() -> None:
        raise LookupError

    assert launch(departure, begin) is instead


def test_work_that_follows_on_the_answer_runs_in_the_branch_of_the_call(
    boundary: Boundary,
) -> None:
    with attached(EMPTY.pack("tenant", "acme")):
        pending = start(boundary)
        seen: list[object] = []
        elsewhere(lambda: pending.resume(lambda: seen.append(unpack("tenant"))))
    assert seen == [("acme",)]


def test_a_stamp_does_not_grow_by_answers_that_nobody_takes(boundary: Boundary) -> None:
    with attached(EMPTY.pack("n", 1)) as running:
        start(boundary)
        before = len(running.baggage.serialize())
        for _ in range(20):
            start(boundary)
        assert len(running.baggage.serialize()) == before


def test_what_a_library_does_inside_belongs_to_it_in_this_branch_alone() -> None:
    enter(Branch())
    with underway.inside("parcel"):
        assert underway.within(branch(), {"parcel"})
        with attached(current()):
            assert not underway.within(branch(), {"parcel"})
    assert not underway.within(branch(), {"parcel"})


def test_what_a_library_does_inside_of_what_nobody_sees_is_not_its_own_either() -> None:
    with suppressed(), underway.inside("parcel"):
        assert not underway.within(branch(), {"parcel"})


def test_what_a_library_does_inside_carries_nothing_where_nothing_is_carried() -> None:
    with underway.inside("parcel"):
        assert current().empty
        assert underway.within(branch(), {"parcel"})
    assert branch() is None
