"""Values that merge by causal history: the rules R1 to R5 of `docs/semantics.md`.

A `History` is what one branch knows of the keys that travel both ways. It is immutable, apart from
the pen in it. Its joins look at dots alone, never at types or values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from baggage.clock import (
    MAX_DEPTH,
    NONE,
    SEED,
    ZERO,
    Event,
    Id,
    height,
    id_depth,
    join_event,
    new_dot,
    split_id_n,
    sum_id,
)
from baggage.values.keys import Type, Value
from baggage.values.pen import Pen, new_root


class Dot(NamedTuple):
    """The identity of one contribution: absolute `height` at `point` in the universe `root`."""

    height: int
    root: int
    point: str


class Marker(NamedTuple):
    """A place in the order (priority, key): nothing is known of keys from here on."""

    priority: int
    key: str


@dataclass(frozen=True, slots=True)
class Contributions:
    """What was packed under one key, by dot."""

    type: Type
    priority: int
    by_dot: Mapping[Dot, Value]


Roots = Mapping[int, Event]
NO_IDS: Final[Mapping[int, Id]] = {}


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """What was seen (`seen`), what may be raised (`own`), and the contributions that are visible."""

    seen: Roots = field(default_factory=dict)
    own: Mapping[int, Id] = field(default_factory=dict)
    entries: Mapping[str, Contributions] = field(default_factory=dict)
    over: Marker | None = None
    pen: Pen | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing was ever seen."""
        return not self.seen

    def covers(self, dot: Dot) -> bool:
        """Say whether the event that made `dot` was seen (R2)."""
        event = self.seen.get(dot.root)
        return event is not None and height(event, dot.point) >= dot.height

    def knows(self, key: str, priority: int) -> bool:
        """Say whether a missing contribution under `key` means anything: not behind the marker."""
        return self.over is None or (priority, key) < self.over

    def pack(self, key: str, value: Value, type: Type, priority: int) -> History:
        """Add a contribution under a new dot (R1, R3); LAST supersedes all that is visible."""
        seen, own, root = self._writable()
        event, point, at = new_dot(own[root], seen.get(root, ZERO))
        dot = Dot(at, root, point)
        held = self.entries.get(key)
        kept = held.by_dot if held is not None and type is not Type.LAST else {}
        entry = Contributions(type, priority, {**kept, dot: value})
        return History(
            {**seen, root: event}, own, {**self.entries, key: entry}, self.over, Pen()
        )

    def remove(self, key: str) -> History:
        """Drop what is visible under a key. Needs no dot: what was seen is the tombstone."""
        if key not in self.entries:
            return self
        own = self._take()
        entries = {name: entry for name, entry in self.entries.items() if name != key}
        return History(self.seen, own, entries, self.over, Pen() if own else None)

    def split(self, n: int) -> tuple[History, ...]:
        """Return `n` branches that know the same past (R4).

        The first owned id is split, balanced; the first branch keeps all others. A branch that gets
        nothing, because nothing is owned or the id is as deep as it may be, mints a root when it
        first writes.
        """
        own = self._take()
        root = next(iter(own), None)
        if root is None or id_depth(own[root]) + n.bit_length() > MAX_DEPTH:
            parts: tuple[Id, ...] = (own[root] if root is not None else NONE, *[NONE] * (n - 1))
        else:
            parts = split_id_n(own[root], n)
        return tuple(
            self._owning(_owned(root, part, own if first else NO_IDS))
            for first, part in ((index == 0, part) for index, part in enumerate(parts))
        )

    def peek(self) -> History:
        """Return what another process may have of this: all that was seen, no right to write."""
        return self if not self.own else self._owning(NO_IDS)

    def join(self, other: History) -> History:
        """Merge two branches (R5). A side whose pen is gone contributes what it saw, but no ids."""
        if other is self or other.empty:
            return self._absorbing(other)
        own = _sum_ids(self._take(), other._take())
        seen = _join_seen(self.seen, other.seen)
        entries = {}
        for key in self.entries.keys() | other.entries.keys():
            merged = _merge(key, self, other)
            if merged is not None:
                entries[key] = merged
        over = min(filter(None, (self.over, other.over)), default=None)
        return History(seen, own, entries, over, Pen() if own else None)

    def _absorbing(self, other: History) -> History:
        over = min(filter(None, (self.over, other.over)), default=None)
        if over == self.over:
            return self
        own = self._take()
        return History(self.seen, own, self.entries, over, Pen() if own else None)

    def _owning(self, own: Mapping[int, Id]) -> History:
        return History(self.seen, own, self.entries, self.over, Pen() if own else None)

    def _take(self) -> Mapping[int, Id]:
        """Take the pen; return the ids that came with it, none if it was gone."""
        return self.own if self.pen is not None and self.pen.take() else NO_IDS

    def _writable(self) -> tuple[Roots, Mapping[int, Id], int]:
        own = self._take()
        if own:
            return self.seen, own, next(iter(own))
        root = new_root()
        return self.seen, {root: SEED}, root


def _owned(root: int | None, part: Id, others: Mapping[int, Id]) -> Mapping[int, Id]:
    rest = {name: identity for name, identity in others.items() if name != root}
    return {root: part, **rest} if root is not None and part != NONE else rest


def _sum_ids(a: Mapping[int, Id], b: Mapping[int, Id]) -> Mapping[int, Id]:
    if not b:
        return a
    summed = dict(a)
    for root, identity in b.items():
        summed[root] = sum_id(summed[root], identity) if root in summed else identity
    return summed


def _join_seen(a: Roots, b: Roots) -> Roots:
    joined = dict(a)
    for root, event in b.items():
        joined[root] = join_event(joined[root], event) if root in joined else event
    return joined


def _merge(key: str, a: History, b: History) -> Contributions | None:
    """Return the contributions under one key that survive a join."""
    left, right = a.entries.get(key), b.entries.get(key)
    either = left or right
    if either is None:
        return None
    mine: Mapping[Dot, Value] = left.by_dot if left else {}
    theirs: Mapping[Dot, Value] = right.by_dot if right else {}
    b_knows, a_knows = b.knows(key, either.priority), a.knows(key, either.priority)
    kept = {
        dot: value
        for dot, value in mine.items()
        if dot in theirs or not b_knows or not b.covers(dot)
    }
    for dot, value in theirs.items():
        if dot not in mine and (not a_knows or not a.covers(dot)):
            kept[dot] = value
    if not kept:
        return None
    type_ = max(side.type for side in (left, right) if side)
    priority = min(side.priority for side in (left, right) if side)
    return Contributions(type_, priority, kept)
