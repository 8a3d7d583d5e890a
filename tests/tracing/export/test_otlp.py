from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

from baggage.boundary import Kind
from metaapps.tracing.export import normal
from metaapps.tracing.export.encoding import (
    OTLP_JSON,
    OTLP_PROTO,
    Encoding,
    otlp_as_json,
    otlp_as_proto,
)
from metaapps.tracing.span import Annotation, Peer, Position, Span
from tests.tracing.export.spans import POSITION, Waited, spans

TRACE, OWN, OTHER = POSITION.trace_id, POSITION.span_id, "00f067aa0ba902b7"
LATEST = ((1 << 63) - 1) // 1000


def body(encoding: Encoding, *some: Span) -> bytes:
    return encoding.message([encoding.span(span) for span in some])


def read_proto(content: bytes) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(content)


def read_json(content: bytes) -> ExportTraceServiceRequest:
    """Read OTLP's JSON, which has ids in hex where protobuf's JSON has base64."""

    def rewritten(value: dict[str, Any]) -> dict[str, Any]:
        for name in {"traceId", "spanId", "parentSpanId"} & value.keys():
            value[name] = base64.b64encode(bytes.fromhex(value[name])).decode()
        return value

    parsed = json.loads(content, object_hook=rewritten)
    return json_format.ParseDict(parsed, ExportTraceServiceRequest())


def only(span: Span) -> trace_pb2.Span:
    ((resource,),) = [read_proto(body(OTLP_PROTO, span)).resource_spans]
    ((scope,),) = [resource.scope_spans]
    ((read,),) = [scope.spans]
    assert scope.scope.name == "metaapps.tracing"
    return read


def pairs(attributes: Any) -> dict[str, str | int]:
    found = {}
    for pair in attributes:
        assert pair.key not in found, "each attribute once"
        found[pair.key] = getattr(pair.value, pair.value.WhichOneof("value"))
    return found


@given(st.lists(spans, min_size=1, max_size=4))
def test_both_formats_say_the_same(some: list[Span]) -> None:
    assert read_json(body(OTLP_JSON, *some)) == read_proto(body(OTLP_PROTO, *some))


@given(spans)
def test_generated_code_writes_protobuf_as_we_do(span: Span) -> None:
    content = body(OTLP_PROTO, span)
    assert read_proto(content).SerializeToString() == content


@given(spans)
def test_json_is_one_line_of_lower_case_hex_and_quoted_long_numbers(span: Span) -> None:
    content = body(OTLP_JSON, span)
    assert b"\n" not in content
    (resource,) = json.loads(content)["resourceSpans"]
    (found,) = resource["scopeSpans"][0]["spans"]
    assert (found["traceId"], found["spanId"]) == (span.position.trace_id, span.position.span_id)
    for name in ("startTimeUnixNano", "endTimeUnixNano"):
        assert isinstance(found.get(name, ""), str)
    assert isinstance(found["kind"], int)
    assert None not in found.values()


@given(spans)
def test_ids_flags_name_and_kind_are_the_spans(span: Span) -> None:
    read, position = only(span), span.position
    assert (read.trace_id, read.span_id) == (position.trace, position.span)
    parent = position.parent_id if position.parent_id != position.span_id else None
    assert read.parent_span_id.hex() == (parent or "")
    assert bool(read.flags & 1) == position.sampled
    assert bool(read.flags & 2) == position.random
    assert bool(read.flags & 0x100) == (position.parent_id is not None)
    remote = span.kind in {Kind.SERVER, Kind.CONSUMER} and position.parent_id is not None
    assert bool(read.flags & 0x200) == remote
    assert read.name == normal.plain(span).name
    crossing = span.kind is not None and span.kind not in {Kind.SPAWN, Kind.RUN}
    name = span.kind.name if crossing and span.kind is not None else "INTERNAL"
    assert read.kind == trace_pb2.Span.SpanKind.Value(f"SPAN_KIND_{name}")


@given(spans)
def test_tags_are_attributes_and_an_error_is_the_status(span: Span) -> None:
    read, labels = only(span), normal.plain(span).labels()
    error = labels.pop("error", None)
    assert labels.items() <= pairs(read.attributes).items()
    assert "error" not in pairs(read.attributes)
    code = (
        trace_pb2.Status.STATUS_CODE_UNSET if error is None else trace_pb2.Status.STATUS_CODE_ERROR
    )
    assert (read.status.code, read.status.message) == (code, error or "")


@pytest.mark.parametrize(
    ("timestamp", "duration", "begin", "end"),
    [
        (0, 0, 0, 0),
        (0, 7, 0, 0),
        (-1, 7, 0, 0),
        (5, 0, 5000, 5000),
        (5, -2, 5000, 5000),
        (5, 7, 5000, 12_000),
        (LATEST, 7, LATEST * 1000, LATEST * 1000),
        (LATEST + 1, 7, 0, 0),
        (5, 1 << 80, 5000, 5000),
    ],
)
def test_times_are_in_nanoseconds(timestamp: int, duration: int, begin: int, end: int) -> None:
    read = only(Span(position=POSITION, timestamp=timestamp, duration=duration))
    assert (read.start_time_unix_nano, read.end_time_unix_nano) == (begin, end)


