"""What applications say of spans goes to whatever traces the process, and else nowhere."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Iterator
from http.client import HTTPConnection
from wsgiref.headers import Headers

import pytest

import baggage
from baggage import context
from baggage.runtime.api import PROCESS
from baggage.values import EMPTY
from metaapps import tracing
from metaapps.tracing import Handle, Kind, Peer, Tracing
from metaapps.tracing.export.memory import Memory


@pytest.fixture(autouse=True)
def _own_branch() -> Iterator[None]:
    with context.attached(EMPTY):
        yield
        assert context.current().keys() == ()


@pytest.fixture
def memory() -> Iterator[Memory]:
    memory = Memory()
    baggage.register(Tracing(memory.report, export=memory, service="shop"))
    yield memory
    baggage.unregister("tracing")


def test_everything_that_is_named_is_there() -> None:
    assert sorted(tracing.__all__) == list(tracing.__all__)
    assert all(hasattr(tracing, name) for name in tracing.__all__)


def test_spans_go_to_whatever_is_registered(memory: Memory) -> None:
    with tracing.start("outer", kind=Kind.CONSUMER) as outer:
        assert tracing.current() is outer
        assert tracing.trace_id() == outer.trace_id
        with tracing.start("inner", at=1000) as inner:
            inner.finish(at=1100)
    assert (tracing.trace_id(), tracing.current().recording) == ("", False)
    assert [(span.name, span.kind) for span in memory.spans] == [
        ("inner", None),
        ("outer", Kind.CONSUMER),
    ]
    assert (memory.spans[0].timestamp, memory.spans[0].duration) == (1000, 100)
    assert memory.spans[1].local == Peer("shop")


def test_a_request_goes_from_one_process_to_another_by_its_headers(memory: Memory) -> None:
    headers = Headers([])
    with tracing.start("page") as page:
        call = tracing.start("call", kind=Kind.CLIENT).inject(headers.add_header)
    with tracing.join(headers, "served") as served:
        assert (served.span_id, tracing.current()) == (call.span_id, served)
    assert memory.spans[-1].shared
    assert memory.spans[-1].remote == Peer("shop")
    assert served.parent_id == page.span_id


def test_a_span_is_kept_with_a_connection(memory: Memory) -> None:
    connection = HTTPConnection("localhost")
    assert not tracing.bound(connection).recording
    span = tracing.start("call")
    assert tracing.bind(connection, span) is connection
    assert tracing.bound(connection) is span


@tracing.traced
def plain() -> str:
    return tracing.current().span_id


@tracing.traced("named", hand_over="span")
async def named(n: int, *, span: Handle) -> int:
    span.tag("n", n)
    return n


@tracing.traced("numbers")
def numbers() -> Iterator[int]:
    yield from (1, 2)


def test_functions_are_decorated_before_anything_is_registered(memory: Memory) -> None:
    assert plain() == memory.spans[0].position.span_id
    assert asyncio.run(named(7, span=Handle())) == 7
    assert list(numbers()) == [1, 2]
    assert [span.name for span in memory.spans] == ["plain", "named", "numbers"]


def test_whoever_traces_may_come_and_go() -> None:
    for _ in range(2):
        memory = Memory()
        baggage.register(Tracing(memory.report))
        plain()
        baggage.unregister("tracing")
        assert plain() == ""
        assert len(memory.spans) == 1


def test_spans_of_a_process_bear_its_name() -> None:
    memory, configured = Memory(), PROCESS.boundary.configured
    baggage.register(Tracing(memory.report))
    try:
        baggage.instrument("threading", service="catalog")
        plain()
    finally:
        baggage.unregister("tracing")
        baggage.uninstrument("threading")
        PROCESS.boundary.configure(configured)
    assert memory.spans[0].local == Peer("catalog")


def test_flushing_waits_for_what_is_exported(memory: Memory) -> None:
    assert tracing.flush(0.1)
    baggage.register(Tracing(memory.report))  # which waits for nothing
    assert tracing.flush(0.1)


def test_where_nobody_traces_nothing_happens() -> None:
    headers: dict[str, str] = {}
    with tracing.start("work") as span:
        assert span.inject(headers) is span
        assert context.current().empty
        with tracing.join({"b3": "0"}) as joined:
            assert not joined.recording
    assert (headers, tracing.trace_id(), tracing.flush()) == ({}, "", True)
    assert (plain(), asyncio.run(named(1)), list(numbers())) == ("", 1, [1, 2])  # type: ignore[call-arg]


def test_where_nobody_traces_nothing_is_made() -> None:
    def work() -> None:
        with tracing.start("work") as span:
            span.tag("n", 1).annotate("x")
        tracing.current().finish()

    work()
    tracemalloc.start()
    before = tracemalloc.take_snapshot()
    for _ in range(1000):
        work()
    after = tracemalloc.take_snapshot()
    tracemalloc.stop()
    ours = [each for each in after.compare_to(before, "filename") if "tracing" in str(each)]
    assert sum(each.size_diff for each in ours if "test_api" not in str(each)) < 1000
