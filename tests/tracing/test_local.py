"""Spans of what runs within a service, where somebody asks for them, and of each attempt."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import urllib3

from baggage import context
from baggage.boundary import Kind, Policy
from baggage.runtime import Runtime, Settings
from baggage.values import EMPTY
from metaapps.tracing.app import EVERYTHING, Tracing
from metaapps.tracing.export.memory import Memory
from metaapps.tracing.handle import Handle

LIBRARIES = ("threading", "concurrent.futures", "asyncio", "urllib3", "queue")


@contextmanager
def traced(local: Collection[str] = ()) -> Iterator[tuple[Memory, Tracing]]:
    """Trace what runs in a branch of its own, and some of its threads and tasks."""
    memory = Memory()
    tracing = Tracing(memory.report, local=local, service="shop")
    runtime = Runtime(Settings(Policy(service="shop", strict=True), metaapps=frozenset()))
    runtime.register(tracing)
    runtime.instrument(*LIBRARIES)
    try:
        with context.attached(EMPTY):
            yield memory, tracing
    finally:
        runtime.uninstrument()


def names(memory: Memory, parent: Handle) -> list[str]:
    return sorted(s.name for s in memory.spans if s.position.parent_id == parent.span_id)


def in_threads(tracing: Tracing) -> None:
    def work() -> None:
        with tracing.tracer.start("work"):
            pass

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def test_without_spans_of_their_own_threads_stand_where_they_were_started() -> None:
    with traced() as (memory, tracing), tracing.tracer.start("request") as request:
        in_threads(tracing)
    assert names(memory, request) == ["work", "work"]


@pytest.mark.parametrize("local", [{"threading", "concurrent.futures"}, {EVERYTHING}])
def test_threads_and_pools_get_spans_where_somebody_asks(local: set[str]) -> None:
    with traced(local) as (memory, tracing), tracing.tracer.start("request") as request:
        in_threads(tracing)
    local_spans = [s for s in memory.spans if s.position.parent_id == request.span_id]
    assert [(s.kind, s.local.service) for s in local_spans] == [(None, "shop")] * 2
    assert {s.tags["library"] for s in local_spans} == {"threading", "concurrent.futures"}
    inner = [s for s in memory.spans if s.name == "work"]
    parents = {s.position.parent_id for s in inner}
    assert parents == {s.position.span_id for s in local_spans}


def test_one_library_is_asked_for_by_itself() -> None:
    with traced({"threading"}) as (memory, tracing), tracing.tracer.start("request"):
        in_threads(tracing)
    assert [s.tags["library"] for s in memory.spans if s.tags] == ["threading"]


def test_tasks_get_spans_where_somebody_asks() -> None:
    async def work(tracing: Tracing) -> None:
        with tracing.tracer.start("work"):
            await asyncio.sleep(0)

    async def main(tracing: Tracing) -> Handle:
        with tracing.tracer.start("request") as request:
            await asyncio.gather(work(tracing), work(tracing))
        return request

    with traced({"asyncio"}) as (memory, tracing):
        request = asyncio.run(main(tracing))
    local_spans = [s for s in memory.spans if s.position.parent_id == request.span_id]
    assert [s.tags["library"] for s in local_spans] == ["asyncio"] * 2
    assert sum(s.name == "work" for s in memory.spans) == 2


def test_a_thread_in_no_trace_begins_none() -> None:
    with traced({EVERYTHING}) as (memory, _):
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
    assert memory.spans == ()


def test_what_a_span_of_a_thread_fails_with_is_its_error() -> None:
    def fails() -> None:
        raise ValueError("no such item")

    with (
        traced({EVERYTHING}) as (memory, tracing),
        tracing.tracer.start("request"),
        ThreadPoolExecutor(1) as pool,
        pytest.raises(ValueError, match="no such item"),
    ):
        pool.submit(fails).result()
    (failed,) = [s for s in memory.spans if s.error]
    assert failed.error == "ValueError: no such item"


class Flaky(BaseHTTPRequestHandler):
    """Answers 503 twice, then 200."""

    answered: list[int]

    def do_GET(self) -> None:
        status = 503 if len(self.answered) < 2 else 200
        self.answered.append(status)
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def flaky() -> Iterator[str]:
    handler = type("Answering", (Flaky,), {"answered": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_each_attempt_has_a_span_of_its_own_after_the_one_before() -> None:
    retries = urllib3.Retry(total=4, status_forcelist=[503], backoff_factor=0)
    with (
        flaky() as url,
        traced() as (memory, tracing),
        tracing.tracer.start("request") as request,
        urllib3.PoolManager() as pool,
    ):
        assert pool.request("GET", url, retries=retries).status == 200
    attempts = [s for s in memory.spans if s.kind is Kind.CLIENT]
    assert [s.tags["status"] for s in attempts] == ["503", "503", "200"]
    assert [s.error for s in attempts] == ["503", "503", None]
    assert {s.position.parent_id for s in attempts} == {request.span_id}
    ids = [s.position.span_id for s in attempts]
    assert len(set(ids)) == 3
    assert [s.labels().get("causal.after") for s in attempts] == [None, ids[0], ids[1]]
