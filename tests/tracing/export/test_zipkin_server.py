"""A real Zipkin server gives back what was sent, to the byte."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from metaapps.tracing.export.encoding import ZIPKIN_JSON, ZIPKIN_PROTO3, Encoding
from metaapps.tracing.export.zipkin import encode
from metaapps.tracing.export.zipkin_proto import decode
from metaapps.tracing.span import Position, Span
from tests.tracing.export.spans import spans
from tests.tracing.zipkin_server import Zipkin

ESCAPED, RAW = b"yAnnotation\\u0073", b"yAnnotations"


@st.composite
def traces(draw: st.DrawFn) -> list[Span]:
    """Draw spans each of a trace that the server has never seen."""
    return [_renewed(span) for span in draw(st.lists(spans, min_size=1, max_size=20))]


def _renewed(span: Span) -> Span:
    raw = span.position.raw
    half = raw[1:9] if raw[1:9] == bytes(8) else os.urandom(8)
    return span._replace(position=Position(raw[:1] + half + os.urandom(8) + raw[17:]))


def check(zipkin: Zipkin, encoding: Encoding, sent: list[Span], expected: list[Span]) -> None:
    body = encoding.message([encoding.span(span) for span in sent])
    answer = zipkin.post(body, encoding.content_type, path=encoding.path)
    assert answer.status == 202, answer.text
    for span in expected:
        stored = zipkin.trace(span.position.trace_id)
        assert stored == b"[" + encode(span).replace(ESCAPED, RAW) + b"]"


@given(sent=traces())
def test_what_is_sent_as_json_is_in_the_servers_normal_form(
    zipkin: Zipkin, sent: list[Span]
) -> None:
    check(zipkin, ZIPKIN_JSON, sent, sent)


@given(sent=traces())
def test_the_server_reads_protobuf_as_we_do(zipkin: Zipkin, sent: list[Span]) -> None:
    expected = [decode(ZIPKIN_PROTO3.span(span)) for span in sent]
    check(zipkin, ZIPKIN_PROTO3, sent, expected)
