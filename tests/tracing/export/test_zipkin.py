from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Kind
from metaapps.tracing.errors import SpanError
from metaapps.tracing.export import zipkin
from metaapps.tracing.span import Annotation, Peer, Position, Span
from tests.tracing.test_span import positions

POSITION = Position.root(bytes(range(16)), b"abcdefgh").child(b"ijklmnop")

texts = st.text(st.characters(), max_size=12)
hosts = st.one_of(
    texts,
    st.ip_addresses().map(str),
    st.ip_addresses(v=4).map(lambda address: f"::ffff:{address}"),
)
peers = st.builds(Peer, texts, hosts, st.integers(-1, 70_000))
times = st.integers(-5, 1 << 53)
spans = st.builds(
    Span,
    position=positions(),
    kind=st.none() | st.sampled_from(Kind),
    name=texts,
    timestamp=times,
    duration=times,
    local=peers,
    remote=peers,
    tags=st.dictionaries(texts, texts, max_size=4),
    annotations=st.lists(st.builds(Annotation, times, texts), max_size=3).map(tuple),
    error=st.none() | texts,
    shared=st.booleans(),
    causes=st.none(),
)


def fields(span: Span) -> dict[str, Any]:
    parsed = json.loads(zipkin.encode(span))
    assert isinstance(parsed, dict)
    return parsed


@given(spans)
def test_what_was_read_is_written_as_it_was(span: Span) -> None:
    encoded = zipkin.encode(span)
    assert zipkin.encode(zipkin.decode(json.loads(encoded))) == encoded


@given(spans)
def test_what_a_span_says_survives(span: Span) -> None:
    read = zipkin.decode(fields(span))
    assert (read.position.trace_id, read.position.span_id) == (
        span.position.trace_id,
        span.position.span_id,
    )
    assert read.timestamp == max(span.timestamp, 0)
    assert read.duration == max(span.duration, 0)
    assert set(read.annotations) == set(span.annotations)
    tags = dict(span.tags) if span.error is None else dict(span.tags) | {"error": span.error}
    assert dict(read.tags) | ({} if read.error is None else {"error": read.error}) == tags
    assert read.shared == (span.shared and span.kind is Kind.SERVER)


@given(spans)
def test_every_field_is_in_zipkins_normal_form(span: Span) -> None:
    found = fields(span)
    assert list(found) == [name for name in ORDER if name in found]
    assert all(found.values()), "an empty field is left out"
    assert len(found["traceId"]) in {16, 32}
    assert found.get("name", "") == found.get("name", "").lower()
    assert all(isinstance(value, str) for value in found.get("tags", {}).values())
    assert list(found.get("tags", {})) == sorted(found.get("tags", {}))
    assert found.get("parentId") != found["id"]
    for side in ("localEndpoint", "remoteEndpoint"):
        endpoint = found.get(side, {"serviceName": "-"})
        assert {*endpoint} <= {"serviceName", "ipv4", "ipv6", "port"}
        assert 0 < endpoint.get("port", 1) < 65536
    assert "shared" not in found or (found["shared"] is True and found["kind"] == "SERVER")


ORDER = [
    *("traceId", "parentId", "id", "kind", "name", "timestamp", "duration"),
    *("localEndpoint", "remoteEndpoint", "annotations", "tags", "debug", "shared"),
]


@given(spans)
def test_a_span_is_one_line_of_utf8(span: Span) -> None:
    assert "\n" not in zipkin.encode(span).decode()


@given(st.text("yAnotis\\", max_size=6), st.sampled_from(["", "\\", '"', "s"]))
def test_no_text_makes_zipkin_take_a_span_for_its_first_format(before: str, after: str) -> None:
    text = f"{before}yAnnotations{after}"
    span = Span(
        position=POSITION,
        name=text,
        local=Peer(text),
        tags={text: text, "binaryAnnotations": "a"},
        annotations=(Annotation(1, text),),
        error=text,
    )
    assert b'yAnnotations"' not in zipkin.encode(span)
    read = zipkin.decode(fields(span))
    assert read.tags == span.tags
    assert (read.annotations, read.error) == (span.annotations, text)


