"""A branch holds what one branch of execution carries, and copies of a context share it."""

from __future__ import annotations

import asyncio
import contextvars
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Thread

import pytest

from baggage.context import (
    Branch,
    attached,
    branch,
    branch_in,
    current,
    ensure,
    enter,
    leave,
    suppressed,
)
from baggage.values import EMPTY, Baggage, Key, key

BAG = Key("test.bag")
HOME = key("test.home", direction="home")


def test_without_a_branch_nothing_is_carried() -> None:
    assert contextvars.Context().run(branch) is None
    assert contextvars.Context().run(current) is EMPTY


def test_a_branch_is_started_once() -> None:
    def twice() -> bool:
        return ensure() is ensure() is branch()

    assert contextvars.Context().run(twice)


def test_the_branch_of_a_context_is_known_without_entering_it() -> None:
    with attached(EMPTY) as running:
        copied = contextvars.copy_context()
    assert branch_in(copied) is running
    assert branch_in(contextvars.Context()) is None


def test_what_a_copy_of_the_context_packs_is_seen_by_the_original() -> None:
    with attached(EMPTY) as running:
        contextvars.copy_context().run(lambda: ensure().pack(BAG, 1))

        async def task() -> None:
            ensure().pack(BAG, 2)

        asyncio.run(task())
        assert running.unpack(BAG) == (1, 2)


def test_a_block_ends_where_it_began_even_by_an_exception() -> None:
    before = branch()
    with suppress(KeyError), attached(EMPTY.pack(BAG, 1)) as running:
        assert branch() is running
        raise KeyError
    assert branch() is before


def test_attached_baggage_stays_in_the_service_that_runs_here() -> None:
    with attached(Branch(service="shop")) as shop, attached(EMPTY) as inner:
        assert inner.service == "shop"
        assert inner is not shop


def test_a_split_branch_is_of_the_same_service_and_as_quiet() -> None:
    running = Branch(EMPTY.pack(BAG, 1), "shop", muted=True)
    theirs = running.split()
    assert (theirs.service, theirs.muted, theirs.unpack(BAG)) == ("shop", True, (1,))


def test_split_branches_join_to_what_both_packed() -> None:
    mine = Branch(EMPTY.pack(BAG, 1))
    theirs = mine.split()
    mine.pack(BAG, 2)
    theirs.pack(BAG, 3)
    mine.join(theirs)
    assert set(mine.unpack(BAG)) == {1, 2, 3}
    ((identity),) = mine.baggage.history.own.values()
    assert identity == 1


def test_a_branch_may_be_joined_early_again_and_with_itself() -> None:
    mine = Branch(EMPTY.pack(BAG, 1))
    theirs = mine.split()
    theirs.pack(BAG, 2)
    mine.join(theirs)
    theirs.pack(BAG, 3)
    mine.join(theirs)
    mine.join(theirs)
    mine.join(mine)
    assert sorted(mine.unpack(BAG)) == [1, 2, 3]


def test_baggage_that_came_back_is_joined() -> None:
    mine = Branch(EMPTY.pack(BAG, 1))
    mine.join(mine.baggage.departing().pack(BAG, 2).returning())
    assert set(mine.unpack(BAG)) == {1, 2}


def test_home_values_are_taken_once() -> None:
    mine = Branch(EMPTY.pack(HOME, 1).pack(BAG, 2))
    assert mine.take_home().unpack(HOME) == (1,)
    assert mine.take_home() is EMPTY
    assert mine.unpack(BAG) == (2,)


def test_threads_that_share_a_branch_lose_nothing() -> None:
    shared = Branch()

    def fan_out(number: int) -> None:
        shared.pack(BAG, number)
        part = shared.split()
        part.pack(BAG, -number)
        shared.join(part)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fan_out, range(1, 200)))
    assert sorted(shared.unpack(BAG)) == [n for n in range(-199, 200) if n]


def test_a_signal_handler_that_packs_in_the_midst_of_a_change_loses_nothing() -> None:
    running = Branch()

    def interrupted(carried: Baggage) -> Baggage:
        changed = carried.pack(BAG, 1)
        signal.raise_signal(signal.SIGUSR1)
        return changed

    before = signal.signal(signal.SIGUSR1, lambda *_: running.pack(BAG, 2))
    try:
        running.update(interrupted)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert sorted(running.unpack(BAG)) == [1, 2]


