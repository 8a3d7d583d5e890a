"""Values that merge by causal history: the rules R1 to R5 of `docs/semantics.md`.

A `History` is what one branch knows of the keys that travel both ways. It is immutable, apart from
the pen in it. Its splits and joins look at dots alone, never at types or values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from baggage.clock import (
    MAX_DEPTH,
    MAX_HEIGHT,
    NONE,
    SEED,
    ZERO,
    covered,
    id_depth,
    join_event,
    leq,
    new_dot,
    owns,
    spare_id,
    split_id_n,
    sum_id,
)
from baggage.values.keys import Type, Value
from baggage.values.known import (
    NO_ENTRY,
    NOTHING,
    Contribution,
    Dot,
    Entries,
    Entry,
    Ids,
    Known,
    Layer,
    Marker,
    Roots,
)
from baggage.values.merging import folded
from baggage.values.pen import Pen, new_pen, new_root, take

__all__ = ["NO_IDS", "Contribution", "Dot", "Entry", "History", "Marker", "priority_of", "type_of"]

NO_IDS: Final[Ids] = {}

_BAG, _LAST = int(Type.BAG), int(Type.LAST)

_DEEPER: Final = 4
"""How many levels `spare_id` may add."""


class History:
    """What was seen, what may be raised, and what is visible.

    `own` holds ids, for roots in `seen`, which whoever takes the `pen` may write with. Not a
    dataclass, because frozen ones take several times as long to make, at every hop.
    """

    __slots__ = ("known", "own", "pen")

    def __init__(self, known: Known = NOTHING, own: Ids = NO_IDS) -> None:
        """Know this; with ids, a new pen comes along."""
        self.known = known
        self.own = own
        self.pen: Pen | None = new_pen() if own else None

    @property
    def seen(self) -> Roots:
        """The event trees, by root."""
        return self.known.seen

    @property
    def entries(self) -> Entries:
        """What is visible, by key."""
        return self.known.entries

    @property
    def over(self) -> Marker | None:
        """Where knowledge ends, None for nowhere."""
        return self.known.over

    @property
    def empty(self) -> bool:
        """Whether nothing was ever seen."""
        return self.known.empty

    def covers(self, dot: Dot) -> bool:
        """Say whether the event that made `dot` was seen (R2)."""
        event = self.known.seen.get(dot.root)
        return event is not None and covered(event, dot.point, dot.height)

    def knows(self, key: str, priority: int) -> bool:
        """Say whether a missing contribution under `key` means anything: not behind the marker."""
        over = self.known.over
        return over is None or (priority, key) < over

    def pack(self, key: str, value: Value, type: int, priority: int) -> History:
        """Add a contribution under a new dot (R1).

        One of type LAST supersedes what is visible; one that merges with what this branch owns is
        put in place of it (R7).
        """
        own, known = NO_IDS if self.pen is None else self._take(), self.known
        if isinstance(known, Layer):
            if len(own) == 1 and own.get(known.root) == SEED:
                higher = _higher(known, key, Contribution(value, type, priority))
                if higher is not None:
                    return History(higher, own)
        elif not own and not (type == _LAST and known.mentions(key)):
            root = new_root()
            fresh = Layer(known, root, 1, ((key, 1, value, type, priority),))
            return History(fresh, {root: SEED})
        return self._packed(own, key, Contribution(value, type, priority))

    def clear(self, key: str, head: str) -> History:
        """Drop what is visible under a key, and under all that begin with `head`.

        Needs no dot: what was seen is the tombstone (R3).
        """
        entries = {
            name: visible
            for name, visible in self.known.entries.items()
            if name != key and not name.startswith(head)
        }
        return self if len(entries) == len(self.known.entries) else self._holding(entries)

    def remove(self, key: str, gone: Callable[[Contribution], bool]) -> History:
        """Drop what is `gone` of what is visible under a key."""
        entries = dict(self.known.entries)
        entry = entries.pop(key, NO_ENTRY)
        kept = {dot: each for dot, each in entry.items() if not gone(each)}
        if len(kept) == len(entry):
            return self
        if kept:
            entries[key] = kept
        return self._holding(entries)

    def _holding(self, entries: Entries) -> History:
        known = self.known
        return History(Known(known.seen, entries, known.over, known.along), self._take())

    def lend(self) -> tuple[History, History]:
        """Return this without its ids, and the same with them: they move over (R6).

        For who can't write until it gets them back; if it writes nevertheless, it mints a root.
        """
        return History(self.known), History(self.known, self._take())

    def split(self, n: int) -> tuple[History, ...]:
        """Return `n` branches that know the same past (R4).

        The shallowest owned id is split, balanced; the first branch keeps all others. Of two the
        second one gets a small part, so that a branch that splits off many, one by one, is balanced
        as well. A branch that gets nothing, because nothing is owned or that id is as deep as it
        may be, mints a root when it first writes.
        """
        own, known = self._take(), self.known
        root = _shallowest(own)
        if root is None or id_depth(own[root]) + max(n.bit_length(), _DEEPER) > MAX_DEPTH:
            return History(known, own), *(History(known) for _ in range(n - 1))
        part, *parts = spare_id(own[root]) if n == 2 else split_id_n(own[root], n)
        first = {root: part} if len(own) == 1 else {**own, root: part}
        return History(known, first), *[History(known, {root: part}) for part in parts]

    def shows(self, other: History) -> bool:
        """Say whether this has seen and holds just what the other has; ids don't matter."""
        mine, theirs = self.known, other.known
        if mine is theirs:
            return True
        seen, over = mine.seen == theirs.seen, mine.over == theirs.over
        return seen and over and mine.entries == theirs.entries

    def peek(self) -> History:
        """Return what another process may have of this: all that was seen, no right to write."""
        return History(self.known) if self.own else self

    def join(self, other: History) -> History:
        """Merge two branches (R5). A side whose pen is gone contributes what it saw, but no ids."""
        mine, theirs = self.known, other.known
        if mine is theirs:
            if other is self or not other.own:
                return self
            return History(mine, _summed(self._take(), other._take()))
        over = min((side.over for side in (mine, theirs) if side.over is not None), default=None)
        if theirs.empty:
            if over == mine.over:
                return self
            return History(Known(mine.seen, mine.entries, over, mine.along), self._take())
        own = _summed(self._take(), other._take())
        seen = _joined(mine.seen, theirs.seen)
        return History(Known(seen, _merged(self, other), over, mine.along), own)

    def knowing(self, known: Known) -> History:
        """Return a history of the same ids that knows this instead; the ids move over to it.

        For who keeps dots of its own: it has to make sure that no rule of a join is broken.
        """
        return History(known, self._take())

    def removed(self, key: str, dot: Dot, contribution: Contribution) -> bool:
        """Say of a contribution that isn't here whether it was seen, so that it must be gone."""
        return self.knows(key, contribution.priority) and self.covers(dot)

    def _take(self) -> Ids:
        """Take the pen; return the ids that came with it, none if it was gone."""
        return self.own if self.pen is not None and take(self.pen) else NO_IDS

    def _packed(self, own: Ids, key: str, contribution: Contribution) -> History:
        known = self.known
        own, root = _writable(own, known.seen)
        event, point, height = new_dot(own[root], known.seen.get(root, ZERO))
        kept, merged = _absorbed(known.entries.get(key, NO_ENTRY), own, contribution)
        entry = {**kept, Dot(height, root, point): merged}
        seen, entries = {**known.seen, root: event}, {**known.entries, key: entry}
        packed = Known(seen, entries, known.over, known.along)
        return History(packed, own)


