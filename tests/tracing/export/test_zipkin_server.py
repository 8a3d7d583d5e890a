"""A real Zipkin server gives back what was sent, to the byte."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Kind
from metaapps.tracing.export.encoding import ZIPKIN_JSON, ZIPKIN_PROTO3, Encoding
from metaapps.tracing.export.zipkin import encode
from metaapps.tracing.export.zipkin_proto import decode
from metaapps.tracing.span import Annotation, Peer, Position, Span
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


def test_no_text_makes_the_server_refuse_json_as_its_first_format(zipkin: Zipkin) -> None:
    trap = "binaryAnnotations"
    span = Span(
        position=Position.root(os.urandom(16), os.urandom(8)),
        name=trap,
        local=Peer(trap),
        tags={trap: trap},
        annotations=(Annotation(1, trap),),
        error=trap,
    )
    raw = zipkin.post(b"[" + encode(span).replace(ESCAPED, RAW) + b"]")
    assert (raw.status, "JSON_V1" in raw.text) == (400, True)
    check(zipkin, ZIPKIN_JSON, [span], [span])
    check(zipkin, ZIPKIN_PROTO3, [span], [span])


@pytest.mark.parametrize("encoding", [ZIPKIN_JSON, ZIPKIN_PROTO3])
def test_both_halves_of_a_call_come_back(zipkin: Zipkin, encoding: Encoding) -> None:
    position = Position.root(os.urandom(16), os.urandom(8)).child(os.urandom(8))
    shop, catalog = Peer("shop", "10.0.0.7"), Peer("catalog", "10.0.0.9", 80)
    client = Span(position, Kind.CLIENT, "get", 1, 9, shop, catalog)
    server = Span(position, Kind.SERVER, "get", 2, 7, catalog, shop, shared=True)
    sent = encoding.message([encoding.span(client), encoding.span(server)])
    assert zipkin.post(sent, encoding.content_type).status == 202
    stored = zipkin.trace(position.trace_id, spans=2)
    assert stored == ZIPKIN_JSON.message([encode(client), encode(server)])
