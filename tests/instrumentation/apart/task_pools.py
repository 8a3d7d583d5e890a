"""Pools of multiprocessing: a task is a branch, in processes and in threads."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.pool import MaybeEncodingError, Pool, ThreadPool  # type: ignore[attr-defined]
from typing import Any, ClassVar

import pytest

from baggage import context
from baggage.boundary import Kind
from baggage.context import attached, current, pack, unpack
from baggage.instrumentation import multiprocessing_pool as instrumentation
from baggage.testing.apps import Recorder
from baggage.testing.spawn import SpawnSuite, Wait, Work
from baggage.testing.suite import InstrumentationSuite, eventually, failure
from baggage.values import EMPTY
from tests.instrumentation.apart.errands import (
    HOME,
    Refusal,
    keys,
    refuse,
    unpicklable,
    unpicklable_refusal,
    work,
)

# Python 3.12 and later warn of a fork beside threads, which is what is tried here.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


class Threaded(SpawnSuite):
    instrumentation: ClassVar = instrumentation
    pool: ThreadPool

    @pytest.fixture(autouse=True)
    def _pool(self, _clean: None) -> Iterator[None]:
        with attached(EMPTY.pack("maker", 1)):
            self.pool = ThreadPool(4)
        yield
        self.pool.terminate()
        self.pool.join()


class TestThreads(Threaded):
    def spawn(self, work: Work) -> Wait:
        return self.pool.apply_async(work).get


class TestMapOfThreads(Threaded):
    # A call of `map` is a branch as well as its task.
    test_a_start_and_a_run_are_crossings_of_the_same_place = None  # type: ignore[assignment]

    def spawn(self, work: Work) -> Wait:
        result = self.pool.map_async(lambda _: work(), [0])
        return lambda: result.get()[0]


class TestIteratorOfThreads(Threaded):
    test_a_start_and_a_run_are_crossings_of_the_same_place = None  # type: ignore[assignment]

    def spawn(self, work: Work) -> Wait:
        results = self.pool.imap(lambda _: work(), [0])
        return lambda: next(results, None)


@pytest.fixture(scope="module", params=["fork", "spawn"])
def shared(request: pytest.FixtureRequest) -> Iterator[Any]:
    with attached(EMPTY.pack("maker", 1)), multiprocessing.get_context(request.param).Pool(2) as it:
        it.apply(int)
        yield it


Call = Callable[[Any, list[int]], Any]
CALLS: dict[str, Call] = {
    "map": lambda pool, them: pool.map(work, them),
    "map in chunks": lambda pool, them: pool.map(work, them, chunksize=2),
    "map_async": lambda pool, them: pool.map_async(work, them).get(),
    "starmap": lambda pool, them: pool.starmap(work, [(it,) for it in them]),
    "imap": lambda pool, them: list(pool.imap(work, them)),
    "imap in chunks": lambda pool, them: list(pool.imap(work, iter(them), chunksize=2)),
    "imap_unordered": lambda pool, them: list(pool.imap_unordered(work, them)),
    "apply": lambda pool, them: [pool.apply(work, (it,)) for it in them],
    "apply_async": lambda pool, them: [
        it.get() for it in [pool.apply_async(work, (it,)) for it in them]
    ],
}


class TestProcesses(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation
    pool: Pool

    @pytest.fixture(autouse=True)
    def _pool(self, _clean: None, shared: Pool) -> None:
        self.pool = shared

    @pytest.mark.parametrize("how", CALLS)
    def test_tasks_know_what_their_caller_knew_and_come_home(self, how: str) -> None:
        context.ensure()
        pack("n", 0)
        pack(HOME, "own")
        recorder = Recorder(kinds=(Kind.SPAWN,))
        self.boundary.register(recorder)
        results = CALLS[how](self.pool, [1, 2, 3])
        assert all(0 in seen[0] for seen in results)
        assert sorted(unpack("n"), key=repr) == [0, 1, 2, 3]
        assert set(unpack(HOME)) == {"own", "home 1", "home 2", "home 3"}
        assert self.pool.apply(keys) == ("n",)

    def test_a_warm_worker_starts_empty(self) -> None:
        with attached(EMPTY.pack("other", 1)):
            self.pool.map(work, [1, 2, 3])
        assert self.pool.map(keys, range(4)) == [()] * 4

    def test_every_branch_that_starts_ends(self) -> None:
        recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
        self.boundary.register(recorder)
        for call in CALLS.values():
            call(self.pool, [1, 2, 3])
        self.pool.map(keys, [])

        def ended(kind: Kind) -> int:
            return sum(crossed.call.kind is kind for crossed in recorder.ended)

        eventually(lambda: ended(Kind.RUN) == ended(Kind.SPAWN) > 20)
        assert {str(it.call.site.module) for it in recorder.begun} >= {__name__}

    def test_a_callback_goes_on_in_the_branch_of_its_call(self) -> None:
        seen: list[object] = []
        pack("n", 1)

        def callback(_: object) -> None:
            seen.append({*unpack("n")})
            pack("n", 3)

        result = self.pool.apply_async(work, (2,), callback=callback)
        result.get()
        assert seen == [{1, 2}]
        assert set(unpack("n")) == {1, 2, 3}

    def test_a_task_may_be_given_by_name(self) -> None:
        pack("n", 1)
        assert self.pool.apply_async(func=work, args=(2,)).get() == ((1,), (), ())
        assert set(unpack("n")) == {1, 2}

    def test_an_exception_is_told_as_without_us(self) -> None:
        context.ensure()
        seen = failure(lambda: self.pool.apply(refuse))
        assert unpack("n") == (2,)
        self.switch.on = False
        bare = failure(lambda: self.pool.apply(refuse))
        for error in (seen, bare):
            assert isinstance(error, Refusal)
            assert (error.args, vars(error)) == (("no",), {"code": 7})
            assert type(error.__cause__).__name__ == "RemoteTraceback"

    @pytest.mark.parametrize("call", [unpicklable, unpicklable_refusal])
    def test_what_does_not_pickle_fails_as_without_us_and_its_report_comes_home(
        self, call: Callable[[], object]
    ) -> None:
        context.ensure()
        seen = failure(lambda: self.pool.apply(call))
        assert unpack("n") == (2,)
        self.switch.on = False
        bare = failure(lambda: self.pool.apply(call))
        assert type(seen) is type(bare) is MaybeEncodingError
        assert seen.args[0] == bare.args[0]

    def test_a_task_that_does_not_pickle_fails_as_without_us(self) -> None:
        pack("n", 1)
        seen = failure(lambda: self.pool.map(lambda _: None, [1]))
        self.switch.on = False
        bare = failure(lambda: self.pool.map(lambda _: None, [1]))
        assert type(seen) is type(bare)

    def test_an_iterable_that_fails_is_told_as_without_us(self) -> None:
        def failing() -> Iterator[int]:
            yield 1
            raise LookupError("own")

        context.ensure()
        results = self.pool.imap(work, failing())
        assert next(results) == ((), (), ())
        assert isinstance(failure(lambda: next(results)), LookupError)
        assert unpack("n") == (1,)

    def test_switched_off_meanwhile_a_result_is_the_applications_own(self) -> None:
        result = self.pool.map_async(work, [1, 2])
        self.switch.on = False
        assert len(result.get()) == 2
        assert current().keys() == ()
