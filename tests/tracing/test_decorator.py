"""A decorated function is what it was, with a span for each call."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import aclosing, closing
from typing import Any, TypeVar

import pytest

from baggage import context
from baggage.values import EMPTY
from metaapps.tracing import Handle
from metaapps.tracing.decorator import decorated
from metaapps.tracing.handle import NONE
from tests.tracing.tracers import Traced

F = TypeVar("F", bound=Callable[..., Any])


class Tracing(Traced):
    def mark(self, function: F, name: str = "", hand_over: str = "") -> F:
        return decorated(function, self.start, name, hand_over)

    @property
    def standing(self) -> str:
        """The id of the current span."""
        return self.tracer.current().span_id


@pytest.fixture
def traced() -> Iterator[Tracing]:
    with context.attached(EMPTY):
        yield Tracing()
        assert context.current().keys() == ()


def test_a_call_is_a_span_that_is_current_in_it(traced: Tracing) -> None:
    def load(item: int, *, price: int) -> tuple[int, str]:
        """Load an item."""
        return item * price, traced.standing

    marked = traced.mark(load)
    result, inside = marked(2, price=3)
    assert (result, inside) == (6, traced.spans[0].position.span_id)
    assert (marked.__name__, marked.__doc__) == ("load", "Load an item.")
    assert inspect.signature(marked) == inspect.signature(load)
    assert traced.names == ["load"]


def test_spans_are_called_as_methods_are_or_as_it_is_said(traced: Tracing) -> None:
    class Shop:
        def open(self) -> None:
            pass

    traced.mark(Shop.open)(Shop())
    traced.mark(Shop.open, "morning")(Shop())
    assert traced.mark(functools.partial(int, base=2))("11") == 3
    assert traced.names == ["Shop.open", "morning", "partial"]


def test_an_error_is_the_spans_and_goes_on_as_it_is(traced: Tracing) -> None:
    error = LookupError("none")

    def fails() -> None:
        raise error

    async def fails_too() -> None:
        raise error

    with pytest.raises(LookupError) as caught:
        traced.mark(fails)()
    assert caught.value is error
    with pytest.raises(LookupError) as caught:
        asyncio.run(traced.mark(fails_too)())
    assert caught.value is error
    assert [span.error for span in traced.spans] == ["LookupError: none"] * 2


def test_a_coroutine_is_one_and_its_span_lasts_to_its_end(traced: Tracing) -> None:
    async def work(n: int) -> str:
        await asyncio.sleep(0)
        return traced.standing

    marked = traced.mark(work)
    assert inspect.iscoroutinefunction(marked)

    async def main() -> list[str]:
        return [await marked(1), await marked(2)]

    assert asyncio.run(main()) == [span.position.span_id for span in traced.spans]
    assert traced.names == ["work"] * 2


def test_a_coroutine_that_is_cancelled_ends_its_span(traced: Tracing) -> None:
    async def main() -> None:
        task = asyncio.create_task(traced.mark(asyncio.Event().wait, "wait")())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert traced.spans[0].error == "asyncio.exceptions.CancelledError"


@pytest.mark.parametrize("kind", ["plain", "coroutine", "generator", "asynchronous"])
def test_the_span_is_handed_over_to_every_kind_of_function(traced: Tracing, kind: str) -> None:
    def plain(*, span: Handle = NONE) -> None:
        span.tag("n", 1)

    async def coroutine(*, span: Handle = NONE) -> None:
        span.tag("n", 1)

    def generator(*, span: Handle = NONE) -> Generator[int]:
        yield 1
        span.tag("n", 1)

    async def asynchronous(*, span: Handle = NONE) -> AsyncGenerator[int]:
        yield 1
        span.tag("n", 1)

    async def whole() -> None:
        async for _ in traced.mark(asynchronous, hand_over="span")():
            pass

    match kind:
        case "plain":
            traced.mark(plain, hand_over="span")()
        case "coroutine":
            asyncio.run(traced.mark(coroutine, hand_over="span")())
        case "generator":
            list(traced.mark(generator, hand_over="span")())
        case _:
            asyncio.run(whole())
    assert traced.named(kind).tags == {"n": "1"}


def test_who_hands_a_span_over_by_himself_is_let_alone(traced: Tracing) -> None:
    mine = traced.start("mine")

    def work(*, span: Handle = NONE) -> Handle:
        return span

    assert traced.mark(work, hand_over="span")(span=mine) is mine


def talk(traced: Tracing, seen: list[Any]) -> Generator[int, Any, str]:
    """Take notes of what is sent and thrown, and where that was; end at "end"."""
    n = 0
    try:
        while True:
            n += 1
            try:
                got = yield n
            except LookupError as error:
                got = error
            seen.append((got, traced.standing))
            if got == "end":
                return "returned"
    finally:
        seen.append(("over", traced.standing))


def test_a_generator_is_sent_to_thrown_at_and_returns_as_ever(traced: Tracing) -> None:
    seen: list[Any] = []
    marked = traced.mark(talk)
    assert inspect.isgeneratorfunction(marked)
    generator = marked(traced, seen)
    assert traced.spans == []
    error = LookupError("thrown")
    assert (next(generator), generator.send("x"), generator.throw(error)) == (1, 2, 3)
    assert traced.standing == ""
    with pytest.raises(StopIteration) as stopped:
        generator.send("end")
    assert stopped.value.value == "returned"
    here = traced.named("talk").position.span_id
    assert seen == [("x", here), (error, here), ("end", here), ("over", here)]
    assert traced.spans[0].error is None
    assert list(generator) == []
    assert len(traced.spans) == 1


def test_what_a_generator_returns_is_the_value_of_who_yields_from_it(traced: Tracing) -> None:
    def outer() -> Generator[int, Any, str]:
        result = yield from traced.mark(talk)(traced, [])
        return f"it {result}"

    generator = traced.mark(outer)()
    next(generator)
    with pytest.raises(StopIteration) as stopped:
        generator.send("end")
    assert stopped.value.value == "it returned"
    inner, around = traced.named("talk"), traced.named("outer")
    assert inner.position.parent_id == around.position.span_id


def test_an_error_in_a_generator_goes_through_and_is_the_spans(traced: Tracing) -> None:
    def fails() -> Generator[int]:
        yield 1
        raise ValueError("late")

    generator = traced.mark(fails)()
    next(generator)
    with pytest.raises(ValueError, match="late"):
        next(generator)
    thrown = KeyError("thrown")
    other = traced.mark(fails)()
    next(other)
    with pytest.raises(KeyError) as caught:
        other.throw(thrown)
    assert caught.value is thrown
    assert [span.error for span in traced.spans] == ["ValueError: late", "KeyError: 'thrown'"]


def test_a_generator_that_is_closed_ends_its_span_without_an_error(traced: Tracing) -> None:
    seen: list[Any] = []
    with closing(traced.mark(talk)(traced, seen)) as generator:
        next(generator)
        assert traced.spans == []
    assert traced.named("talk").error is None
    assert seen == [("over", traced.spans[0].position.span_id)]


def test_a_generator_that_is_abandoned_half_way_ends_its_span(traced: Tracing) -> None:
    generator = traced.mark(talk)(traced, [])
    next(generator)
    del generator
    gc.collect()
    assert traced.names == ["talk"]


def test_a_generator_that_nobody_starts_has_no_span(traced: Tracing) -> None:
    traced.mark(talk)(traced, []).close()
    assert traced.spans == []


def test_generators_that_take_turns_stand_each_in_its_own_span(traced: Tracing) -> None:
    def count(*, span: Handle = NONE) -> Generator[bool]:
        for _ in range(3):
            yield traced.tracer.current() is span
            traced.start("step").finish()

    with traced.start("root") as root:
        marked = traced.mark(count, hand_over="span")
        pair = list(zip(marked(), marked(), strict=True))
        assert traced.tracer.current() is root
    assert pair == [(True, True)] * 3
    counts = {s.position.span_id for s in traced.spans if s.name == "count"}
    steps = [s.position.parent_id for s in traced.spans if s.name == "step"]
    assert {steps.count(each) for each in counts} == {3}


async def chat(traced: Tracing, seen: list[Any]) -> AsyncGenerator[int, Any]:
    n = 0
    try:
        while True:
            n += 1
            await asyncio.sleep(0)
            try:
                got = yield n
            except LookupError as error:
                got = error
            seen.append((got, traced.standing))
            if got == "end":
                return
    finally:
        await asyncio.sleep(0)
        seen.append(("over", traced.standing))


def test_an_asynchronous_generator_is_sent_to_and_thrown_at_as_ever(traced: Tracing) -> None:
    seen: list[Any] = []
    error = LookupError("thrown")

    async def main() -> None:
        marked = traced.mark(chat)
        assert inspect.isasyncgenfunction(marked)
        generator = marked(traced, seen)
        assert await anext(generator) == 1
        assert await generator.asend("x") == 2
        assert await generator.athrow(error) == 3
        assert traced.standing == ""
        with pytest.raises(StopAsyncIteration):
            await generator.asend("end")
        with pytest.raises(StopAsyncIteration):
            await anext(generator)

    asyncio.run(main())
    here = traced.named("chat").position.span_id
    assert seen == [("x", here), (error, here), ("end", here), ("over", here)]


def test_an_error_in_an_asynchronous_generator_goes_through(traced: Tracing) -> None:
    thrown, own = KeyError("thrown"), ValueError("own")

    async def fails(error: BaseException) -> AsyncGenerator[int]:
        yield 1
        raise error

    async def main() -> None:
        generator = traced.mark(fails)(own)
        await anext(generator)
        with pytest.raises(ValueError, match="own") as caught:
            await anext(generator)
        assert caught.value is own
        generator = traced.mark(fails)(own)
        await anext(generator)
        with pytest.raises(KeyError) as again:
            await generator.athrow(thrown)
        assert again.value is thrown

    asyncio.run(main())
    assert [span.error for span in traced.spans] == ["ValueError: own", "KeyError: 'thrown'"]


def test_an_asynchronous_generator_that_is_closed_ends_its_span(traced: Tracing) -> None:
    seen: list[Any] = []

    async def main() -> None:
        async with aclosing(traced.mark(chat)(traced, seen)) as generator:
            await anext(generator)
            assert traced.spans == []

    asyncio.run(main())
    assert traced.named("chat").error is None
    assert seen == [("over", traced.spans[0].position.span_id)]


def test_an_asynchronous_generator_that_is_abandoned_ends_its_span(traced: Tracing) -> None:
    async def main() -> None:
        async for _ in traced.mark(chat)(traced, []):
            break
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)
        assert traced.names == ["chat"]

    asyncio.run(main())


def test_a_generator_may_be_closed_where_another_runs(traced: Tracing) -> None:
    generator = traced.mark(talk)(traced, [])
    with traced.start("one", parent=None):
        next(generator)
    with traced.start("two", parent=None) as two:
        generator.close()
        assert traced.tracer.current() is two
        traced.start("next").finish()
    ended = traced.named("talk").position
    assert ended.trace_id == traced.named("one").position.trace_id
    after = traced.named("next").labels()["causal.after"]
    assert after == f"{ended.trace_id}-{ended.span_id}"


def test_where_nobody_traces_functions_are_as_they_were() -> None:
    seen: list[Any] = []
    marked = decorated(talk, lambda name: NONE, "", "")
    assert list(zip(marked(Tracing(), seen), range(2), strict=False)) == [(1, 0), (2, 1)]
