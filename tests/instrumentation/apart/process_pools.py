"""Pools of processes, under each start method, keep what everything that starts branches has to."""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ClassVar

import pytest

from baggage import context
from baggage.boundary import Errand, Kind, Proceed
from baggage.context import attached, current, pack, suppressed, unpack
from baggage.instrumentation import concurrent_futures_process as instrumentation
from baggage.testing.apps import Recorder, Scripted
from baggage.testing.parcel import Parcel, ParcelAdapter
from baggage.testing.suite import HERE, InstrumentationSuite, eventually, failure
from baggage.values import EMPTY
from tests.instrumentation.apart.errands import (
    DOWN,
    HOME,
    Refusal,
    Unpicklable,
    die,
    found,
    instrumented,
    keys,
    pid,
    refuse,
    service,
    unpicklable,
    unpicklable_refusal,
    work,
)

# Python 3.12 and later warn of a fork beside threads, which is what is tried here.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


@pytest.fixture(scope="module", params=["fork", "spawn", "forkserver"])
def shared(request: pytest.FixtureRequest) -> Iterator[ProcessPoolExecutor]:
    """One warm pool of one worker for each start method: to start one takes a second."""
    method = multiprocessing.get_context(request.param)
    with ProcessPoolExecutor(1, method) as pool, attached(EMPTY.pack("start", 1)):
        pool.submit(int).result()
        yield pool


class Pooled(InstrumentationSuite):
    instrumentation: ClassVar = instrumentation
    pool: ProcessPoolExecutor


class TestPool(Pooled):
    @pytest.fixture(autouse=True)
    def _pool(self, shared: ProcessPoolExecutor) -> None:
        self.pool = shared

    def test_a_job_knows_what_its_submitter_knew(self) -> None:
        pack("n", 1)
        assert self.pool.submit(keys).result() == ("n",)
        assert self.pool.submit(pid).result() != pid()

    def test_what_a_job_packs_comes_home_once_with_its_result(self) -> None:
        pack("n", 1)
        pack(HOME, "own")
        with attached(current().with_down({DOWN: "parent's"})) as running:
            future = self.pool.submit(work, 2, down="child's")
            assert unpack("n") == (1,)
            for _ in range(2):
                assert future.result() == ((1,), ("parent's",), ())
                assert future.exception() is None
            assert set(unpack("n")) == {1, 2}
            assert set(unpack(HOME)) == {"own", "home 2"}
            assert unpack(DOWN) == ("parent's",)
            assert not running.family.release()

    def test_a_submitter_that_carried_nothing_learns_from_its_job(self) -> None:
        self.pool.submit(work, 1).result()
        assert unpack("n") == (1,)

    def test_many_jobs_bring_home_each_thing_once(self) -> None:
        pack("n", 0)
        assert len(list(self.pool.map(work, [1] * 20))) == 20
        assert sorted(unpack("n"), key=repr) == [0] + [1] * 20

    def test_a_stamp_does_not_grow_by_jobs(self) -> None:
        pack("n", 0)
        before = len(current().serialize())
        for _ in range(20):
            self.pool.submit(keys)
        assert len(current().serialize()) == before

    def test_a_chunk_of_a_map_is_one_branch(self) -> None:
        pack("n", 0)
        seen = [n for n, _, _ in self.pool.map(work, [1, 2, 3], chunksize=2)]
        assert [set(n) for n in seen] == [{0}, {0, 1}, {0}]  # type: ignore[call-overload]
        assert sorted(unpack("n"), key=repr) == [0, 1, 2, 3]

    def test_a_warm_worker_starts_empty(self) -> None:
        with attached(EMPTY.pack("other", 1)):
            self.pool.submit(work, 1).result()
        assert self.pool.submit(keys).result() == ()

    def test_a_job_runs_in_the_service_of_its_submitter(self) -> None:
        assert self.pool.submit(service).result() == HERE

    def test_an_exception_is_told_as_without_us(self) -> None:
        context.ensure()
        seen = failure(self.pool.submit(refuse).result)
        assert unpack("n") == (2,)
        self.switch.on = False
        bare = failure(self.pool.submit(refuse).result)
        for error in (seen, bare):
            assert isinstance(error, Refusal)
            assert (error.args, vars(error)) == (("no",), {"code": 7})
            assert type(error.__cause__).__name__ == "_RemoteTraceback"
            assert "in refuse" in str(error.__cause__)
            assert error.__context__ is None

    @pytest.mark.parametrize("call", [unpicklable, unpicklable_refusal])
    def test_what_does_not_pickle_fails_as_without_us_and_its_report_comes_home(
        self, call: object
    ) -> None:
        context.ensure()
        seen = failure(self.pool.submit(call).result)  # type: ignore[arg-type]
        assert unpack("n") == (2,)
        self.switch.on = False
        bare = failure(self.pool.submit(call).result)  # type: ignore[arg-type]
        assert (
            (type(seen), seen.args) == (type(bare), bare.args) == (TypeError, ("this one stays",))
        )
        assert type(seen.__cause__) is type(bare.__cause__)

    @pytest.mark.parametrize("arguments", [(lambda: None,), (print, Unpicklable())])
    def test_a_job_that_does_not_pickle_fails_as_without_us(
        self, arguments: tuple[object, ...]
    ) -> None:
        pack("n", 1)
        seen = failure(self.pool.submit(*arguments).result)  # type: ignore[arg-type]
        self.switch.on = False
        bare = failure(self.pool.submit(*arguments).result)  # type: ignore[arg-type]
        assert (type(seen), str(seen)) == (type(bare), str(bare))

    def test_switched_off_meanwhile_a_result_is_the_applications_own(self) -> None:
        future = self.pool.submit(work, 1)
        self.switch.on = False
        assert future.result() == ((), (), ())

    def test_what_is_muted_runs_muted(self) -> None:
        recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
        self.boundary.register(recorder)
        pack("n", 1)
        with suppressed():
            assert self.pool.submit(keys).result() == ()
        assert recorder.begun == []

    def test_a_start_and_a_run_are_crossings_of_the_same_place(self) -> None:
        recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
        self.boundary.register(recorder)
        future = self.pool.submit(refuse)
        error = future.exception()
        recorder.wait(lambda it: len(it.ended) == 2)
        start, run = recorder.begun
        assert (start.call.kind, run.call.kind) == (Kind.SPAWN, Kind.RUN)
        assert start.call.site == run.call.site
        assert start.call.site.module == __name__
        assert getattr(run.outcome, "error", None) is error

    def test_what_a_flow_changes_at_the_start_is_for_the_job_alone(self) -> None:
        self.boundary.register(Scripted(Proceed(down={DOWN: "job's"}), kinds=(Kind.SPAWN,)))
        with attached(EMPTY.with_down({DOWN: "parent's"})):
            assert self.pool.submit(work, 1).result()[1] == ("job's",)
            assert unpack(DOWN) == ("parent's",)

    def test_a_meta_application_that_fails_strictly_fails_the_call_alone(self) -> None:
        self.boundary.register(Scripted(ValueError("strict"), kinds=(Kind.RUN,)))
        assert isinstance(failure(lambda: self.pool.submit(keys).result()), ValueError)
        self.boundary.unregister("scripted")
        assert self.pool.submit(keys).result() == ()

    def test_what_is_never_read_goes_home_with_the_scope(self) -> None:
        recorder = Recorder(kinds=(Kind.SERVER,))
        self.boundary.register(recorder)
        arrival = self.boundary.arrive(ParcelAdapter(Kind.SERVER), Parcel())
        assert arrival is not None
        with arrival.scope():
            arrival.begin()
            future = self.pool.submit(found, 1)
            eventually(future.done)
            arrival.respond(None)
        arrival.close()
        assert recorder.lost == [("recorder.found", 1)]

    def test_a_callback_goes_on_in_the_branch_of_its_call(self) -> None:
        seen: list[object] = []
        pack("n", 1)
        future = self.pool.submit(work, 2)
        future.add_done_callback(lambda _: (seen.append({*unpack("n")}), pack("n", 3)))  # type: ignore[func-returns-value]
        eventually(lambda: seen)
        assert seen == [{1, 2}]
        eventually(lambda: (future.result(), len(unpack("n")) == 3)[1])

    def test_an_event_loop_that_awaits_a_job_brings_it_home(self) -> None:
        async def run() -> None:
            pack("n", 1)
            loop = asyncio.get_running_loop()
            assert await loop.run_in_executor(self.pool, work, 2) == ((1,), (), ())
            assert set(unpack("n")) == {1, 2}
            assert unpack(HOME) == ("home 2",)

        asyncio.run(run())


