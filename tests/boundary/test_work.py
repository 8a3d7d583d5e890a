"""A fork's work as a coroutine: stepped by anybody, and always in the child's branch."""

from __future__ import annotations

import asyncio
import inspect
import warnings

import pytest

from baggage.boundary import Fork, Kind, Proceed, Raised, Returned
from baggage.context import attached, branch, pack, unpack
from baggage.instrumentation._forking import ForkAdapter
from baggage.testing import Recorder, Scripted
from baggage.testing.suite import failure
from tests.boundary.parts import DOWN, strict

ADAPTER = ForkAdapter("strands", "Strand.start", frozenset())


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(kinds=(Kind.RUN,))


def fork(*apps: Recorder | Scripted) -> Fork:
    started = strict(*apps).fork(ADAPTER, None)
    assert started is not None
    started.start(lambda: None)
    return started


async def work(n: int) -> object:
    pack("n", n)
    await asyncio.sleep(0)
    pack("n", n + 1)
    return unpack("n")


def test_steps_are_in_the_childs_branch_and_between_them_is_the_callers() -> None:
    pack("n", 0)
    here = branch()
    child = fork()
    running = child.arun(work(1))
    running.send(None)
    assert branch() is here
    assert unpack("n") == (0,)
    with pytest.raises(StopIteration) as end:
        running.send(None)
    assert end.value.value == (0, 1, 2)
    child.join()
    assert unpack("n") == (0, 1, 2)


def test_what_a_step_attaches_is_there_in_the_next_one_and_nowhere_else() -> None:
    async def attaching() -> object:
        with attached(child.child.baggage.pack("n", "attached")) as inner:
            await asyncio.sleep(0)
            return branch() is inner

    child = fork()
    running = child.arun(attaching())
    running.send(None)
    assert branch() is None
    with pytest.raises(StopIteration) as end:
        running.send(None)
    assert end.value.value is True


def test_it_can_be_awaited() -> None:
    async def main() -> None:
        child = fork()
        assert await child.arun(work(1)) == (1, 2)
        assert unpack("n") == ()
        child.join()
        assert unpack("n") == (1, 2)

    asyncio.run(main())


def test_work_that_comes_home_by_itself_is_joined_into_its_parent() -> None:
    pack("n", 0)
    running = fork().arun(work(1), home=True)
    running.send(None)
    assert unpack("n") == (0,)
    with attached(branch().baggage.remove("n")):  # type: ignore[union-attr]
        failure(lambda: running.send(None))
    assert unpack("n") == (0, 1, 2)


def test_an_exception_that_is_thrown_before_the_work_began_is_told_and_passes(
    recorder: Recorder,
) -> None:
    error = asyncio.CancelledError("early")
    application = work(1)
    running = fork(recorder).arun(application)
    assert failure(lambda: running.throw(error)) is error
    outcome = recorder.ended[0].outcome
    assert isinstance(outcome, Raised)
    assert outcome.error is error
    assert inspect.getcoroutinestate(application) == inspect.CORO_CLOSED


@pytest.mark.parametrize("begun", [False, True])
def test_work_that_is_closed_ends_for_who_is_interested(begun: bool, recorder: Recorder) -> None:
    running = fork(recorder).arun(work(1))
    if begun:
        running.send(None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        running.close()
    assert len(recorder.ended) == 1


def test_it_looks_like_the_applications_coroutine() -> None:
    application = work(1)
    running = fork().arun(application)
    assert asyncio.iscoroutine(running)
    assert running.application is application
    assert running.__qualname__ == "work"
    assert running.cr_frame is not None
    running.close()


def test_flows_are_asked_about_the_run() -> None:
    scripted = Scripted(Proceed({DOWN: "run's"}, delay=0.001), kinds=(Kind.RUN,))

    async def look() -> object:
        return unpack(DOWN)

    async def main() -> object:
        return await fork(scripted).arun(look())

    assert asyncio.run(main()) == ("run's",)
    assert isinstance(scripted.saw[0], Returned)
