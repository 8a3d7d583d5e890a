"""Zipkin's proto3, read as strictly and as leniently as the real server reads it.

It goes through a message from front to end and believes the lengths within: that a field ends
within the one around it isn't checked. Where the real server is wrong we aren't: it drops all that
follows a field that it doesn't know, and says 202.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Final

from metaapps.tracing.collector.zipkin_span import (
    KINDS,
    NOWHERE,
    Draft,
    Endpoint,
    Refused,
    ZipkinSpan,
    ip_of_bytes,
    parent_id,
    port,
    span_id,
    trace_id,
)

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES: Final = {_FIXED64: 8, _FIXED32: 4}
_MAX_ID: Final = 32
_SIGN: Final = 1 << 63
_WORD: Final = 1 << 64
_INT_SIGN: Final = 1 << 31
_FIRST_SPAN: Final = 0x0A
# What begins so may be any list of spans, as far as the real server can see.
_LISTS: Final = frozenset({0x0B, 0x0C, ord("[")})


def decode(message: bytes) -> list[ZipkinSpan]:
    """Return the spans of a message. Raises Refused for all of them if one is bad."""
    begins = message[0] in _LISTS or (message[0] == _FIRST_SPAN and message[1:2] != b"\0")
    if not begins:
        raise Refused("expected a list of spans in proto3")
    reader = _Reader(message)
    spans: list[ZipkinSpan] = []
    while reader.at < len(message):
        try:
            reader.varint(32)  # any key will do
            if not (size := reader.varint(32)):
                break
            spans.append(_span(reader, size))
        except Refused as refusal:
            raise Refused(f"span {len(spans)}: {refusal}, at byte {reader.at}") from None
    return spans


class _Reader:
    """Reads a message from front to end; used by one thread."""

    def __init__(self, message: bytes) -> None:
        self._message: Final = message
        self.at = 0

    def need(self, size: int) -> None:
        left = len(self._message) - self.at
        if size > left:
            raise Refused(f"truncated: {size} bytes are said to follow, and {left} do")

    def take(self, size: int) -> bytes:
        self.need(size)
        self.at += size
        return self._message[self.at - size : self.at]

    def varint(self, bits: int) -> int:
        value = shift = 0
        while True:
            (byte,) = self.take(1)
            value |= (byte & 0x7F) << shift
            shift += 7
            # The last byte of ten may say too much, as the real server sees it.
            if shift >= bits and byte & 0xF0:
                raise Refused(f"a number of more than {bits} bits")
            if byte < 0x80:
                return value & ((1 << bits) - 1)

    def fixed64(self) -> int:
        return _signed(int.from_bytes(self.take(8), "little"))

    def block(self) -> bytes:
        return self.take(self.varint(32))

    def text(self) -> str:
        return self.block().decode("utf-8", "replace")

    def hex(self) -> str:
        size = self.varint(32)
        if size > _MAX_ID:
            raise Refused(f"an id of {size} bytes")
        return self.take(size).hex()

    def boolean(self) -> bool:
        (byte,) = self.take(1)
        if byte > 1:
            raise Refused(f"{byte} is neither true nor false")
        return byte == 1

    def fields(self, size: int) -> Generator[int]:
        """Yield the key of each field; whoever gets it reads the value, or skips it."""
        end = self.at + size
        while self.at < end:
            yield self.varint(32)

    def skip(self, key: int) -> None:
        kind = key & 7
        if kind == _VARINT:
            while self.at < len(self._message) and self.take(1)[0] & 0x80:
                pass
        elif kind == _BYTES:
            self.block()
        elif kind in _SIZES:
            self.take(_SIZES[kind])
        else:
            raise Refused(f"a field of type {kind}, which there isn't")


def _span(reader: _Reader, size: int) -> ZipkinSpan:
    reader.need(size)
    draft = Draft()
    for key in reader.fields(size):
        read = _FIELDS.get(key)
        if read is None:
            reader.skip(key)
        else:
            read(draft, reader)
    return draft.build()


def _trace_id(draft: Draft, reader: _Reader) -> None:
    draft.trace_id = trace_id(reader.hex())


def _parent_id(draft: Draft, reader: _Reader) -> None:
    text = reader.hex()
    draft.parent_id = parent_id(text) if text else ""


def _id(draft: Draft, reader: _Reader) -> None:
    draft.id = span_id(reader.hex())


def _kind(draft: Draft, reader: _Reader) -> None:
    kind = reader.varint(32)
    if kind >= _INT_SIGN:
        raise Refused(f"kind {kind} is out of range")
    if 1 <= kind <= len(KINDS):
        draft.kind = KINDS[kind - 1]


def _name(draft: Draft, reader: _Reader) -> None:
    draft.name = reader.text()


def _timestamp(draft: Draft, reader: _Reader) -> None:
    draft.timestamp = reader.fixed64()


def _duration(draft: Draft, reader: _Reader) -> None:
    draft.duration = _signed(reader.varint(64))


def _local(draft: Draft, reader: _Reader) -> None:
    draft.local = _endpoint(reader)


def _remote(draft: Draft, reader: _Reader) -> None:
    draft.remote = _endpoint(reader)


def _annotation(draft: Draft, reader: _Reader) -> None:
    timestamp, value = 0, ""
    for key in reader.fields(reader.varint(32)):
        if key == _key(1, _FIXED64):
            timestamp = reader.fixed64()
        elif key == _key(2, _BYTES):
            value = reader.text()
        else:
            reader.skip(key)
    if timestamp and value:
        draft.annotations.append((timestamp, value))


def _tag(draft: Draft, reader: _Reader) -> None:
    name = value = ""
    for key in reader.fields(reader.varint(32)):
        if key == _key(1, _BYTES):
            name = reader.text()
        elif key == _key(2, _BYTES):
            value = reader.text() or value
        else:
            reader.skip(key)
    if name:
        draft.tags[name] = value


def _debug(draft: Draft, reader: _Reader) -> None:
    draft.debug |= reader.boolean()


def _shared(draft: Draft, reader: _Reader) -> None:
    draft.shared |= reader.boolean()


def _endpoint(reader: _Reader) -> Endpoint:
    side = NOWHERE
    for key in reader.fields(reader.varint(32)):
        if key == _key(1, _BYTES):
            side = side._replace(service=reader.text().lower())
        elif key in {_key(2, _BYTES), _key(3, _BYTES)}:
            side = ip_of_bytes(side, reader.block())
        elif key == _key(4, _VARINT):
            number = reader.varint(32)
            side = side._replace(port=port(number if number < _INT_SIGN else 0))
        else:
            reader.skip(key)
    return side


def _key(field: int, kind: int) -> int:
    return field << 3 | kind


def _signed(number: int) -> int:
    return number - _WORD if number & _SIGN else number


_FIELDS: Final[Mapping[int, Callable[[Draft, _Reader], None]]] = {
    _key(1, _BYTES): _trace_id,
    _key(2, _BYTES): _parent_id,
    _key(3, _BYTES): _id,
    _key(4, _VARINT): _kind,
    _key(5, _BYTES): _name,
    _key(6, _FIXED64): _timestamp,
    _key(7, _VARINT): _duration,
    _key(8, _BYTES): _local,
    _key(9, _BYTES): _remote,
    _key(10, _BYTES): _annotation,
    _key(11, _BYTES): _tag,
    _key(12, _VARINT): _debug,
    _key(13, _VARINT): _shared,
}
