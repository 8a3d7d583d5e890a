"""Whose end a caller waited for, where answers come piece by piece."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import requests
from flask import Flask, Response

from baggage import context
from baggage.boundary import Kind, Policy
from baggage.runtime import Runtime, Settings
from baggage.values import EMPTY
from metaapps.tracing.app import Tracing
from metaapps.tracing.causality import Causality
from metaapps.tracing.span import Span
from metaapps.tracing.testing import Recorded
from tests.tracing.test_services import served


def catalog(streams: threading.Event | None) -> Flask:
    """Make a service that answers: whole, or its end no sooner than it is let go on."""
    app = Flask("catalog")

    def pieces(goes_on: threading.Event) -> Iterator[bytes]:
        yield b"first "
        goes_on.wait(300)
        yield b"last"

    @app.get("/")
    def answer() -> Response:
        return Response("all" if streams is None else pieces(streams))

    return app


def traced(streams: threading.Event | None, call: Callable[[str], object]) -> list[Span]:
    """Return the spans of a call, its server, and what the caller did after the call returned."""
    recorded = Recorded()
    tracing = Tracing(recorded.report, started=recorded.started)
    runtime = Runtime(Settings(Policy(service="shop", strict=True), metaapps=frozenset()))
    runtime.register(tracing)
    runtime.instrument("requests", "flask")
    try:
        with served(catalog(streams)) as url, context.attached(EMPTY):
            with tracing.tracer.start("request"):
                call(url)
                with tracing.tracer.start("next"):
                    pass
                if streams is not None:
                    streams.set()
            assert recorded.wait(300)
    finally:
        runtime.uninstrument()
    return list(recorded.spans)


def by_kind(spans: list[Span]) -> tuple[Span, Span, Span]:
    client, server = (
        next(s for s in spans if s.kind is kind) for kind in (Kind.CLIENT, Kind.SERVER)
    )
    return client, server, next(span for span in spans if span.name == "next")


def test_a_whole_answer_is_its_callees_end() -> None:
    client, server, after = by_kind(
        spans := traced(None, lambda url: requests.get(url, timeout=60))
    )
    assert Causality.of(spans).happened_before(server, after)
    assert client.labels()["causal.joined"] == client.position.span_id
    assert "causal.streamed" not in server.labels()


def test_who_goes_on_after_the_beginning_of_a_stream_did_not_wait_for_its_end() -> None:
    held = []
    goes_on = threading.Event()

    def begin(url: str) -> None:
        held.append(requests.get(url, stream=True, timeout=60))

    client, server, after = by_kind(spans := traced(goes_on, begin))
    held[0].close()
    causality = Causality.of(spans)
    assert causality.happened_before(client, after)
    assert causality.concurrent(server, after)
    assert client.labels()["causal.joined"] == f"^{client.position.span_id}"
    assert server.labels()["causal.streamed"] == "true"


def test_who_read_all_of_a_stream_waited_for_its_end() -> None:
    goes_on = threading.Event()
    goes_on.set()
    _, server, after = by_kind(spans := traced(goes_on, lambda url: requests.get(url, timeout=60)))
    assert server.labels()["causal.streamed"] == "true"
    assert Causality.of(spans).happened_before(server, after)


def test_the_beginning_of_an_answer_that_was_whole_is_its_callees_end() -> None:
    client, server, after = by_kind(
        spans := traced(None, lambda url: requests.get(url, stream=True, timeout=60).close())
    )
    assert client.labels()["causal.joined"] == f"^{client.position.span_id}"
    assert Causality.of(spans).happened_before(server, after)
