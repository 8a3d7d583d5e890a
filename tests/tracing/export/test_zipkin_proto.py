from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from py_zipkin.encoding.protobuf import zipkin_pb2

from baggage.boundary import Kind
from metaapps.tracing.errors import SpanError
from metaapps.tracing.export import normal, protobuf, zipkin, zipkin_proto
from metaapps.tracing.span import Annotation, Peer, Position, Span
from tests.tracing.export.spans import POSITION, Waited, spans


def parsed(span: Span) -> Any:
    """Return a span as generated code reads it."""
    message = zipkin_pb2.ListOfSpans()
    message.ParseFromString(zipkin_proto.encode_list([zipkin_proto.encode(span)]))
    (read,) = message.spans
    return read


def one(content: bytes) -> Span:
    (span,) = zipkin_proto.decode_list(zipkin_proto.encode_list([content]))
    return span


@given(spans)
def test_generated_code_reads_what_is_written(span: Span) -> None:
    read, plain = parsed(span), normal.plain(span)
    position = span.position
    assert read.trace_id.rjust(16, b"\0") == position.trace
    assert read.id == position.span
    parent = position.parent_id if position.parent_id != position.span_id else None
    assert read.parent_id.hex() == (parent or "")
    assert read.kind == {"CLIENT": 1, "SERVER": 2, "PRODUCER": 3, "CONSUMER": 4}.get(
        span.kind.name if span.kind else "", 0
    )
    assert read.name == plain.name.lower()
    assert read.timestamp == (span.timestamp if 0 < span.timestamp < 1 << 63 else 0)
    assert read.duration == (span.duration if 0 < span.duration < 1 << 63 else 0)
    assert dict(read.tags) == plain.tags
    assert [(note.timestamp, note.value) for note in read.annotations] == [
        (at % (1 << 64), value) for at, value in normal.ordered(plain.annotations)
    ]
    assert (read.debug, read.shared) == (
        position.debug,
        span.shared and span.kind is not Kind.CLIENT,
    )


@given(spans)
def test_generated_code_reads_the_endpoints_of_the_json(span: Span) -> None:
    read, fields = parsed(span), json.loads(zipkin.encode(span))
    for name, field in (("local_endpoint", "localEndpoint"), ("remote_endpoint", "remoteEndpoint")):
        assert read.HasField(name) == (field in fields)
        found, expected = getattr(read, name), fields.get(field, {})
        assert found.service_name == expected.get("serviceName", "")
        assert normal.Endpoint("", found.ipv4).ipv4 == expected.get("ipv4", "")
        assert normal.Endpoint("", found.ipv6).ipv6 == expected.get("ipv6", "")
        assert found.port == expected.get("port", 0)


@given(spans)
def test_what_is_read_is_written_as_it_was(span: Span) -> None:
    read = one(zipkin_proto.encode(span))
    assert one(zipkin_proto.encode(read)) == read
    # Zipkin reads neither annotations without time or text, nor tags without a name.
    tags = {name: value for name, value in normal.plain(span).tags.items() if name}
    notes = tuple(note for note in normal.plain(span).annotations if all(note))
    assert read.labels() == tags
    assert set(read.annotations) == set(notes)


@given(spans)
def test_what_generated_code_writes_is_read_alike(span: Span) -> None:
    ours = zipkin_proto.encode(span)
    message = zipkin_pb2.Span.FromString(ours)
    assert one(message.SerializeToString()) == one(ours)


def test_the_encoding_is_what_the_schema_says() -> None:
    span = Span(
        position=POSITION,
        kind=Kind.SERVER,
        name="GET",
        timestamp=1,
        duration=300,
        local=Peer("Shop"),
        remote=Peer("", "127.0.0.1", 5001),
        tags={"b": "2", "a": ""},
        annotations=(Annotation(2, "x"),),
        shared=True,
    )
    assert zipkin_proto.encode(span).hex(" ") == (
        "0a 10 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f"
        " 12 08 61 62 63 64 65 66 67 68 1a 08 69 6a 6b 6c 6d 6e 6f 70"
        " 20 02 2a 03 67 65 74 31 01 00 00 00 00 00 00 00 38 ac 02"
        " 42 06 0a 04 73 68 6f 70 4a 09 12 04 7f 00 00 01 20 89 27"
        " 52 0c 09 02 00 00 00 00 00 00 00 12 01 78"
        " 5a 05 0a 01 61 12 00 5a 06 0a 01 62 12 01 32 68 01"
    )


@pytest.mark.parametrize("size", [0, 1, 119, 120, 121, 122, 123, 127, 128, 16_383, 16_384])
def test_text_of_any_length_is_framed_right(size: int) -> None:
    text = "v" * size
    span = Span(position=POSITION, name=text, tags={"name": text, f"n{text}": "ö"})
    read = parsed(span)
    assert (read.name, dict(read.tags)) == (text, span.tags)


def test_a_trace_of_64_bits_has_8_bytes() -> None:
    span = Span(position=Position.root(bytes(8) + b"abcdefgh", b"abcdefgh"))
    assert parsed(span).trace_id == b"abcdefgh"
    assert one(zipkin_proto.encode(span)).position == span.position


