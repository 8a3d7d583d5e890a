"""Whatever is done to a decorated generator does what it does to the plain one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from baggage import context
from baggage.values import EMPTY
from metaapps.tracing.decorator import decorated
from tests.tracing.tracers import Traced

Log = list[object]
Steps = list[str]

BODIES = st.lists(
    st.sampled_from(["yield", "yield", "catch", "end", "return", "raise", "stop"]), max_size=5
)
DEEDS = st.lists(
    st.sampled_from(["next", "send", "throw", "exit", "stop", "close"]), min_size=1, max_size=7
)
ERRORS = {"throw": KeyError, "exit": GeneratorExit, "stop": StopIteration}


def generator(body: Steps, log: Log) -> Generator[int, Any, str]:
    """Do as the steps say: "catch" errors, or "end" without one when asked to."""
    try:
        for n, step in enumerate(body):
            try:
                if step == "return":
                    return "early"
                if step == "raise":
                    raise LookupError(n)
                if step == "stop":
                    raise StopIteration(n)
                log.append((yield n))
            except KeyError as error:
                log.append(repr(error))
                if step != "catch":
                    raise
            except GeneratorExit:
                if step == "end":
                    return "ended"
                raise
        return "done"
    finally:
        log.append("over")


async def asynchronous(body: Steps, log: Log) -> AsyncGenerator[int, Any]:
    """Do the same, and let others run in between."""
    try:
        for n, step in enumerate(body):
            await asyncio.sleep(0)
            try:
                if step == "return":
                    return
                if step == "raise":
                    raise LookupError(n)
                if step == "stop":
                    raise StopAsyncIteration(n)
                log.append((yield n))
            except KeyError as error:
                log.append(repr(error))
                if step != "catch":
                    raise
            except GeneratorExit:
                if step == "end":
                    return
                raise
    finally:
        await asyncio.sleep(0)
        log.append("over")


def outcome(deed: Callable[[], object]) -> object:
    try:
        return deed()
    except BaseException as error:
        return type(error), str(error), getattr(error, "value", None)


def played(
    make: Callable[[Steps, Log], Generator[int, Any, str]], body: Steps, deeds: Steps
) -> Log:
    log: Log = []
    under_way = make(body, log)
    for n, deed in enumerate(deeds):
        match deed:
            case "next":
                log.append(outcome(lambda: next(under_way)))
            case "send":
                log.append(outcome(lambda n=n: under_way.send(n)))  # type: ignore[misc]
            case "close":
                log.append(outcome(under_way.close))
            case _:
                log.append(outcome(lambda deed=deed: under_way.throw(ERRORS[deed]("x"))))  # type: ignore[misc]
    log.append(outcome(under_way.close))
    return log


async def acted(
    make: Callable[[Steps, Log], AsyncGenerator[int, Any]], body: Steps, deeds: Steps
) -> Log:
    log: Log = []
    under_way = make(body, log)
    for n, deed in enumerate(deeds):
        try:
            match deed:
                case "next":
                    log.append(await anext(under_way))
                case "send":
                    log.append(await under_way.asend(n))
                case "close":
                    await under_way.aclose()
                case _:
                    log.append(await under_way.athrow(ERRORS[deed]("x")))
        except BaseException as error:
            log.append((type(error), str(error)))
    try:
        await under_way.aclose()
    except RuntimeError as error:
        log.append(str(error))
    return log


@given(BODIES, DEEDS)
def test_a_generator_does_what_it_did(body: Steps, deeds: Steps) -> None:
    traced = Traced()
    with context.attached(EMPTY):
        plain = played(generator, body, deeds)
        assert played(decorated(generator, traced.start, "", ""), body, deeds) == plain
        assert traced.tracer.current().trace_id == ""
        assert context.current().keys() == ()
    assert not traced.tracer.live


@given(BODIES, DEEDS)
def test_an_asynchronous_generator_does_what_it_did(body: Steps, deeds: Steps) -> None:
    traced = Traced()

    async def both() -> tuple[Log, Log]:
        plain = await acted(asynchronous, body, deeds)
        marked = decorated(asynchronous, traced.start, "", "")
        return plain, await acted(marked, body, deeds)

    with context.attached(EMPTY):
        plain, marked = asyncio.run(both())
        assert marked == plain
        assert context.current().keys() == ()
    assert not traced.tracer.live
