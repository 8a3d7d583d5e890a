"""The encoding of Protocol Buffers by hand: as much of it as messages of spans need.

Which messages there are is said where they are written: `zipkin_proto`, `otlp_proto`. A key is a
field's number and its wire type, as on the wire: `number << 3 | type`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from metaapps.tracing.errors import SpanError

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5

_MORE: Final = 0x80
_MAX_VARINT: Final = 10
_WIDTHS: Final = {FIXED64: struct.Struct("<q"), FIXED32: struct.Struct("<i")}
_MAX_KEY: Final = (1 << 32) - 1
BYTE: Final = tuple(bytes((number,)) for number in range(_MORE))
"""The varints of one byte."""


def varint(number: int) -> bytes:
    """Return a number from 0 to 2^64 - 1."""
    if number < _MORE:
        return BYTE[number]
    groups = bytearray()
    while number >= _MORE:
        groups.append(number & 0x7F | _MORE)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def delimited(key: bytes, content: bytes) -> bytes:
    """Return a field of bytes, text or a message, even if that is empty."""
    return key + varint(len(content)) + content


def leading(content: bytes) -> tuple[bytes, bytes]:
    """Return the first field, whose key has one byte and which has bytes, and all others."""
    size, at = _varint(content, 1)
    return content[: at + size], content[at + size :]


def fields(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Give each field of a message, in time linear in its length: key, number, bytes.

    A field has a number or bytes, as its key says; the other is 0 or empty. Numbers are signed: of
    a varint 64 bits count. Raises SpanError, after all that comes before.
    """
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        if not 8 <= key <= _MAX_KEY:
            raise SpanError(f"not protobuf: a field with the key {key}")
        kind = key & 7
        if kind == VARINT:
            number, at = _varint(content, at)
            yield key, number - (1 << 64) if number >> 63 else number, b""
        elif kind == BYTES:
            size, at = _varint(content, at)
            if size > len(content) - at:
                raise SpanError("not protobuf: it ends within a field")
            yield key, 0, content[at : at + size]
            at += size
        else:
            yield key, _fixed(content, at, kind), b""
            at += _WIDTHS[kind].size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins there, and where it ended."""
    number = 0
    for index, byte in enumerate(content[at : at + _MAX_VARINT]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < _MORE:
            return number & 0xFFFF_FFFF_FFFF_FFFF, at + index + 1
    raise SpanError("not protobuf: a number without an end")


def _fixed(content: bytes, at: int, kind: int) -> int:
    width = _WIDTHS.get(kind)
    if width is None:
        raise SpanError(f"not protobuf: a field of the type {kind}")
    if len(content) - at < width.size:
        raise SpanError("not protobuf: it ends within a number")
    number: int = width.unpack_from(content, at)[0]
    return number
