"""Zipkin's v2 JSON: one span, and arrays of them.

Spans are written in the form in which Zipkin writes them, and read as leniently as it reads them.
Files are in `file`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from socket import AF_INET, AF_INET6, AddressFamily, inet_ntop, inet_pton
from typing import Final

from baggage.boundary import Kind
from metaapps.tracing.errors import SpanError
from metaapps.tracing.span import ERROR, NOBODY, Annotation, Peer, Position, Span

_KINDS: Final = {
    kind.name: kind for kind in (Kind.CLIENT, Kind.SERVER, Kind.PRODUCER, Kind.CONSUMER)
}
_HEX: Final = frozenset("0123456789abcdef")
_MAPPED: Final = "::ffff:"
_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_ASCII_JSON: Final = json.JSONEncoder(separators=(",", ":"))
_ZEROS: Final = ("0", "0" * 16)
_MAX_PORT: Final = 65535

# Zipkin takes any body with these bytes for its first format, and refuses it. Inside a JSON string
# an escaped letter is the same letter.
_LOOKS_LIKE_V1: Final = b'yAnnotations"'
_SAME_TEXT: Final = b'yAnnotation\\u0073"'


def encode(span: Span) -> bytes:
    """Return a span as one JSON object in UTF-8, on one line.

    Normal form: lower-case hex ids (a trace id of 64 bits has 16 digits), lower-case names, no
    field that would be empty, sorted tags and annotations, a parent that differs from the span,
    `shared` on servers alone. A host that is no IP address stands in for a missing service name.
    """
    position = span.position
    fields: dict[str, object] = {"traceId": _short(position.trace_id)}
    if position.parent_id is not None and position.parent_id != position.span_id:
        fields["parentId"] = position.parent_id
    fields["id"] = position.span_id
    if span.kind is not None and span.kind.name in _KINDS:
        fields["kind"] = span.kind.name
    fields |= _present(
        name=span.name.lower(),
        timestamp=max(span.timestamp, 0),
        duration=max(span.duration, 0),
        localEndpoint=_endpoint(span.local),
        remoteEndpoint=_endpoint(span.remote),
        annotations=[note._asdict() for note in sorted(set(span.annotations))],
        tags=dict(sorted(span.labels().items())),
        debug=position.debug,
        shared=span.shared and span.kind is Kind.SERVER,
    )
    try:
        text = _JSON.encode(fields).encode()
    except UnicodeEncodeError:
        text = _ASCII_JSON.encode(fields).encode()  # a lone surrogate has no UTF-8, but an escape
    return text.replace(_LOOKS_LIKE_V1, _SAME_TEXT)


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


def _present(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value}


def _short(trace_id: str) -> str:
    return trace_id[16:] if trace_id.startswith("0" * 16) else trace_id


def _endpoint(peer: Peer) -> dict[str, object]:
    if peer == NOBODY:
        return {}
    address = _address(peer.host)
    name = peer.service or ("" if address else peer.host)
    port = peer.port if 0 < peer.port <= _MAX_PORT else 0
    return _present(serviceName=name.lower()) | address | _present(port=port)


def _address(host: str) -> dict[str, object]:
    try:
        return {"ipv4": _canonical(AF_INET, host)}
    except (OSError, ValueError):
        pass
    try:
        address = _canonical(AF_INET6, host.partition("%")[0])
    except (OSError, ValueError):
        return {}
    if address.startswith(_MAPPED) and "." in address:
        return {"ipv4": address.removeprefix(_MAPPED)}
    return {"ipv6": address}


def _canonical(family: AddressFamily, host: str) -> str:
    return inet_ntop(family, inet_pton(family, host))  # ten times as quick as `ipaddress`


def _position(fields: Mapping[str, object]) -> Position:
    parent = fields.get("parentId")
    # Some tools write a root's parent as zero.
    has_parent = parent is not None and parent not in _ZEROS
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
