"""Queues of threads keep what every queue has to; libraries that use them notice nothing."""

from __future__ import annotations

import gc
import itertools
import logging
import logging.handlers
import multiprocessing
import os
import queue
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, ClassVar

import anyio
import anyio.to_thread
import pytest
import urllib3
from kombu.connection import Connection

from baggage.boundary import Kind
from baggage.context import branch, pack, unpack
from baggage.instrumentation import queue as instrumentation
from baggage.testing import Origin, Reply
from baggage.testing._queue import QueueBase
from baggage.testing.queueing import QueueSuite

PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    # It warns on import that it's deprecated.
    "eventlet": (
        "import warnings; warnings.simplefilter('ignore'); import eventlet; eventlet.monkey_patch()"
    ),
}
IN_A_PATCHED_PROCESS = """
import baggage, queue, threading
baggage.instrument()
jobs, done = queue.Queue(), []
def work():
    while (job := jobs.get()) is not None:
        done.append(job)
        jobs.task_done()
worker = threading.Thread(target=work)
worker.start()
with baggage.attached(baggage.Baggage().pack("tenant", "acme")):
    for job in (1, 2):
        jobs.put(job)
    jobs.join()
    jobs.put(None)
    worker.join()
    assert baggage.unpack("tenant") == ("acme",)
print(done)
"""


class Threads(QueueBase):
    instrumentation: ClassVar = instrumentation
    full: ClassVar = queue.Full
    empty: ClassVar = queue.Empty

    def queue(self, size: int = 0) -> Any:
        return queue.Queue(size)

    def stack(self) -> Any:
        return queue.LifoQueue()

    def heap(self) -> Any:
        return queue.PriorityQueue()

    def put(self, queue: Any, item: object) -> None:
        queue.put(item, block=False)

    def get(self, queue: Any) -> Any:
        return queue.get_nowait()

    def done(self, queue: Any) -> None:
        queue.task_done()


class TestQueue(Threads, QueueSuite):
    pass


class TestBlocking(TestQueue):
    """The same by the methods that may wait."""

    def put(self, queue: Any, item: object) -> None:
        queue.put(item, timeout=0.001)

    def get(self, queue: Any) -> Any:
        return queue.get(True, 0.001)


class Unique(queue.Queue[Any]):
    """The documented recipe: a queue that drops what it holds already."""

    def _init(self, maxsize: int) -> None:
        self.items: dict[object, None] = {}

    def _qsize(self) -> int:
        return len(self.items)

    def _put(self, item: object) -> None:
        self.items.setdefault(item)

    def _get(self) -> object:
        first = next(iter(self.items))
        del self.items[first]
        return first


class Wrapping(queue.PriorityQueue[Any]):
    """Puts another object into the queue than it was given, to keep the order of equal ones."""

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self.count = itertools.count()

    def _put(self, item: object) -> None:
        super()._put((next(self.count), item))

    def _get(self) -> object:
        return super()._get()[1]


class Ring(queue.Queue[Any]):
    """Makes room for a new item by throwing the oldest one away."""

    def put(self, item: object, block: bool = True, timeout: float | None = None) -> None:
        if self.full():
            self.get_nowait()
        super().put(item, block, timeout)


class Calling(queue.Queue[Any]):
    """Calls `super()` from everything, as some do for their own ends."""

    def _put(self, item: object) -> None:
        super()._put(item)

    def _get(self) -> object:
        return super()._get()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        return super().get(block, timeout)


class TestSubclass(TestQueue):
    def queue(self, size: int = 0) -> Any:
        return Calling(size)


class TestWrappingSubclass(TestQueue):
    def queue(self, size: int = 0) -> Any:
        return Wrapping(size)

    # An item that is not the one that was put is known only from when it lies there.
    test_the_order_is_untouched_and_each_item_has_its_own_context = None  # type: ignore[assignment]


