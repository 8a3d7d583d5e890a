"""Baggage within a budget of bytes: what stays, what goes, and who is told (R8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

from baggage.clock import ClockError, Event, encode_event
from baggage.values.baggage import Baggage
from baggage.values.codec import blocks_of, down_entries, home_entries, lending_of
from baggage.values.history import Marker
from baggage.values.keys import Value
from baggage.values.known import Known
from baggage.wire import MAX_BYTES, WireBaggage, WireBlock, WireEntry, encode, sealed, size_of

_NOTHING: Final = Marker(0, "")
"""Before all keys: nothing is known of any."""

# A marker without its name, and what the length of one block may grow by.
_MARKER_ROOM: Final = 10
_BLOCK_ROOM: Final = 2


@dataclass(frozen=True, slots=True)
class Fitted:
    """Bytes within a budget, and what found no room: `home` values, and names of other keys.

    `lent` is whether ids went along.
    """

    blob: bytes
    home: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    lent: bool = False


def fit(
    baggage: Baggage, budget: int | None = None, origin: str = "", *, lending: bool = False
) -> Fitted:
    """Return the bytes of `baggage` within `budget` bytes, written by the service `origin`.

    With `lending`, its ids go along, unless not everything fits: they are the first to stay.

    None stands for the longest message that is read, and nothing longer is written. Where not
    everything fits, keys are left out from the end of the order (priority, name): those that merge
    are dropped whole, and the message is marked, so that a join knows what it doesn't know; `home`
    values are left out one by one. The stamp of a root is kept whole or not at all: where not all
    of them fit, keys stay with the stamps that they need, as far as there is room, and the message
    says that it knows nothing of any key.
    """
    room = MAX_BYTES if budget is None else min(budget, MAX_BYTES)
    history = baggage.history
    blob = in_full(baggage, room, origin, lending=True) if lending and history.own else None
    if blob is not None:
        return Fitted(blob, lent=True)
    blob = in_full(baggage, room, origin)
    if blob is not None:
        return Fitted(blob)
    blocks, over, dropped = _sendable(history.known)
    down, home = down_entries(baggage.down), home_entries(baggage.home)
    whole = WireBaggage(blocks, over, down, home, origin)
    blob = encode(whole)
    return Fitted(blob, dropped=dropped) if len(blob) <= room else _trimmed(whole, room, dropped)


def in_full(
    baggage: Baggage, room: int, origin: str = "", *, lending: bool = False
) -> bytes | None:
    """Return all of the bytes; None where they don't fit `room`, as `fit` makes them do."""
    try:
        blob = baggage.body(sealed=bool(origin))
        if lending:
            blob += lending_of(baggage.history.own)
    except ClockError:  # a stamp beyond the wire's limits
        return None
    if origin:
        blob = sealed(blob, origin)
    return blob if len(blob) <= room else None


def _sendable(known: Known) -> tuple[tuple[WireBlock, ...], Marker | None, tuple[str, ...]]:
    """Return what the wire can say of each root, and the keys that need others."""
    try:
        return blocks_of(known), known.over, ()
    except ClockError:
        seen = {root: event for root, event in known.seen.items() if _has_form(event)}
    kept = {
        name: entry
        for name, entry in known.entries.items()
        if all(dot.root in seen for dot in entry)
    }
    dropped = tuple(sorted(known.entries.keys() - kept.keys()))
    return blocks_of(Known(seen, kept)), _NOTHING, dropped


def _has_form(event: Event) -> bool:
    try:
        encode_event(event)
    except ClockError:
        return False
    return True


class _Rank(IntEnum):
    DOWN = 0
    BOTH = 1
    HOME = 2


class _Item(NamedTuple):
    """What stays or goes as one, in the order in which room is given out; entries by root."""

    priority: int
    name: str
    rank: _Rank
    number: int
    entries: tuple[tuple[int, WireEntry], ...]

    def size(self, stamps: Mapping[int, int]) -> int:
        """Return how many bytes this takes, with those of these stamps that it needs."""
        size = sum([size_of(entry) for _, entry in self.entries])
        if stamps and self.rank is _Rank.BOTH:
            size += sum([stamps.get(root, 0) for root in {root for root, _ in self.entries}])
        return size


