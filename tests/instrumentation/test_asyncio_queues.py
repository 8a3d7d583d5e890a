"""Queues of tasks keep what every queue has to, however they are waited for."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar, TypeVar

import pytest
import uvicorn
from uvicorn.lifespan.on import LifespanOn

from baggage.boundary import Fault, FaultKind, Inject, Kind, Proceed
from baggage.context import branch, pack, unpack
from baggage.instrumentation import asyncio as tasks
from baggage.instrumentation import asyncio_queues as instrumentation
from baggage.instrumentation._patching import Switch
from baggage.testing import Recorder
from baggage.testing._queue import QueueBase
from baggage.testing.queueing import QueueSuite

T = TypeVar("T")
Get = Callable[["asyncio.Queue[Any]"], Awaitable[Any]]


class Tasks(QueueBase):
    instrumentation: ClassVar = instrumentation
    full: ClassVar = asyncio.QueueFull
    empty: ClassVar = asyncio.QueueEmpty

    def queue(self, size: int = 0) -> Any:
        return asyncio.Queue(size)

    def stack(self) -> Any:
        return asyncio.LifoQueue()

    def heap(self) -> Any:
        return asyncio.PriorityQueue()

    def put(self, queue: Any, item: object) -> None:
        queue.put_nowait(item)

    def get(self, queue: Any) -> Any:
        return queue.get_nowait()

    def done(self, queue: Any) -> None:
        queue.task_done()


class TestQueue(Tasks, QueueSuite):
    pass


def stepped(work: Coroutine[Any, Any, T], otherwise: Exception) -> T:
    """Run a coroutine in this very context, as long as it does not wait."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise otherwise


