"""What different clocks do to a picture: when each span of a trace began, as its caller saw it.

Pure. Durations are never touched: each is measured by one clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from baggage.boundary import Kind
from metaapps.tracing.span import Span
from metaapps.tracing.tree import Row


@dataclass(frozen=True, slots=True)
class Placed:
    """When a span began, in µs since 1970, and how much later that is than its own clock said.

    A span that doesn't know when it began is placed where its caller began.
    """

    begin: int
    shift: int = 0


def placed(rows: Sequence[Row]) -> tuple[Placed, ...]:
    """Place each row of a trace, callers before callees.

    A callee on another clock that begins before its caller, or after the answer came, can't be as
    it says. It is put into the middle of the call, as Zipkin's and Jaeger's pages do; whatever
    else its clock timed below moves along.
    """
    earliest = min((row.span.timestamp for row in rows if row.span.timestamp > 0), default=0)
    callers: list[int] = []
    found: list[Placed] = []
    for place, row in enumerate(rows):
        del callers[row.depth :]
        begin = row.span.timestamp
        if callers:
            begin = _fitted(row.span, rows[callers[-1]].span, found[callers[-1]])
        elif begin <= 0:
            begin = earliest
        callers.append(place)
        found.append(Placed(begin, begin - row.span.timestamp if row.span.timestamp > 0 else 0))
    return tuple(found)


def _fitted(span: Span, caller: Span, at: Placed) -> int:
    """Return when a callee began, by the clock that its caller is placed by."""
    own, along = span.timestamp, span.timestamp + at.shift
    if own <= 0:
        return at.begin
    if _clock(span) == _clock(caller):
        return along
    for begin in (own, along):
        if _fits(begin, caller, at.begin):
            return begin
    return at.begin + max(0, caller.duration - span.duration) // 2


def _fits(begin: int, caller: Span, since: int) -> bool:
    waited = caller.kind is Kind.CLIENT and caller.duration > 0 and caller.error is None
    return begin >= since and not (waited and begin > since + caller.duration)


def _clock(span: Span) -> tuple[str, str]:
    """Name the clock that a span was timed by: one for each service on each host."""
    return span.local.service, span.local.host
