"""Lineage: where in an execution a branch is, and the clocks and counters that it keeps there.

Vector clocks count calls for each process of a request, after the original's: a service, or a
branch that it forked ("foo/1"). A call carries its clock; its callee's calls name that clock as
their origin. Clocks, like indices, only travel down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from threading import Lock
from typing import Final

from baggage.boundary import Call
from baggage.boundary.value import value
from metaapps.filibuster import index
from metaapps.filibuster.index import BranchFrame, CallFrame
from metaapps.filibuster.worker import Worker, racing, worker

_FORKED: Final = "/"


@value
class Lineage:
    """What a callee or a forked branch is told: its index, and the clocks of whoever made it."""

    index: bytes
    process: str = ""
    clock: Mapping[str, int] = field(default_factory=dict, hash=False)
    origin: Mapping[str, int] = field(default_factory=dict, hash=False)

    @property
    def forked(self) -> bool:
        """Whether this is a branch within a service, not the one that serves a call there."""
        return _FORKED in self.process

    def arrived(self, service: str) -> Lineage:
        """Return the lineage of a service that serves the call with this lineage."""
        return Lineage(self.index, service, self.clock, self.clock)


ROOT: Final = Lineage(index.ROOT, index.TEST)


@value
class Step:
    """One call or fork that a branch is about to make; `frame` is the last one of its index."""

    index: bytes
    parent: bytes
    position: int
    frame: CallFrame | BranchFrame
    clock: Mapping[str, int]
    origin: Mapping[str, int]
    below: Lineage
    group: _Same | None = field(default=None, compare=False, repr=False)

    @property
    def occurrence(self) -> int:
        """Which time this is among equal calls, or which of the branches."""
        frame = self.frame
        return frame.number if isinstance(frame, BranchFrame) else frame.occurrence


class Progress:
    """How far one branch has come under one lineage. Safe in any thread.

    Copies of a context share a branch, and so its counters: what they do is numbered in the order
    in which it begins. That order names calls as long as one worker at a time runs in the branch.
    Where several make equal calls at the same time these are ambiguous; so are branches that they
    fork.

    A branch whose first act is to take a message, and not to put one, is a worker's: which of the
    workers takes a message is chance. So what it does next belongs to the message, as `working`
    says, until it takes another one. What it does after several, it has put together itself.
    """

    __slots__ = (
        "_before",
        "_branches",
        "_calls",
        "_crowded",
        "_forks",
        "_lock",
        "_message",
        "_open",
        "_opener",
        "_position",
        "_works",
        "lineage",
    )

    def __init__(self, lineage: Lineage) -> None:
        """Start at the beginning."""
        self.lineage = lineage
        self._lock = Lock()
        self._position = 0
        self._branches = 0
        self._forks: dict[BranchFrame, _Same] = {}
        self._calls: dict[object, _Same] = {}
        self._open = 0
        self._opener: Worker | None = None
        self._crowded = False
        self._before = -1
        self._works: bool | None = None
        self._message: Progress | None = None

    @property
    def working(self) -> Progress:
        """What the branch's next step is counted in: that of the message that it works on."""
        return self._message or self

    def took(self, message: Lineage) -> None:
        """Note that a message of the same request was taken here."""
        with self._lock:
            if self._works is None:
                self._works = not self._position
            if not self._works:
                return
            last = self._message
            idle = self._position == self._before if last is None else not last._position
            self._message = None if idle else Progress(message)
            self._before = self._position

    def call(self, call: Call, *, by_test: bool = False, by_payload: bool = False) -> Step:
        """Count one call: the clock ticks."""
        operation = index.stable_operation(call.operation)
        content = call.payload if by_payload else None
        site = call.site
        alike = (
            (operation, content)
            if by_test
            else (call.source, site.module, site.function, operation, content)
        )
        caller = worker()
        with self._lock:
            group = self._calls.get(alike)
            if group is None:
                group = self._calls[alike] = _Same()
            occurrence = group.count(caller)
            if self._open and self._opener != caller:
                self._crowded = True
            self._open += 1
            self._opener = caller
            lineage, position = self.lineage, self._position
            self._position = position + 1
            process = lineage.process
            clock = {**lineage.clock, process: lineage.clock.get(process, 0) + 1}
            self.lineage = Lineage(lineage.index, process, clock, lineage.origin)
        frame = index.call_frame(
            call.source, site, operation, occurrence, by_test=by_test, payload=content
        )
        name = index.child(lineage.index, frame)
        below = Lineage(name, "", clock)
        return Step(name, lineage.index, position, frame, clock, lineage.origin, below, group)

    def called(self, step: Step) -> bool:
        """Note that a call is over, whoever ends it; say if it's ambiguous."""
        with self._lock:
            self._open -= 1
            return step.group is not None and step.group.ambiguous(self._crowded)

    def fork(self, call: Call) -> Step:
        """Count one branch that starts here."""
        forker = worker()
        alike = index.branch_frame(call.source, call.site, call.operation, 0)
        with self._lock:
            lineage = self.lineage
            group = self._forks.get(alike)
            if group is None:
                group = self._forks[alike] = _Same()
            frame = replace(alike, number=group.count(forker))
            name = index.child(lineage.index, frame)
            self._branches += 1
            process = f"{lineage.process}{_FORKED}{self._branches}"
            below = Lineage(name, process, lineage.clock, lineage.origin)
            position = self._position
            self._position += 1
        clock, origin = lineage.clock, lineage.origin
        return Step(name, lineage.index, position, frame, clock, origin, below, group)

    def forks_ambiguously(self, step: Step) -> bool:
        """Say whether several workers fork alike here, so that the numbers say nothing."""
        with self._lock:
            return step.group is not None and step.group.ambiguous(self._crowded)

    def position(self) -> int:
        """Count something else that has a place in the order."""
        with self._lock:
            self._position += 1
            return self._position - 1


class _Same:
    """What is counted as one: how many there were, and whether it was always the same worker."""

    __slots__ = ("_first", "_number", "_racing", "_several")

    def __init__(self) -> None:
        self._first: Worker | None = None
        self._number = 0
        self._several = False
        self._racing = False

    def count(self, by: Worker) -> int:
        first = self._first
        if first is None:
            self._first = by
        elif first != by:
            self._several = True
            self._racing = self._racing or racing(first, by)
        self._number += 1
        return self._number

    def ambiguous(self, crowded: bool) -> bool:
        return self._several and (crowded or self._racing)
