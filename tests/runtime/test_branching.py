"""Branches started by hand are forks as any: what they carry, bring home, and who is told."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator

import pytest

import baggage
from baggage.boundary import Answer, Boundary, Kind, Policy, Proceed, Returned
from baggage.context import Branch, attached, branch, ensure, join, pack, unpack
from baggage.runtime import branching
from baggage.testing import Parcel, ParcelAdapter, Recorder, Scripted
from baggage.testing.suite import failure
from baggage.values import EMPTY
from tests.boundary.parts import DOWN, HOME, strict


@pytest.fixture
def recorder() -> Recorder:
    return Recorder("test", kinds=(Kind.SPAWN, Kind.RUN))


@pytest.fixture
def boundary(recorder: Recorder) -> Boundary:
    return strict(recorder)


# split


@pytest.mark.parametrize("watched", [False, True])
def test_a_split_makes_two_branches_that_can_be_joined(watched: bool, boundary: Boundary) -> None:
    pack("n", 1)
    mine, theirs = branching.split(boundary if watched else strict())
    assert mine is branch()
    pack("n", 2)
    with attached(theirs):
        pack("n", 3)
        assert unpack("n") == (1, 3)
    join(theirs)
    assert sorted(unpack("n"), key=repr) == [1, 2, 3]


def test_a_split_is_a_crossing_so_that_its_branches_are_told_apart() -> None:
    count = iter(range(10))
    asked = Scripted(lambda _: Proceed({DOWN: next(count)}), kinds=(Kind.SPAWN,))
    boundary = strict(asked)
    branches = [branching.split(boundary)[1] for _ in range(3)]
    assert [theirs.unpack(DOWN) for theirs in branches] == [(0,), (1,), (2,)]
    assert unpack(DOWN) == ()


def test_a_split_that_is_told_of_has_ended_for_who_waits_for_open_branches(
    boundary: Boundary, recorder: Recorder
) -> None:
    branching.split(boundary)
    start, run = recorder.ended[1].call, recorder.ended[0].call
    kinds = {crossed.call.kind for crossed in recorder.ended}
    assert kinds == {Kind.SPAWN, Kind.RUN}
    assert {start.operation, run.operation} == {"split"}
    assert start.site.module == __name__


def test_a_split_cannot_be_answered_away() -> None:
    answering = Scripted(Answer(Returned(None)), kinds=(Kind.SPAWN,))
    mine, theirs = branching.split(Boundary(Policy(strict=True), (answering,)))
    assert mine is not theirs


def test_a_branch_that_splits_for_ever_holds_none_of_the_others() -> None:
    for _ in range(3):
        branching.split(strict())
    assert ensure().family.release() == []


def test_the_verb_of_the_api_is_a_crossing(recorder: Recorder) -> None:
    baggage.register(recorder)
    try:
        baggage.split()
        baggage.keep(int)()
        list(baggage.stepwise(iter_one()))
    finally:
        baggage.unregister(recorder.name)
    begun = [it.call.operation for it in recorder.begun if it.call.kind is Kind.SPAWN]
    assert begun == ["split", "keep", "keep.call", "stepwise"]


def iter_one() -> Iterator[int]:  # a generator
    yield 1


# keep


def test_a_kept_callback_runs_with_what_was_carried_when_it_was_kept() -> None:
    pack("n", 1)
    kept = branching.keep(strict(), lambda: unpack("n"))
    pack("n", 2)
    assert kept() == (1,)
    with attached(EMPTY.pack("n", "another's")):
        assert kept() == (1,)


def test_what_a_call_packs_is_for_who_kept_it_and_nobody_else() -> None:
    kept = branching.keep(strict(), lambda n: pack("n", n))
    with attached(EMPTY):
        kept(1)
        assert unpack("n") == ()
    assert unpack("n") == ()
    kept.join()
    assert unpack("n") == (1,)
    kept(2)
    kept.join()
    kept.join()
    assert sorted(unpack("n"), key=repr) == [1, 2]


def test_no_call_sees_what_another_one_packs() -> None:
    pack("n", 0)

    def call(n: int) -> list[object]:
        pack("n", n)
        return sorted(unpack("n"), key=repr)

    kept = branching.keep(strict(), call)
    assert [kept(n) for n in (1, 2, 3)] == [[0, 1], [0, 2], [0, 3]]


def test_calls_in_many_threads_at_once_lose_nothing() -> None:
    pack("n", 0)
    together = threading.Barrier(8)

    def call(n: int) -> None:
        together.wait(300)
        pack("n", n)

    kept = branching.keep(strict(), call)
    threads = [threading.Thread(target=kept, args=(n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept.join()
    assert sorted(unpack("n"), key=repr) == list(range(9))


def test_however_often_it_is_called_the_stamp_of_its_keeper_stays_small() -> None:
    pack("n", 1)
    kept = branching.keep(strict(), int)
    own = ensure().baggage.history.own
    for _ in range(100):
        kept()
    kept.join()
    assert ensure().baggage.history.own == own


def test_a_kept_callback_takes_and_tells_what_it_would() -> None:
    error = LookupError("its own")

    def fail() -> None:
        pack("n", 1)
        raise error

    kept = branching.keep(strict(), fail)
    assert failure(kept) is error
    kept.join()
    assert unpack("n") == (1,)
    several = branching.keep(strict(), lambda *args, **kwargs: (args, kwargs))
    assert several(1, b=2) == ((1,), {"b": 2})
    assert kept.__name__ == "fail"  # type: ignore[attr-defined]


def test_a_kept_coroutine_function_is_one_and_keeps_to_its_branch() -> None:
    seen: list[object] = []

    async def call(n: int) -> int:
        await asyncio.sleep(0)
        pack("n", n)
        await asyncio.sleep(0)
        seen.append(sorted(unpack("n"), key=repr))
        return n

    async def main() -> None:
        assert set(await asyncio.gather(kept(1), kept(2))) == {1, 2}
        assert unpack("n") == (0,)
        assert await kept(3) == 3
        assert unpack("n") == (0,)

    pack("n", 0)
    kept = branching.keep(strict(), call)
    assert inspect.iscoroutinefunction(kept)
    asyncio.run(main())
    assert seen == [[0, 1], [0, 2], [0, 3]]
    kept.join()
    assert sorted(unpack("n"), key=repr) == [0, 1, 2, 3]


def test_each_call_is_a_branch_of_what_was_kept(boundary: Boundary, recorder: Recorder) -> None:
    kept = branching.keep(boundary, int)
    kept()
    kept()
    starts = [it.call.operation for it in recorder.begun if it.call.kind is Kind.SPAWN]
    assert starts == ["keep", "keep.call", "keep.call"]
    assert len(recorder.ended) == 6


def test_home_values_of_calls_are_never_lost(boundary: Boundary, recorder: Recorder) -> None:
    arrival = boundary.arrive(ParcelAdapter(Kind.SERVER), Parcel())
    assert arrival is not None
    with arrival.scope():
        kept = branching.keep(boundary, lambda n: pack(HOME, n))
        kept(1)
        kept.join()
        assert unpack(HOME) == (1,)
        kept(2)
        arrival.respond(None)
    arrival.close()
    kept(3)
    assert {value for _, value in recorder.lost} == {1, 2, 3}


def test_what_is_muted_keeps_muted() -> None:
    with attached(Branch(muted=True)):
        kept = branching.keep(strict(), branch)
    running = kept()
    assert running is not None
    assert running.muted
