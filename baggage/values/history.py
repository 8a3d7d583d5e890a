"""Values that merge by causal history: the rules R1 to R5 of `docs/semantics.md`.

A `History` is what one branch knows of the keys that travel both ways. It is immutable, apart from
the pen in it. Its splits and joins look at dots alone, never at types or values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from baggage.clock import (
    MAX_DEPTH,
    MAX_HEIGHT,
    SEED,
    ZERO,
    Event,
    Id,
    covered,
    id_depth,
    join_event,
    leq,
    new_dot,
    split_id_n,
    sum_id,
)
from baggage.values.keys import Value
from baggage.values.pen import Pen, new_root


class Dot(NamedTuple):
    """The identity of one contribution: absolute `height` at `point` in the universe `root`.

    Dots sort in the same way everywhere; those of a root that was never split, by time.
    """

    height: int
    root: int
    point: str


class Contribution(NamedTuple):
    """What was packed once, with the type and priority that its key had there.

    They belong to the contribution, not to the key, so that joins stay exact where services
    disagree about a key.
    """

    value: Value
    type: int
    priority: int


class Marker(NamedTuple):
    """A place in the order (priority, key): nothing is known of keys from here on."""

    priority: int
    key: str


Entry: TypeAlias = Mapping[Dot, Contribution]
"""What is visible under one key. Never empty."""

Roots: TypeAlias = Mapping[int, Event]
Ids: TypeAlias = Mapping[int, Id]

_NO_IDS: Final[Ids] = {}
_NO_ENTRY: Final[Entry] = {}


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """What was seen, what may be raised, and what is visible.

    `seen` holds an event tree for each root, and covers the dots of all `entries`. `own` holds ids,
    for roots in `seen`, which whoever takes the `pen` may write with. `over` is where knowledge
    ends.
    """

    seen: Roots = field(default_factory=dict)
    own: Ids = field(default_factory=dict)
    entries: Mapping[str, Entry] = field(default_factory=dict)
    over: Marker | None = None
    pen: Pen | None = field(default=None, repr=False)

    @property
    def empty(self) -> bool:
        """Whether nothing was ever seen."""
        return not self.seen

    def covers(self, dot: Dot) -> bool:
        """Say whether the event that made `dot` was seen (R2)."""
        event = self.seen.get(dot.root)
        return event is not None and covered(event, dot.point, dot.height)

    def knows(self, key: str, priority: int) -> bool:
        """Say whether a missing contribution under `key` means anything: not behind the marker."""
        return self.over is None or (priority, key) < self.over

    def pack(self, key: str, contribution: Contribution, *, supersede: bool) -> History:
        """Add a contribution under a new dot (R1); `supersede` what is visible (R3)."""
        own, root = self._writable()
        event, point, height = new_dot(own[root], self.seen.get(root, ZERO))
        kept = _NO_ENTRY if supersede else self.entries.get(key, _NO_ENTRY)
        entry = {**kept, Dot(height, root, point): contribution}
        return History(
            {**self.seen, root: event}, own, {**self.entries, key: entry}, self.over, Pen()
        )

    def remove(self, key: str) -> History:
        """Drop what is visible under a key. Needs no dot: what was seen is the tombstone (R3)."""
        if key not in self.entries:
            return self
        entries = {name: entry for name, entry in self.entries.items() if name != key}
        return _owning(self._take(), self.seen, entries, self.over)

    def split(self, n: int) -> tuple[History, ...]:
        """Return `n` branches that know the same past (R4).

        The shallowest owned id is split, balanced; the first branch keeps all others. A branch that
        gets nothing, because nothing is owned or that id is as deep as it may be, mints a root when
        it first writes.
        """
        own = self._take()
        root = _shallowest(own)
        if root is None or id_depth(own[root]) + n.bit_length() > MAX_DEPTH:
            first, others = own, [_NO_IDS] * (n - 1)
        else:
            part, *parts = split_id_n(own[root], n)
            first = {**own, root: part}
            others = [{root: part} for part in parts]
        return tuple(_owning(ids, self.seen, self.entries, self.over) for ids in (first, *others))

    def shows(self, other: History) -> bool:
        """Say whether this has seen and holds just what the other has; ids don't matter."""
        return self.entries == other.entries and self.seen == other.seen and self.over == other.over

    def peek(self) -> History:
        """Return what another process may have of this: all that was seen, no right to write."""
        return _owning(_NO_IDS, self.seen, self.entries, self.over) if self.own else self

    def join(self, other: History) -> History:
        """Merge two branches (R5). A side whose pen is gone contributes what it saw, but no ids."""
        over = min((side.over for side in (self, other) if side.over is not None), default=None)
        if other is self or other.empty:
            if over == self.over:
                return self
            return _owning(self._take(), self.seen, self.entries, over)
        own = _summed(self._take(), other._take())
        return _owning(own, _joined(self.seen, other.seen), _merged(self, other), over)

    def removed(self, key: str, dot: Dot, contribution: Contribution) -> bool:
        """Say of a contribution that isn't here whether it was seen, so that it must be gone."""
        return self.knows(key, contribution.priority) and self.covers(dot)

    def _take(self) -> Ids:
        """Take the pen; return the ids that came with it, none if it was gone."""
        return self.own if self.pen is not None and self.pen.take() else _NO_IDS

    def _writable(self) -> tuple[Ids, int]:
        """Take the pen; return ids that one can write with, and the root whose id to use (R1)."""
        own = self._take()
        root = _shallowest(own)
        # Only a hostile peer, who claims to have seen it, brings an event tree to its end.
        if root is not None and leq(self.seen[root], MAX_HEIGHT - 1):
            return own, root
        root = new_root()
        return {root: SEED, **own}, root


