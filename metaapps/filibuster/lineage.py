"""Lineage: where in an execution a branch is, and the clocks and counters that it keeps there.

Vector clocks count calls for each process of a request, after the original's: a service, or a
branch that it forked ("foo/1"). A call carries its clock; its callee's calls name that clock as
their origin. Clocks, like indices, only travel down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Final

from baggage.boundary import Call
from metaapps.filibuster import index
from metaapps.filibuster.index import BranchFrame, CallFrame


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a callee or a forked branch is told: its index, and the clocks of whoever made it."""

    index: bytes
    process: str = ""
    clock: Mapping[str, int] = field(default_factory=dict, hash=False)
    origin: Mapping[str, int] = field(default_factory=dict, hash=False)

    def arrived(self, service: str) -> Lineage:
        """Return the lineage of a service that serves the call with this lineage."""
        return Lineage(self.index, service, self.clock, self.clock)


ROOT: Final = Lineage(index.ROOT, index.TEST)


@dataclass(frozen=True, slots=True)
class Step:
    """One call or fork that a branch is about to make."""

    index: bytes
    parent: bytes
    position: int
    occurrence: int
    clock: Mapping[str, int]
    origin: Mapping[str, int]
    below: Lineage


class Progress:
    """How far one branch has come under one lineage. Safe in any thread.

    Copies of a context share a branch, and so its counters: what they do is numbered in the order
    in which it begins.
    """

    __slots__ = ("_branches", "_lock", "_occurrences", "_position", "lineage")

    def __init__(self, lineage: Lineage) -> None:
        """Start at the beginning."""
        self.lineage = lineage
        self._lock = Lock()
        self._position = 0
        self._branches = 0
        self._occurrences: Counter[CallFrame] = Counter()

    def call(self, call: Call, *, by_test: bool = False) -> Step:
        """Count one call: the clock ticks."""
        operation = index.stable_operation(call.operation)
        with self._lock:
            lineage = self.lineage
            same = index.call_frame(call.source, call.site, operation, 0, by_test=by_test)
            self._occurrences[same] += 1
            occurrence = self._occurrences[same]
            frame = replace(same, occurrence=occurrence)
            clock = {**lineage.clock, lineage.process: lineage.clock.get(lineage.process, 0) + 1}
            self.lineage = Lineage(lineage.index, lineage.process, clock, lineage.origin)
            name = index.child(lineage.index, frame)
            below = Lineage(name, clock=clock)
            return self._step(name, occurrence, clock, below)

    def fork(self) -> Step:
        """Count one branch that starts here."""
        with self._lock:
            lineage = self.lineage
            self._branches += 1
            name = index.child(lineage.index, BranchFrame(self._branches))
            process = f"{lineage.process}/{self._branches}"
            below = Lineage(name, process, lineage.clock, lineage.origin)
            return self._step(name, self._branches, lineage.clock, below)

    def position(self) -> int:
        """Count something else that has a place in the order."""
        with self._lock:
            return self._next_position()

    def _step(self, name: bytes, occurrence: int, clock: Mapping[str, int], below: Lineage) -> Step:
        lineage = self.lineage
        position = self._next_position()
        return Step(name, lineage.index, position, occurrence, clock, lineage.origin, below)

    def _next_position(self) -> int:
        self._position += 1
        return self._position - 1
