"""A message as it is posted: what it is written in, and whether it is small enough to look at."""

from __future__ import annotations

import zlib
from typing import Final

from metaapps.tracing.collector import json_v2, proto3
from metaapps.tracing.collector.zipkin_span import Refused, ZipkinSpan

MAX_MESSAGE: Final = 10 * 1024 * 1024
"""Bytes of a message as it is sent; that of the real server."""

MAX_UNZIPPED: Final = 4 * MAX_MESSAGE

_PROTO3: Final = "application/x-protobuf"
_GZIP: Final = zlib.MAX_WBITS | 16
# The real server takes a message with these bytes for Zipkin's first format, wherever they stand.
_V1: Final = b'yAnnotations"'


def spans_of(body: bytes, content_type: str, encoding: str) -> list[ZipkinSpan]:
    """Return the spans of a message; `content_type` and `encoding` are headers, or empty.

    Whatever isn't called proto3 is JSON. Raises Refused for all of them if one is bad.
    """
    if body and "gzip" in encoding:
        body = _unzipped(body)
    if not body or body == b"[]":
        return []
    if content_type.partition(";")[0].strip().lower() == _PROTO3:
        return proto3.decode(body)
    if not body.startswith(b"["):
        raise Refused("expected a JSON array of spans, whose first byte is '['")
    if _V1 in body:
        raise Refused("this looks like Zipkin's first format: it has the bytes 'yAnnotations\"'")
    return json_v2.decode(body)


def _unzipped(body: bytes) -> bytes:
    stream = zlib.decompressobj(_GZIP)
    try:
        text = stream.decompress(body, MAX_UNZIPPED)
    except zlib.error as error:
        raise Refused(f"not gzip: {error}") from error
    if stream.unconsumed_tail:
        raise Refused(f"more than {MAX_UNZIPPED} bytes, unzipped")
    if not text:
        raise Refused("gzip of nothing")
    return text
