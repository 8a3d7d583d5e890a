"""Frontiers: the plans that are known and not judged yet, and the orders in which they come.

A frontier holds executions, each with the steps that may follow it, and makes a plan of a step only
when its turn comes: so it takes room for executions, not for plans.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from hashlib import blake2b
from itertools import count
from typing import Any, Final, Protocol

from metaapps.filibuster.explore.steps import FaultKey, Step, Steps, plan_name
from metaapps.filibuster.failing import FailedPlans
from metaapps.filibuster.plan import Plan

Loose = tuple[bytes, ...]
"""Calls that failed, and of which nobody knows whether they began before the newest one."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan to judge, what sorts its faults, and which of them its newest may have preceded."""

    plan: Plan
    keys: tuple[FaultKey, ...] = ()
    loose: Loose = ()
    newest: int = 0
    """How many of its last faults are one trial: the newest."""
    known: frozenset[bytes] = frozenset()
    """What the execution reached that the plan grew from, where branches ran in it."""
    deferred: bool = False
    """Whether its turn came after all others', since it contains a plan that failed."""

    def alone(self) -> Growth:
        """Return this plan as a growth of its own, which is deferred."""
        base = len(self.keys) - self.newest
        step = Step(self.plan.faults[base:], self.keys[base:])
        loose = (self.loose,) if self.loose else ()
        plan = Plan(self.plan.faults[:base])
        return Growth(plan, self.keys[:base], (step,), loose, self.known, deferred=True)


@dataclass(frozen=True, slots=True)
class Growth:
    """What may come of one execution: its faults, and the steps that each make a plan of them.

    `loose` has for each step what `Candidate.loose` says; empty if there is nothing to say.
    """

    plan: Plan
    keys: tuple[FaultKey, ...]
    steps: Steps
    loose: tuple[Loose, ...] = ()
    known: frozenset[bytes] = frozenset()
    deferred: bool = False

    def candidate(self, at: int) -> Candidate:
        """Return the plan that the step at this place makes."""
        step = self.steps[at]
        return Candidate(
            self.plan.with_fault(*step.faults),
            (*self.keys, *step.keys),
            self.loose[at] if self.loose else (),
            len(step.faults),
            self.known,
            self.deferred,
        )


class Frontier(Protocol):
    """Plans in some order; `len` counts them."""

    def __len__(self) -> int: ...

    def add(self, growth: Growth) -> None:
        """Add the plans of an execution; its steps are in the order in which calls began."""

    def failed(self, plan: Plan) -> None:
        """Note that a plan failed."""

    def pop(self) -> Candidate:
        """Take the plan whose turn it is."""

    def upcoming(self) -> Iterator[Candidate]:
        """Yield the plans in order, and keep them. Nothing may be added meanwhile."""


_Entry = tuple[tuple[bool, Any], int, int]
"""A growth in a heap: the rank of its next plan, its serial, and that plan's turn among its own.

What is deferred has the greater rank.
"""
_LATER: Final = -1
_PUT_OFF: Final = -2
"""In place of a node of the heap: an entry that comes later in its growth, or after all others."""


class _Merging:
    """Growths in a heap by their next plans: each lists its own in order, the heap merges them.

    Plans that contain one that failed come after all others. A growth is deferred as a whole if
    that is known of all its plans when it's added; else each of them is when its turn comes.
    """

    def __init__(self) -> None:
        self._failed = FailedPlans()
        self._heap: list[_Entry] = []
        self._growths: dict[int, Growth] = {}
        self._serial = count()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, growth: Growth) -> None:
        if growth.steps:
            self._add(replace(growth, deferred=self._contains_failed(growth.plan)))

    def failed(self, plan: Plan) -> None:
        self._failed.add(plan.key)

    def pop(self) -> Candidate:
        candidate = self._taken()
        while self._is_to_wait(candidate):
            self._add(candidate.alone())
            candidate = self._taken()
        return candidate

    def upcoming(self) -> Iterator[Candidate]:
        # The heap's own shape tells which entries may be next: no need to copy or to sort it.
        waiting = [(entry, 0) for entry in self._heap[:1]]
        while waiting:
            entry, node = heapq.heappop(waiting)
            candidate = self._made(entry)
            if node == _PUT_OFF:
                yield replace(candidate, deferred=True)
                continue
            if self._is_to_wait(candidate):
                (_, rank), serial, turn = entry
                heapq.heappush(waiting, (((True, rank), serial, turn), _PUT_OFF))
            else:
                yield candidate
            following = self._following(entry)
            if following is not None:
                heapq.heappush(waiting, (following, _LATER))
            if node >= 0:
                for inner in (2 * node + 1, 2 * node + 2):
                    if inner < len(self._heap):
                        heapq.heappush(waiting, (self._heap[inner], inner))

    def _add(self, growth: Growth) -> None:
        serial = next(self._serial)
        self._growths[serial] = growth
        self._arrange(serial, growth)
        self._size += len(growth.steps)
        heapq.heappush(self._heap, self._entry(serial, 0))

    def _taken(self) -> Candidate:
        entry = self._heap[0]
        candidate = self._made(entry)
        following = self._following(entry)
        if following is None:
            heapq.heappop(self._heap)
            self._forget(entry[1])
        else:
            heapq.heapreplace(self._heap, following)
        self._size -= 1
        return candidate

    def _is_to_wait(self, candidate: Candidate) -> bool:
        return not candidate.deferred and self._contains_failed(candidate.plan)

    def _contains_failed(self, plan: Plan) -> bool:
        return self._failed.are_within(plan.key)

    def _entry(self, serial: int, turn: int) -> _Entry:
        return (self._growths[serial].deferred, self._rank(serial, turn)), serial, turn

    def _following(self, entry: _Entry) -> _Entry | None:
        _, serial, turn = entry
        if turn + 1 == len(self._growths[serial].steps):
            return None
        return self._entry(serial, turn + 1)

    def _made(self, entry: _Entry) -> Candidate:
        _, serial, turn = entry
        return self._growths[serial].candidate(self._place(serial, turn))

    def _forget(self, serial: int) -> None:
        del self._growths[serial]

    def _arrange(self, serial: int, growth: Growth) -> None:
        """Settle the order of a growth's own plans."""

    def _place(self, serial: int, turn: int) -> int:
        """Return which step is at this turn."""
        return turn

    def _rank(self, serial: int, turn: int) -> Any:
        raise NotImplementedError


