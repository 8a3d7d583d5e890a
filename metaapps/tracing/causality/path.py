"""The critical path: the chain of what had to happen one after the other until a span ended.

Belongs here: the walk back along that chain, and when events happened for it. Clocks only choose
among what was really waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from metaapps.tracing.causality.graph import Graph, Place, begin, end
from metaapps.tracing.skew import placed
from metaapps.tracing.span import Span


class Step(NamedTuple):
    """A part of a critical path, during which it was this span's own work, or its waiting.

    Times are µs since 1970, by the clock of the root of the trace; see `skew`.
    """

    span: Span
    begin: int
    end: int


def critical_path(graph: Graph, root: Place, began: Sequence[int]) -> tuple[Step, ...]:
    """Return the steps that led to the end of a span, in the order of time.

    `began` tells when each span began, as `begins` does. Steps follow each other without gaps from
    the span's beginning to its end. Linear in the events and edges of the graph.
    """
    return _Walk(graph, root, began).steps()


class _Walk:
    """From the end of a span always back to what it waited for last."""

    def __init__(self, graph: Graph, root: Place, began: Sequence[int]) -> None:
        self._graph: Final = graph
        self._root: Final = root
        self._began: Final = began
        self._floor: Final = began[root]
        self._latest: Final[dict[int, int]] = {}
        self._steps: Final[list[Step]] = []

    def steps(self) -> tuple[Step, ...]:
        event = end(self._root)
        now = max(self._floor, self._time(event))
        passed = {event}
        while event != begin(self._root):
            last = self._last(event, passed)
            # Nothing is known of what came before: that was the root's own time, at best.
            then = self._floor if last is None else min(now, self._time(last))
            whose = self._root if last is None else self._whose(event, last)
            if then < self._floor:
                last, then = None, self._floor
            self._add(whose, then, now, ends=event == end(whose))
            if last is None:
                break
            passed.add(last)
            event, now = last, then
        return tuple(reversed(self._steps))

    def _time(self, event: int) -> int:
        place = event // 2
        return self._began[place] + self._graph.spans[place].duration * (event % 2)

    def _last(self, event: int, passed: set[int]) -> int | None:
        """Return what an event waited for last; a circle is left at the first chance."""
        waited = (self._one(each) for each in self._graph.before[event])
        return max(
            (each for each in waited if each not in passed), key=self._lateness, default=None
        )

    def _one(self, event: int) -> int:
        """Return the last of those that an event stands for, if it isn't a span's own."""
        if event < 2 * len(self._began):
            return event
        if event not in self._latest:
            self._latest[event] = max(self._graph.before[event], key=self._lateness)
        return self._latest[event]

    def _lateness(self, event: int) -> tuple[int, int]:
        # An end at the time of a beginning is the longer way, and the true one.
        return self._time(event), event % 2

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


def begins(graph: Graph) -> tuple[int, ...]:
    """Return when each span began, by the clock of whatever is at the root of its trace."""
    below: list[list[Place]] = [[] for _ in graph.spans]
    roots: list[Place] = []
    for place, caller in enumerate(graph.callers):
        (roots if caller is None else below[caller]).append(place)
    order: list[Place] = []
    depths: list[int] = []
    met: set[Place] = set()
    # Whatever no root reaches is part of a circle, which begins anywhere.
    for start in (*roots, *range(len(graph.spans))):
        pending = [(start, 0)]
        while pending:
            place, depth = pending.pop()
            if place not in met:
                met.add(place)
                order.append(place)
                depths.append(depth)
                pending.extend((callee, depth + 1) for callee in below[place])
    at = placed([graph.spans[place] for place in order], depths)
    found = dict(zip(order, at, strict=True))
    return tuple(found[place].begin for place in range(len(graph.spans)))
