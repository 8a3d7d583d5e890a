"""OTLP's protobuf, by hand: a span, and the request that carries many.

The schema is opentelemetry/proto/trace/v1/trace.proto of open-telemetry/opentelemetry-proto. What
the fields mean is in `otlp`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from metaapps.tracing.export import otlp
from metaapps.tracing.export.normal import plain
from metaapps.tracing.export.protobuf import BYTE, delimited, leading, varint
from metaapps.tracing.span import ERROR, Annotation, Span

_SCOPE: Final = delimited(b"\x0a", delimited(b"\x0a", otlp.SCOPE.encode()))
_TIME: Final = struct.Struct("<BQ")
_TIMES: Final = struct.Struct("<BQBQ")
_FLAGS: Final = struct.Struct("<BBI")

# Keys of fields: number << 3 | wire type; one of two bytes.
_BEGIN, _END, _AT = 0x39, 0x41, 0x09
_FLAGS_KEY: Final = (0x85, 0x01)

SEAM: Final = len(_SCOPE) + 2 * 5
"""What a message has besides each span, at most: each has a resource and a scope of its own."""


def encode(span: Span, resource: otlp.Attributes = ()) -> bytes:
    """Return a span with its resource, as `encode_list` takes it: two fields, one after the other.

    `resource` is said of the process, besides the name of the span's service.
    """
    try:
        return _write(span, resource)
    except UnicodeEncodeError:
        return _write(plain(span), resource)


def encode_list(spans: Sequence[bytes]) -> bytes:
    """Return encoded spans as one ExportTraceServiceRequest, those of a resource together."""
    groups: dict[bytes, list[bytes]] = {}
    for encoded in spans:
        resource, span = leading(encoded)
        groups.setdefault(resource, [_SCOPE]).append(span)
    return b"".join(
        delimited(b"\x0a", resource + delimited(b"\x12", b"".join(group)))
        for resource, group in groups.items()
    )


def _write(span: Span, resource: otlp.Attributes) -> bytes:
    position = span.position
    raw = position.raw
    own, parent = raw[17:25], raw[25:]
    labels = span.labels()
    error = labels.pop(ERROR, None)
    begin, end = otlp.times(span)
    flags = otlp.flags(position, span.kind)
    message = b"".join(
        (
            b"\x0a\x10" + raw[1:17] + b"\x12\x08" + own,
            b"\x22\x08" + parent if parent and parent != own else b"",
            delimited(b"\x2a", span.name.encode()) if span.name else b"",
            b"\x30" + varint(otlp.KINDS[span.kind]),
            _TIMES.pack(_BEGIN, begin, _END, end) if begin else b"",
            _attributes(b"\x4a", otlp.attributes(span, labels)),
            _events(span.annotations),
            _links(otlp.links(span, labels)),
            b"" if error is None else delimited(b"\x7a", _failed(error)),
            _FLAGS.pack(*_FLAGS_KEY, flags) if flags else b"",
        )
    )
    return _resource(span.local.service, resource) + delimited(b"\x12", message)


@lru_cache(maxsize=256)
def _resource(service: str, more: otlp.Attributes) -> bytes:
    return delimited(b"\x0a", _attributes(b"\x0a", otlp.resource(service, more)))


def _attributes(key: bytes, attributes: Mapping[str, str | int] | Mapping[str, str]) -> bytes:
    parts: list[bytes] = []
    for name, value in attributes.items():
        head = _name(name)
        if isinstance(value, str):
            content = value.encode()
            size, length = len(head), len(content)
            if size + length < len(BYTE) - 3:  # so it is most of the time
                parts += (key, BYTE[size + length + 3], head)
                parts += (BYTE[length + 2], b"\x0a", BYTE[length], content)
                continue
            any_value = delimited(b"\x0a", content)
        else:
            any_value = b"\x18" + varint(value)
        parts.append(delimited(key, head + varint(len(any_value)) + any_value))
    return b"".join(parts)


@lru_cache(maxsize=1024)
def _name(name: str) -> bytes:
    """Return what an attribute has before its value's length."""
    return (delimited(b"\x0a", name.encode()) if name else b"") + b"\x12"


def _events(notes: Iterable[Annotation]) -> bytes:
    return b"".join([delimited(b"\x5a", _event(*note)) for note in notes])


def _event(timestamp: int, name: str) -> bytes:
    at = otlp.nanoseconds(timestamp)
    said = delimited(b"\x12", name.encode()) if name else b""
    return (_TIME.pack(_AT, at) if at else b"") + said


def _links(links: Iterable[otlp.Link]) -> bytes:
    written = [
        b"\x0a\x10%b\x12\x08%b%b"
        % (bytes.fromhex(trace), bytes.fromhex(span), _about(causal, beginning))
        for trace, span, causal, beginning in links
    ]
    return b"".join([delimited(b"\x6a", link) for link in written])


@lru_cache
def _about(causal: str, beginning: bool) -> bytes:
    return _attributes(b"\x22", otlp.about(causal, beginning))


def _failed(error: str) -> bytes:
    message = delimited(b"\x12", error.encode()) if error else b""
    return message + b"\x18" + varint(otlp.FAILED)
