"""Zipkin's v2 format as protobuf, by hand: one span, and lists of them.

The schema is zipkin.proto of openzipkin/zipkin-api. Spans have the normal form that `zipkin` gives
them, and are read as Zipkin's `Proto3ZipkinFields` reads them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from baggage.boundary import Kind
from metaapps.tracing.errors import SpanError
from metaapps.tracing.export.normal import (
    MAX_LONG,
    MAX_PORT,
    Endpoint,
    endpoint,
    ordered,
    plain,
)
from metaapps.tracing.export.protobuf import BYTE, delimited, fields, varint
from metaapps.tracing.span import (
    ERROR,
    NOBODY,
    SPAN_BYTES,
    TRACE_BYTES,
    Annotation,
    Peer,
    Position,
    Span,
)

_NUMBERS: Final = {Kind.CLIENT: 1, Kind.SERVER: 2, Kind.PRODUCER: 3, Kind.CONSUMER: 4}
_KINDS: Final = {number: kind for kind, number in _NUMBERS.items()}
_WRITTEN_KINDS: Final[Mapping[Kind | None, bytes]] = dict.fromkeys((None, *Kind), b"") | {
    kind: bytes((0x20, number)) for kind, number in _NUMBERS.items()
}
_NO_HIGH: Final = bytes(8)
_NO_NET: Final = bytes(12)
_LOOPBACK: Final = bytes(15) + b"\x01"
_TIME: Final = struct.Struct("<BQ")

# Keys of fields: number << 3 | wire type.
_SPAN: Final = 0x0A
_TRACE, _PARENT, _ID, _KIND, _NAME, _TIMESTAMP, _DURATION = 0x0A, 0x12, 0x1A, 0x20, 0x2A, 0x31, 0x38
_LOCAL, _REMOTE, _ANNOTATION, _TAG, _DEBUG, _SHARED = 0x42, 0x4A, 0x52, 0x5A, 0x60, 0x68
_SERVICE, _IPV4, _IPV6, _PORT = 0x0A, 0x12, 0x1A, 0x20
_AT, _SAID = 0x09, 0x12
_KEY, _VALUE = 0x0A, 0x12


def encode(span: Span) -> bytes:
    """Return a span as one message, without its length."""
    try:
        return _write(span)
    except UnicodeEncodeError:
        return _write(plain(span))


def encode_list(spans: Sequence[bytes]) -> bytes:
    """Return encoded spans as one ListOfSpans."""
    return b"".join([b"\x0a" + varint(len(span)) + span for span in spans])


def _write(span: Span) -> bytes:
    position, kind, name, timestamp, duration, local, remote, _, notes, _, shared, _ = span
    raw = position.raw
    trace, own, parent = raw[1:17], raw[17:25], raw[25:]
    return b"".join(
        (
            b"\x0a\x08" + trace[8:] if trace.startswith(_NO_HIGH) else b"\x0a\x10" + trace,
            b"\x12\x08" + parent if parent and parent != own else b"",
            b"\x1a\x08" + own + _WRITTEN_KINDS[kind],
            delimited(b"\x2a", name.lower().encode()) if name else b"",
            _TIME.pack(_TIMESTAMP, timestamp) if 0 < timestamp <= MAX_LONG else b"",
            b"\x38" + varint(duration) if 0 < duration <= MAX_LONG else b"",
            _side(b"\x42", local),
            _side(b"\x4a", remote),
            _annotations(ordered(notes)) if notes else b"",
            _tags(sorted(span.labels().items())),
            b"\x60\x01" if position.debug else b"",
            b"\x68\x01" if shared and kind is not Kind.CLIENT else b"",
        )
    )


def _side(key: bytes, peer: Peer) -> bytes:
    service, host, port = peer
    content = _endpoint(service, host)
    if 0 < port <= MAX_PORT:
        content += b"\x20" + varint(port)
    return delimited(key, content) if content else b""


@lru_cache(maxsize=1024)
def _endpoint(service: str, host: str) -> bytes:
    where = endpoint(service, host)
    name = where.service.encode()
    address = b"\x12" if where.ipv4 else b"\x1a"
    return (delimited(b"\x0a", name) if name else b"") + (
        delimited(address, where.ip) if where.ip else b""
    )


def _annotations(notes: Iterable[Annotation]) -> bytes:
    written = (
        _TIME.pack(_AT, at & 0xFFFF_FFFF_FFFF_FFFF) + delimited(b"\x12", value.encode())
        for at, value in notes
    )
    return b"".join([delimited(b"\x52", note) for note in written])


def _tags(tags: Iterable[tuple[str, str]]) -> bytes:
    parts: list[bytes] = []
    for name, value in tags:
        head, content = _tag_name(name), value.encode()
        size, length = len(head), len(content)
        if size + length < len(BYTE) - 1:  # so it is most of the time
            parts += (b"\x5a", BYTE[size + length + 1], head, BYTE[length], content)
        else:
            parts.append(delimited(b"\x5a", head + varint(length) + content))
    return b"".join(parts)


@lru_cache(maxsize=1024)
def _tag_name(name: str) -> bytes:
    """Return what an entry has before its value's length."""
    return delimited(b"\x0a", name.encode()) + b"\x12"