def _trimmed(whole: WireBaggage, budget: int, dropped: tuple[str, ...]) -> Fitted:
    items = sorted(_items(whole))
    frame, room = _framed(whole, budget, items)
    # What is yet to be paid for by the first key that needs it.
    stamps = {} if frame.blocks else {block.root: _head(block) for block in whole.blocks}
    kept: list[_Item] = []
    left: list[_Item] = []
    # From the first key on that merges and is dropped, all of them are, if any is known of.
    dropping = False
    for item in items:
        size = item.size(stamps)
        if size > room or (dropping and item.rank is _Rank.BOTH):
            left.append(item)
            dropping = dropping or (item.rank is _Rank.BOTH and frame.over != _NOTHING)
            continue
        kept.append(item)
        room -= size
        if item.rank is _Rank.BOTH:
            for root, _ in item.entries:
                stamps.pop(root, None)
    blocks = [block for block in whole.blocks if frame.blocks or block.root not in stamps]
    blob = encode(_filled(frame._replace(blocks=tuple(blocks)), kept, left))
    return Fitted(
        blob if len(blob) <= budget else b"",
        _values(left),
        (*dropped, *dict.fromkeys(item.name for item in left if item.rank is not _Rank.HOME)),
    )


def _items(whole: WireBaggage) -> Iterator[_Item]:
    merging: dict[str, list[tuple[int, WireEntry]]] = defaultdict(list)
    for block in whole.blocks:
        for entry in block.entries:
            merging[entry.key].append((block.root, entry))
    for name, entries in merging.items():
        # See `history.priority_of`.
        priority = min(entry.priority for _, entry in entries)
        yield _Item(priority, name, _Rank.BOTH, 0, tuple(entries))
    for rank, alone in ((_Rank.DOWN, whole.down), (_Rank.HOME, whole.home)):
        for number, entry in enumerate(alone):
            yield _Item(entry.priority, entry.key, rank, number, ((0, entry),))


def _framed(whole: WireBaggage, budget: int, items: Iterable[_Item]) -> tuple[WireBaggage, int]:
    """Return the message without entries, and the room for them beside it.

    If there is no room for the stamps, it has none yet, and says that it knows nothing.
    """
    blocks = tuple(block._replace(entries=()) for block in whole.blocks)
    frame = WireBaggage(blocks, whole.over, origin=whole.origin)
    names = (item.name for item in items if item.rank is _Rank.BOTH)
    growth = _MARKER_ROOM + max((len(name.encode()) for name in names), default=0)
    room = budget - len(encode(frame)) - growth - _BLOCK_ROOM * len(blocks)
    if room >= 0:
        return frame, room
    frame = WireBaggage(over=_NOTHING, origin=whole.origin)
    return frame, budget - len(encode(frame))


def _head(block: WireBlock) -> int:
    """Return how many bytes a block takes without its entries, and how many more it may."""
    return len(encode(WireBaggage((block._replace(entries=()),)))) + _BLOCK_ROOM


def _filled(frame: WireBaggage, kept: Iterable[_Item], left: Iterable[_Item]) -> WireBaggage:
    by_root: dict[int, list[WireEntry]] = defaultdict(list)
    for root, entry in _entries(kept, _Rank.BOTH):
        by_root[root].append(entry)
    markers = [Marker(item.priority, item.name) for item in left if item.rank is _Rank.BOTH]
    return WireBaggage(
        tuple(block._replace(entries=tuple(by_root[block.root])) for block in frame.blocks),
        min((*markers, *(() if frame.over is None else (frame.over,))), default=None),
        tuple(entry for _, entry in _entries(kept, _Rank.DOWN)),
        tuple(entry for _, entry in _entries(kept, _Rank.HOME)),
        frame.origin,
    )


def _entries(items: Iterable[_Item], rank: _Rank) -> Iterator[tuple[int, WireEntry]]:
    return (placed for item in items if item.rank is rank for placed in item.entries)


def _values(left: Iterable[_Item]) -> Mapping[str, tuple[Value, ...]]:
    values: dict[str, list[Value]] = defaultdict(list)
    for _, entry in _entries(left, _Rank.HOME):
        values[entry.key].append(entry.value)
    return {name: tuple(lost) for name, lost in values.items()}
