"""Thread pools, cold and warm, keep what everything that starts branches has to."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import (
    CancelledError,
    Future,
    ThreadPoolExecutor,
    as_completed,
)
from typing import ClassVar

import pytest

from baggage import context
from baggage.boundary import Kind
from baggage.context import branch, current, pack, unpack
from baggage.instrumentation import concurrent_futures as instrumentation
from baggage.testing.parcel import Parcel, ParcelAdapter
from baggage.testing.spawn import FOUND, HOME, SpawnSuite, Wait, Work
from baggage.testing.suite import InstrumentationSuite


class Pooled(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation
    pool: ThreadPoolExecutor

    @pytest.fixture(autouse=True)
    def _pool(self, _clean: None) -> Iterator[None]:
        with ThreadPoolExecutor(4) as self.pool:
            yield


class TestWarmPool(Pooled, SpawnSuite):
    @pytest.fixture(autouse=True)
    def _warm(self, _pool: None) -> None:
        together = threading.Barrier(4)
        with context.attached(context.current().pack("warmer", 1)):
            for future in [self.pool.submit(together.wait, 20) for _ in range(4)]:
                future.result()

    def spawn(self, work: Work) -> Wait:
        return self.pool.submit(work).result


class TestColdPool(Pooled, SpawnSuite):
    def spawn(self, work: Work) -> Wait:
        return self.pool.submit(work).result


class TestMap(Pooled, SpawnSuite):
    def spawn(self, work: Work) -> Wait:
        results = self.pool.map(lambda _: work(), range(1))
        return lambda: next(results, None)


class TestCompleted(Pooled, SpawnSuite):
    def spawn(self, work: Work) -> Wait:
        future = self.pool.submit(work)
        return lambda: next(as_completed([future])).result()


class TestException(Pooled, SpawnSuite):
    tells = False

    def spawn(self, work: Work) -> Wait:
        return self.pool.submit(work).exception


class TestFutures(Pooled):
    def blocked(self) -> threading.Event:
        """Keep all workers busy until the event is set."""
        go = threading.Event()
        for _ in range(4):
            self.pool.submit(go.wait, 20)
        return go

    def test_arguments_are_passed_on(self) -> None:
        context.ensure()
        assert self.pool.submit(dict, [("a", 1)], b=2).result() == {"a": 1, "b": 2}

    def test_a_cancelled_call_leaves_no_trace(self) -> None:
        pack("n", 1)
        go = self.blocked()
        future = self.pool.submit(pack, "n", 2)
        assert future.cancel()
        with pytest.raises(CancelledError):
            future.result()
        go.set()
        assert unpack("n") == (1,)

    def test_calls_that_are_cancelled_and_forgotten_take_nothing_away(self) -> None:
        go = self.blocked()
        pack("n", 1)
        running = context.ensure()
        whole = running.baggage
        assert all(self.pool.submit(pack, "n", 2).cancel() for _ in range(8))
        running.update(lambda carried: carried)
        assert running.baggage is whole  # nothing was split
        go.set()

    def test_a_result_that_is_not_there_yet_brings_nothing_home(self) -> None:
        pack("n", 1)
        go = self.blocked()
        future = self.pool.submit(pack, "n", 2)
        with pytest.raises(TimeoutError):
            future.result(0.01)
        assert unpack("n") == (1,)
        go.set()
        future.result()
        assert unpack("n") == (1, 2)

    def test_a_refused_submit_leaves_no_trace(self) -> None:
        pack("n", 1)
        running = context.ensure()
        before = running.baggage.serialize()
        self.pool.shutdown()
        with pytest.raises(RuntimeError, match="shutdown"):
            self.pool.submit(pack, "n", 2)
        assert running.baggage.serialize() == before
        assert running.baggage.history.own == context.current().history.own
        assert running.family.release() == []

    def test_a_wrong_call_of_submit_fails_as_ever(self) -> None:
        with pytest.raises(TypeError):
            self.pool.submit()  # type: ignore[call-arg]

    @pytest.mark.parametrize("done", [False, True])
    def test_a_callback_goes_on_in_the_branch_of_its_call(self, done: bool) -> None:
        seen: list[object] = []
        called = threading.Event()
        pack("n", 1)
        go = self.blocked()
        future = self.pool.submit(pack, "n", 2)
        if done:
            go.set()
            future.result()

        def callback(future: Future[None]) -> None:
            future.result()
            seen.append(unpack("n"))
            pack("n", 3)
            called.set()

        future.add_done_callback(callback)
        go.set()
        assert called.wait(300)
        assert seen == [(1, 2)]
        future.result()
        assert set(unpack("n")) == {1, 2, 3}

    def test_callbacks_do_not_see_one_anothers_calls(self) -> None:
        seen: list[object] = []
        with ThreadPoolExecutor(1) as pool:
            for n in range(3):
                with context.attached(context.current().pack("n", n)):
                    future = pool.submit(int)
                    future.add_done_callback(lambda _: (seen.append(unpack("n")), pack("x", 1)))  # type: ignore[func-returns-value]
        assert seen == [(0,), (1,), (2,)]

    def test_what_a_callback_brings_is_not_lost(self) -> None:
        arrival = self.boundary.arrive(ParcelAdapter(Kind.SERVER), Parcel())
        assert arrival is not None
        called = threading.Event()
        with arrival.scope():
            pack("n", 1)
            future = self.pool.submit(pack, FOUND, "call's")
            future.add_done_callback(lambda _: pack(FOUND, "callback's"))
            future.add_done_callback(lambda _: called.set())
            assert called.wait(300)
            future.result()
            assert set(unpack(FOUND)) == {"call's", "callback's"}
        arrival.close()

    def test_whoever_else_reads_a_result_takes_nothing_from_the_parent(self) -> None:
        running = context.ensure()
        future = self.pool.submit(pack, HOME, 1)
        with context.attached(context.current()):
            future.result()
        arrival_home = [child.take_home().unpack(HOME) for child in running.family.release()]
        assert arrival_home == [(1,)]

    def test_an_event_loop_that_reads_a_result_takes_nothing_home(self) -> None:
        context.ensure()

        async def run() -> None:
            await asyncio.get_running_loop().run_in_executor(self.pool, pack, HOME, 1)

        running = branch()
        assert running is not None
        asyncio.run(run())
        held = [child.take_home().unpack(HOME) for child in running.family.release()]
        assert held == [(1,)] or unpack(HOME) == (1,)

    def test_a_future_does_not_keep_its_pool_alive(self) -> None:
        pool = ThreadPoolExecutor(1)
        future = pool.submit(int)
        assert future.result() == 0
        gone = weakref.ref(pool)
        pool.shutdown()
        del pool
        gc.collect()
        assert gone() is None
        assert future.done()

    @pytest.mark.parametrize("carried", [False, True])
    def test_a_future_that_failed_is_gone_without_the_collector(self, carried: bool) -> None:
        if carried:
            pack("tenant", "acme")
        gc.disable()
        try:
            with ThreadPoolExecutor(1) as pool:
                held = [pool.submit(int, "no number")]
                gone = weakref.ref(held[0])
                with pytest.raises(ValueError, match="no number"):
                    held.pop().result()
            assert gone() is None
        finally:
            gc.enable()

    def test_what_refuses_to_be_compared_is_called(self) -> None:
        class Work:
            __hash__ = None  # type: ignore[assignment]

            def __eq__(self, other: object) -> bool:
                raise NotImplementedError

            def __call__(self) -> int:
                return 1

        pack("tenant", "acme")
        assert self.pool.submit(Work()).result() == 1

    def test_futures_of_others_are_left_alone(self) -> None:
        future: Future[int] = Future()
        future.set_result(1)
        future.add_done_callback(lambda it: seen.append(it.result()))
        seen: list[int] = []
        assert future.result() == 1
        assert branch() is None

    def test_a_worker_is_the_pools_and_no_branch_of_the_submitter(self) -> None:
        pack("tenant", "acme")
        seen: list[object] = []
        with ThreadPoolExecutor(1, initializer=lambda: seen.append(current().keys())) as pool:
            pool.submit(int).result()
        assert seen == [()]
