"""Zipkin's v2 JSON: one span, and arrays of them.

Spans are written in the form in which Zipkin writes them, and read as leniently as it reads them.
Files are in `file`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring as _quoted
from typing import Final

from baggage.boundary import Kind
from metaapps.tracing.errors import SpanError
from metaapps.tracing.export.normal import MAX_LONG, MAX_PORT, endpoint, ordered, plain
from metaapps.tracing.span import ERROR, Annotation, Peer, Position, Span

_KINDS: Final = {
    kind.name: kind for kind in (Kind.CLIENT, Kind.SERVER, Kind.PRODUCER, Kind.CONSUMER)
}
_HEX: Final = frozenset("0123456789abcdef")
_ZEROS: Final = "0" * 16
_WRITTEN_KINDS: Final = {None: "", Kind.SPAWN: "", Kind.RUN: ""} | {
    kind: f',"kind":"{name}"' for name, kind in _KINDS.items()
}

# What JavaScript takes for a new line, what has no UTF-8, and what Java's strings, and so Zipkin's
# tags, have in another order than Python's.
_SPECIAL: Final = re.compile("[\u2028\u2029\ud800-\U0010ffff]")

# Zipkin takes any body with these bytes for its first format, and refuses it. Inside a JSON string
# an escaped letter is the same letter.
_LOOKS_LIKE_V1: Final = b'yAnnotations"'
_SAME_TEXT: Final = b'yAnnotation\\u0073"'


def encode(span: Span) -> bytes:
    """Return a span as one JSON object in UTF-8, on one line.

    It has the very bytes that Zipkin writes after it read them: lower-case hex ids (a trace id of
    64 bits has 16 digits), lower-case names, no field that would be empty, sorted tags and
    annotations, each annotation once, a parent that differs from the span, no `shared` on clients.
    A host that is no IP address stands in for a missing service name.
    """
    text = _write(span, sorted(span.labels().items()), ordered(span.annotations))
    if not text.isascii() and _SPECIAL.search(text):
        span = plain(span)
        text = _write(span, span.tags.items(), span.annotations)
        text = text.replace("\u2028", r"\u2028").replace("\u2029", r"\u2029")
    return text.encode().replace(_LOOKS_LIKE_V1, _SAME_TEXT)


def encode_list(spans: Sequence[bytes]) -> bytes:
    """Return encoded spans as one JSON array."""
    return b"[" + b",".join(spans) + b"]"


def decode(value: object) -> Span:
    """Return the span that a parsed JSON value describes; fields that Zipkin ignores are ignored.

    Raises SpanError.
    """
    fields = _object(value, "a span")
    tags = {name: _text(tag, f"tag {name!r}") for name, tag in _inner(fields, "tags").items()}
    notes = fields.get("annotations")
    if notes is not None and not isinstance(notes, list):
        raise SpanError(f"annotations are {notes!r}, not an array")
    return Span(
        position=_position(fields),
        kind=_kind(fields.get("kind")),
        name=_text(fields.get("name"), "name"),
        timestamp=_number(fields.get("timestamp"), "timestamp"),
        duration=_number(fields.get("duration"), "duration"),
        local=_peer(_inner(fields, "localEndpoint")),
        remote=_peer(_inner(fields, "remoteEndpoint")),
        error=tags.pop(ERROR, None),
        tags=tags,
        annotations=tuple(_annotation(note) for note in notes or ()),
        shared=fields.get("shared") is True,
    )


def decode_array(content: bytes) -> tuple[Span, ...]:
    """Return the spans of a JSON array. Raises SpanError."""
    return tuple(decode(value) for value in _array(content))


def check_array(content: bytes) -> None:
    """Raise SpanError unless this is a JSON array whose elements look like spans; cheap."""
    for value in _array(content):
        if not isinstance(value, dict) or not {"traceId", "id"} <= value.keys():
            raise SpanError("an element of the array is no span")


def _array(content: bytes) -> list[object]:
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise SpanError(f"not JSON: {error}") from error
    if not isinstance(value, list):
        raise SpanError("not a JSON array")
    return value


def _write(span: Span, tags: Iterable[tuple[str, str]], notes: Iterable[Annotation]) -> str:
    """Put a span together by hand, which takes a third of the time that `json` does."""
    position, kind, name, timestamp, duration, local, remote, _, _, _, shared, _ = span
    ids = position.raw.hex()
    trace, own, parent = ids[2:34], ids[34:50], ids[50:]
    pairs = ",".join([f"{_quoted(tag)}:{_quoted(value)}" for tag, value in tags])
    return "".join(
        (
            f'{{"traceId":"{trace[16:] if trace.startswith(_ZEROS) else trace}"',
            f',"parentId":"{parent}"' if parent and parent != own else "",
            f',"id":"{own}"{_WRITTEN_KINDS[kind]}',
            f',"name":{_quoted(name.lower())}' if name else "",
            f',"timestamp":{timestamp}' if 0 < timestamp <= MAX_LONG else "",
            f',"duration":{duration}' if 0 < duration <= MAX_LONG else "",
            _side("localEndpoint", local),
            _side("remoteEndpoint", remote),
            _annotations(notes) if notes else "",
            f',"tags":{{{pairs}}}' if pairs else "",
            ',"debug":true' if position.debug else "",
            ',"shared":true}' if shared and kind is not Kind.CLIENT else "}",
        )
    )


def _side(field: str, peer: Peer) -> str:
    service, host, port = peer
    fields = _endpoint(service, host)
    if 0 < port <= MAX_PORT:
        fields += f',"port":{port}' if fields else f'"port":{port}'
    return f',"{field}":{{{fields}}}' if fields else ""


@lru_cache(maxsize=1024)
def _endpoint(service: str, host: str) -> str:
    where = endpoint(service, host)
    fields = (("serviceName", where.service), ("ipv4", where.ipv4), ("ipv6", where.ipv6))
    return ",".join(f'"{name}":{_quoted(value)}' for name, value in fields if value)


def _annotations(notes: Iterable[Annotation]) -> str:
    written = [f'{{"timestamp":{at},"value":{_quoted(value)}}}' for at, value in notes]
    return f',"annotations":[{",".join(written)}]'


def _position(fields: Mapping[str, object]) -> Position:
    parent = fields.get("parentId")
    # Some tools write a root's parent as zero.
    has_parent = parent is not None and parent not in ("0", _ZEROS)
    return Position.of(
        _id(fields.get("traceId"), "traceId", 32),
        _id(fields.get("id"), "id", 16),
        _id(parent, "parentId", 16) if has_parent else None,
        debug=fields.get("debug") is True,
    )


def _id(value: object, name: str, digits: int) -> str:
    text = _text(value, name)
    if not 0 < len(text) <= digits or not _HEX.issuperset(text) or not text.strip("0"):
        raise SpanError(f"{name} is {value!r}, not up to {digits} lower-case hex digits")
    return text.zfill(digits)


def _kind(value: object) -> Kind | None:
    if value is None:
        return None
    if not isinstance(value, str) or value not in _KINDS:
        raise SpanError(f"kind is {value!r}, not one of {', '.join(_KINDS)}")
    return _KINDS[value]


def _peer(fields: Mapping[str, object]) -> Peer:
    host = _text(fields.get("ipv4"), "ipv4") or _text(fields.get("ipv6"), "ipv6")
    name = _text(fields.get("serviceName"), "serviceName")
    return Peer(name, host, _number(fields.get("port"), "port"))


def _annotation(value: object) -> Annotation:
    fields = _object(value, "an annotation")
    when = _number(fields.get("timestamp"), "an annotation's timestamp")
    return Annotation(when, _text(fields.get("value"), "an annotation's value"))


def _inner(fields: Mapping[str, object], name: str) -> dict[str, object]:
    value = fields.get(name)
    return {} if value is None else _object(value, name)


def _object(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise SpanError(f"{name} is {value!r:.60}, not an object")
    return value


def _text(value: object, name: str) -> str:
    if value is not None and not isinstance(value, str):
        raise SpanError(f"{name} is {value!r:.60}, not a string")
    return value or ""


def _number(value: object, name: str) -> int:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise SpanError(f"{name} is {value!r:.60}, not a whole number")
    return value or 0