class NeverAsked(asyncio.AbstractEventLoop):
    """A loop that only makes futures."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def get_debug(self) -> bool:
        return False

    def call_soon(self, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        """Forget it."""


class TestCoroutines(Tasks, QueueSuite):
    """The same by the methods that may wait."""

    def put(self, queue: Any, item: object) -> None:
        queue._get_loop = NeverAsked
        stepped(queue.put(item), asyncio.QueueFull())

    def get(self, queue: Any) -> Any:
        queue._get_loop = NeverAsked
        return stepped(queue.get(), asyncio.QueueEmpty())


class InLoops(Tasks):
    """What tasks do in a loop."""

    @asynccontextmanager
    async def serving(self, tenant: str) -> AsyncIterator[None]:
        with self.request(tenant):
            yield

    async def produce(self, jobs: asyncio.Queue[Any], *tenants: str) -> None:
        for tenant in tenants:
            with self.request(tenant):
                await jobs.put(tenant)

    async def consume(self, jobs: asyncio.Queue[Any], get: Get) -> list[tuple[object, object]]:
        """Take items until None comes; return them with the tenants seen a moment after."""
        seen: list[tuple[object, object]] = []
        while (item := await get(jobs)) is not None:
            await asyncio.sleep(0)
            seen.append((item, unpack("tenant")))
            jobs.task_done()
        return seen

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run(work())

    @pytest.mark.parametrize(
        "get",
        [
            pytest.param(lambda jobs: jobs.get(), id="get"),
            pytest.param(lambda jobs: asyncio.wait_for(jobs.get(), 20), id="wait_for"),
            pytest.param(lambda jobs: asyncio.wait_for(jobs.get(), None), id="wait_for ever"),
        ],
    )
    def test_workers_see_the_context_of_each_item(self, get: Get) -> None:
        async def work() -> list[tuple[object, object]]:
            jobs: asyncio.Queue[Any] = asyncio.Queue(2)
            workers = [asyncio.create_task(self.consume(jobs, get)) for _ in range(3)]
            await asyncio.gather(*(self.produce(jobs, *"ab" * 10) for _ in range(3)))
            await jobs.join()
            for _ in workers:
                await jobs.put(None)
            return [one for seen in await asyncio.gather(*workers) for one in seen]

        seen = self.run(work)
        assert len(seen) == 60
        assert all(tenants == (item,) for item, tenants in seen)

    def test_a_get_that_is_cancelled_leaves_nothing(self) -> None:
        async def work() -> object:
            jobs: asyncio.Queue[Any] = asyncio.Queue()
            for waiting in (jobs.get(), asyncio.wait_for(jobs.get(), 20)):
                task = asyncio.create_task(waiting)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                assert task.cancelled()
            await self.produce(jobs, "acme")
            await jobs.get()
            return unpack("tenant")

        assert self.run(work) == ("acme",)

    def test_a_get_that_times_out_leaves_nothing(self) -> None:
        recorder = self.recorded(Kind.CONSUMER)

        async def work() -> None:
            jobs: asyncio.Queue[Any] = asyncio.Queue()
            await self.produce(jobs, "acme")
            assert await jobs.get() == "acme"
            for seconds in (0, 0.01):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(jobs.get(), seconds)
                assert unpack("tenant") == ()
                assert len(recorder.ended) == 1
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await jobs.get()
            assert unpack("tenant") == ()

        self.run(work)

    def test_a_get_in_a_task_of_its_own_ends_at_once(self) -> None:
        recorder = self.recorded(Kind.CONSUMER)

        async def work() -> object:
            jobs: asyncio.Queue[Any] = asyncio.Queue()
            await self.produce(jobs, "acme")
            assert await asyncio.create_task(jobs.get()) == "acme"
            assert len(recorder.ended) == 1
            return unpack("tenant")

        assert self.run(work) == ()

    def test_a_reply_is_joined_whichever_task_takes_it(self) -> None:
        async def answer(jobs: asyncio.Queue[Any], replies: asyncio.Queue[Any]) -> None:
            while await jobs.get() is not None:
                pack("n", 1)
                await replies.put("reply")

        async def work() -> list[object]:
            jobs, replies = asyncio.Queue[Any](), asyncio.Queue[Any]()
            answering = asyncio.create_task(answer(jobs, replies))
            seen: list[object] = []
            async with self.serving("acme"):
                for _ in range(2):
                    await jobs.put(1)
                    assert await replies.get() == "reply"
                    seen.append(unpack("n"))
                await jobs.put(1)
                await asyncio.wait_for(replies.get(), 20)
                seen.append(unpack("n"))
            await jobs.put(None)
            await answering
            return seen

        assert self.run(work) == [(1,), (1, 1), (1, 1, 1)]

    def test_a_message_ends_with_its_task(self) -> None:
        recorder = self.recorded(Kind.CONSUMER)

        async def once(jobs: asyncio.Queue[Any]) -> None:
            await jobs.get()
            await asyncio.sleep(0)
            assert recorder.ended == []

        async def work() -> None:
            jobs: asyncio.Queue[Any] = asyncio.Queue()
            await self.produce(jobs, "acme")
            await asyncio.create_task(once(jobs))
            await asyncio.sleep(0)
            assert [crossed.outcome is not None for crossed in recorder.ended] == [True]

        self.run(work)

    @pytest.mark.parametrize("get", [pytest.param(lambda jobs: jobs.get(), id="get"),
                                     pytest.param(lambda jobs: asyncio.create_task(jobs.get()),
                                                  id="task"),
                                     pytest.param(lambda jobs: asyncio.wait_for(jobs.get(), 20),
                                                  id="wait_for")])  # fmt: skip
    def test_a_slow_message_is_waited_for_by_its_taker(self, get: Get) -> None:
        self.scripted(Kind.PRODUCER, Inject(Fault(FaultKind.DELAY, seconds=0.05)))

        async def work() -> float:
            jobs: asyncio.Queue[Any] = asyncio.Queue()
            began = time.monotonic()
            await self.produce(jobs, "item")
            assert await get(jobs) == "item"
            return time.monotonic() - began

        # A bound from below, which no slow machine can miss; timers may be early by a tick.
        assert self.run(work) >= 0.03

    def test_while_a_slow_message_is_waited_for_others_go_on(self) -> None:
        self.scripted(Kind.PRODUCER, Inject(Fault(FaultKind.DELAY, seconds=60)))

        async def work() -> None:
            jobs: asyncio.Queue[Any] = asyncio.Queue()
            await self.produce(jobs, "item")
            consuming = asyncio.create_task(jobs.get())
            await asyncio.sleep(0.01)
            assert not consuming.done()
            consuming.cancel()
            with suppress(asyncio.CancelledError):
                await consuming
            assert jobs.qsize() == 1

        self.run(work)

    @pytest.mark.parametrize("queue", [asyncio.Queue, asyncio.PriorityQueue, asyncio.LifoQueue])
    @pytest.mark.parametrize("waits", ["timeout", "wait_for", "cancel"])
    def test_who_gives_up_waiting_for_a_slow_message_leaves_it(
        self, queue: type[asyncio.Queue[Any]], waits: str
    ) -> None:
        recorder = self.recorded(Kind.CONSUMER)
        scripted = self.scripted(Kind.PRODUCER, Inject(Fault(FaultKind.DELAY, seconds=0.2)))

        async def give_up(jobs: asyncio.Queue[Any]) -> None:
            if waits == "wait_for":
                await asyncio.wait_for(jobs.get(), 0.01)
            async with asyncio.timeout(0.01):
                await jobs.get()

        async def work() -> object:
            jobs = queue(1)
            await self.produce(jobs, "item")
            self.boundary.unregister(scripted.name)
            giving_up = asyncio.create_task(give_up(jobs))
            if waits == "cancel":
                await asyncio.sleep(0)
                giving_up.cancel()
            with suppress(TimeoutError, asyncio.CancelledError):
                await giving_up
            assert (recorder.begun, jobs.qsize()) == ([], 1)
            item = await asyncio.create_task(jobs.get())
            jobs.task_done()
            await asyncio.wait_for(jobs.join(), 20)
            return item

        assert self.run(work) == "item"
        assert [one.carried.unpack("tenant") for one in recorder.begun] == [("item",)]

    def test_a_delay_before_a_get_is_waited_for_by_the_task_alone(self) -> None:
        self.scripted(Kind.CONSUMER, Proceed(delay=0.02))
        order: list[str] = []

        async def consume(jobs: asyncio.Queue[Any]) -> None:
            order.append(await jobs.get())

        async def work() -> None:
            jobs: asyncio.Queue[Any] = asyncio.Queue()
            await self.produce(jobs, "item")
            consuming = asyncio.create_task(consume(jobs))
            await asyncio.sleep(0)
            order.append("meanwhile")
            await consuming

        self.run(work)
        assert order == ["meanwhile", "item"]

    @pytest.mark.skipif(sys.version_info < (3, 13), reason="new in Python 3.13")
    @pytest.mark.may_skip("new in Python 3.13")
    def test_a_shutdown_ends_what_was_there(self) -> None:
        recorder = self.recorded(Kind.CONSUMER)

        async def work() -> None:
            jobs: asyncio.Queue[Any] = asyncio.Queue()
            await self.produce(jobs, "acme")
            getattr(jobs, "shutdown")(immediate=True)  # noqa: B009 - unknown to older stubs
            with pytest.raises(getattr(asyncio, "QueueShutDown")):  # noqa: B009
                await jobs.get()

        self.run(work)
        assert len(recorder.ended) == 1

    def test_what_a_server_tells_an_application_of_its_start_and_end_is_no_message(self) -> None:
        recorder = self.recorded(Kind.PRODUCER, Kind.CONSUMER)
        heard: list[object] = []

        async def application(_: Any, receive: Any, send: Any) -> None:
            for told in ("startup", "shutdown"):
                heard.append((await receive())["type"])
                await send({"type": f"lifespan.{told}.complete"})

        async def work() -> int:
            config = uvicorn.Config(application, lifespan="on", log_config=None)
            config.load()
            lifespan = LifespanOn(config)
            await lifespan.startup()
            await lifespan.shutdown()
            return len(recorder.begun)

        assert self.run(work) == 0
        assert heard == ["lifespan.startup", "lifespan.shutdown"]


class TestInLoops(InLoops):
    def test_its_methods_are_still_coroutine_functions(self) -> None:
        owners: tuple[Any, ...] = (asyncio.Queue, asyncio.LifoQueue, asyncio.Queue())
        for owner in owners:
            assert inspect.iscoroutinefunction(owner.get)
            assert inspect.iscoroutinefunction(owner.put)
        assert inspect.iscoroutinefunction(asyncio.wait_for)


class TestInInstrumentedLoops(InLoops):
    """The same where tasks are branches."""

    @pytest.fixture(autouse=True)
    def _tasks(self) -> Iterator[None]:
        switch = Switch()
        tasks.instrument(self.boundary, switch)
        yield
        switch.on = False

    def test_whoever_starts_a_worker_again_learns_nothing_of_its_last_message(self) -> None:
        async def work() -> object:
            jobs: asyncio.Queue[Any] = asyncio.Queue()
            seen: list[object] = []

            async def fail() -> None:
                await jobs.get()
                seen.append(unpack("tenant"))
                raise LookupError

            for tenant in "ab":
                worker = asyncio.create_task(fail())
                await asyncio.create_task(self.produce(jobs, tenant))
                with pytest.raises(LookupError):
                    await worker
                seen.append(unpack("tenant"))
            return seen

        assert self.run(work) == [("a",), (), ("b",), ()]

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
    def test_a_copied_queue_is_as_good_as_the_first(self, copied: Callable[[Any], Any]) -> None:
        async def work() -> object:
            jobs: asyncio.Queue[Any] = asyncio.Queue()
            await self.produce(jobs, "a")
            other = copied(jobs)
            await self.produce(other, "b")
            return [(await it.get(), unpack("tenant")) for it in (other, other, jobs)]

        assert self.run(work) == [("a", ()), ("b", ("b",)), ("a", ("a",))]

    def test_a_message_ends_with_a_task_that_is_kept(self) -> None:
        recorder = self.recorded(Kind.CONSUMER)

        async def work() -> int:
            jobs: asyncio.Queue[Any] = asyncio.Queue()

            async def take() -> None:
                await jobs.get()

            with self.request("a"):
                worker = asyncio.create_task(take())
            await asyncio.sleep(0)
            await self.produce(jobs, "b")
            await worker
            return len(recorder.ended)

        assert self.run(work) == 1


class TestInWatchedLoops(TestInInstrumentedLoops):
    """The same where somebody sees tasks run."""

    @pytest.fixture(autouse=True)
    def _watched(self, _tasks: None) -> None:
        self.boundary.register(Recorder("watcher", kinds=(Kind.SPAWN, Kind.RUN)))


def test_a_branch_is_left_behind_by_no_test() -> None:
    assert branch() is None