def test_what_a_span_waited_for_is_among_its_tags() -> None:
    span = Span(position=POSITION, tags={"b": "2"}, error="E", causes=Waited())
    assert dict(parsed(span).tags) == {"b": "2", "error": "E"} | Waited().tags()


IDS = bytes.fromhex("0a01011a0102")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "nothing at all"),
        (b"\x0a\x01\x01", "no id"),
        (b"\x1a\x01\x01", "no trace id"),
        (b"\x0a\x11" + b"a" * 17 + b"\x1a\x01\x02", "too long a trace id"),
        (b"\x0a\x01\x01\x1a\x09" + b"a" * 9, "too long an id"),
        (IDS + b"\x12\x09" + b"a" * 9, "too long a parent id"),
        (b"\x0a\x01\x01\x1a\x08" + bytes(8), "an id of zeros"),
        (b"\x0a\x10" + bytes(16) + b"\x1a\x01\x02", "a trace id of zeros"),
        (IDS + b"\x2a\x05name", "text that is cut"),
        (IDS + b"\x31\x01\x02", "a time that is cut"),
        (IDS + b"\x38\xff", "a number that is cut"),
        (IDS + b"\x38" + b"\xff" * 10 + b"\x01", "a number of more than 64 bits"),
        (IDS + b"\x42\x02\x0a\x05", "an endpoint's name that is cut"),
        (IDS + b"\x42\x04\x20\x80\x80\x04", "a port over 65535"),
        (IDS + b"\x60\x02", "a flag that is 2"),
        (IDS + b"\x02\x00", "a field 0"),
        (IDS + b"\x73", "a group"),
        (IDS + b"\x77", "a wire type that does not exist"),
    ],
)
def test_what_is_no_span_is_refused(content: bytes, name: str) -> None:
    with pytest.raises(SpanError):
        one(content)


def test_what_is_no_list_is_refused() -> None:
    for content in (b"\x0a\x00", b"\x08\x01", b"\x12\x06" + IDS, b"[]", b"\x0a\x07" + IDS):
        with pytest.raises(SpanError):
            zipkin_proto.decode_list(content)
    assert zipkin_proto.decode_list(b"") == ()


def test_short_ids_are_filled_up_and_a_parent_of_zeros_is_none() -> None:
    read = one(IDS + b"\x12\x02\x00\x00")
    assert read.position == Position.of("1".zfill(32), "2".zfill(16))


def test_unknown_fields_are_ignored() -> None:
    more = b"\xa0\x06\x01" + b"\xa1\x06" + bytes(8) + b"\xa2\x06\x01x" + b"\xa5\x06" + bytes(4)
    other_type = b"\x2d" + bytes(4) + b"\x30\x05"  # a name and a time of other wire types
    nested = b"\x5a\x08\x0a\x01a\x12\x01b\x18\x01"
    read = one(IDS + more + other_type + nested)
    assert read == one(IDS)._replace(tags={"a": "b"})


def test_text_that_is_no_utf8_is_replaced() -> None:
    assert one(IDS + b"\x2a\x02a\xff").name == "a\ufffd"


def test_times_before_1970_are_not_known() -> None:
    read = one(IDS + b"\x31" + b"\xff" * 8 + b"\x38" + b"\xff" * 9 + b"\x01")
    assert (read.timestamp, read.duration) == (0, 0)


def test_addresses_are_taken_as_zipkin_takes_them() -> None:
    def host(*addresses: bytes) -> str:
        endpoint = b"".join(protobuf.delimited(address[:1], address[1:]) for address in addresses)
        return one(IDS + protobuf.delimited(b"\x42", endpoint)).local.host

    assert host(b"\x12" + bytes((1, 2, 3, 4))) == "1.2.3.4"
    assert host(b"\x1a" + bytes(15) + b"\x01") == "::1"
    assert host(b"\x1a" + bytes(12) + bytes((1, 2, 3, 4))) == "1.2.3.4"
    assert host(b"\x1a" + bytes(16)) == "0.0.0.0"
    assert host(b"\x12" + b"\xfe" * 16, b"\x1a" + bytes((1, 2, 3, 4))) == "1.2.3.4"
    assert host(b"\x12" + b"abc") == ""


@given(spans, st.data())
def test_reading_what_is_damaged_raises_nothing_else(span: Span, data: st.DataObject) -> None:
    content = bytearray(zipkin_proto.encode_list([zipkin_proto.encode(span)]))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        zipkin_proto.decode_list(bytes(content[: data.draw(st.integers(0, len(content)))]))
    except SpanError:
        return


@given(st.binary(max_size=60))
def test_reading_any_bytes_raises_nothing_else(content: bytes) -> None:
    for read in (zipkin_proto.decode_list, zipkin_proto.decode):
        try:
            read(content)
        except SpanError:
            continue


def test_a_field_after_a_field_costs_no_more_than_itself() -> None:
    read = zipkin_proto.decode_list(zipkin_proto.encode_list([IDS + b"\x2a\x00" * 200_000] * 2))
    assert [span.name for span in read] == ["", ""]


@given(st.integers(0, (1 << 64) - 1))
def test_a_number_is_read_as_it_was_written(number: int) -> None:
    ((key, read, content),) = protobuf.fields(b"\x08" + protobuf.varint(number))
    assert (key, read % (1 << 64), content) == (8, number, b"")
