"""A real Zipkin server takes what we send, and gives it back."""

from __future__ import annotations

from tests.tracing.zipkin_server import Zipkin


def test_the_server_is_well(zipkin: Zipkin) -> None:
    assert zipkin.get("/health").json["status"] == "UP"


def test_a_span_comes_back_as_it_was_sent(zipkin: Zipkin) -> None:
    span = b'[{"traceId":"00000000000000a1","id":"00000000000000b2"}]'
    assert zipkin.post(span).status == 202
    assert zipkin.trace("a1") == span