def test_a_scope_left_in_another_context_restores_nothing_and_is_logged_once_by_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with attached(EMPTY) as running:
        for _ in range(3):
            token = contextvars.copy_context().run(enter, Branch())
            leave(token)
            assert branch() is running
    [record] = [it for it in caplog.records if it.name == "baggage.context"]
    assert record.getMessage() == "scope left in another context"
    assert (vars(record)["file"], vars(record)["function"]) == (
        __file__,
        "test_a_scope_left_in_another_context_restores_nothing_and_is_logged_once_by_place",
    )


def test_a_scope_may_be_left_again() -> None:
    before = branch()
    token = enter(Branch())
    leave(token)
    with attached(EMPTY) as running:
        leave(token)
        assert branch() is running
    assert branch() is before


def held_across_a_yield() -> Iterator[Branch | None]:
    with attached(EMPTY.pack(BAG, 1)):
        yield branch()


@pytest.mark.parametrize("end", ["close", "exhaust", "throw away"])
def test_a_generator_that_holds_a_scope_and_ends_elsewhere_raises_nothing(
    end: str, caplog: pytest.LogCaptureFixture
) -> None:
    generators = [held_across_a_yield() for _ in range(2)]
    for generator in generators:
        contextvars.copy_context().run(next, generator)
    with attached(EMPTY) as running:
        for _ in range(2):
            generator = generators.pop()
            if end == "close":
                generator.close()  # type: ignore[attr-defined]
            elif end == "exhaust":
                assert list(generator) == []
            del generator
            assert branch() is running
    # All three end at the same place, which is logged once in this process.
    logged = [it for it in caplog.records if it.name == "baggage.context"]
    assert {vars(it)["function"] for it in logged} <= {"held_across_a_yield"}
    assert len(logged) <= 1


def test_what_runs_suppressed_is_muted_and_carries_nothing() -> None:
    with attached(EMPTY.pack(BAG, 1)) as running:
        with suppressed():
            muted = branch()
            assert muted is not None
            assert muted.muted
            assert current() is EMPTY
        assert branch() is running


def test_a_new_thread_carries_nothing_by_itself() -> None:
    seen: list[Branch | None] = []
    with attached(EMPTY.pack(BAG, 1)):
        thread = Thread(target=lambda: seen.append(branch()))
        thread.start()
        thread.join()
    assert seen == [None]


def test_a_parent_releases_the_children_that_ended_and_brought_something() -> None:
    parent, idle, busy, late = Branch(), Branch(), Branch(), Branch()
    for child in (idle, busy, late):
        parent.family.add(child)
    busy.pack(HOME, 1)
    assert parent.family.ended(idle)
    assert parent.family.ended(busy)
    assert parent.family.release() == [busy]
    assert not parent.family.ended(late)
    parent.family.forget(late)
    assert parent.family.release() == []


# Scopes


def test_a_branch_belongs_to_the_scope_of_the_one_that_it_was_split_from() -> None:
    request = Branch()
    grandchild = request.split().split()
    assert (request.scope, grandchild.scope, Branch().scope) != (request, request, request)
    assert (request.scope, grandchild.scope) == (request, request)


def test_a_branch_that_outlives_its_request_knows_it() -> None:
    request, other = Branch(), Branch()
    child = request.split()
    assert (request.over, child.over) == (False, False)
    request.close()
    assert (request.over, child.over, other.over) == (True, True, False)


def test_an_idle_branch_is_busy_once_it_carries_something() -> None:
    worker = Branch(idle=True)
    child = worker.split()
    assert (worker.idle, child.idle, Branch().idle) == (True, True, False)
    child.pack(BAG, 1)
    assert (worker.idle, child.idle) == (True, False)
    assert (worker.workers, child.workers, Branch().workers) == (True, True, False)


def test_a_branch_is_alone_without_children_and_home_values() -> None:
    parent = Branch()
    assert parent.alone
    child = parent.fork()
    assert (parent.alone, child.alone) == (False, True)
    child.pack(HOME, 1)
    assert not child.alone
