"""Green threads of eventlet keep what everything that starts branches has to; where it patches."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import eventlet
import pytest
from eventlet import greenthread, hubs, tpool
from eventlet.greenpool import GreenPile, GreenPool

from baggage import context
from baggage.boundary import Kind
from baggage.context import attached, branch, current, pack, unpack
from baggage.instrumentation import concurrent_futures as pools
from baggage.instrumentation import eventlet as instrumentation
from baggage.instrumentation import threading as threads
from baggage.testing.apps import Recorder
from baggage.testing.spawn import HOME, SpawnSuite, Wait, Work
from baggage.testing.suite import InstrumentationSuite, eventually, failure
from baggage.values import EMPTY
from tests.instrumentation.together import Together


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """Have eventlet print no tracebacks of green threads that fail on purpose."""
    hubs.get_hub().debug_exceptions = False


class TestSpawn(SpawnSuite):
    instrumentation: ClassVar = instrumentation

    def spawn(self, work: Work) -> Wait:
        wait: Wait = eventlet.spawn(work).wait
        return wait


class TestSpawnAfter(TestSpawn):
    def spawn(self, work: Work) -> Wait:
        wait: Wait = eventlet.spawn_after(0, work).wait
        return wait


class TestPool(TestSpawn):
    def spawn(self, work: Work) -> Wait:
        wait: Wait = GreenPool(2).spawn(work).wait
        return wait


class TestPile(TestSpawn):
    def spawn(self, work: Work) -> Wait:
        pile = GreenPile(1)
        pile.spawn(work)
        return lambda: next(pile, None)


class TestWaitAll(TestSpawn):
    tells = False

    def spawn(self, work: Work) -> Wait:
        pool = GreenPool(2)
        pool.spawn(work)
        wait: Wait = pool.waitall
        return wait


class TestWaitAllOfWhatReturnsNothing(TestSpawn):
    tells = False

    def spawn(self, work: Work) -> Wait:
        pool = GreenPool(2)
        pool.spawn_n(work)
        wait: Wait = pool.waitall
        return wait


# All that starts branches where threads are patched.
ALL = Together(instrumentation, threads, pools)


class TestPatchedThread(SpawnSuite):
    instrumentation: ClassVar = ALL
    tells = False

    def spawn(self, work: Work) -> Wait:
        thread = threading.Thread(target=work)
        thread.start()
        wait: Wait = thread.join
        return wait


class TestPatchedPool(SpawnSuite):
    instrumentation: ClassVar = ALL

    def spawn(self, work: Work) -> Wait:
        wait: Wait = ThreadPoolExecutor(1).submit(work).result
        return wait


class TestGreenThreads(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation

    def test_a_pool_brings_home_what_ended_before_it_was_waited_for(self) -> None:
        pack("n", 0)
        pool = GreenPool(2)
        for n in range(1, 8):
            pool.spawn_n(pack, "n", n)
        pool.waitall()
        assert set(unpack("n")) == set(range(8))

    def test_another_request_that_waits_for_a_pool_takes_nothing_from_it(self) -> None:
        pool = GreenPool(2)
        with attached(EMPTY.pack("n", 0)) as mine:
            pool.spawn(pack, "n", 1)
            with attached(EMPTY):
                pool.waitall()
                assert unpack("n") == ()
            assert branch() is mine
            pool.waitall()
            assert unpack("n") == (0, 1)

    def test_a_call_in_a_native_thread_is_a_part_of_its_caller(self) -> None:
        pack("n", 0)
        assert tpool.execute(seen_and_packed) == (0,)
        assert unpack("n") == (0, 1)
        with attached(EMPTY):
            assert tpool.execute(lambda: current().keys()) == ()

    def test_a_native_threads_exception_is_the_applications_own(self) -> None:
        error = LookupError("own")

        def fail() -> None:
            raise error

        assert failure(lambda: tpool.execute(fail)) is error

    def test_what_nobody_can_wait_for_carries_context_and_ends(self) -> None:
        recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
        self.boundary.register(recorder)
        pack("n", 0)
        seen: list[object] = []
        eventlet.spawn_n(lambda: seen.append(unpack("n")))
        eventually(lambda: (eventlet.sleep(0), len(recorder.ended) == 2)[1])
        assert seen == [(0,)]

    def test_a_link_goes_on_in_the_branch_of_its_green_thread(self) -> None:
        pack("n", 0)
        seen: list[object] = []
        thread = eventlet.spawn(pack, "n", 1)
        thread.link(lambda _: seen.append(unpack("n")))
        thread.wait()
        assert seen == [(0, 1)]
        eventlet.spawn(lambda: seen.append(branch()))

    def test_a_green_thread_that_is_killed_brings_home_what_it_had(self) -> None:
        context.ensure()
        thread = eventlet.spawn(lambda: (pack("n", 1), pack(HOME, 1), eventlet.sleep(20)))  # type: ignore[func-returns-value]
        eventlet.sleep(0)
        thread.kill()
        assert type(failure_of(thread)).__name__ == "GreenletExit"
        assert (unpack("n"), unpack(HOME)) == ((1,), (1,))

    def test_a_green_thread_that_is_cancelled_has_ended_and_leaves_no_trace(self) -> None:
        recorder = Recorder(kinds=(Kind.RUN,))
        self.boundary.register(recorder)
        pack("n", 0)
        thread = eventlet.spawn(pack, "n", 1)
        thread.cancel()
        assert type(failure_of(thread)).__name__ == "GreenletExit"
        assert unpack("n") == (0,)
        assert len(recorder.ended) == 1

    def test_a_wait_that_times_out_brings_nothing_home(self) -> None:
        go = threading.Event()
        context.ensure()
        thread = eventlet.spawn(lambda: (pack("n", 1), go.wait(300)))  # type: ignore[func-returns-value]
        with pytest.raises(eventlet.Timeout), eventlet.Timeout(0.01):
            thread.wait()
        assert unpack("n") == ()
        go.set()
        thread.wait()
        assert unpack("n") == (1,)


def seen_and_packed() -> tuple[object, ...]:
    seen = unpack("n")
    pack("n", 1)
    return seen


def failure_of(thread: greenthread.GreenThread) -> BaseException | None:
    try:
        thread.wait()
    except BaseException as error:
        return error
    return None
