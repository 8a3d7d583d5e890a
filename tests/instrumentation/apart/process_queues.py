"""Queues between processes carry what the putting one carried, to whoever gets it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, ClassVar

import pytest

from baggage.boundary import Fault, FaultKind, Inject, Kind
from baggage.context import attached, branch, current, enter, leave, pack, suppressed, unpack
from baggage.instrumentation import multiprocessing as processes
from baggage.instrumentation import multiprocessing_queues as instrumentation
from baggage.testing.apps import Recorder, Scripted
from baggage.testing.parcel import Parcel, ParcelAdapter
from baggage.testing.suite import InstrumentationSuite
from baggage.values import EMPTY
from tests.instrumentation.apart.errands import HOME, Unpicklable
from tests.instrumentation.together import Together

# Python 3.12 and later warn of a fork beside threads, which is what is tried here.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


FORK = multiprocessing.get_context("fork")
KINDS: dict[str, Callable[[], Any]] = {
    "Queue": FORK.Queue,
    "JoinableQueue": FORK.JoinableQueue,
    "SimpleQueue": FORK.SimpleQueue,
}


def in_a_child(work: Callable[[], None]) -> None:
    """Do some work in a forked process that carries nothing."""
    child = os.fork()
    if child == 0:
        try:
            enter(None)
            work()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.fixture(params=KINDS)
def queue(request: pytest.FixtureRequest) -> Any:
    return KINDS[request.param]()


class TestQueues(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation

    def taken(self, queue: Any, look: Callable[[], object]) -> Any:
        """Return what a process that gets an item of a queue sees then."""
        answers = FORK.SimpleQueue()

        def work() -> None:
            item = queue.get()
            answers.put((item, look()))

        in_a_child(work)
        with suppressed():
            return answers.get()

    def scripted(self, fault: Fault) -> Scripted:
        scripted = Scripted(Inject(fault), kinds=(Kind.PRODUCER,))
        self.boundary.register(scripted)
        return scripted

    def test_an_item_that_is_dropped_is_put_for_all_that_the_putter_sees(self, queue: Any) -> None:
        pack("n", 1)
        drop = Fault(FaultKind.DROP)
        scripted = self.scripted(drop)
        assert queue.put("dropped") is None
        self.boundary.unregister(scripted.name)
        queue.put("kept")
        assert self.taken(queue, lambda: unpack("n")) == ("kept", (1,))
        assert scripted.saw[0].injected == drop

    def test_an_item_that_is_duplicated_is_got_twice(self, queue: Any) -> None:
        pack("n", 1)
        scripted = self.scripted(Fault(FaultKind.DUPLICATE))
        queue.put("twice")
        assert [self.taken(queue, lambda: unpack("n")) for _ in range(2)] == [("twice", (1,))] * 2
        assert scripted.saw[0].injected == Fault(FaultKind.DUPLICATE)
        assert queue.empty()

    def test_an_item_is_duplicated_only_where_there_is_room_for_two(self) -> None:
        pack("n", 1)
        queue: Any = FORK.Queue(1)
        scripted = self.scripted(Fault(FaultKind.DUPLICATE))
        queue.put("once")
        assert self.taken(queue, queue.empty) == ("once", True)
        assert scripted.saw[0].injected is None

    def test_a_slow_item_is_waited_for_by_its_getter(
        self, queue: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slept: list[float] = []
        pack("n", 1)
        scripted = self.scripted(Fault(FaultKind.DELAY, seconds=3000))
        queue.put("slow")
        assert scripted.saw[0].injected is not None
        monkeypatch.setattr("time.sleep", slept.append)
        item, waited = self.taken(queue, lambda: sum(slept))
        assert item == "slow"
        assert 2900 < waited <= 3000

    def test_a_getter_in_another_process_knows_what_the_putter_knew(self, queue: Any) -> None:
        pack("n", 1)
        pack(HOME, 1)
        queue.put({"an": "item"})
        pack("n", 2)
        assert self.taken(queue, lambda: (unpack("n"), unpack(HOME))) == (
            {"an": "item"},
            ((1,), ()),
        )

    def test_a_getter_that_is_not_instrumented_gets_the_item(self, queue: Any) -> None:
        pack("n", 1)
        queue.put("item")

        def work() -> None:
            self.switch.on = False
            assert queue.get() == "item"
            assert current().keys() == ()

        in_a_child(work)
        assert pickle.loads(pickle.dumps(instrumentation.Envelope([1], _errand()))) == [1]

    def test_a_scope_ends_with_the_next_get(self, queue: Any) -> None:
        with attached(EMPTY.pack("n", 1)):
            queue.put("first")
        self.switch.on = False
        queue.put("bare")
        self.switch.on = True

        def work() -> None:
            assert (queue.get(), unpack("n")) == ("first", (1,))
            assert (queue.get(), unpack("n")) == ("bare", ())
            assert branch() is None

        in_a_child(work)

    def test_a_getter_in_the_same_request_joins(self, queue: Any) -> None:
        def work() -> None:
            pack("n", 2)
            queue.put("item")

        with attached(EMPTY.pack("n", 1)):
            running = branch()
            queue.put("own")
            child = FORK.Process(target=work)
            child.start()
            assert {queue.get(), queue.get()} == {"own", "item"}
            assert branch() is running
            assert set(unpack("n")) == {1, 2}
            child.join()

    def test_a_getter_in_another_request_keeps_its_own(self, queue: Any) -> None:
        with attached(EMPTY.pack("n", 1)):
            queue.put("item")
        arrival = self.boundary.arrive(ParcelAdapter(Kind.SERVER), Parcel())
        assert arrival is not None
        with arrival.scope():
            pack("n", 2)
            assert queue.get() == "item"
            assert unpack("n") == (2,)
        arrival.close()

    def test_a_put_and_a_get_are_crossings_of_the_same_place(self, queue: Any) -> None:
        recorder = Recorder(kinds=(Kind.PRODUCER, Kind.CONSUMER))
        self.boundary.register(recorder)
        pack("n", 1)
        queue.put("item")
        token = enter(None)
        try:
            queue.get()
            sent, got = recorder.begun
            assert (sent.call.kind, got.call.kind) == (Kind.PRODUCER, Kind.CONSUMER)
            assert sent.call.site == got.call.site
            assert sent.call.site.module == __name__
            assert got.outcome is None
            with suppressed():
                queue.put("bare")
            assert queue.get() == "bare"
            assert len(recorder.ended) == 2
        finally:
            leave(token)

    def test_where_nothing_is_carried_items_travel_bare(self, queue: Any) -> None:
        queue.put("item")
        assert queue.get() == "item"
        assert branch() is None


def _errand() -> Any:
    from baggage.boundary import Errand

    return Errand()


class TestWorkers(InstrumentationSuite):
    instrumentation: ClassVar = Together(instrumentation, processes)

    def test_a_worker_that_no_request_started_works_in_the_scope_of_each_message(self) -> None:
        recorder = Recorder(kinds=(Kind.CONSUMER,))
        self.boundary.register(recorder)
        tasks, answers = FORK.SimpleQueue(), FORK.SimpleQueue()

        def work() -> None:
            for _ in range(2):
                tasks.get()
                seen = unpack("n")
                pack("n", "worker's")
                with suppressed():
                    answers.put((seen, len(recorder.ended)))

        worker = FORK.Process(target=work)
        worker.start()
        for n in (1, 2):
            with attached(EMPTY.pack("n", n)):
                tasks.put("task")
        with suppressed():
            assert [answers.get(), answers.get()] == [((1,), 0), ((2,), 1)]
        worker.join()
        assert worker.exitcode == 0
        assert current().keys() == ()


class TestErrors(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation

    def test_what_does_not_pickle_fails_as_without_us(
        self, capfd: pytest.CaptureFixture[str]
    ) -> None:
        pack("n", 1)
        with pytest.raises(TypeError, match="this one stays"):
            FORK.SimpleQueue().put(Unpicklable())
        queue = FORK.Queue()
        queue.put(Unpicklable())
        queue.close()
        queue.join_thread()
        assert "this one stays" in capfd.readouterr().err

    def test_a_spawned_process_may_put_by_itself(self) -> None:
        spawning = multiprocessing.get_context("spawn")
        queue = spawning.Queue()
        process = spawning.Process(target=queue.put, args=("item",))
        process.start()
        assert queue.get() == "item"
        process.join()

    def test_what_pools_tell_themselves_is_no_message(self) -> None:
        recorder = Recorder(kinds=(Kind.PRODUCER,))
        self.boundary.register(recorder)
        pack("n", 1)
        with FORK.Pool(1) as pool:
            assert pool.map(abs, [1]) == [1]
        with ProcessPoolExecutor(1, FORK) as executor:
            assert executor.submit(abs, 1).result() == 1
        assert recorder.begun == []
        FORK.Queue().put_nowait("item")
        assert len(recorder.begun) == 1

    def test_a_log_record_is_no_message(self) -> None:
        queue = FORK.SimpleQueue()
        with attached(EMPTY.pack("n", 1)):
            queue.put(logging.makeLogRecord({"msg": "said"}))
        assert queue.get().msg == "said"
        assert branch() is None

    def test_a_joinable_queue_is_done_when_its_consumer_is(self) -> None:
        queue = FORK.JoinableQueue()
        with attached(EMPTY.pack("n", 1)):
            queue.put("item")
        queue.get()
        assert unpack("n") == (1,)
        queue.task_done()
        assert branch() is None
        queue.join()
