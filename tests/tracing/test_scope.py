"""A block makes a span the current one, and leaves everything else as it was."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

import baggage
from baggage import context
from baggage.context import Branch, branch
from baggage.runtime import Runtime, Settings
from baggage.values import EMPTY
from metaapps.tracing import Handle, Position
from metaapps.tracing.span import SPAN
from tests.tracing.tracers import Traced


@pytest.fixture
def traced() -> Traced:
    return Traced()


def apart(work: object) -> None:
    """Call in a context in which nothing is carried."""
    assert callable(work)
    contextvars.Context().run(work)


def position() -> Position | None:
    carried = context.current().unpack(SPAN)
    return Position.decode(carried[0]) if carried else None


def test_where_nothing_was_carried_nothing_is_left(traced: Traced) -> None:
    def work() -> None:
        with traced.start():
            assert position() is not None
            traced.start("child").finish()
        assert branch() is None

    apart(work)


def test_what_was_carried_is_there_in_the_block_and_after_it(traced: Traced) -> None:
    def work() -> None:
        baggage.pack("user", 7)
        before = context.current()
        with traced.start():
            assert baggage.unpack("user") == (7,)
            traced.start("child").finish()
        assert context.current().keys() == before.keys()
        assert baggage.unpack("user") == (7,)

    apart(work)


@pytest.mark.parametrize("before", [False, True])
def test_what_is_packed_in_the_block_stays(traced: Traced, before: bool) -> None:
    def work() -> None:
        if before:
            context.ensure()
        with traced.start(), traced.start("inner"):
            baggage.pack("n", 1)
        assert baggage.unpack("n") == (1,)
        assert context.current().keys() == ("n",)

    apart(work)


def test_what_is_removed_in_the_block_stays_away(traced: Traced) -> None:
    def work() -> None:
        baggage.pack("n", 1)
        with traced.start():
            baggage.remove("n")
        assert context.current().keys() == ()

    apart(work)


@given(st.lists(st.integers(0, 3), max_size=12))
def test_blocks_within_blocks_restore_what_was_there(depths: list[int]) -> None:
    traced = Traced()

    def nest(left: list[int]) -> None:
        if not left:
            return
        around = position()
        parent = None if left[0] == 3 else around
        span = traced.start("work", parent=parent) if left[0] else traced.tracer.current()
        with span.scope():
            if span.position is not None:
                assert position() == span.position
            for _ in range(left[0]):
                traced.start("call").finish()
            nest(left[1:])
            if span.position is not None:
                assert position() == span.position
        assert position() == around

    def work() -> None:
        nest(depths)
        assert context.current().empty

    apart(work)
    assert not traced.tracer.live


def test_requests_that_follow_in_one_thread_know_nothing_of_one_another(traced: Traced) -> None:
    def serve(_: int) -> tuple[str, dict[str, str]]:
        with traced.start("served", parent=None) as span:
            traced.start("call").finish()
        traced.start("after").finish()
        return span.trace_id, dict(traced.spans[-2].labels())

    def work() -> None:
        with ThreadPoolExecutor(1) as pool:
            traces, labels = zip(*pool.map(serve, range(5)), strict=True)
        assert len(set(traces)) == 5
        assert all("causal.after" not in each for each in labels)
        after = [span for span in traced.spans if span.name == "after"]
        assert {span.position.parent_id for span in after} == {None}

    apart(work)


def test_a_block_does_not_end_its_span(traced: Traced) -> None:
    span = traced.start()
    with span.scope() as entered:
        assert entered is span
    assert span.recording


def test_what_others_carry_below_a_span_is_no_longer_implied_in_another(traced: Traced) -> None:
    def work() -> None:
        with traced.start("root"):
            early = traced.start("early")
            traced.start("done").finish()
            with traced.start("late"), early.scope():
                traced.start("child").finish()
        done = traced.named("done").position.span_id
        assert traced.named("child").labels()["causal.after"] == done

    apart(work)


def test_the_branch_that_was_entered_is_restored_wherever_the_block_is_left(
    traced: Traced, caplog: pytest.LogCaptureFixture
) -> None:
    """Which is an error of the application, and is logged as one where contexts are mixed up."""
    one, span = Branch(EMPTY.pack("n", 1)), traced.start()
    scope = span.scope()
    with context.attached(one):
        scope.__enter__()
        assert position() == span.position
    with context.attached(Branch(EMPTY.pack("n", 2))):
        scope.__exit__()
        assert position() is None
    assert one.baggage.keys() == ("n",)
    other = span.scope()
    contextvars.Context().run(other.__enter__)
    with caplog.at_level(logging.WARNING):
        other.__exit__()
    assert [each.message for each in caplog.records] == ["scope left in another context"]
    assert not traced.tracer.live


def runtimes() -> Iterator[Runtime]:
    runtime = Runtime(Settings(metaapps=frozenset()))
    runtime.instrument("threading", "concurrent.futures", "asyncio")
    yield runtime
    runtime.uninstrument()


runtime = pytest.fixture(runtimes)


def test_tasks_have_current_spans_of_their_own(traced: Traced, runtime: Runtime) -> None:
    def check(span: Handle, root: Handle) -> None:
        assert traced.tracer.current() is span
        assert span.parent_id == root.span_id

    async def call(root: Handle, n: int) -> None:
        with traced.start(f"call {n}") as span:
            await asyncio.sleep(0.001 * (4 - n))
            check(span, root)

    async def main() -> None:
        with traced.start("root") as root:
            await asyncio.gather(*(call(root, n) for n in range(4)))
            assert traced.tracer.current() is root

    asyncio.run(main())
    assert len(traced.spans) == 5


def test_threads_of_a_warm_pool_have_current_spans_of_their_own(
    traced: Traced, runtime: Runtime
) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(int, range(4)))

        def call(n: int) -> str | None:
            with traced.start(f"call {n}") as span:
                assert traced.tracer.current() is span
                return span.parent_id

        for _ in range(2):
            with traced.start("root", parent=None) as root:
                assert set(pool.map(call, range(8))) == {root.span_id}
        assert list(pool.map(lambda _: position(), range(4))) == [None] * 4
