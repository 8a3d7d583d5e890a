"""What a Zipkin server makes of proto3: a row for each way to write something, and what it keeps.

All rows were tried with the real server (see `VERSION` in `tests.tracing.zipkin_server`). Nothing
runs here; messages are put together by hand, so that they can be wrong.
"""

from __future__ import annotations

import struct
from typing import Final

REFUSED: Final = None
Rows = tuple[tuple[str, bytes, str | None], ...]

TRACE: Final = b"TRACE-ID"
"""Stands for the 8 bytes of a trace's id, as TID does for its 16 digits."""


def key(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def varint(field: int, number: int) -> bytes:
    return key(field, 0) + _varint(number & (1 << 64) - 1)


def fixed64(field: int, number: int) -> bytes:
    return key(field, 1) + struct.pack("<Q", number & (1 << 64) - 1)


def fixed32(field: int, number: int) -> bytes:
    return key(field, 5) + struct.pack("<I", number)


def block(field: int, content: bytes) -> bytes:
    return key(field, 2) + _varint(len(content)) + content


def span(fields: bytes = b"", *, trace: bytes = TRACE, id: bytes = bytes(7) + b"\x0b") -> bytes:
    return block(1, block(1, trace) + block(3, id) + fields)


def _varint(number: int) -> bytes:
    written = b""
    while number > 0x7F:
        written += bytes((number & 0x7F | 0x80,))
        number >>= 7
    return written + bytes((number,))


# Whole messages, and what is kept of the trace.
MESSAGES: Final[Rows] = (
    ("no byte", b"", "[]"),
    ("a span of no bytes", b"\n\0", REFUSED),
    ("a span of a zero", b"\n\1\0", REFUSED),
    ("a span cut short at once", b"\n\n", REFUSED),
    ("JSON", b'[{"traceId":"1","id":"b"}]', REFUSED),
    ("an empty list of JSON", b"[]", "[]"),
    (
        "two spans",
        span() + span(id=bytes(7) + b"\x0c"),
        '[{"traceId":"TID","id":"000000000000000b"},{"traceId":"TID","id":"000000000000000c"}]',
    ),
    (
        "a span, then one of no bytes, then another",
        span() + b"\n\0" + span(id=bytes(7) + b"\x0c"),
        '[{"traceId":"TID","id":"000000000000000b"}]',
    ),
    ("a span, then another field", span() + block(2, b"x"), REFUSED),
    (
        "a span, then one as field 2",
        span() + block(2, span(id=bytes(7) + b"\x0c")[2:]),
        '[{"traceId":"TID","id":"000000000000000b"},{"traceId":"TID","id":"000000000000000c"}]',
    ),
    ("a span, then half a key", span() + b"\xff", REFUSED),
    ("a span, then a key", span() + b"\n", REFUSED),
    ("a span cut short", span()[:-1], REFUSED),
    ("a span as field 2", block(2, span()[2:]), REFUSED),
    ("a number, then a span", varint(1, 5) + span(), REFUSED),
    ("a length too long", b"\n\x20" + span()[2:], REFUSED),
    ("a length too short", b"\n\x10" + span()[2:], '[{"traceId":"TID","id":"000000000000000b"}]'),
    ("a length below 0", b"\n\xff\xff\xff\xff\x0f" + span()[2:], REFUSED),
    (
        "a length written long",
        b"\n\x94\x80\x00" + span()[2:],
        '[{"traceId":"TID","id":"000000000000000b"}]',
    ),
    ("no id", block(1, block(1, TRACE)), REFUSED),
    ("no trace", block(1, block(3, b"\1" * 8)), REFUSED),
    ("an id of no bytes", span(id=b""), REFUSED),
    ("an id of one byte", span(id=b"\1"), '[{"traceId":"TID","id":"0000000000000001"}]'),
    ("an id of 7 bytes", span(id=b"\1" * 7), '[{"traceId":"TID","id":"0001010101010101"}]'),
    ("an id of 9 bytes", span(id=b"\1" * 9), REFUSED),
    ("an id of zeros", span(id=bytes(8)), REFUSED),
    ("an id of one zero", span(id=b"\0"), '[{"traceId":"TID","id":"0000000000000000"}]'),
    ("an id of 33 bytes", span(id=b"\1" * 33), REFUSED),
    ("a trace of no bytes", span(trace=b""), REFUSED),
    (
        "a trace of 9 bytes",
        span(trace=b"\1" + TRACE),
        '[{"traceId":"0000000000000001TID","id":"000000000000000b"}]',
    ),
    (
        "a trace of 15 bytes",
        span(trace=b"\1" * 7 + TRACE),
        '[{"traceId":"0001010101010101TID","id":"000000000000000b"}]',
    ),
    (
        "a trace of 16 bytes",
        span(trace=b"\1" * 8 + TRACE),
        '[{"traceId":"0101010101010101TID","id":"000000000000000b"}]',
    ),
    ("a trace of 17 bytes", span(trace=b"\1" * 9 + TRACE), REFUSED),
    ("a trace of 8 zeros", span(trace=bytes(8)), REFUSED),
    ("a trace of 16 zeros", span(trace=bytes(16)), REFUSED),
    (
        "a trace of 8 zeros and 8 bytes",
        span(trace=bytes(8) + TRACE),
        '[{"traceId":"TID","id":"000000000000000b"}]',
    ),
)

# Fields beside the ids of a span, and what is kept of them.
FIELDS: Final[Rows] = (
    ("nothing", b"", ""),
    ("an id twice", block(3, b"\3" * 8), '"id":"0303030303030303"'),
    ("a parent", block(2, b"\2" * 8), '"parentId":"0202020202020202"'),
    ("a parent of no bytes", block(2, b""), ""),
    ("a parent of one byte", block(2, b"\2"), '"parentId":"0000000000000002"'),
    ("a parent of 7 bytes", block(2, b"\2" * 7), '"parentId":"0002020202020202"'),
    ("a parent of 9 bytes", block(2, b"\2" * 9), REFUSED),
    ("a parent of zeros", block(2, bytes(8)), ""),
    ("a parent that is the span", block(2, bytes(7) + b"\x0b"), ""),
    ("a parent, then none", block(2, b"\2" * 8) + block(2, b""), ""),
    ("kind 0", varint(4, 0), ""),
    ("kind 1", varint(4, 1), '"kind":"CLIENT"'),
    ("kind 2", varint(4, 2), '"kind":"SERVER"'),
    ("kind 3", varint(4, 3), '"kind":"PRODUCER"'),
    ("kind 4", varint(4, 4), '"kind":"CONSUMER"'),
    ("kind 5", varint(4, 5), ""),
    ("kind -1", varint(4, -1), REFUSED),
    ("kind 1, then 0", varint(4, 1) + varint(4, 0), '"kind":"CLIENT"'),
    ("kind 1, then 9", varint(4, 1) + varint(4, 9), '"kind":"CLIENT"'),
    ("a kind with the sign's bit", varint(4, 1 << 31), REFUSED),
    ("a kind of 33 bits", varint(4, 1 << 32), REFUSED),
    ("a kind as fixed32", fixed32(4, 1), ""),
    ("a kind as bytes", block(4, b"CLIENT"), ""),
    ("a name", block(5, "GET /Ä".encode()), '"name":"get /ä"'),
    ("a name of no bytes", block(5, b""), ""),
    ("a name that is no UTF-8", block(5, b"a\xff\xe2\x82b"), '"name":"a��b"'),
    ("a name, then none", block(5, b"x") + block(5, b""), ""),
    ("a name as a number", varint(5, 3), ""),
    ("a name with a zero byte", block(5, b"a\0b"), '"name":"a\\u0000b"'),
    ("a timestamp", fixed64(6, 1_700_000_000_000_000), '"timestamp":1700000000000000'),
    ("a timestamp as varint", varint(6, 1_700_000_000_000_000), ""),
    ("a timestamp as fixed32", fixed32(6, 5), ""),
    ("timestamp -1", fixed64(6, -1), ""),
    ("timestamp 0", fixed64(6, 0), ""),
    ("timestamp 2**63", fixed64(6, 1 << 63), ""),
    ("a timestamp, then 0", fixed64(6, 5) + fixed64(6, 0), ""),
    ("a timestamp cut short", key(6, 1) + b"\1\2\3", REFUSED),
    ("a duration", varint(7, 250), '"duration":250'),
    ("a duration as fixed64", fixed64(7, 250), ""),
    ("duration 0", varint(7, 0), ""),
    ("duration -1", varint(7, -1), ""),
    ("duration 2**63-1", varint(7, (1 << 63) - 1), '"duration":9223372036854775807'),
    ("a duration of 68 bits", key(7, 0) + b"\xff" * 9 + b"\x0f", ""),
    ("a duration of 69 bits", key(7, 0) + b"\xff" * 9 + b"\x1f", REFUSED),
    ("a duration of 11 bytes", key(7, 0) + b"\xff" * 10 + b"\1", REFUSED),
    ("a duration without end", key(7, 0) + b"\xff", REFUSED),
    ("a duration written long", key(7, 0) + b"\x85\x80\x00", '"duration":5'),
    (
        "an endpoint",
        block(
            8,
            block(1, b"Web") + block(2, b"\1\2\3\4") + block(3, bytes(15) + b"\1") + varint(4, 80),
        ),
        '"localEndpoint":{"serviceName":"web","ipv4":"1.2.3.4","ipv6":"::1","port":80}',
    ),
    ("an endpoint of nothing", block(8, b""), ""),
    ("an endpoint of an empty name", block(8, block(1, b"")), ""),
    ("an endpoint, then nothing", block(8, block(1, b"a")) + block(8, b""), ""),
    (
        "an endpoint twice",
        block(8, block(1, b"a")) + block(8, varint(4, 1)),
        '"localEndpoint":{"port":1}',
    ),
    ("an endpoint cut short", block(8, b"\n\5ab"), REFUSED),
    (
        "an endpoint's name beyond its end",
        block(8, b"\n\x09ab") + block(5, b"abcdefghijk"),
        REFUSED,
    ),
    ("a remote endpoint", block(9, block(1, b"B")), '"remoteEndpoint":{"serviceName":"b"}'),
    ("IPv4 of no bytes", block(8, block(2, b"")), ""),
    ("IPv4 of 3 bytes", block(8, block(2, b"\1\2\3")), ""),
    ("IPv4 of 5 bytes", block(8, block(2, b"\1" * 5)), ""),
    ("IPv4 of zeros", block(8, block(2, bytes(4))), '"localEndpoint":{"ipv4":"0.0.0.0"}'),
    (
        "IPv4 of 16 bytes",
        block(8, block(2, b"\1" * 16)),
        '"localEndpoint":{"ipv6":"101:101:101:101:101:101:101:101"}',
    ),
    ("IPv6 of 4 bytes", block(8, block(3, b"\1\2\3\4")), '"localEndpoint":{"ipv4":"1.2.3.4"}'),
    ("IPv6 of 15 bytes", block(8, block(3, b"\1" * 15)), ""),
    (
        "IPv6 of IPv4, compatible",
        block(8, block(3, bytes(12) + b"\1\2\3\4")),
        '"localEndpoint":{"ipv4":"1.2.3.4"}',
    ),
    (
        "IPv6 of IPv4, mapped",
        block(8, block(3, bytes(10) + b"\xff\xff\1\2\3\4")),
        '"localEndpoint":{"ipv6":"::ffff:102:304"}',
    ),
    ("IPv6 of zeros", block(8, block(3, bytes(16))), '"localEndpoint":{"ipv4":"0.0.0.0"}'),
    ("IPv6 loopback", block(8, block(3, bytes(15) + b"\1")), '"localEndpoint":{"ipv6":"::1"}'),
    (
        "IPv6 beside loopback",
        block(8, block(3, bytes(15) + b"\2")),
        '"localEndpoint":{"ipv4":"0.0.0.2"}',
    ),
    (
        "IPv6 with one run of zeros",
        block(8, block(3, b"\x20\1\x0d\xb8" + bytes(11) + b"\1")),
        '"localEndpoint":{"ipv6":"2001:db8::1"}',
    ),
    ("port 0", block(8, varint(4, 0)), ""),
    ("port 1", block(8, varint(4, 1)), '"localEndpoint":{"port":1}'),
    ("port 65535", block(8, varint(4, 65535)), '"localEndpoint":{"port":65535}'),
    ("port 65536", block(8, varint(4, 65536)), REFUSED),
    ("port -1", block(8, varint(4, -1)), REFUSED),
    ("port 2**31", block(8, varint(4, 1 << 31)), ""),
    ("port 2**32", block(8, varint(4, 1 << 32)), REFUSED),
    (
        "an annotation",
        block(10, fixed64(1, 5) + block(2, b"x")),
        '"annotations":[{"timestamp":5,"value":"x"}]',
    ),
    (
        "an annotation's value first",
        block(10, block(2, b"x") + fixed64(1, 5)),
        '"annotations":[{"timestamp":5,"value":"x"}]',
    ),
    ("an annotation without time", block(10, block(2, b"x")), ""),
    ("an annotation at 0", block(10, fixed64(1, 0) + block(2, b"x")), ""),
    (
        "an annotation before 0",
        block(10, fixed64(1, -5) + block(2, b"x")),
        '"annotations":[{"timestamp":-5,"value":"x"}]',
    ),
    ("an annotation without value", block(10, fixed64(1, 5)), ""),
    ("an annotation of no text", block(10, fixed64(1, 5) + block(2, b"")), ""),
    ("an annotation of nothing", block(10, b""), ""),
    ("an annotation at a varint", block(10, varint(1, 5) + block(2, b"x")), ""),
    (
        "annotations in no order, one twice",
        block(10, fixed64(1, 5) + block(2, b"x"))
        + block(10, fixed64(1, 4) + block(2, b"x"))
        + block(10, fixed64(1, 5) + block(2, b"x")),
        '"annotations":[{"timestamp":4,"value":"x"},{"timestamp":5,"value":"x"}]',
    ),
    ("a tag", block(11, block(1, b"k") + block(2, b"v")), '"tags":{"k":"v"}'),
    ("a tag's value first", block(11, block(2, b"v") + block(1, b"k")), '"tags":{"k":"v"}'),
    ("a tag without value", block(11, block(1, b"k")), '"tags":{"k":""}'),
    ("a tag of no text", block(11, block(1, b"k") + block(2, b"")), '"tags":{"k":""}'),
    ("a tag without name", block(11, block(2, b"v")), ""),
    ("a tag of an empty name", block(11, block(1, b"") + block(2, b"v")), ""),
    ("a tag of nothing", block(11, b""), ""),
    (
        "a tag twice",
        block(11, block(1, b"k") + block(2, b"v")) + block(11, block(1, b"k") + block(2, b"w")),
        '"tags":{"k":"w"}',
    ),
    (
        "a tag's value twice, then empty",
        block(11, block(1, b"k") + block(2, b"v") + block(2, b"")),
        '"tags":{"k":"v"}',
    ),
    ("a tag of a number", block(11, block(1, b"k") + varint(2, 1)), '"tags":{"k":""}'),
    (
        "a tag that looks like v1",
        block(11, block(1, b"k") + block(2, b'yAnnotations"')),
        '"tags":{"k":"yAnnotations\\""}',
    ),
    ("debug 0", varint(12, 0), ""),
    ("debug 1", varint(12, 1), '"debug":true'),
    ("debug 2", varint(12, 2), REFUSED),
    ("debug 128", varint(12, 128), REFUSED),
    ("debug 1, then 0", varint(12, 1) + varint(12, 0), '"debug":true'),
    ("debug as bytes", block(12, b"\1"), ""),
    ("shared", varint(13, 1), '"shared":true'),
    ("shared 2", varint(13, 2), REFUSED),
    ("a shared client", varint(4, 1) + varint(13, 1), '"kind":"CLIENT"'),
    ("a shared server", varint(4, 2) + varint(13, 1), '"kind":"SERVER","shared":true'),
    ("an unknown number", varint(14, 300), ""),
    ("an unknown number, then a name", varint(14, 300) + block(5, b"x"), '"name":"x"'),
    ("unknown bytes at the end", block(15, b"xyz"), ""),
    ("an unknown number without end", key(14, 0) + b"\xff\xff", ""),
    ("unknown bytes cut short", key(15, 2) + b"\x20abc", REFUSED),
    ("an unknown fixed64 cut short", key(99, 1) + b"abc", REFUSED),
    ("a group begins", key(14, 3), REFUSED),
    ("a group ends", key(14, 4), REFUSED),
    ("type 6", key(14, 6), REFUSED),
    ("type 7", key(14, 7), REFUSED),
    ("field 0", varint(0, 1), ""),
    ("the highest field", block((1 << 29) - 1, b"x"), ""),
    ("a field of 35 bits", b"\xff\xff\xff\xff\x7f\1", REFUSED),
)

# The real server drops all that follows a field that it doesn't know the length of, and says that
# it took the message; the collector keeps it.
SWALLOWED: Final[Rows] = (
    ("unknown bytes, then a name", block(15, b"xyz") + block(5, b"x"), '"name":"x"'),
    ("an unknown fixed64, then a name", fixed64(99, 1) + block(5, b"x"), '"name":"x"'),
    ("a kind as bytes, then a name", block(4, b"CLIENT") + block(5, b"x"), '"name":"x"'),
    (
        "a port as fixed32, then a name",
        block(8, fixed32(4, 80) + block(1, b"a")),
        '"localEndpoint":{"serviceName":"a"}',
    ),
)