class CanonicalFrontier(_Merging):
    """Fewest faults first, then by their calls in turn: callee before caller, then by position.

    At one call the catalogue's order counts. What contains a plan that failed comes last, in the
    same order.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sorted: dict[Steps, Steps] = {}

    def _arrange(self, serial: int, growth: Growth) -> None:
        if len(growth.steps) == 1:
            return
        if growth.loose:
            order = sorted(range(len(growth.steps)), key=lambda at: growth.steps[at].keys)
            steps = tuple(growth.steps[at] for at in order)
            loose = tuple(growth.loose[at] for at in order)
        else:
            found = self._sorted.get(growth.steps)
            steps = found or tuple(sorted(growth.steps, key=lambda step: step.keys))
            self._sorted[growth.steps] = steps
            loose = ()
        self._growths[serial] = replace(growth, steps=steps, loose=loose)

    def _rank(self, serial: int, turn: int) -> tuple[int, tuple[FaultKey, ...]]:
        growth = self._growths[serial]
        return growth.plan.size + 1, (*growth.keys, *growth.steps[turn].keys)


class RandomFrontier(_Merging):
    """Any known plan may be next; which one it is, the seed and the plans decide, and no clock."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = blake2b(str(seed).encode(), digest_size=16).digest()
        self._orders: dict[int, array[int]] = {}

    def _arrange(self, serial: int, growth: Growth) -> None:
        lots = [self._lot(growth, at) for at in range(len(growth.steps))]
        self._orders[serial] = array("I", sorted(range(len(lots)), key=lots.__getitem__))

    def _place(self, serial: int, turn: int) -> int:
        return self._orders[serial][turn]

    def _rank(self, serial: int, turn: int) -> bytes:
        return self._lot(self._growths[serial], self._place(serial, turn))

    def _lot(self, growth: Growth, at: int) -> bytes:
        name = plan_name((*growth.plan.faults, *growth.steps[at].faults))
        return blake2b(name, key=self._seed, digest_size=8).digest()

    def _forget(self, serial: int) -> None:
        super()._forget(serial)
        del self._orders[serial]


class DepthFirstFrontier:
    """A stack: plans are pushed as the calls of an execution begin, and the last one is next.

    What failed doesn't count.
    """

    def __init__(self) -> None:
        self._stack: list[tuple[Growth, int]] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, growth: Growth) -> None:
        if growth.steps:
            self._stack.append((growth, len(growth.steps)))
            self._size += len(growth.steps)

    def failed(self, plan: Plan) -> None:
        pass

    def pop(self) -> Candidate:
        growth, left = self._stack.pop()
        if left > 1:
            self._stack.append((growth, left - 1))
        self._size -= 1
        return growth.candidate(left - 1)

    def upcoming(self) -> Iterator[Candidate]:
        for growth, left in reversed(self._stack):
            for at in reversed(range(left)):
                yield growth.candidate(at)


class Order(Enum):
    """In which order plans are judged."""

    CANONICAL = "canonical"
    RANDOM = "random"
    DEPTH_FIRST = "depth first"
    """The published tool's own, for `--reduction paper`."""

    def frontier(self, seed: int = 0) -> Frontier:
        """Return an empty frontier of this order; only the random one has a seed."""
        if self is Order.RANDOM:
            return RandomFrontier(seed)
        return CanonicalFrontier() if self is Order.CANONICAL else DepthFirstFrontier()


NewFrontier = Callable[[], Frontier]