def type_of(entry: Entry) -> int:
    """Return the number of the type that an entry's values merge by; the greatest counts."""
    return max(contribution.type for contribution in entry.values())


def priority_of(entry: Entry) -> int:
    """Return the priority of an entry: that of its most important contribution.

    Then a marker is never behind what was dropped at it, whatever others think of the priority.
    """
    return min(contribution.priority for contribution in entry.values())


def _shallowest(own: Ids) -> int | None:
    """Return the root to go on with, so that stamps stay small; None where nothing is owned."""
    return min(own, key=lambda root: id_depth(own[root]), default=None)


def _owning(own: Ids, seen: Roots, entries: Mapping[str, Entry], over: Marker | None) -> History:
    return History(seen, own, entries, over, Pen() if own else None)


def _summed(a: Ids, b: Ids) -> Ids:
    if not b:
        return a
    summed = dict(a)
    for root, identity in b.items():
        summed[root] = sum_id(summed[root], identity) if root in summed else identity
    return summed


def _joined(a: Roots, b: Roots) -> Roots:
    if a is b:
        return a
    joined = dict(a)
    for root, event in b.items():
        joined[root] = join_event(joined[root], event) if root in joined else event
    return joined


def _merged(a: History, b: History) -> Mapping[str, Entry]:
    """Return the entries that survive a join."""
    if a.entries is b.entries:
        return a.entries
    merged = {}
    for key in (*a.entries, *(key for key in b.entries if key not in a.entries)):
        mine, theirs = a.entries.get(key, _NO_ENTRY), b.entries.get(key, _NO_ENTRY)
        kept = mine if mine is theirs else _survivors(key, (a, mine), (b, theirs))
        if kept:
            merged[key] = kept
    return merged


def _survivors(key: str, a: tuple[History, Entry], b: tuple[History, Entry]) -> Entry:
    """Return what each of two sides holds under one key, and the other has not removed."""
    return {
        dot: contribution
        for (_, held), (other, others) in ((a, b), (b, a))
        for dot, contribution in held.items()
        if dot in others or not other.removed(key, dot, contribution)
    }
