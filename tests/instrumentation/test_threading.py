"""Threads of every make keep what everything that starts branches has to."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import Callable
from typing import ClassVar

import anyio.to_thread
import pytest

from baggage import context
from baggage.boundary import Kind
from baggage.context import attached, pack, unpack
from baggage.instrumentation import threading as instrumentation
from baggage.testing import Recorder
from baggage.testing.spawn import SpawnSuite, Wait, Work
from baggage.testing.suite import InstrumentationSuite
from baggage.values import EMPTY


class TestThread(SpawnSuite):
    instrumentation: ClassVar = instrumentation
    tells = False

    def thread(self, work: Work) -> threading.Thread:
        return threading.Thread(target=work)

    def spawn(self, work: Work) -> Wait:
        thread = self.thread(work)
        thread.start()
        return thread.join

    def test_a_join_that_times_out_brings_nothing_home_and_a_later_one_does(self) -> None:
        go = threading.Event()
        context.ensure()

        def work() -> None:
            pack("n", 1)
            assert go.wait(300)

        thread = self.thread(work)
        thread.start()
        thread.join(0.01)
        assert unpack("n") == ()
        go.set()
        thread.join()
        assert unpack("n") == (1,)

    def test_a_thread_is_freed_when_it_is_forgotten(self) -> None:
        pack("n", 1)
        thread = self.thread(lambda: None)
        thread.start()
        thread.join()
        gone = weakref.ref(thread)
        gc.disable()
        try:
            del thread
            assert gone() is None
        finally:
            gc.enable()

    def test_a_thread_cannot_be_started_twice(self) -> None:
        pack("n", 1)
        thread = self.thread(lambda: pack("n", 2))
        thread.start()
        with pytest.raises(RuntimeError, match="once"):
            thread.start()
        thread.join()
        assert unpack("n") == (1, 2)

    def test_a_thread_that_could_not_be_started_can_be_tried_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pack("n", 1)
        thread = self.thread(lambda: pack("n", 2))
        own = dict(vars(thread))
        with monkeypatch.context() as patch:
            patch.setattr(threading, START, cannot_start)
            with pytest.raises(RuntimeError, match="can't start"):
                thread.start()
        assert vars(thread).keys() == own.keys()
        pack("n", 3)
        thread.start()
        thread.join()
        assert unpack("n") == (1, 3, 2)


# Python 3.13 starts threads by another name.
START = "_start_joinable_thread" if sys.version_info >= (3, 13) else "_start_new_thread"


def cannot_start(*_: object, **__: object) -> None:
    raise RuntimeError("can't start new thread")


class TestDaemon(TestThread):
    def thread(self, work: Work) -> threading.Thread:
        return threading.Thread(target=work, daemon=True)


class TestTimer(TestThread):
    def thread(self, work: Work) -> threading.Thread:
        return threading.Timer(0, work)


class Overriding(threading.Thread):
    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work = work

    def run(self) -> None:
        self.work()


class TestSubclassThatOverridesRun(TestThread):
    def thread(self, work: Work) -> threading.Thread:
        return Overriding(work)


class TestThreadWithARunOfItsOwn(TestThread):
    def thread(self, work: Work) -> threading.Thread:
        thread = threading.Thread()
        run: Callable[[], object] = work
        thread.run = run  # type: ignore[method-assign, assignment]
        return thread


class TestWorkers(InstrumentationSuite):
    """Threads that libraries start for work of many."""

    instrumentation: ClassVar = instrumentation

    def test_a_worker_of_anyio_is_no_branch_of_the_request_that_needs_it_first(self) -> None:
        recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
        self.boundary.register(recorder)
        seen: list[object] = []

        async def request(n: int) -> None:
            with attached(EMPTY.pack("n", n)) as running:
                await anyio.to_thread.run_sync(lambda: seen.append(unpack("n")))
                await anyio.to_thread.run_sync(lambda: pack("echo", n))
                assert running.unpack("echo") == (n,)
                assert running.family.release() == []

        async def serve() -> None:
            for n in range(2):
                await request(n)

        asyncio.run(serve())
        assert seen == [(0,), (1,)]
        assert recorder.begun == []
