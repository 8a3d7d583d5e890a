"""A real Zipkin server takes what a reporter sends."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace

import pytest

from metaapps.tracing.export.encoding import ZIPKIN_JSON, ZIPKIN_PROTO3, Encoding
from metaapps.tracing.export.http import HttpSink
from metaapps.tracing.export.reporter import Reporter
from metaapps.tracing.span import Peer, Position, Span
from tests.tracing.zipkin_server import Zipkin

LONG = 300.0


def spans(count: int, **more: str) -> list[Span]:
    trace, tags = os.urandom(16), {name: value * 20 for name, value in more.items()}
    return [
        Span(
            Position.root(trace, number.to_bytes(8, "big")),
            name=f"span {number}",
            timestamp=1_700_000_000_000_000 + number,
            duration=10,
            local=Peer("reporter"),
            tags=tags,
        )
        for number in range(1, count + 1)
    ]


def stored(zipkin: Zipkin, sent: list[Span]) -> list[int]:
    answer = zipkin.trace(sent[0].position.trace_id, spans=len(sent))
    return sorted(int(span["id"], 16) for span in json.loads(answer))


@pytest.mark.parametrize("encoding", [ZIPKIN_JSON, ZIPKIN_PROTO3], ids=["json", "proto3"])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"], ids=["plain", "compressed"])
def test_every_span_that_was_reported_is_stored(
    zipkin: Zipkin, encoding: Encoding, host: str
) -> None:
    sink = HttpSink(zipkin.url.replace("127.0.0.1", host), encoding)
    reporter = Reporter(sink, encoding, message_bytes=50_000)
    sent = spans(1000, text="some text of a tag ")
    for span in sent:
        reporter.report(span)
    assert reporter.close(LONG)
    assert (reporter.sent, reporter.dropped) == (1000, {})
    assert stored(zipkin, sent) == list(range(1, 1001))


def test_one_bad_span_costs_no_other(zipkin: Zipkin, caplog: pytest.LogCaptureFixture) -> None:
    def spoiled(span: Span) -> bytes:
        written = ZIPKIN_JSON.span(span)
        return written.replace(b'"id":"', b'"id":"?') if span.name == "span 77" else written

    encoding = replace(ZIPKIN_JSON, span=spoiled)
    reporter = Reporter(HttpSink(zipkin.url, encoding), encoding, interval=1e6)
    sent = spans(100)
    with caplog.at_level(logging.WARNING, "metaapps.tracing"):
        for span in sent:
            reporter.report(span)
        assert reporter.close(LONG)
    assert (reporter.sent, reporter.dropped) == (99, {"refused": 1})
    assert stored(zipkin, sent[:-1]) == [each for each in range(1, 101) if each != 77]
    assert len(caplog.messages) == 1
    assert "says 400" in caplog.messages[0]