def decode_list(content: bytes) -> tuple[Span, ...]:
    """Return the spans of a ListOfSpans.

    Fields that nobody knows are ignored, as are annotations without time or text and tags without
    name; bytes that are no UTF-8 become U+FFFD. Raises SpanError.
    """
    spans = []
    for key, _, message in fields(content):
        if key != _SPAN or not message:
            raise SpanError("not a list of spans")
        spans.append(decode(message))
    return tuple(spans)


def decode(content: bytes) -> Span:
    """Return the span that one message describes, see `decode_list`. Raises SpanError."""
    ids = dict.fromkeys((_TRACE, _ID, _PARENT), b"")
    numbers = dict.fromkeys((_KIND, _TIMESTAMP, _DURATION, _DEBUG, _SHARED), 0)
    peers = dict.fromkeys((_LOCAL, _REMOTE), NOBODY)
    name = ""
    notes: list[Annotation] = []
    tags: dict[str, str] = {}
    for key, number, value in fields(content):
        if key in numbers:
            numbers[key] = number
        elif key in ids:
            ids[key] = value
        elif key == _NAME:
            name = _text(value)
        elif key in peers:
            peers[key] = _peer(value)
        elif key == _ANNOTATION:
            notes += _annotation(value)
        elif key == _TAG:
            tags |= _tag(value)
    return Span(
        position=_position(ids, debug=_flag(numbers[_DEBUG])),
        kind=_KINDS.get(numbers[_KIND]),
        name=name,
        timestamp=max(numbers[_TIMESTAMP], 0),
        duration=max(numbers[_DURATION], 0),
        local=peers[_LOCAL],
        remote=peers[_REMOTE],
        error=tags.pop(ERROR, None),
        tags=tags,
        annotations=tuple(notes),
        shared=_flag(numbers[_SHARED]),
    )


def _position(ids: Mapping[int, bytes], *, debug: bool) -> Position:
    trace = _id(ids[_TRACE], "trace_id", TRACE_BYTES)
    root = Position.root(trace, _id(ids[_ID], "id", SPAN_BYTES), debug=debug)
    if not any(ids[_PARENT]):
        return root
    return root.below(_id(ids[_PARENT], "parent_id", SPAN_BYTES))


def _id(content: bytes, name: str, size: int) -> bytes:
    if len(content) > size or not any(content):
        raise SpanError(f"{name} is {content.hex()!r:.60}, not up to {size} bytes")
    return content.rjust(size, b"\0")


def _flag(number: int) -> bool:
    if number not in (0, 1):
        raise SpanError(f"debug or shared is {number}, neither 0 nor 1")
    return number == 1


def _peer(content: bytes) -> Peer:
    service, port = "", 0
    addresses = {4: b"", 16: b""}
    for key, number, value in fields(content):
        if key == _PORT:
            port = number
        elif key == _SERVICE:
            service = _text(value)
        elif key in (_IPV4, _IPV6):
            ip = _ip(value)
            addresses[len(ip)] = ip
    if port > MAX_PORT:
        raise SpanError(f"port is {port}, not up to {MAX_PORT}")
    at = Endpoint("", addresses[4] or addresses[16])
    return Peer(service, at.ipv4 or at.ipv6, max(port, 0))


def _ip(content: bytes) -> bytes:
    """Take an address for one of IPv4 where Zipkin does, which is even for "::"."""
    return content[12:] if content.startswith(_NO_NET) and content != _LOOPBACK else content


def _annotation(content: bytes) -> tuple[Annotation, ...]:
    at, said = 0, b""
    for key, number, value in fields(content):
        if key == _AT:
            at = number
        elif key == _SAID:
            said = value
    return (Annotation(at, _text(said)),) if at and said else ()


def _tag(content: bytes) -> dict[str, str]:
    read = {key: value for key, _, value in fields(content)}
    name = read.get(_KEY)
    return {_text(name): _text(read.get(_VALUE, b""))} if name else {}


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
