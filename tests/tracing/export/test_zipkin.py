from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Kind
from metaapps.tracing.errors import SpanError
from metaapps.tracing.export import normal, zipkin
from metaapps.tracing.span import Annotation, Peer, Position, Span
from tests.tracing.export.spans import POSITION, Waited, spans


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
    assert read.timestamp == (span.timestamp if 0 < span.timestamp < 1 << 63 else 0)
    assert read.duration == (span.duration if 0 < span.duration < 1 << 63 else 0)
    assert read.annotations == normal.plain(span).annotations
    assert read.labels() == normal.plain(span).tags
    assert read.shared == (span.shared and span.kind is not Kind.CLIENT)


@given(spans)
def test_every_field_is_in_zipkins_normal_form(span: Span) -> None:
    found = fields(span)
    assert list(found) == [name for name in ORDER if name in found]
    assert all(found.values()), "an empty field is left out"
    assert len(found["traceId"]) in {16, 32}
    assert found.get("name", "") == found.get("name", "").lower()
    assert all(isinstance(value, str) for value in found.get("tags", {}).values())
    assert list(found.get("tags", {})) == sorted(found.get("tags", {}), key=utf16)
    assert found.get("parentId") != found["id"]
    for side in ("localEndpoint", "remoteEndpoint"):
        endpoint = found.get(side, {"serviceName": "-"})
        assert {*endpoint} <= {"serviceName", "ipv4", "ipv6", "port"}
        assert 0 < endpoint.get("port", 1) < 65536
    assert "shared" not in found or (found["shared"] is True and found.get("kind") != "CLIENT")


def utf16(text: str) -> bytes:
    return text.encode("utf-16-be")


ORDER = [
    *("traceId", "parentId", "id", "kind", "name", "timestamp", "duration"),
    *("localEndpoint", "remoteEndpoint", "annotations", "tags", "debug", "shared"),
]


@given(spans)
def test_a_span_is_one_line_of_utf8(span: Span) -> None:
    assert "\n" not in zipkin.encode(span).decode()


TEXTS = {
    "plain": "plain",
    'a"b\\c/': r"a\"b\\c/",
    "\x00\t\n\x1f": r"\u0000\t\n\u001f",
    "\x7f\x85": "\x7f\x85",
    "\u2028\u2029": r"\u2028\u2029",
    "größe 大": "größe 大",
    "\ud83d\ude00": "😀",
    "\udce4-\ud800": "?-?",
}


@pytest.mark.parametrize(("text", "written"), TEXTS.items())
def test_text_is_escaped_as_zipkin_escapes_it(text: str, written: str) -> None:
    span = Span(position=POSITION, tags={text: text}, annotations=(Annotation(1, text),))
    encoded = zipkin.encode(span).decode()
    assert f'"tags":{{"{written}":"{written}"}}' in encoded
    assert f'"value":"{written}"' in encoded


def test_tags_and_annotations_are_in_the_order_of_javas_strings() -> None:
    span = Span(
        position=POSITION,
        tags={"\uffff": "2", "😀": "1", "a": "0"},
        annotations=(Annotation(1, "\uffff"), Annotation(1, "😀"), Annotation(1, "😀")),
    )
    found = fields(span)
    assert list(found["tags"]) == ["a", "😀", "\uffff"]
    assert [note["value"] for note in found["annotations"]] == ["😀", "\uffff"]


def test_what_a_span_waited_for_is_among_its_tags() -> None:
    span = Span(position=POSITION, tags={"b": "2"}, error="E", causes=Waited())
    assert fields(span)["tags"] == {"b": "2", "error": "E"} | Waited().tags()


@pytest.mark.parametrize("time", [0, -1, 1 << 63, 1 << 80])
def test_times_that_cannot_be_are_left_out(time: int) -> None:
    found = fields(Span(position=POSITION, timestamp=time, duration=time))
    assert {"timestamp", "duration"}.isdisjoint(found)


def test_annotations_of_impossible_times_are_left_out() -> None:
    notes = (Annotation(1 << 63, "a"), Annotation(-(1 << 63), "b"), Annotation(-1, "c"))
    found = fields(Span(position=POSITION, annotations=notes))
    assert found["annotations"] == [{"timestamp": -1, "value": "c"}]


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
        (Peer("", "::1.2.3.4"), {"ipv4": "1.2.3.4"}),
        (Peer("", "::0102:0304"), {"ipv6": "::102:304"}),
        (Peer("", "2001:db8:0:1:1:1:1:1"), {"ipv6": "2001:db8::1:1:1:1:1"}),
        (Peer("", "2001:0:0:4:0:0:0:0"), {"ipv6": "2001::4:0:0:0:0"}),
        (Peer("", "2001:1:1:4:0:0:0:0"), {"ipv6": "2001:1:1:4::"}),
        (Peer("", "::", 65_535), {"ipv6": "::", "port": 65_535}),
        (Peer("Shop", "::1", 65_536), {"serviceName": "shop", "ipv6": "::1"}),
        (Peer("", "01.2.3.4", -1), {"serviceName": "01.2.3.4"}),
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
