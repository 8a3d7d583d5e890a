"""Dispatches and letters: what goes to another process, and what comes back, in plain values."""

from __future__ import annotations

import pickle
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import (
    Boundary,
    Dispatch,
    Errand,
    Fault,
    FaultKind,
    Inject,
    Kind,
    Letter,
    Policy,
    Proceed,
    Raised,
    Report,
    Visit,
    finish,
)
from baggage.context import attached, branch, ensure, pack, suppressed, unpack
from baggage.testing import Parcel, ParcelAdapter, Recorder, Scripted
from baggage.values import EMPTY, Direction, Key, Value, key
from tests.boundary.parts import DOWN, strict

HOME = key("recorder.home", direction=Direction.HOME)
SPAWN = ParcelAdapter(Kind.SPAWN)
PUT = ParcelAdapter(Kind.PRODUCER)


@pytest.fixture
def boundary() -> Boundary:
    return strict()


def sent(thing: Errand | Report) -> Errand | Report:
    """Return what another process gets."""
    copy: Errand | Report = pickle.loads(pickle.dumps(thing))
    return copy


def pack_all(where: Key | str, values: Sequence[Value]) -> None:
    for value in values:
        pack(where, value)


def dispatched(boundary: Boundary) -> Dispatch:
    dispatch = boundary.dispatch(SPAWN, None)
    assert dispatch is not None
    dispatch.start(lambda: None)
    return dispatch


def visit(dispatch: Dispatch, boundary: Boundary | None = None) -> Visit:
    errand = sent(dispatch.errand())
    assert isinstance(errand, Errand)
    return Visit(errand, boundary, SPAWN)


def reported(dispatch: Dispatch, there: Visit) -> None:
    report = sent(there.report())
    assert isinstance(report, Report)
    dispatch.report(report)


@given(st.lists(st.integers(0, 9), max_size=5), st.lists(st.integers(0, 9), max_size=5))
def test_what_either_side_packs_is_there_once_after_the_join(
    ours: list[int], theirs: list[int]
) -> None:
    boundary = strict()
    with attached(EMPTY):
        pack("n", 10)
        dispatch = dispatched(boundary)
        there = visit(dispatch)
        there.run(lambda: pack_all("n", theirs))
        for n in ours:
            pack("n", n)
        reported(dispatch, there)
        for _ in range(2):
            dispatch.join()
        assert sorted(unpack("n"), key=repr) == sorted([10, *ours, *theirs], key=repr)


def test_no_right_to_write_leaves(boundary: Boundary) -> None:
    pack("n", 1)
    there = visit(dispatched(boundary))

    def look() -> object:
        running = branch()
        return None if running is None else running.baggage.history.own

    assert not there.run(look)


def test_a_report_that_comes_twice_counts_once(boundary: Boundary) -> None:
    recorder = Recorder(kinds=(Kind.RUN,))
    boundary.register(recorder)
    ensure()
    dispatch = dispatched(boundary)
    there = visit(dispatch)
    there.run(lambda: pack(HOME, 1))
    reported(dispatch, there)
    reported(dispatch, there)
    dispatch.report()
    dispatch.join()
    assert unpack(HOME) == (1,)
    assert len(recorder.ended) == 1


def test_who_is_told_over_there_is_not_told_here_again(boundary: Boundary) -> None:
    here, away = Recorder(kinds=(Kind.RUN,)), Recorder(kinds=(Kind.RUN,))
    boundary.register(here)
    dispatch = dispatched(boundary)
    there = visit(dispatch, Boundary(Policy(service="there", strict=True), (away,)))
    there.run(lambda: None)
    reported(dispatch, there)
    assert (len(away.ended), len(here.ended)) == (1, 0)
    assert away.ended[0].call.source == "here"


def test_what_nobody_sees_over_there_is_seen_here_when_it_is_over(boundary: Boundary) -> None:
    recorder = Recorder(kinds=(Kind.RUN,))
    boundary.register(recorder)
    dispatch = dispatched(boundary)
    error = ValueError("theirs")
    dispatch.report(None, error)
    outcome = recorder.ended[0].outcome
    assert isinstance(outcome, Raised)
    assert outcome.error is error


def test_a_scope_that_closed_before_leaves_home_values_to_their_owners(boundary: Boundary) -> None:
    recorder = Recorder(kinds=())
    boundary.register(recorder)
    arrival = boundary.arrive(ParcelAdapter(Kind.SERVER), Parcel())
    assert arrival is not None
    with arrival.scope():
        dispatch = dispatched(boundary)
    there = visit(dispatch)
    there.run(lambda: pack(HOME, 1))
    with arrival.scope():
        arrival.respond(None)
    arrival.close()
    reported(dispatch, there)
    assert recorder.lost == [("recorder.home", 1)]


def test_what_finds_no_room_over_there_is_handed_to_its_owners_there() -> None:
    away = Recorder(kinds=())
    there = Visit(Errand(), Boundary(Policy(strict=True), (away,)), SPAWN)
    there.run(lambda: pack_all(HOME, [f"{n:099}" for n in range(20)]))
    report = there.report(1000)
    assert 0 < len(report.blob) <= 1000
    assert 10 < len(away.lost) < 20


def test_a_muted_parent_dispatches_a_muted_child(boundary: Boundary) -> None:
    recorder = Recorder()
    boundary.register(recorder)
    pack("n", 1)
    with suppressed():
        dispatch = dispatched(boundary)
        assert dispatch.header() == ""
    there = visit(dispatch, boundary)
    assert there.run(lambda: unpack("n")) == ()
    assert recorder.begun == []


def test_a_fault_at_the_start_cannot_be_enacted_by_a_header_alone(boundary: Boundary) -> None:
    boundary.register(
        Scripted(
            Inject(Fault(FaultKind.CANCELLED), Proceed(down={DOWN: "child's"})),
            kinds=(Kind.SPAWN,),
        )
    )
    there = visit(dispatched(boundary))
    assert there.run(lambda: unpack(DOWN)) == ("child's",)


@given(st.binary(max_size=60))
def test_an_errand_of_garbage_carries_nothing(blob: bytes) -> None:
    Visit(Errand(blob), None, SPAWN).run(lambda: None)


class TestLetters:
    def posted(self, boundary: Boundary) -> Errand:
        letter = boundary.post(PUT, None)
        assert letter is not None
        errand = sent(letter.send(letter.errand))
        assert isinstance(errand, Errand)
        return errand

    def taken(self, boundary: Boundary, errand: Errand) -> None:
        assert Letter.arrived(boundary, PUT, None, errand).take("item", self) == "item"

    def test_a_worker_that_stands_nowhere_works_in_the_letters_scope(
        self, boundary: Boundary
    ) -> None:
        with attached(EMPTY.pack("n", 1)):
            errand = self.posted(boundary)
        self.taken(boundary, errand)
        assert unpack("n") == (1,)
        finish(self)
        assert branch() is None

    def test_what_a_dispatched_child_posts_joins_its_own_request(self, boundary: Boundary) -> None:
        pack("n", 1)
        there = visit(dispatched(boundary), boundary)

        def post() -> Errand:
            pack("n", 2)
            return self.posted(boundary)

        errand = there.run(post)
        running = branch()
        self.taken(boundary, errand)
        assert branch() is running
        assert set(unpack("n")) == {1, 2}

    def test_another_requests_letter_changes_nothing(self, boundary: Boundary) -> None:
        with attached(EMPTY.pack("n", 1)):
            errand = self.posted(boundary)
        with attached(EMPTY.pack("n", 2)):
            self.taken(boundary, errand)
            assert unpack("n") == (2,)
