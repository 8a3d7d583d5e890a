"""What the page shows, as JSON: traces of rows, whose times are µs after their trace began.

Decides everything that needs more than one span: order, depth, clocks, causes, the critical path.
The script draws, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from metaapps.tracing.app import FAULT
from metaapps.tracing.causality import Causality
from metaapps.tracing.skew import Placed
from metaapps.tracing.span import ERROR, Peer, Span
from metaapps.tracing.tree import Row, Trace, traces

_EXACT: Final = 2**53 - 1  # what the script's numbers hold
_CAUSAL: Final = "causal."


def content(spans: Iterable[Span]) -> dict[str, object]:
    """Return what the script draws. Services are named once; a row has its service's place."""
    found = traces(map(_within_reason, spans))
    names = dict.fromkeys(row.span.local.service for trace in found for row in trace.rows)
    services = {name: place for place, name in enumerate(names)}
    return {
        "services": [name or "?" for name in services],
        "traces": [_trace(trace, services) for trace in found],
    }


def _within_reason(span: Span) -> Span:
    """Return a span whose times are none that only a broken or hostile reporter can have."""
    timestamp, duration = _exact(max(0, span.timestamp)), _exact(max(0, span.duration))
    if (timestamp, duration) == (span.timestamp, span.duration):
        return span
    return span._replace(timestamp=timestamp, duration=duration)


def _trace(trace: Trace, services: dict[str, int]) -> dict[str, object]:
    rows, places = trace.rows, trace.placed
    begin = min((place.begin for place in places if place.begin), default=0)
    causality = Causality.of(row.span for row in rows)
    numbers = {id(row.span): number for number, row in reversed(list(enumerate(rows)))}
    return {
        "id": trace.trace_id,
        "begin": _exact(begin),
        "duration": _exact(trace.duration),
        "rows": [
            _row(row, place, begin, services) for row, place in zip(rows, places, strict=True)
        ],
        "edges": [
            [numbers[id(edge.cause)], numbers[id(edge.effect)], edge.how, edge.began]
            for edge in causality.edges()
        ],
        "critical": [
            [numbers[id(step.span)], _exact(step.begin - begin), _exact(step.end - begin)]
            for step in causality.critical_path(_whole(rows))
        ],
    }


def _whole(rows: Sequence[Row]) -> Span:
    """Return the span that a trace is about: of those that nothing called, the longest."""
    roots = (row.span for row in rows if row.depth == 0)
    return max(roots, key=lambda span: span.duration)


def _row(row: Row, place: Placed, begin: int, services: dict[str, int]) -> dict[str, object]:
    span, position = row.span, row.span.position
    labels = span.labels()
    return {
        "id": position.span_id,
        "depth": row.depth,
        "service": services[span.local.service],
        "name": span.name,
        "begin": _exact(place.begin - begin),
    } | _present(
        parent=position.parent_id,
        kind=span.kind.value if span.kind is not None else None,
        duration=_exact(span.duration),
        half=row.depth > 0 and span.shared,
        lost=row.lost,
        shift=_exact(place.shift),
        timeless=span.timestamp <= 0,
        fault=labels.get(FAULT),
        error=None if span.error is None else span.error or "error",
        local=_address(span.local),
        remote=_peer(span.remote),
        to=_called(span),
        notes=[
            [_exact(note.timestamp + place.shift - begin), note.value]
            for note in sorted(span.annotations)
        ],
        tags=sorted(item for item in labels.items() if not _shown(item[0])),
        causes=sorted(item for item in labels.items() if item[0].startswith(_CAUSAL)),
    )


def _shown(tag: str) -> bool:
    """Say whether the page has a place of its own for a tag."""
    return tag in {ERROR, FAULT} or tag.startswith(_CAUSAL)


def _peer(peer: Peer) -> str:
    address = _address(peer)
    return f"{peer.service} ({address})" if peer.service and address else peer.service or address


def _called(span: Span) -> str:
    """Name whom a span called, or sent a message to; "" for one that did neither."""
    if span.kind is None or not span.kind.departs:
        return ""
    return span.remote.service or _address(span.remote)


def _address(peer: Peer) -> str:
    host = f"[{peer.host}]" if ":" in peer.host and peer.port else peer.host
    return f"{host}:{peer.port}" if peer.port else host


def _exact(number: int) -> int:
    return max(-_EXACT, min(number, _EXACT))


def _present(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value}
