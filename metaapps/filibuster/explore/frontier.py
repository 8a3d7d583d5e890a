"""The plans that are known and not judged yet, in canonical order."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from baggage.boundary import Fault
from metaapps.filibuster.plan import Plan

FaultKey = tuple[tuple[float, ...], int, bytes]
"""What sorts a planned fault: its call's canonical key, its place in the catalogue, its index."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan to judge, and what sorts its faults."""

    plan: Plan
    keys: tuple[FaultKey, ...] = ()
    known: frozenset[bytes] = frozenset()
    """The calls and branches of the execution that the plan grew from."""


class Frontier:
    """Plans that are known and not judged, in canonical order; each plan enters once."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, tuple[FaultKey, ...], int, Candidate]] = []
        self._seen: set[frozenset[tuple[bytes, Fault]]] = set()
        self._serial = count()

    def __len__(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[Plan]:
        """Yield the plans in canonical order, and keep them."""
        heap = self._heap.copy()
        while heap:
            yield heapq.heappop(heap)[3].plan

    def add(self, candidate: Candidate) -> None:
        key = candidate.plan.key
        if key not in self._seen:
            self._seen.add(key)
            size = candidate.plan.size
            heapq.heappush(self._heap, (size, candidate.keys, next(self._serial), candidate))

    def pop(self) -> Candidate:
        return heapq.heappop(self._heap)[3]