def test_annotations_are_events_in_order_and_equal_ones_stay() -> None:
    notes = (Annotation(2, "b"), Annotation(1, "a"), Annotation(1, "a"), Annotation(-1, "?"))
    read = only(Span(position=POSITION, annotations=notes))
    assert [(event.time_unix_nano, event.name) for event in read.events] == [
        (2000, "b"),
        (1000, "a"),
        (1000, "a"),
        (0, "?"),
    ]


HERE, THERE = Peer("Shop", "10.0.0.1", 80), Peer("Catalog", "10.0.0.2", 8080)


@pytest.mark.parametrize(
    ("kind", "local", "remote"),
    [
        (Kind.CLIENT, "network.local", "server"),
        (Kind.SERVER, "server", "client"),
        (Kind.PRODUCER, "network.local", "server"),
        (Kind.CONSUMER, "network.local", "network.peer"),
        (None, "network.local", "network.peer"),
    ],
)
def test_both_sides_are_told_of(kind: Kind | None, local: str, remote: str) -> None:
    read = only(Span(position=POSITION, kind=kind, local=HERE, remote=THERE))
    assert pairs(read.attributes) == {
        f"{local}.address": "10.0.0.1",
        f"{local}.port": 80,
        f"{remote}.address": "10.0.0.2",
        f"{remote}.port": 8080,
        "peer.service": "Catalog",
    }


def test_what_the_application_says_counts_more() -> None:
    tags = {"server.address": "catalog.example", "status": "503"}
    read = only(Span(position=POSITION, kind=Kind.CLIENT, remote=THERE, tags=tags))
    assert pairs(read.attributes) == {
        "server.address": "catalog.example",
        "server.port": 8080,
        "peer.service": "Catalog",
        "http.response.status_code": 503,
    }


@pytest.mark.parametrize("status", ["14", "UNAVAILABLE", "0200", "600", "", "²00"])
def test_a_status_that_is_not_https_stays_as_it_is(status: str) -> None:
    read = only(Span(position=POSITION, tags={"status": status}))
    assert pairs(read.attributes) == {"status": status}


def test_what_a_span_waited_for_is_linked() -> None:
    far = "f" * 32
    tags = {"causal.after": f"{OTHER},^{far}-{OTHER}", "causal.joined": f"{OWN},^{OTHER}"}
    read = only(Span(position=POSITION, tags=tags))
    assert [
        (link.trace_id.hex(), link.span_id.hex(), pairs(link.attributes)) for link in read.links
    ] == [
        (TRACE, OTHER, {"causal": "after"}),
        (far, OTHER, {"causal": "after", "causal.of": "beginning"}),
        (TRACE, OTHER, {"causal": "joined", "causal.of": "beginning"}),
    ]
    assert pairs(read.attributes) == tags


@pytest.mark.parametrize("text", ["", ",", "nobody", OTHER.upper(), f"^^{OTHER}", "0" * 16, OWN])
def test_what_refers_to_nothing_is_no_link(text: str) -> None:
    assert not only(Span(position=POSITION, tags={"causal.after": text})).links


def test_a_span_of_another_trace_may_have_the_same_id() -> None:
    tags = {"causal.after": f"{'f' * 32}-{OWN}"}
    assert len(only(Span(position=POSITION, tags=tags)).links) == 1


def test_what_it_waited_for_is_asked_for_when_it_is_written() -> None:
    read = only(Span(position=POSITION, causes=Waited()))
    assert pairs(read.attributes) == Waited().tags()
    assert [link.span_id.hex() for link in read.links] == ["0123456789abcdef", "1123456789abcdef"]


@pytest.mark.parametrize(("make", "read"), [(otlp_as_json, read_json), (otlp_as_proto, read_proto)])
def test_spans_of_a_service_have_their_resource_together(make: Any, read: Any) -> None:
    encoding = make({"host.name": "h\udc80", "service.name": "mine"})
    some = [
        Span(
            position=Position.root(
                bytes(15) + b"a",
                bytes(7) + bytes((number,)),
            ),
            local=local,
        )
        for number, local in enumerate((HERE, THERE, HERE, Peer()), 1)
    ]
    groups = [
        (
            pairs(group.resource.attributes),
            [span.span_id[-1] for scope in group.scope_spans for span in scope.spans],
        )
        for group in read(body(encoding, *some)).resource_spans
    ]
    assert groups == [
        ({"host.name": "h?", "service.name": "Shop"}, [1, 3]),
        ({"host.name": "h?", "service.name": "Catalog"}, [2]),
        ({"host.name": "h?", "service.name": "mine"}, [4]),
    ]


def test_a_service_without_a_name_is_unknown() -> None:
    (group,) = read_proto(body(OTLP_PROTO, Span(position=POSITION))).resource_spans
    assert pairs(group.resource.attributes) == {"service.name": "unknown_service"}


@pytest.mark.parametrize("size", [0, 127, 128, 16_384])
def test_text_of_any_length_is_framed_right(size: int) -> None:
    span = Span(position=POSITION, tags={"text": "ö" * size}, error="e" * size)
    read = only(span)
    assert (pairs(read.attributes), read.status.message) == (dict(span.tags), span.error)