class TestMore(Threads):
    """What only these queues do."""

    def test_a_set_queue_keeps_the_first_ones_context(self) -> None:
        unique, recorder = Unique(), self.recorded(Kind.CONSUMER)
        for tenant in ("a", "b"):
            with self.request(tenant):
                unique.put("same")
        (dropped,) = recorder.ended
        assert dropped.carried.unpack("tenant") == ("b",)
        assert self.tenants(unique) == ("a",)
        with self.request("c"):
            unique.put("same")
        assert self.tenants(unique) == ("c",)

    def test_what_is_thrown_away_to_make_room_ends(self) -> None:
        ring, recorder = Ring(1), self.recorded(Kind.CONSUMER)
        for tenant in ("a", "b"):
            with self.request(tenant):
                ring.put(tenant)
        assert [crossed.carried.unpack("tenant") for crossed in recorder.ended] == [("a",)]
        assert self.tenants(ring) == ("b",)

    def test_a_queue_that_was_emptied_by_hand_forgets_what_was_there(self) -> None:
        lying, recorder = queue.Queue[Any](), self.recorded(Kind.CONSUMER)
        with self.request("old"):
            lying.put(None)
        lying.queue.clear()
        with self.request("new"):
            lying.put(None)
        assert [crossed.carried.unpack("tenant") for crossed in recorder.ended] == [("old",)]
        assert self.tenants(lying) == ("new",)

    @pytest.mark.skipif(not hasattr(queue.Queue, "shutdown"), reason="new in Python 3.13")
    @pytest.mark.may_skip("new in Python 3.13")
    def test_a_shutdown_ends_what_was_there(self) -> None:
        lying, recorder = queue.Queue[Any](), self.recorded(Kind.CONSUMER)
        with self.request("acme"):
            lying.put(1)
        getattr(lying, "shutdown")(immediate=True)  # noqa: B009 - unknown to older stubs
        assert len(recorder.ended) == 1

    def test_items_can_be_looked_at_where_they_lie(self) -> None:
        lying = queue.PriorityQueue[Any]()
        with self.request("acme"):
            lying.put((2, "b"))
            lying.put((1, "a"))
        assert lying.queue == [(1, "a"), (2, "b")]
        assert repr(type(lying)) == "<class 'queue.PriorityQueue'>"

    def test_a_get_that_waits_ends_the_scope_before(self) -> None:
        jobs, recorder = queue.Queue[Any](), self.recorded(Kind.CONSUMER)
        thread = threading.Thread(target=lambda: [jobs.get() for _ in range(2)])
        thread.start()
        with self.request("acme"):
            jobs.put(1)
        recorder.wait(lambda it: len(it.ended) == 1)
        assert thread.is_alive()
        jobs.put(None)
        thread.join()

    def test_many_threads_mix_nothing_up(self) -> None:
        jobs = queue.Queue[Any](4)
        seen: list[tuple[object, object]] = []

        def work() -> None:
            while (item := jobs.get()) is not None:
                seen.append((item, unpack("tenant")))
                jobs.task_done()

        def serve(tenant: str) -> None:
            with self.request(tenant):
                for _ in range(50):
                    jobs.put(tenant)

        workers = [threading.Thread(target=work) for _ in range(4)]
        clients = [threading.Thread(target=serve, args=(tenant,)) for tenant in "abcd"]
        for thread in (*workers, *clients):
            thread.start()
        for client in clients:
            client.join()
        jobs.join()
        for _ in workers:
            jobs.put(None)
        for worker in workers:
            worker.join()
        assert len(seen) == 200
        assert all(tenants == (item,) for item, tenants in seen)

    def test_a_queue_is_freed_when_it_is_forgotten(self) -> None:
        lying = Calling()
        with self.request("acme"):
            lying.put(1)
        gone = weakref.ref(lying)
        gc.disable()
        try:
            del lying
            assert gone() is None
        finally:
            gc.enable()

    # Libraries that use queues for their own ends

    def test_a_log_is_no_message(self) -> None:
        logs, recorder = queue.Queue[Any](), self.recorded(*Kind)
        seen: list[tuple[str, object]] = []

        class Keep(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                seen.append((record.getMessage(), unpack("tenant")))

        logger = logging.Logger("test")  # noqa: LOG001 - of this test alone
        logger.addHandler(logging.handlers.QueueHandler(logs))
        listener = logging.handlers.QueueListener(logs, Keep())
        listener.start()
        with self.request("acme") as arrival:
            logger.warning("something of %s", "acme")
            assert list(arrival.branch.release()) == []
            assert [crossed.call.kind for crossed in recorder.begun] == [Kind.SERVER]
        listener.stop()
        assert seen == [("something of acme", ())]

    def test_a_pool_of_connections_is_none_of_ours(self) -> None:
        origin = Origin(lambda _: Reply())
        with origin.serving(), urllib3.connection_from_url(origin.url) as pool:
            recorder = self.recorded(Kind.PRODUCER, Kind.CONSUMER)
            for tenant in ("a", "b"):
                with self.request(tenant) as arrival:
                    assert pool.request("GET", "/").status == 200
                    assert branch() is arrival.branch
                    assert unpack("tenant") == (tenant,)
                    unread = pool.request("GET", "/", preload_content=False)
                    unread.read()
                    unread.release_conn()
            assert recorder.begun == []
            assert pool.num_connections == 1

    def test_a_pool_of_connections_that_a_request_makes_carries_nothing_to_the_next(self) -> None:
        origin = Origin(lambda _: Reply())
        recorder = self.recorded(Kind.PRODUCER, Kind.CONSUMER)
        with origin.serving(), urllib3.PoolManager() as pools:
            for tenant in ("a", "b"):
                with self.request(tenant):
                    assert pools.request("GET", origin.url).status == 200
                    assert unpack("tenant") == (tenant,)
            assert recorder.begun == []
            assert pools.request("GET", origin.url).status == 200
            assert branch() is None

    def test_a_pool_of_a_broker_s_connections_is_none_of_ours(self) -> None:
        recorder = self.recorded(Kind.PRODUCER, Kind.CONSUMER)
        pool = Connection("memory://").Pool(2)  # type: ignore[no-untyped-call]
        with self.request("a"):
            for _ in range(2):
                with pool.acquire():
                    assert unpack("tenant") == ("a",)
        pool.force_close_all()
        assert recorder.begun == []

    def test_what_a_thread_does_for_a_task_is_a_part_of_it(self) -> None:
        recorder = self.recorded(Kind.PRODUCER, Kind.CONSUMER)

        async def work() -> tuple[object, ...]:
            with self.request("acme") as arrival:
                await anyio.to_thread.run_sync(pack, "n", 1)
                assert await anyio.to_thread.run_sync(branch) is arrival.branch
                return (*unpack("tenant"), *unpack("n"))

        assert anyio.run(work) == ("acme", 1)
        assert recorder.begun == []

    def test_pools_of_threads_and_of_processes_work_as_ever(self) -> None:
        recorder = self.recorded(Kind.PRODUCER, Kind.CONSUMER)
        with self.request("acme"):
            with ThreadPoolExecutor(2) as threads:
                assert list(threads.map(abs, [-1, -2])) == [1, 2]
            context = multiprocessing.get_context("spawn")
            with context.Pool(1) as pool:
                assert pool.map(abs, [-1, -2]) == [1, 2]
            channel = context.Queue()
            channel.put("item")
            assert channel.get(timeout=300) == "item"
            assert recorder.begun == []
            with ProcessPoolExecutor(1, context) as processes:
                assert processes.submit(abs, -1).result(300) == 1
            assert unpack("tenant") == ("acme",)


@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES)
def test_queues_that_are_none_of_the_librarys_are_left_alone(patch: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", patch + IN_A_PATCHED_PROCESS],
        env={**os.environ, "BAGGAGE_STRICT": "1", "BAGGAGE_METAAPPS": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (ran.stdout, ran.stderr) == ("[1, 2]\n", "")
