"""Spans put in order: traces, and who called whom in them.

Pure; what it looks like on a terminal is in `cli`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from metaapps.tracing.skew import Placed, placed
from metaapps.tracing.span import Span


@dataclass(frozen=True, slots=True)
class Row:
    """One span of a trace, `depth` callers below its root.

    It is `lost` if it has a caller that isn't there.
    """

    span: Span
    depth: int
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """The spans of one trace: callers before callees, siblings in the order in which they began."""

    trace_id: str
    rows: tuple[Row, ...]

    @property
    def services(self) -> frozenset[str]:
        """The services that reported a span."""
        return frozenset(row.span.local.service for row in self.rows)

    @property
    def placed(self) -> tuple[Placed, ...]:
        """When each row's span began, as the clock of its caller would have it."""
        return placed([row.span for row in self.rows], [row.depth for row in self.rows])

    @property
    def duration(self) -> int:
        """µs from the first beginning to the last end that is known."""
        places = self.placed
        ends = (
            place.begin + row.span.duration for place, row in zip(places, self.rows, strict=True)
        )
        return max(ends) - min((place.begin for place in places if place.begin), default=0)


def traces(spans: Iterable[Span]) -> tuple[Trace, ...]:
    """Group spans into traces, in the order in which these began."""
    grouped: dict[str, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: span.timestamp):
        grouped[span.position.trace_id].append(span)
    return tuple(Trace(trace_id, _rows(members)) for trace_id, members in grouped.items())


def _rows(spans: Sequence[Span]) -> tuple[Row, ...]:
    """Walk the spans of one trace, given in the order of their beginning."""
    callers = _callers(spans)
    callees: dict[int, list[int]] = defaultdict(list)
    for place, caller in enumerate(callers):
        if caller is not None:
            callees[caller].append(place)
    seen: set[int] = set()
    rows: list[Row] = []
    # Whatever a root doesn't reach is part of a circle, which starts anywhere.
    for start in sorted(range(len(spans)), key=lambda place: callers[place] is not None):
        pending = [(start, 0)]
        while pending:
            place, depth = pending.pop()
            if place in seen:
                continue
            seen.add(place)
            rows.append(Row(spans[place], depth, callers[place] is None and _called(spans[place])))
            pending.extend((callee, depth + 1) for callee in reversed(callees[place]))
    return tuple(rows)


def _called(span: Span) -> bool:
    return span.shared or span.position.parent_id is not None


def _callers(spans: Sequence[Span]) -> list[int | None]:
    """Return the place of each span's caller, None for a root and where the caller is missing.

    Two halves may share an id: the server's is called by the client's, and calls on.
    """
    halves: dict[str, list[int]] = defaultdict(list)
    for place, span in enumerate(spans):
        halves[span.position.span_id].append(place)
    return [_caller(spans, halves, place) for place in range(len(spans))]


def _caller(spans: Sequence[Span], halves: dict[str, list[int]], place: int) -> int | None:
    span = spans[place]
    if span.shared:
        for other in halves[span.position.span_id]:
            if not spans[other].shared:
                return other
    candidates = [
        other for other in halves.get(span.position.parent_id or "", ()) if other != place
    ]
    if not candidates:
        return None
    # One service's calls belong to its own half; any server's half is better than the client's.
    service = span.local.service
    return max(
        candidates, key=lambda other: (spans[other].local.service == service, spans[other].shared)
    )
