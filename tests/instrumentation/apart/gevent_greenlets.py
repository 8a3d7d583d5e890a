"""Greenlets of gevent keep what everything that starts branches has to; run where it is patched."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import gevent
import pytest
from gevent import Greenlet
from gevent.pool import Group, Pool
from gevent.threadpool import ThreadPool

from baggage import context
from baggage.context import attached, branch, current, pack, unpack
from baggage.instrumentation import concurrent_futures as pools
from baggage.instrumentation import gevent as instrumentation
from baggage.instrumentation import threading as threads
from baggage.testing.apps import Recorder
from baggage.testing.spawn import HOME, SpawnSuite, Wait, Work
from baggage.testing.suite import InstrumentationSuite, failure
from baggage.values import EMPTY
from tests.instrumentation.together import Together


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have gevent print no tracebacks of greenlets that fail on purpose."""
    monkeypatch.setattr(gevent.get_hub(), "NOT_ERROR", (Exception,))


class TestSpawn(SpawnSuite):
    instrumentation: ClassVar = instrumentation

    def spawn(self, work: Work) -> Wait:
        wait: Wait = gevent.spawn(work).get
        return wait


class TestSpawnLater(TestSpawn):
    def spawn(self, work: Work) -> Wait:
        wait: Wait = gevent.spawn_later(0, work).get
        return wait


class TestJoin(TestSpawn):
    tells = False

    def spawn(self, work: Work) -> Wait:
        wait: Wait = gevent.spawn(work).join
        return wait


class TestJoinAll(TestSpawn):
    tells = False

    def spawn(self, work: Work) -> Wait:
        greenlet = gevent.spawn(work)
        return lambda: gevent.joinall([greenlet])


class TestWait(TestSpawn):
    tells = False

    def spawn(self, work: Work) -> Wait:
        greenlet = gevent.spawn(work)
        return lambda: gevent.wait([greenlet])


class Overriding(Greenlet):  # type: ignore[misc]
    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work = work

    def _run(self) -> object:
        return self.work()


class TestSubclassThatOverridesRun(TestSpawn):
    def spawn(self, work: Work) -> Wait:
        greenlet = Overriding(work)
        greenlet.start()
        wait: Wait = greenlet.get
        return wait


class TestPool(TestSpawn):
    def spawn(self, work: Work) -> Wait:
        wait: Wait = Pool(2).spawn(work).get
        return wait


class TestGroupJoin(TestSpawn):
    tells = False

    def spawn(self, work: Work) -> Wait:
        group = Group()
        group.spawn(work)
        wait: Wait = group.join
        return wait


class TestThreadPool(TestSpawn):
    @pytest.fixture(autouse=True)
    def _pool(self, _clean: None) -> None:
        self.pool = gevent.get_hub().threadpool

    pool: ThreadPool
    # A pool is used from the thread that made it alone.
    test_a_grandchild_comes_home_by_its_parent = None  # type: ignore[assignment]

    def spawn(self, work: Work) -> Wait:
        wait: Wait = self.pool.spawn(work).get
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


