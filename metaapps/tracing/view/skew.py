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
    shifts: dict[tuple[str, str], int] = {}
    callers: list[int] = []
    found: list[Placed] = []
    for place, row in enumerate(rows):
        del callers[row.depth :]
        caller = callers[-1] if callers else None
        callers.append(place)
        if row.span.timestamp <= 0:
            found.append(Placed(earliest if caller is None else found[caller].begin))
            continue
        clock = _clock(row.span)
        shift = shifts.get(clock, 0)
        if caller is not None and clock != _clock(rows[caller].span):
            shift += _error(row.span, shift, rows[caller].span, found[caller].begin)
            shifts[clock] = shift
        found.append(Placed(row.span.timestamp + shift, shift))
    return tuple(found)


def _clock(span: Span) -> tuple[str, str]:
    """Name the clock that a span was timed by: one for each service on each host."""
    return span.local.service, span.local.host


def _error(span: Span, shift: int, caller: Span, begin: int) -> int:
    """Return by how much a callee has to move to fit its caller, which began at `begin`."""
    at = span.timestamp + shift
    waited = caller.kind is Kind.CLIENT and caller.duration > 0 and caller.error is None
    if at >= begin and not (waited and at > begin + caller.duration):
        return 0
    return begin + max(0, caller.duration - span.duration) // 2 - at