def test_the_encoding_is_zipkins_to_the_byte() -> None:
    span = Span(
        position=POSITION,
        kind=Kind.SERVER,
        name="GET /Items",
        timestamp=1_700_000_000_000_000,
        duration=1,
        local=Peer("Catalog"),
        remote=Peer("", "127.0.0.1", 5001),
        tags={"status": "503", "library": "flask"},
        error="503",
        shared=True,
    )
    assert zipkin.encode(span) == (
        b'{"traceId":"000102030405060708090a0b0c0d0e0f","parentId":"6162636465666768",'
        b'"id":"696a6b6c6d6e6f70","kind":"SERVER","name":"get /items",'
        b'"timestamp":1700000000000000,"duration":1,"localEndpoint":{"serviceName":"catalog"},'
        b'"remoteEndpoint":{"ipv4":"127.0.0.1","port":5001},'
        b'"tags":{"error":"503","library":"flask","status":"503"},"shared":true}'
    )


@pytest.mark.parametrize(
    ("peer", "endpoint"),
    [
        (Peer("shop", "localhost", 80), {"serviceName": "shop", "port": 80}),
        (Peer("", "Catalog", 80), {"serviceName": "catalog", "port": 80}),
        (Peer("", "::ffff:10.0.0.1"), {"ipv4": "10.0.0.1"}),
        (Peer("", "FE80::1%eth0", 1), {"ipv6": "fe80::1", "port": 1}),
    ],
)
def test_a_host_is_an_address_or_a_name(peer: Peer, endpoint: dict[str, object]) -> None:
    assert fields(Span(position=POSITION, remote=peer))["remoteEndpoint"] == endpoint


def test_a_trace_of_64_bits_has_16_digits() -> None:
    span = Span(position=Position.root(bytes(8) + b"abcdefgh", b"abcdefgh"))
    assert fields(span)["traceId"] == "6162636465666768"
    assert zipkin.decode(fields(span)).position == span.position


GOOD: dict[str, object] = {"traceId": "a", "id": "b"}


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"traceId": "a"},
        GOOD | {"id": "0"},
        GOOD | {"id": "B"},
        GOOD | {"id": 5},
        GOOD | {"id": "1" * 17},
        GOOD | {"parentId": "x"},
        GOOD | {"kind": "SPAWN"},
        GOOD | {"kind": []},
        GOOD | {"name": 1},
        GOOD | {"timestamp": "1"},
        GOOD | {"duration": True},
        GOOD | {"tags": []},
        GOOD | {"tags": {"a": 1}},
        GOOD | {"annotations": {}},
        GOOD | {"annotations": [1]},
        GOOD | {"annotations": 1},
        GOOD | {"localEndpoint": "shop"},
        GOOD | {"remoteEndpoint": {"port": "80"}},
    ],
)
def test_what_is_no_span_is_refused(value: object) -> None:
    with pytest.raises(SpanError):
        zipkin.decode(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*ORDER, "value", "port", "ipv4"]) | st.text(), inner, max_size=5
        )
    ),
)


@given(json_values)
def test_reading_raises_nothing_else(value: object) -> None:
    try:
        zipkin.decode(value)
    except SpanError:
        return


@given(st.binary(max_size=30) | json_values.map(lambda value: json.dumps(value).encode()))
def test_reading_an_array_raises_nothing_else(content: bytes) -> None:
    try:
        zipkin.decode_array(content)
    except SpanError:
        return
    zipkin.check_array(content)


def test_an_array_nested_too_deep_is_refused() -> None:
    with pytest.raises(SpanError):
        zipkin.decode_array(b"[" * 100_000)


def test_other_peoples_fields_are_ignored() -> None:
    position = zipkin.decode(GOOD | {"parentId": "0", "more": [1]}).position
    assert position == Position.of("a".zfill(32), "b".zfill(16))


def test_debug_is_kept() -> None:
    read = zipkin.decode(GOOD | {"debug": True})
    assert read.position.debug
    assert fields(read)["debug"] is True