class TestGreenlets(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation

    def test_a_pool_brings_home_what_ended_before_it_was_joined(self) -> None:
        pack("n", 0)
        pool = Pool(2)
        for n in range(1, 8):
            pool.spawn(pack, "n", n)
        pool.join()
        assert set(unpack("n")) == set(range(8))

    def test_a_map_and_an_apply_come_home(self) -> None:
        pack("n", 0)
        pool = Pool(2)
        pool.map(lambda n: pack("n", n), [1, 2, 3])
        pool.apply(pack, ("n", 4))
        pool.apply_async(pack, ("n", 5)).get()
        assert set(unpack("n")) == set(range(6))

    def test_to_look_an_address_up_is_no_branch(self) -> None:
        recorder = Recorder()
        self.boundary.register(recorder)
        with attached(EMPTY):
            gevent.get_hub().resolver.getaddrinfo("localhost", 80)
        assert not recorder.begun

    @pytest.mark.parametrize("kind", [Pool, ThreadPool])
    def test_what_is_iterated_over_comes_home(self, kind: Callable[[int], Any]) -> None:
        def number(n: int) -> int:
            pack("n", n)
            return n

        pack("n", 0)
        pool = kind(2)
        try:
            assert list(pool.imap(number, [1, 2, 3])) == [1, 2, 3]
            assert set(unpack("n")) == {0, 1, 2, 3}
            assert sorted(pool.imap_unordered(number, [4, 5])) == [4, 5]
            assert set(unpack("n")) == set(range(6))
        finally:
            pool.kill()

    def test_an_apply_in_a_native_thread_comes_home(self) -> None:
        pack("n", 0)
        pool = ThreadPool(1)
        try:
            assert pool.apply(seen_and_packed) == (0,)
            assert unpack("n") == (0, 1)
            with attached(EMPTY):
                assert pool.apply(lambda: current().keys()) == ()
        finally:
            pool.kill()

    def test_another_request_that_joins_a_group_takes_nothing_from_it(self) -> None:
        group = Group()
        with attached(EMPTY.pack("n", 0)) as mine:
            group.spawn(pack, "n", 1)
            with attached(EMPTY):
                group.join()
                assert unpack("n") == ()
            assert branch() is mine
            group.join()
            assert unpack("n") == (0, 1)

    def test_a_wait_that_times_out_brings_nothing_home_and_leaves_no_link(self) -> None:
        go = threading.Event()
        context.ensure()
        greenlet = gevent.spawn(lambda: (go.wait(300), pack("n", 1)))  # type: ignore[func-returns-value]
        gevent.joinall([greenlet], timeout=0.01)
        assert isinstance(greenlet_timeout(greenlet), gevent.Timeout)
        greenlet.join(0.01)
        assert unpack("n") == ()
        assert greenlet.has_links() == 0
        go.set()
        gevent.joinall([greenlet])
        assert unpack("n") == (1,)

    def test_a_greenlet_that_is_killed_brings_home_what_it_had(self) -> None:
        context.ensure()
        greenlet = gevent.spawn(lambda: (pack("n", 1), gevent.sleep(20)))  # type: ignore[func-returns-value]
        gevent.sleep(0)
        greenlet.kill()
        assert isinstance(greenlet.get(), gevent.GreenletExit)
        assert unpack("n") == (1,)

    def test_a_greenlet_that_is_killed_before_it_starts_leaves_no_trace(self) -> None:
        pack("n", 0)
        greenlet = gevent.spawn(pack, "n", 1)
        greenlet.kill()
        greenlet.get()
        assert unpack("n") == (0,)

    def test_the_hub_carries_nothing(self) -> None:
        pack("n", 1)
        seen: list[object] = []
        greenlet = gevent.spawn(pack, "n", 2)
        greenlet.rawlink(lambda it: (it.get(), seen.append(branch())))  # type: ignore[func-returns-value]
        gevent.joinall([greenlet])
        gevent.sleep(0)
        assert seen == [None]

    def test_a_greenlet_is_freed_when_it_is_forgotten_and_looks_as_it_is(self) -> None:
        pack("n", 1)
        greenlet = gevent.spawn(pack, "n", 2)
        assert "pack" in repr(greenlet)
        greenlet.get()
        gone = weakref.ref(greenlet)
        gc.disable()
        try:
            del greenlet
            gevent.sleep(0)
            assert gone() is None
        finally:
            gc.enable()

    def test_home_values_come_home_once_however_often_it_is_asked(self) -> None:
        context.ensure()
        greenlet = gevent.spawn(pack, HOME, 1)
        for _ in range(2):
            gevent.joinall([greenlet])
            greenlet.get()
        assert unpack(HOME) == (1,)

    def test_an_exception_of_a_pool_is_the_applications_own(self) -> None:
        context.ensure()
        error = LookupError("own")

        def fail() -> None:
            raise error

        assert failure(lambda: Pool(1).apply(fail)) is error


def seen_and_packed() -> tuple[object, ...]:
    seen = unpack("n")
    pack("n", 1)
    return seen


def greenlet_timeout(greenlet: Greenlet) -> BaseException | None:
    try:
        greenlet.get(timeout=0.01)
    except gevent.Timeout as timeout:
        error: BaseException = timeout
        return error
    return None
