"""The critical path: the chain of what had to happen one after the other until a span ended.

Belongs here: the walk back along that chain, and when events happened for it. Clocks only choose
among what was really waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from baggage.boundary import Kind
from metaapps.tracing.causality.graph import Graph, Place, begin, end
from metaapps.tracing.span import Span


class Step(NamedTuple):
    """A part of a critical path, during which it was this span's own work, or its waiting.

    Times are µs since 1970, by the clock of the span that the path is of.
    """

    span: Span
    begin: int
    end: int


def critical_path(graph: Graph, root: Place) -> tuple[Step, ...]:
    """Return the steps that led to the end of a span, in the order of time.

    They follow each other without gaps from the span's beginning to its end. Linear in the events
    and edges of the graph.
    """
    return _Walk(graph, root).steps()


class _Walk:
    """From the end of a span always back to what it waited for last."""

    def __init__(self, graph: Graph, root: Place) -> None:
        self._graph: Final = graph
        self._root: Final = root
        self._clocks: Final = _Clocks(graph, root)
        self._floor: Final = self._clocks.time(begin(root))
        self._steps: Final[list[Step]] = []

    def steps(self) -> tuple[Step, ...]:
        event = end(self._root)
        now = max(self._floor, self._clocks.time(event))
        passed = {event}
        while event != begin(self._root):
            last = self._last(event, passed)
            # Nothing is known of what came before: that was the root's own time, at best.
            then = self._floor if last is None else min(now, self._clocks.time(last))
            whose = self._root if last is None else self._whose(event, last)
            if then < self._floor:
                last, then = None, self._floor
            self._add(whose, then, now, ends=event == end(whose))
            if last is None:
                break
            passed.add(last)
            event, now = last, then
        return tuple(reversed(self._steps))

    def _last(self, event: int, passed: set[int]) -> int | None:
        """Return what an event waited for last; a circle is left at the first chance."""
        waited = [each for each in self._graph.span_events(event) if each not in passed]
        # An end at the time of a beginning is the longer way, and the true one.
        return max(waited, key=lambda each: (self._clocks.time(each), each % 2), default=None)

    def _whose(self, event: int, last: int) -> Place:
        """Return the span in whose time something lies between two events."""
        if event % 2:
            return event // 2
        if not last % 2:
            return last // 2
        caller = self._graph.callers[event // 2]
        return self._root if caller is None else caller

    def _add(self, place: Place, then: int, now: int, *, ends: bool) -> None:
        """Note a step; one that took no time only where a span ended, which shows nowhere else."""
        if then == now and not ends:
            return
        span = self._graph.spans[place]
        if self._steps and self._steps[-1].span is span:
            now = self._steps.pop().end
        self._steps.append(Step(span, then, now))


class _Clocks:
    """When events happened, by one clock: that of the span that the path is of.

    A callee that another clock timed, and that doesn't fit into the call, is moved to its middle;
    whatever else is timed by that clock below it is moved along.
    """

    def __init__(self, graph: Graph, root: Place) -> None:
        self._spans: Final = graph.spans
        self._callers: Final[Sequence[Place | None]] = graph.callers
        self._begins: Final[dict[Place, int]] = {root: graph.spans[root].timestamp}

    def time(self, event: int) -> int:
        """Return µs since 1970."""
        place = event // 2
        begins = self._begins.get(place)
        if begins is None:
            begins = self._find(place)
        return begins + self._spans[place].duration * (event % 2)

    def _find(self, place: Place) -> int:
        """Find out when a span began, after its callers."""
        line = [place]
        above = self._callers[place]
        met = {place}
        while above is not None and above not in self._begins and above not in met:
            line.append(above)
            met.add(above)
            above = self._callers[above]
        for each in reversed(line):
            caller = self._callers[each]
            known = caller is not None and caller in self._begins
            self._begins[each] = self._fitted(each, caller if known else None)
        return self._begins[place]

    def _fitted(self, place: Place, caller: Place | None) -> int:
        span = self._spans[place]
        if caller is None:
            return span.timestamp
        above, begins = self._spans[caller], self._begins[caller]
        if not span.timestamp:
            return begins
        moved = span.timestamp + begins - above.timestamp if above.timestamp else span.timestamp
        if _clock(span) == _clock(above):
            return moved
        for fitting in (span.timestamp, moved):
            if _fits(span, fitting, above, begins):
                return fitting
        return begins + max(0, above.duration - span.duration) // 2


def _fits(span: Span, begins: int, above: Span, since: int) -> bool:
    calls = above.kind is Kind.CLIENT and above.duration > 0 and above.error is None
    return begins >= since and not (calls and begins + span.duration > since + above.duration)


def _clock(span: Span) -> tuple[str, str]:
    return span.local.service, span.local.host