def _absorbed(held: Entry, own: Ids, contribution: Contribution) -> tuple[Entry, Contribution]:
    """Return what stays beside a new contribution, and that with what it is put in place of.

    An owner of a point knows every dot there, and nobody else may merge them: else what another
    branch merged as well would count twice.
    """
    if contribution.type == _BAG:
        return held, contribution
    if contribution.type == _LAST:
        return NO_ENTRY, contribution
    kept = {}
    for dot, each in held.items():
        mine = owns(own.get(dot.root, NONE), dot.point)
        merged = folded(each, contribution) if mine else None
        if merged is None:
            kept[dot] = each
        else:
            contribution = merged
    return kept, contribution


def _higher(layer: Layer, key: str, contribution: Contribution) -> Layer | None:
    """Return the layer with one more value; None where it would supersede what is below."""
    packed = layer.packed
    if contribution.type == _LAST:
        if layer.base.mentions(key):
            return None
        packed = tuple([each for each in packed if each[0] != key])
    elif contribution.type != _BAG:
        kept = []
        for each in packed:
            merged = folded(Contribution(*each[2:]), contribution) if each[0] == key else None
            if merged is None:
                kept.append(each)
            else:
                contribution = merged
        packed = tuple(kept)
    height = layer.height + 1
    return Layer(layer.base, layer.root, height, (*packed, (key, height, *contribution)))


def _writable(own: Ids, seen: Roots) -> tuple[Ids, int]:
    """Return ids that one can write with, and the root whose id to use (R1)."""
    root = _shallowest(own)
    # Only a hostile peer, who claims to have seen it, brings an event tree to its end.
    if root is not None and leq(seen.get(root, ZERO), MAX_HEIGHT - 1):
        return own, root
    root = new_root()
    return {root: SEED, **own}, root


def type_of(entry: Entry) -> int:
    """Return the number of the type that an entry's values merge by; the greatest counts."""
    return max([contribution.type for contribution in entry.values()])


def priority_of(entry: Entry) -> int:
    """Return the priority of an entry: that of its most important contribution.

    Then a marker is never behind what was dropped at it, whatever others think of the priority.
    """
    return min([contribution.priority for contribution in entry.values()])


def _shallowest(own: Ids) -> int | None:
    """Return the root to go on with, so that stamps stay small; None where nothing is owned."""
    if len(own) == 1:
        return next(iter(own))
    return min(own, key=lambda root: id_depth(own[root]), default=None)


def _summed(a: Ids, b: Ids) -> Ids:
    if not b:
        return a
    if not a:
        return b
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
        mine, theirs = a.entries.get(key, NO_ENTRY), b.entries.get(key, NO_ENTRY)
        same = mine is theirs or mine == theirs  # as most of what comes back is
        kept = mine if same else _survivors(key, (a, mine), (b, theirs))
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
