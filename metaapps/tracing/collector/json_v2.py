"""Zipkin's v2 JSON, read as strictly and as leniently as the real server reads it.

Its reader is Gson's: a number will do for a text, and a text that is a number for a number, the
last of several values counts, and what follows the array isn't looked at. Three things that nobody
should write are refused here, and taken there: `TRUE`, a backslash before a single quote or a line
break, and hexadecimal fractions.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NoReturn

from metaapps.tracing.collector.zipkin_span import (
    KINDS,
    NOWHERE,
    Draft,
    Endpoint,
    Refused,
    ZipkinSpan,
    ip_of_text,
    parent_id,
    port,
    span_id,
    trace_id,
)

_MAX_DEPTH: Final = 255
_LONG: Final = 63
_INT: Final = 31
# No part gives back what it took, so that a match takes linear time.
_WHOLE: Final = re.compile(r"([+-]?)(?=\d)0*+(\d{0,19})")
_FRACTION: Final = re.compile(r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?[fFdD]?", re.ASCII)
_CONTROL: Final = "".join(map(chr, range(0x21)))


class _Number(str):
    """A number as it was written: 1.50 is not 1.5."""

    __slots__ = ()


class _Object(tuple[tuple[str, Any], ...]):
    """The members of an object in their order; a name may come twice."""

    __slots__ = ()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_READER: Final = json.JSONDecoder(
    object_pairs_hook=_Object,
    parse_int=_Number,
    parse_float=_Number,
    parse_constant=_no_constant,
    strict=False,
)
_CALLED: Final[Mapping[type, str]] = {
    _Object: "an object",
    list: "an array",
    _Number: "a number",
}
_WRITER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def decode(message: bytes) -> list[ZipkinSpan]:
    """Return the spans of a JSON array. Raises Refused for all of them if one is bad."""
    try:
        # What follows the array is nobody's business.
        value, _ = _READER.raw_decode(message.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise Refused(f"malformed JSON: {error}") from error
    if not isinstance(value, list):
        raise Refused("expected a JSON array of spans")
    if _too_deep(value):
        raise Refused(f"nested more than {_MAX_DEPTH} deep")
    spans: list[ZipkinSpan] = []
    try:
        for element in value:
            spans.append(_span(element))  # noqa: PERF401 - a refusal says where
    except Refused as refusal:
        raise _at(f"$[{len(spans)}]", refusal) from None
    return spans


def encode(span: ZipkinSpan) -> bytes:
    """Return the very bytes that the real server writes for this span."""
    fields = {
        "traceId": span.trace_id,
        "parentId": span.parent_id,
        "id": span.id,
        "kind": span.kind,
        "name": span.name,
        "timestamp": span.timestamp,
        "duration": span.duration,
        "localEndpoint": _written(span.local),
        "remoteEndpoint": _written(span.remote),
        "annotations": [{"timestamp": at, "value": value} for at, value in span.annotations],
        "tags": dict(span.tags),
        "debug": span.debug,
        "shared": span.shared,
    }
    text = _WRITER.encode({name: value for name, value in fields.items() if value})
    text = text.replace("\u2028", r"\u2028").replace("\u2029", r"\u2029")
    return text.encode("utf-8", "replace")


def encode_list(spans: Iterable[bytes]) -> bytes:
    """Return encoded spans, or encoded lists, as one JSON array."""
    return b"[" + b",".join(spans) + b"]"


def _written(side: Endpoint) -> dict[str, object]:
    fields = {
        "serviceName": side.service,
        "ipv4": side.ipv4,
        "ipv6": side.ipv6,
        "port": side.port,
    }
    return {name: value for name, value in fields.items() if value}


def _too_deep(value: object) -> bool:
    level, depth = [value], 0
    while level and depth <= _MAX_DEPTH:
        depth += 1
        inner: list[object] = []
        for each in level:
            if isinstance(each, _Object):
                inner += [member for _, member in each]
            elif isinstance(each, list):
                inner += each
        level = [each for each in inner if isinstance(each, _Object | list)]
    return depth > _MAX_DEPTH


def _span(value: object) -> ZipkinSpan:
    draft = Draft()
    name, members = "", _members(value)
    try:
        for name, member in members:
            read = _FIELDS.get(name)
            # No id may be null. Anything else may, and then says nothing.
            if read is not None and (member is not None or name in _IDS):
                read(draft, member)
    except Refused as refusal:
        raise _at(f".{name}", refusal) from None
    return draft.build()


def _trace_id(draft: Draft, value: object) -> None:
    draft.trace_id = trace_id(_text(value))


def _id(draft: Draft, value: object) -> None:
    draft.id = span_id(_text(value))


def _parent_id(draft: Draft, value: object) -> None:
    draft.parent_id = parent_id(_text(value))


def _kind(draft: Draft, value: object) -> None:
    kind = _text(value)
    if kind not in KINDS:
        raise Refused(f"{kind!r} is none of {', '.join(KINDS)}")
    draft.kind = kind


def _name(draft: Draft, value: object) -> None:
    draft.name = _text(value)


def _timestamp(draft: Draft, value: object) -> None:
    draft.timestamp = _integer(value, _LONG)


def _duration(draft: Draft, value: object) -> None:
    draft.duration = _integer(value, _LONG)


def _local(draft: Draft, value: object) -> None:
    draft.local = _endpoint(value)


def _remote(draft: Draft, value: object) -> None:
    draft.remote = _endpoint(value)


def _annotations(draft: Draft, value: object) -> None:
    if not isinstance(value, list):
        raise Refused(f"expected an array, not {_called(value)}")
    notes: list[tuple[int, str]] = []
    try:
        for note in value:
            notes.append(_annotation(note))  # noqa: PERF401 - a refusal says where
    except Refused as refusal:
        raise _at(f"[{len(notes)}]", refusal) from None
    draft.annotations += notes


def _tags(draft: Draft, value: object) -> None:
    name, tags = "", _members(value)
    try:
        for name, tag in tags:
            draft.tags[name] = _text(tag)
    except Refused as refusal:
        raise _at(f".{name}", refusal) from None


def _debug(draft: Draft, value: object) -> None:
    draft.debug |= _boolean(value)


def _shared(draft: Draft, value: object) -> None:
    draft.shared |= _boolean(value)


_IDS: Final = frozenset({"traceId", "id"})
_FIELDS: Final[Mapping[str, Callable[[Draft, object], None]]] = {
    "traceId": _trace_id,
    "id": _id,
    "parentId": _parent_id,
    "kind": _kind,
    "name": _name,
    "timestamp": _timestamp,
    "duration": _duration,
    "localEndpoint": _local,
    "remoteEndpoint": _remote,
    "annotations": _annotations,
    "tags": _tags,
    "debug": _debug,
    "shared": _shared,
}


def _endpoint(value: object) -> Endpoint:
    side, name, members = NOWHERE, "", _members(value)
    try:
        for name, member in members:
            if member is None:
                continue
            if name == "serviceName":
                side = side._replace(service=_text(member).lower())
            elif name in {"ipv4", "ipv6"}:
                side = ip_of_text(side, _text(member))
            elif name == "port":
                side = side._replace(port=port(_integer(member, _INT)))
    except Refused as refusal:
        raise _at(f".{name}", refusal) from None
    return side


def _annotation(value: object) -> tuple[int, str]:
    timestamp: int | None = None
    text: str | None = None
    name, members = "", _members(value)
    try:
        for name, member in members:
            if name == "timestamp":
                timestamp = _integer(member, _LONG)
            elif name == "value":
                text = _text(member)
    except Refused as refusal:
        raise _at(f".{name}", refusal) from None
    if timestamp is None or text is None:
        raise Refused("an annotation needs a timestamp and a value")
    return timestamp, text


def _members(value: object) -> _Object:
    if not isinstance(value, _Object):
        raise Refused(f"expected an object, not {_called(value)}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Refused(f"expected a string, not {_called(value)}")
    return str(value)


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise Refused(f"expected true or false, not {_called(value)}")
    return value


def _integer(value: object, bits: int) -> int:
    """Return a number that is whole, however it is written; through a double if with a point."""
    if not isinstance(value, str):
        raise Refused(f"expected a whole number, not {_called(value)}")
    whole = _WHOLE.fullmatch(value)
    if whole and -(1 << bits) <= (number := int(f"{whole[1]}{whole[2] or 0}")) < 1 << bits:
        return number
    bare = value if isinstance(value, _Number) else value.strip(_CONTROL)
    fraction = float(bare.rstrip("fFdD")) if _FRACTION.fullmatch(bare) else math.nan
    # What is just outside of a long is the same double as the long beside it.
    most = (1 << bits) - (bits < _LONG)
    if not (fraction.is_integer() and -(1 << bits) <= fraction <= most):
        raise Refused(f"{value!s:.40} is no whole number of {bits + 1} bits")
    return min(int(fraction), (1 << bits) - 1)


def _called(value: object) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    for kind, name in _CALLED.items():
        if isinstance(value, kind):
            return name
    return "a string"


def _at(where: str, refusal: Refused) -> Refused:
    """Say in a refusal where it happened, seen from the whole message."""
    inner = str(refusal)
    return Refused(f"{where}{inner}" if inner[0] in ".[" else f"{where}: {inner}")
