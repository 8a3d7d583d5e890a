"""Baggage within a budget of bytes: what stays, what goes, and who is told (R8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final

from baggage.values.baggage import EMPTY, Baggage, Carried, Gathered
from baggage.values.codec import to_wire
from baggage.values.history import Contributions, History, Marker
from baggage.values.keys import MAX_NAME, Value
from baggage.wire import encode

_MARKER_ROOM: Final = MAX_NAME + 12
_NOTHING_KNOWN: Final = History(over=Marker(0, ""))


@dataclass(frozen=True, slots=True)
class Fitted:
    """Bytes within a budget, and what found no room: `home` values, and names of other keys."""

    blob: bytes
    home: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()


def fit(baggage: Baggage, budget: int | None = None, origin: str = "") -> Fitted:
    """Return the bytes of `baggage` within `budget` bytes, written by the service `origin`.

    Where not everything fits, keys are left out from the end of the order (priority, name): those
    that merge are dropped whole, and the message is marked, so that a join knows what it doesn't
    know; `home` values are left out one by one. Stamps are kept whole or not at all.
    """
    received = baggage.received
    if received is not None and baggage.origin == origin and len(received) <= (budget or len(received)):
        return Fitted(received)
    blob = encode(to_wire(baggage, origin))
    if budget is None or len(blob) <= budget:
        return Fitted(blob)
    return _Trimming(baggage, budget, origin).result()


class _Rank(IntEnum):
    DOWN = 0
    BOTH = 1
    HOME = 2


@dataclass(frozen=True, slots=True, order=True)
class _Item:
    """One thing that stays or goes."""

    priority: int
    name: str
    rank: _Rank
    digest: bytes = b""
    alone: Baggage = field(default=EMPTY, compare=False)


class _Trimming:
    """One pass over the items in order, taking what fits."""

    def __init__(self, baggage: Baggage, budget: int, origin: str) -> None:
        self._whole, self._budget, self._origin = baggage, budget, origin
        history = replace(baggage.history, entries={})
        if self._size(history) + _MARKER_ROOM > budget:
            history = _NOTHING_KNOWN
        self._history = history
        self._room = budget - self._size(history) - _MARKER_ROOM
        self._entries: dict[str, Contributions] = {}
        self._down: dict[str, Carried] = {}
        self._home: dict[str, Gathered] = {}
        self._lost: dict[str, list[Value]] = defaultdict(list)
        self._dropped: list[str] = []

    def result(self) -> Fitted:
        for item in sorted(_items(self._whole)):
            self._take(item) if self._admits(item) else self._leave(item)
        kept = Baggage(
            replace(self._history, entries=self._entries), self._down, self._home, self._origin
        )
        blob = encode(to_wire(kept, self._origin))
        lost = {name: tuple(values) for name, values in self._lost.items()}
        return Fitted(blob if len(blob) <= self._budget else b"", lost, tuple(self._dropped))

    def _size(self, history: History) -> int:
        return len(encode(to_wire(Baggage(history), self._origin)))

    def _admits(self, item: _Item) -> bool:
        if item.rank is _Rank.BOTH and not self._history.knows(item.name, item.priority):
            return False
        cost = len(encode(to_wire(item.alone, "")))
        if cost > self._room:
            return False
        self._room -= cost
        return True

    def _take(self, item: _Item) -> None:
        self._entries.update(item.alone.history.entries)
        self._down.update(item.alone.down)
        for name, gathered in item.alone.home.items():
            held = self._home.get(name, Gathered())
            merged = {**held.by_digest, **gathered.by_digest}
            self._home[name] = Gathered(merged, gathered.priority)

    def _leave(self, item: _Item) -> None:
        if item.rank is _Rank.HOME:
            self._lost[item.name].extend(item.alone.unpack(item.name))
            return
        self._dropped.append(item.name)
        if item.rank is _Rank.BOTH and self._history.knows(item.name, item.priority):
            self._history = replace(self._history, over=Marker(item.priority, item.name))


def _items(baggage: Baggage) -> Iterator[_Item]:
    for name, carried in baggage.down.items():
        yield _Item(carried.priority, name, _Rank.DOWN, alone=Baggage(down={name: carried}))
    for name, entry in baggage.history.entries.items():
        seen = {dot.root: 0 for dot in entry.by_dot}
        alone = Baggage(History(seen, entries={name: entry}))
        yield _Item(entry.priority, name, _Rank.BOTH, alone=alone)
    for name, gathered in baggage.home.items():
        for digest, value in gathered.by_digest.items():
            one = Gathered({digest: value}, gathered.priority)
            yield _Item(gathered.priority, name, _Rank.HOME, digest, Baggage(home={name: one}))
