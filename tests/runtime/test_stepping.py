"""Generators that run step by step, each in its own branch."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import suppress
from typing import Any

import pytest

import baggage
from baggage.boundary import Answer, Boundary, Kind, Policy, Raised, Returned
from baggage.context import attached, branch, pack, unpack
from baggage.runtime.stepping import stepwise
from baggage.testing import Recorder, Scripted
from baggage.testing.suite import failure
from baggage.values import EMPTY
from tests.boundary.parts import strict


def counting() -> Generator[object, object, str]:
    pack("n", 1)
    sent = yield unpack("n")
    pack("n", sent or 2)  # type: ignore[arg-type]
    yield unpack("n")
    return "end"


async def acounting() -> AsyncIterator[object]:
    pack("n", 1)
    await asyncio.sleep(0)
    yield unpack("n")
    pack("n", 2)
    yield unpack("n")


def test_neither_a_generator_nor_its_consumer_sees_what_the_other_packs_meanwhile() -> None:
    pack("n", 0)
    steps = stepwise(strict(), counting())
    assert next(steps) == (0, 1)
    assert unpack("n") == (0,)
    pack("n", "consumer's")
    assert steps.send(3) == (0, 1, 3)
    assert unpack("n") == (0, "consumer's")


def test_what_a_generator_packed_comes_home_when_it_ends() -> None:
    pack("n", 0)
    assert list(stepwise(strict(), counting())) == [(0, 1), (0, 1, 2)]
    assert unpack("n") == (0, 1, 2)
    steps = stepwise(strict(), counting())
    next(steps)
    steps.close()
    assert sorted(unpack("n"), key=repr) == [0, 1, 1, 2]


def test_a_scope_that_a_generator_holds_open_is_its_own() -> None:
    def holding() -> Iterator[object]:
        with attached(EMPTY.pack("n", "held")):
            yield unpack("n")
            yield unpack("n")
        yield unpack("n")

    pack("n", 0)
    steps = stepwise(strict(), holding())
    assert [next(steps), unpack("n"), next(steps), unpack("n")] == [("held",), (0,)] * 2
    assert list(steps) == [(0,)]
    assert unpack("n") == (0,)


def test_a_generator_keeps_its_branch_wherever_it_is_stepped() -> None:
    with attached(EMPTY.pack("n", 0)):
        steps = stepwise(strict(), counting())
    with attached(EMPTY):
        assert next(steps) == (0, 1)
    assert next(steps) == (0, 1, 2)
    assert branch() is None


def test_results_and_failures_are_told_as_they_are() -> None:
    def outer() -> Generator[object, object, None]:
        results.append((yield from stepwise(strict(), counting())))

    results: list[object] = []
    list(outer())
    assert results == ["end"]
    error = LookupError("thrown")
    steps = stepwise(strict(), counting())
    next(steps)
    assert failure(lambda: steps.throw(error)) is error
    assert failure(lambda: next(steps)).__class__ is StopIteration


@pytest.mark.parametrize("way", ["exhaust", "close", "throw", "forget", "never begin"])
def test_who_is_interested_is_told_of_one_start_and_one_run(way: str) -> None:
    recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
    steps = stepwise(strict(recorder), counting())
    if way != "never begin":
        next(steps)
    if way == "exhaust":
        list(steps)
    elif way == "close":
        steps.close()
        steps.close()
    elif way == "throw":
        with suppress(LookupError):
            steps.throw(LookupError())
    del steps
    gc.collect()
    assert [it.call.kind for it in recorder.begun] == [Kind.SPAWN, Kind.RUN]
    outcome = recorder.ended[1].outcome
    assert isinstance(outcome, Raised if way == "throw" else Returned)


def test_a_run_may_be_answered() -> None:
    answering = Scripted(Answer(Returned("instead")), kinds=(Kind.RUN,))
    boundary = Boundary(Policy(strict=True), (answering,))
    with pytest.raises(StopIteration) as end:
        next(stepwise(boundary, counting()))
    assert end.value.value == "instead"

    async def main() -> list[object]:
        return [step async for step in stepwise(boundary, acounting())]

    assert asyncio.run(main()) == []


def test_an_asynchronous_generator_runs_in_its_own_branch() -> None:
    async def main() -> None:
        pack("n", 0)
        steps = stepwise(strict(), acounting())
        seen = []
        async for step in steps:
            seen.append(step)
            pack("n", "consumer's")
            assert 1 not in unpack("n")
        assert seen == [(0, 1), (0, 1, 2)]
        assert sorted(unpack("n"), key=repr) == ["consumer's", "consumer's", 0, 1, 2]

    asyncio.run(main())


def test_asynchronous_generators_that_interleave_do_not_mix() -> None:
    async def main() -> None:
        one, two = (stepwise(strict(), acounting()) for _ in range(2))
        assert set(await asyncio.gather(anext(one), anext(two))) == {(1,)}
        assert await anext(one) == (1, 2)
        assert await anext(two) == (1, 2)
        await one.aclose()
        assert unpack("n") == (1, 2)

    asyncio.run(main())


def test_a_cancelled_step_ends_an_asynchronous_generator() -> None:
    async def waiting() -> AsyncIterator[None]:
        pack("n", 1)
        await asyncio.get_running_loop().create_future()
        yield

    async def main() -> None:
        steps = stepwise(strict(recorder), waiting())
        task: asyncio.Task[Any] = asyncio.ensure_future(anext(steps))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [it.call.kind for it in recorder.ended] == [Kind.SPAWN, Kind.RUN]
        await steps.aclose()
        assert unpack("n") == (1,)

    recorder = Recorder(kinds=(Kind.SPAWN, Kind.RUN))
    asyncio.run(main())


def test_functions_that_make_generators_are_decorated() -> None:
    @baggage.stepwise
    def numbers(n: int) -> Iterator[int]:
        """Count."""
        for number in range(n):
            pack("n", number)
            yield number

    @baggage.stepwise
    async def anumbers(n: int) -> AsyncIterator[int]:
        for number in range(n):
            yield number

    async def main() -> list[int]:
        return [number async for number in anumbers(2)]

    steps = numbers(2)
    assert next(steps) == 0
    assert unpack("n") == ()
    assert list(steps) == [1]
    assert asyncio.run(main()) == [0, 1]
    assert (numbers.__name__, numbers.__doc__) == ("numbers", "Count.")


def test_what_is_no_generator_is_refused() -> None:
    with pytest.raises(TypeError, match="no generator"):
        stepwise(strict(), [1, 2])
