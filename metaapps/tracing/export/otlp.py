"""What a span is to OpenTelemetry: its kind, times, attributes and links, whatever the format.

How they are written is in `otlp_json` and `otlp_proto`, the two formats of OTLP/HTTP.

OTLP has no shared spans. A server's half is written as it is, under the id that it shares, and
whoever reads it sees two spans of one id; so a tracer that exports OTLP should not share ids.
Nothing is lower-cased, and equal annotations are all kept: OpenTelemetry asks for neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from baggage.boundary import Kind
from metaapps.tracing.export.normal import MAX_LONG, MAX_PORT
from metaapps.tracing.span import Position, Span

SCOPE: Final = "metaapps.tracing"
KINDS: Final[Mapping[Kind | None, int]] = dict.fromkeys((None, *Kind), 1) | {
    Kind.SERVER: 2,
    Kind.CLIENT: 3,
    Kind.PRODUCER: 4,
    Kind.CONSUMER: 5,
}
FAILED: Final = 2
"""The code of the status of an error; what was none has no status."""

Attributes = tuple[tuple[str, str], ...]
"""Names and values of attributes, hashable."""

_NANOSECONDS: Final = 1000
_LATEST: Final = MAX_LONG // _NANOSECONDS
_SAMPLED, _RANDOM, _REMOTE_KNOWN, _REMOTE = 0x01, 0x02, 0x100, 0x200
_SERVICE: Final = "service.name"
_UNKNOWN: Final = "unknown_service"
_STATUS: Final = "status"
_HTTP_STATUS: Final = "http.response.status_code"
_HTTP_STATUSES: Final = frozenset(map(str, range(100, 600)))
_WAITED: Final = {"causal.after": "after", "causal.joined": "joined"}
_REFERENCE: Final = re.compile(r"(\^?)(?:([0-9a-f]{32})-)?([0-9a-f]{16})")
_NO_IDS: Final = frozenset({"0" * 32, "0" * 16})
# What OpenTelemetry calls the addresses of this side and of the other.
_SIDES: Final[Mapping[Kind | None, tuple[str, str]]] = dict.fromkeys(
    (None, *Kind), ("network.local", "network.peer")
) | {
    Kind.CLIENT: ("network.local", "server"),
    Kind.PRODUCER: ("network.local", "server"),
    Kind.SERVER: ("server", "client"),
}


class Link(NamedTuple):
    """Something that a span waited for; ids in hex, of 32 and 16 digits.

    `causal` is "after" (it ended before the span began) or "joined" (before the span ended); with
    `beginning` it is not its end that came before, but its beginning.
    """

    trace_id: str
    span_id: str
    causal: str
    beginning: bool


def resource(service: str, more: Attributes) -> dict[str, str]:
    """Return what all spans of a service have in common."""
    known = dict(more)
    return known | {_SERVICE: service or known.get(_SERVICE) or _UNKNOWN}


def flags(position: Position, kind: Kind | None) -> int:
    """Return the flags of W3C Trace Context, and whether the parent is in another process."""
    bits = _REMOTE_KNOWN if len(position.raw) > 25 else 0
    if bits and kind in (Kind.SERVER, Kind.CONSUMER):
        bits |= _REMOTE
    return bits | (_SAMPLED if position.sampled else 0) | (_RANDOM if position.random else 0)


def times(span: Span) -> tuple[int, int]:
    """Return when a span began and ended, in ns since 1970; both 0 if nobody knows."""
    begin = nanoseconds(span.timestamp)
    return begin, begin and (nanoseconds(span.timestamp + max(span.duration, 0)) or begin)


def nanoseconds(timestamp: int) -> int:
    """Return a time in µs since 1970 in ns, 0 for one that cannot be."""
    return timestamp * _NANOSECONDS if 0 < timestamp <= _LATEST else 0


def attributes(span: Span, labels: Mapping[str, str]) -> dict[str, str | int]:
    """Return a span's tags, and what is known of both sides. `labels` are without the error."""
    known: dict[str, str | int] = {}
    local, remote = _SIDES[span.kind]
    for side, (_, host, port) in ((local, span.local), (remote, span.remote)):
        if host:
            known[f"{side}.address"] = host
        if 0 < port <= MAX_PORT:
            known[f"{side}.port"] = port
    if span.remote.service:
        known["peer.service"] = span.remote.service
    known.update(labels)
    if known.get(_STATUS) in _HTTP_STATUSES:
        known[_HTTP_STATUS] = int(known.pop(_STATUS))
    return known


def about(causal: str, beginning: bool) -> dict[str, str]:
    """Return the attributes of a link."""
    said = {"causal": causal}
    return said | {"causal.of": "beginning"} if beginning else said


def links(span: Span, labels: Mapping[str, str]) -> Iterator[Link]:
    """Give what a span waited for. Its own id, which stands for its other half, is no link."""
    own = span.position.trace_id, span.position.span_id
    for tag, causal in _WAITED.items():
        for reference in labels.get(tag, "").split(","):
            found = _REFERENCE.fullmatch(reference)
            if found is None:
                continue
            address = found[2] or own[0], found[3]
            if address != own and _NO_IDS.isdisjoint(address):
                yield Link(*address, causal, bool(found[1]))
