"""Tasks and calls in executors, on every loop and by every factory, keep what branches have to."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from typing import Any, ClassVar

import pytest
import uvloop

from baggage.boundary import Kind
from baggage.context import branch, branch_in, ensure, pack, unpack
from baggage.instrumentation import asyncio as instrumentation
from baggage.instrumentation import uvloop as uvloop_instrumentation
from baggage.testing.apps import Recorder
from baggage.testing.parcel import Parcel, ParcelAdapter
from baggage.testing.spawn import HOME
from baggage.testing.suite import InstrumentationSuite
from baggage.testing.tasks import (
    AsyncWait,
    AsyncWork,
    TaskSuite,
    by_hand,
    failure_of,
    on_a_loop,
)


class TestCreateTask(TaskSuite):
    instrumentation: ClassVar = instrumentation

    def spawn(self, work: AsyncWork) -> AsyncWait:
        task = asyncio.create_task(work())
        return lambda: task


class TestEnsureFuture(TaskSuite):
    instrumentation: ClassVar = instrumentation

    def spawn(self, work: AsyncWork) -> AsyncWait:
        task = asyncio.ensure_future(work())
        return lambda: task


class TestGather(TaskSuite):
    instrumentation: ClassVar = instrumentation
    # What it returns is a future that its tasks' outcomes are put in as they end.
    test_what_a_child_packs_does_not_come_home_before: Any = None
    tells = False

    def spawn(self, work: AsyncWork) -> AsyncWait:
        gathered = asyncio.gather(work())
        return lambda: gathered


class TestShield(TaskSuite):
    instrumentation: ClassVar = instrumentation
    test_what_a_child_packs_does_not_come_home_before: Any = None

    def spawn(self, work: AsyncWork) -> AsyncWait:
        shielded = asyncio.shield(work())
        return lambda: shielded


class TestWait(TaskSuite):
    instrumentation: ClassVar = instrumentation
    tells = False

    def spawn(self, work: AsyncWork) -> AsyncWait:
        task = asyncio.create_task(work())
        return lambda: asyncio.wait([task])


class TestAsCompleted(TaskSuite):
    instrumentation: ClassVar = instrumentation

    def spawn(self, work: AsyncWork) -> AsyncWait:
        task = asyncio.create_task(work())
        return lambda: next(iter(asyncio.as_completed([task])))


class TestWaitForATask(TaskSuite):
    instrumentation: ClassVar = instrumentation

    def spawn(self, work: AsyncWork) -> AsyncWait:
        task = asyncio.create_task(work())
        return lambda: asyncio.wait_for(task, 20)


class TestToThread(TaskSuite):
    instrumentation: ClassVar = instrumentation
    # The work has no loop there.
    test_a_grandchild_comes_home_by_its_parent: Any = None
    # The call and the task that waits for it are both branches.
    test_a_start_and_a_run_are_crossings_of_the_same_place: Any = None

    def spawn(self, work: AsyncWork) -> AsyncWait:
        task = asyncio.create_task(asyncio.to_thread(by_hand, work))
        return lambda: task


class TestRunInExecutor(TaskSuite):
    instrumentation: ClassVar = instrumentation
    test_a_grandchild_comes_home_by_its_parent: Any = None

    def spawn(self, work: AsyncWork) -> AsyncWait:
        future = asyncio.get_running_loop().run_in_executor(None, by_hand, work)
        return lambda: future


def plainly(
    loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    """Make tasks that are not ours to make."""
    return asyncio.Task(coro, loop=loop, **options)


class TestFactory(TestCreateTask):
    factory: ClassVar[Callable[..., Any]] = staticmethod(plainly)
    # A foreign task is joined where it was created, as it ends.
    test_what_a_child_packs_does_not_come_home_before: Any = None

    def run(self, main: AsyncWork) -> None:
        async def with_factory() -> None:
            asyncio.get_running_loop().set_task_factory(type(self).factory)
            await main()

        asyncio.run(with_factory())


if sys.version_info >= (3, 12):

    class TestEagerFactory(TestFactory):
        factory = asyncio.eager_task_factory

    class TestForeignEagerFactory(TestFactory):
        factory = asyncio.create_eager_task_factory(asyncio.Task)


class TestUvloop(TestCreateTask):
    instrumentation: ClassVar = uvloop_instrumentation

    def run(self, main: AsyncWork) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())


class TestUvloopExecutor(TestUvloop):
    test_a_grandchild_comes_home_by_its_parent: Any = None

    def spawn(self, work: AsyncWork) -> AsyncWait:
        future = asyncio.get_running_loop().run_in_executor(None, by_hand, work)
        return lambda: future


class TestUvloopFactory(TestUvloop):
    test_what_a_child_packs_does_not_come_home_before: Any = None

    def run(self, main: AsyncWork) -> None:
        async def with_factory() -> None:
            asyncio.get_running_loop().set_task_factory(plainly)  # type: ignore[arg-type]
            await main()

        super().run(with_factory)


async def packing(*values: int) -> tuple[object, ...]:
    """Pack values one after the other; return what was seen at the end."""
    for value in values:
        pack("n", value)
        await asyncio.sleep(0)
    return unpack("n")


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


mine: ContextVar[str] = ContextVar("mine", default="")


@pytest.mark.parametrize("watched", [False, True], ids=["unwatched", "watched"])
class TestTasks(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation

    @pytest.fixture(autouse=True)
    def _watched(self, _clean: None, watched: bool) -> None:
        self.recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
        if watched:
            self.boundary.register(self.recorder)

    def forget_what_was_recorded(self) -> None:
        self.recorder.begun.clear()
        self.recorder.ended.clear()

    def run(self, main: AsyncWork) -> None:
        asyncio.run(main())

    @on_a_loop
    async def test_a_task_looks_as_it_would_without_us(self, watched: bool) -> None:
        coroutine = packing(1)
        task = asyncio.create_task(coroutine, name="its own")
        assert isinstance(task, asyncio.Task)
        assert task.get_coro() is coroutine
        assert task.get_name() == "its own"
        assert repr(task).startswith("<Task pending name='its own' coro=<packing() running at ")
        assert task in asyncio.all_tasks()
        assert [frame.f_code for frame in task.get_stack()] == [packing.__code__]
        await task

    @on_a_loop
    async def test_a_task_is_the_current_one_within(self, watched: bool) -> None:
        async def within() -> asyncio.Task[Any] | None:
            return asyncio.current_task()

        task = asyncio.create_task(within())
        assert await task is task

    @on_a_loop
    async def test_a_generator_that_is_garbage_is_closed_by_no_branch(self, watched: bool) -> None:
        closed = asyncio.Event()

        async def numbers() -> AsyncGenerator[int, None]:
            try:
                yield 1
            finally:
                closed.set()

        generator = numbers()
        await anext(generator)
        self.forget_what_was_recorded()
        del generator
        gc.collect()
        await closed.wait()
        assert self.recorder.begun == []

    @on_a_loop
    async def test_a_cancelled_task_passes_its_error_and_brings_home_what_it_packed(
        self, watched: bool
    ) -> None:
        async def work() -> None:
            pack("n", 1)
            await forever()

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await task
        assert task.cancelled()
        assert unpack("n") == (1,)

    @on_a_loop
    async def test_a_task_that_is_cancelled_before_it_began_never_begins(
        self, watched: bool
    ) -> None:
        known = len(self.recorder.begun)
        task = asyncio.create_task(packing(1))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert unpack("n") == ()
        gc.collect()  # no coroutine is left that was never awaited
        begun = self.recorder.begun[known:]
        assert [it.call.kind for it in begun] == ([Kind.SPAWN, Kind.RUN] if watched else [])
        assert all(it in self.recorder.ended for it in begun)

    @on_a_loop
    async def test_cancelling_who_waits_cancels_the_task(self, watched: bool) -> None:
        inner = asyncio.create_task(forever())

        async def wait() -> None:
            await inner

        outer = asyncio.create_task(wait())
        await asyncio.sleep(0)
        outer.cancel()
        await asyncio.wait([outer])
        assert (inner.cancelled(), outer.cancelled()) == (True, True)

    @on_a_loop
    async def test_a_task_may_refuse_to_be_cancelled(self, watched: bool) -> None:
        async def stubborn() -> str:
            try:
                await forever()
            except asyncio.CancelledError:
                pack("n", 1)
            return "stayed"

        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        task.cancel()
        assert await task == "stayed"
        assert unpack("n") == (1,)

    @on_a_loop
    async def test_all_who_wait_learn(self, watched: bool) -> None:
        task = asyncio.create_task(packing(1))

        async def wait() -> tuple[object, ...]:
            await task
            return unpack("n")

        assert set(await asyncio.gather(wait(), wait())) == {(1,)}
        assert unpack("n") == (1,)

    def test_what_the_main_task_packs_comes_home(self, watched: bool) -> None:
        pack("n", 0)
        assert asyncio.run(packing(1)) == (0, 1)
        assert unpack("n") == (0, 1)
        with asyncio.Runner() as runner:
            assert runner.run(packing(2)) == (0, 1, 2)
            assert runner.run(packing(3)) == (0, 1, 2, 3)
        assert unpack("n") == (0, 1, 2, 3)

    def test_a_loop_in_which_nothing_is_packed_leaves_no_branch_behind(self, watched: bool) -> None:
        async def work() -> None:
            await asyncio.gather(asyncio.sleep(0), asyncio.to_thread(unpack, "n"))

        asyncio.run(work())
        with asyncio.Runner() as runner:
            runner.get_loop().run_until_complete(work())
        assert branch() is None
        assert asyncio.run(packing(1)) == (1,)
        assert unpack("n") == (1,)

    def test_a_context_that_is_given_is_used_and_left_as_it_was(self, watched: bool) -> None:
        async def work() -> None:
            mine.set("set")
            pack("n", 2)
            await asyncio.sleep(0)
            assert (mine.get(), unpack("n")) == ("set", (1, 2))

        async def main() -> None:
            await asyncio.get_running_loop().create_task(work(), context=given)
            assert unpack("n") == (1, 2)

        pack("n", 1)
        given = copy_context()
        before = branch_in(given)
        self.run(main)
        assert given[mine] == "set"
        assert branch_in(given) is before
        assert mine.get() == ""

    @on_a_loop
    async def test_tasks_that_share_a_context_do_not_mix(self, watched: bool) -> None:
        given = copy_context()
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(packing(n, n), context=given) for n in range(5)]
        seen: list[object] = list(await asyncio.gather(*tasks))
        assert seen == [(n, n) for n in range(5)]

    @on_a_loop
    async def test_an_empty_context_starts_with_nothing(self, watched: bool) -> None:
        pack("n", 1)
        task = asyncio.get_running_loop().create_task(packing(2), context=Context())
        assert await task == (2,)
        assert sorted(unpack("n"), key=repr) == [1, 2]

    def test_what_a_task_waits_for_is_joined_in_it_whatever_its_context(
        self, watched: bool
    ) -> None:
        async def main() -> object:
            pack("n", 0)
            own = ensure().baggage.history.own
            for _ in range(20):
                await asyncio.create_task(packing(1))
                await asyncio.gather(packing(1))
                assert ensure().baggage.history.own == own
            return unpack("n")

        given = copy_context()
        outside = branch_in(given)
        with asyncio.Runner() as runner:
            assert runner.run(main(), context=given) == (0, *([1] * 40))
        assert branch_in(given) is outside

    @on_a_loop
    async def test_a_group_learns_from_tasks_that_its_tasks_created(self, watched: bool) -> None:
        async def work(group: asyncio.TaskGroup) -> None:
            group.create_task(packing(2, 3))
            pack("n", 1)

        async with asyncio.TaskGroup() as group:
            group.create_task(work(group))
        assert sorted(unpack("n"), key=repr) == [1, 2, 3]

    @on_a_loop
    async def test_a_group_learns_from_a_task_that_was_cancelled(self, watched: bool) -> None:
        async def work() -> None:
            pack("n", 1)
            await forever()

        async def fail() -> None:
            pack("n", 2)
            await asyncio.sleep(0)
            raise LookupError("failed")

        async def both() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(work())
                group.create_task(fail())

        error = await failure_of(both())
        assert isinstance(error, ExceptionGroup)
        assert [type(one) for one in error.exceptions] == [LookupError]
        assert sorted(unpack("n"), key=repr) == [1, 2]

    @on_a_loop
    async def test_siblings_that_are_gathered_do_not_see_each_other(self, watched: bool) -> None:
        pack("n", 0)
        assert await asyncio.gather(*(packing(n) for n in (1, 2, 3))) == [(0, 1), (0, 2), (0, 3)]
        assert sorted(unpack("n"), key=repr) == [0, 1, 2, 3]

    @on_a_loop
    async def test_waiting_with_a_time_limit_joins(self, watched: bool) -> None:
        assert await asyncio.wait_for(packing(1), 20) == (1,)
        assert unpack("n") == (1,)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(forever(), 0.001)

    @on_a_loop
    async def test_a_failure_that_nobody_asks_for_is_reported_as_ever(self, watched: bool) -> None:
        async def fail() -> None:
            pack("n", 1)
            raise LookupError("unheard")

        reported: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, report: reported.append(report))
        task = asyncio.create_task(fail())
        await asyncio.sleep(0.01)
        assert reported == []
        self.forget_what_was_recorded()
        del task
        gc.collect()
        assert [str(report["exception"]) for report in reported] == ["unheard"]

    @on_a_loop
    async def test_a_task_that_failed_is_freed_when_it_is_forgotten(self, watched: bool) -> None:
        async def fail() -> None:
            raise LookupError

        gc.disable()
        try:
            task = asyncio.create_task(fail())
            gone = weakref.ref(task)
            with suppress(LookupError):
                await task
            await asyncio.sleep(0)
            self.forget_what_was_recorded()
            del task
            assert gone() is None
        finally:
            gc.enable()

    def test_a_coroutine_of_another_thread_is_a_branch_of_that(self, watched: bool) -> None:
        pack("n", 0)
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        assert asyncio.run_coroutine_threadsafe(packing(1), loop).result(300) == (0, 1)
        assert unpack("n") == (0, 1)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    @on_a_loop
    async def test_callbacks_are_of_the_branch_that_asked_for_them(self, watched: bool) -> None:
        loop = asyncio.get_running_loop()
        ran: asyncio.Queue[object] = asyncio.Queue()

        def note(n: int) -> None:
            ran.put_nowait(unpack("n"))
            pack("n", n)

        async def ask() -> None:
            pack("n", 1)
            loop.call_soon(note, 2)
            loop.call_later(0.001, note, 3)
            loop.call_soon_threadsafe(note, 4)
            future = loop.create_future()
            future.add_done_callback(lambda _: note(5))
            await asyncio.sleep(0.01)
            future.set_result(None)
            await asyncio.sleep(0.01)

        before = len(self.recorder.begun)
        await asyncio.create_task(ask())
        assert len(self.recorder.begun) - before == (2 if watched else 0)
        assert [ran.get_nowait() for _ in range(4)] == [(1,), (1, 2), (1, 2, 4), (1, 2, 4, 3)]
        assert unpack("n") == (1, 2, 4, 3, 5)

    @on_a_loop
    async def test_what_a_library_starts_for_its_own_ends_is_no_branch(self, watched: bool) -> None:
        async def send() -> Parcel:
            await asyncio.create_task(packing(2))
            await asyncio.to_thread(pack, "n", 3)
            assert unpack("n") == (1, 2, 3)
            return Parcel()

        pack("n", 1)
        before = len(self.recorder.begun)
        adapter = ParcelAdapter(Kind.CLIENT, library="aiohttp")
        await self.boundary.acall(adapter, Parcel(), send)
        assert len(self.recorder.begun) == before

    def test_what_is_no_coroutine_is_refused_as_ever(self, watched: bool) -> None:
        loop = asyncio.new_event_loop()
        create: Callable[..., object] = loop.create_task
        for wrong in ((1,), ()):
            with pytest.raises(TypeError):
                create(*wrong)
        loop.close()
        coroutine = packing(1)
        with pytest.raises(RuntimeError, match="closed"):
            create(coroutine)
        coroutine.close()
        assert unpack("n") == ()

    def test_a_loop_in_debug_mode_tells_where_a_task_was_created(self, watched: bool) -> None:
        async def main() -> object:
            task = asyncio.create_task(packing(1))
            await task
            return task._source_traceback[-1].name  # type: ignore[attr-defined]

        assert asyncio.run(main(), debug=True) == "create_task"


class TestCalls(InstrumentationSuite):
    """Calls in the loop's executor."""

    instrumentation: ClassVar = instrumentation

    def run(self, main: AsyncWork) -> None:
        asyncio.run(main())

    @on_a_loop
    async def test_calls_in_threads_are_siblings(self) -> None:
        together = threading.Barrier(4)

        def call(n: int) -> tuple[object, ...]:
            pack("n", n)
            together.wait(300)
            return unpack("n")

        pack("n", 0)
        seen = await asyncio.gather(*(asyncio.to_thread(call, n) for n in (1, 2, 3, 4)))
        assert seen == [(0, 1), (0, 2), (0, 3), (0, 4)]
        assert sorted(unpack("n"), key=repr) == [0, 1, 2, 3, 4]

    @on_a_loop
    async def test_what_is_called_in_a_thread_has_its_callers_context(self) -> None:
        mine.set("caller's")
        assert await asyncio.to_thread(mine.get) == "caller's"
        assert await asyncio.to_thread(dict, [("a", 1)], b=2) == {"a": 1, "b": 2}

    @on_a_loop
    async def test_one_crossing_is_one_call(self) -> None:
        recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
        self.boundary.register(recorder)
        await asyncio.to_thread(pack, "n", 1)
        with ThreadPoolExecutor(1) as pool:
            await asyncio.get_running_loop().run_in_executor(pool, pack, "n", 2)
        assert [crossed.call.kind for crossed in recorder.begun] == [Kind.SPAWN, Kind.RUN] * 2
        assert {crossed.call.operation for crossed in recorder.begun} == {"loop.run_in_executor"}

    @on_a_loop
    async def test_what_comes_home_before_callbacks_run_comes_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def work() -> None:
            pack(HOME, 1)

        pack("n", 0)
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        assert task.done()
        task.result()
        await asyncio.sleep(0)
        assert unpack(HOME) == (1,)
        assert "values lost" not in caplog.messages

    @on_a_loop
    async def test_a_call_is_a_future_by_its_name(self) -> None:
        pack("n", 0)
        called = asyncio.get_running_loop().run_in_executor(None, len, "four")
        assert repr(called).startswith("<Future pending")
        assert await called == 4

    @on_a_loop
    async def test_a_loop_in_debug_mode_refuses_coroutine_functions(self) -> None:
        async def work() -> None:
            raise AssertionError

        pack("n", 0)
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        with pytest.raises(TypeError, match="coroutines cannot be used with run_in_executor"):
            loop.run_in_executor(None, work)

    @on_a_loop
    async def test_what_refuses_to_be_compared_is_called(self) -> None:
        class Work:
            __hash__ = None  # type: ignore[assignment]

            def __eq__(self, other: object) -> bool:
                raise NotImplementedError

            def __call__(self) -> int:
                return 1

        assert await asyncio.to_thread(Work()) == 1
        assert await asyncio.get_running_loop().run_in_executor(None, Work()) == 1

    @on_a_loop
    async def test_to_look_up_a_name_is_no_crossing(self) -> None:
        recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
        self.boundary.register(recorder)
        await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80)
        assert recorder.begun == []

    @on_a_loop
    async def test_a_call_that_is_cancelled_in_the_queue_never_runs(self) -> None:
        go = threading.Event()
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as pool:
            first = loop.run_in_executor(pool, go.wait, 20)
            second = loop.run_in_executor(pool, pack, "n", 1)
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            go.set()
            assert await first is True
        assert unpack("n") == ()

    @on_a_loop
    async def test_a_failure_is_told_as_it_is(self) -> None:
        error = LookupError("the call's own")

        def fail() -> None:
            pack("n", 1)
            raise error

        assert await failure_of(asyncio.to_thread(fail)) is error
        assert (error.__cause__, error.__context__) == (None, None)
        assert unpack("n") == (1,)

    @on_a_loop
    async def test_executors_of_others_are_left_alone(self) -> None:
        class Inline(Executor):
            def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
                future: Future[Any] = Future()
                future.set_result((fn, fn(*args)))
                return future

        called: object = await asyncio.get_running_loop().run_in_executor(Inline(), len, "four")
        assert called == (len, 4)


class TestSwitchedOff(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation

    def test_nothing_is_done(self) -> None:
        async def main() -> type:
            task = asyncio.create_task(packing(1))
            await task
            await asyncio.to_thread(int)
            await asyncio.wait([asyncio.create_task(packing(2))])
            async with asyncio.TaskGroup() as group:
                group.create_task(packing(3))
            return type(task)

        self.switch.on = False
        assert asyncio.run(main()) is asyncio.Task