class TestEnds(Pooled):
    def test_a_forked_worker_knows_nothing_of_the_moment_when_it_was_forked(self) -> None:
        pack("n", 1)
        with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
            pool.submit(int).result()
            self.switch.on = False
            assert pool.submit(keys).result() == ()

    def test_a_job_whose_worker_dies_has_ended(self) -> None:
        recorder = Recorder(kinds=(Kind.RUN,))
        self.boundary.register(recorder)
        pack("n", 1)
        with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
            error = failure(pool.submit(die).result)
        assert isinstance(error, BrokenProcessPool)
        recorder.wait(lambda it: it.ended)
        assert unpack("n") == (1,)

    def test_a_cancelled_job_has_ended_and_leaves_no_trace(self) -> None:
        recorder = Recorder(kinds=(Kind.RUN,))
        self.boundary.register(recorder)
        pack("n", 1)
        with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
            futures: list[Future[object]] = [pool.submit(work, n) for n in range(50)]
            pool.shutdown(cancel_futures=True)
        cancelled = sum(future.cancelled() for future in futures)
        assert cancelled
        # The others ended in the worker, which was forked with a recorder of its own.
        assert len(recorder.ended) == cancelled
        assert unpack("n") == (1,)

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_an_instrumented_worker_tells_its_own_meta_applications(self, method: str) -> None:
        recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
        self.boundary.register(recorder)
        context.ensure()
        with ProcessPoolExecutor(
            1, multiprocessing.get_context(method), initializer=instrumented
        ) as pool:
            seen = pool.submit(work, 1).result()
        assert seen[1] == ("run's",)
        place = "TestEnds.test_an_instrumented_worker_tells_its_own_meta_applications"
        told = f"concurrent.futures.process {HERE} {__name__} {place}"
        assert set(unpack(HOME)) == {"home 1", told}
        assert [crossed.call.kind for crossed in recorder.ended] == [Kind.SPAWN]


def test_a_job_pickles_without_ids() -> None:
    job = pickle.loads(pickle.dumps(instrumentation.Job(keys, Errand())))
    assert job().result == ()
