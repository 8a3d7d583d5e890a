"""What different clocks do to a picture: when each span of a trace began, as its caller saw it.

Pure. Durations are never touched: each is measured by one clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from baggage.boundary import Kind
from metaapps.tracing.span import Span


@dataclass(frozen=True, slots=True)
class Placed:
    """When a span began, in µs since 1970, and how much later that is than its own clock said.

    A span that doesn't know when it began is placed where its caller began.
    """

    begin: int
    shift: int = 0


def placed(spans: Sequence[Span], depths: Sequence[int]) -> tuple[Placed, ...]:
    """Place the spans of a trace, callers before callees, `depths` callers below its roots.

    A callee on another clock that begins before its caller, or after the answer came, can't be as
    it says. It is put into the middle of the call, as Zipkin's and Jaeger's pages do; whatever
    else its clock timed below moves along.
    """
    earliest = min((span.timestamp for span in spans if span.timestamp > 0), default=0)
    callers: list[int] = []
    found: list[Placed] = []
    for place, (span, depth) in enumerate(zip(spans, depths, strict=True)):
        del callers[depth:]
        begin = span.timestamp
        if callers:
            begin = _fitted(span, spans[callers[-1]], found[callers[-1]])
        elif begin <= 0:
            begin = earliest
        callers.append(place)
        found.append(Placed(begin, begin - span.timestamp if span.timestamp > 0 else 0))
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
