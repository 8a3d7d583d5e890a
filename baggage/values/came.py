"""A message from elsewhere, of which each part is read when it's first asked for.

Belongs here: what the parts of a message mean, and which of them can't be. Does not: writing them
(`codec`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from baggage.clock import (
    MAX_HEIGHT,
    NONE,
    ClockError,
    Event,
    Id,
    covered,
    decode_event,
    decode_id,
    join_event,
)
from baggage.values.errors import BaggageError
from baggage.values.garbage import dropped
from baggage.values.keys import Value
from baggage.values.known import (
    NOTHING_FOUND,
    Contribution,
    Dot,
    Entries,
    Entry,
    Found,
    Ids,
    Known,
    Marker,
    Roots,
)
from baggage.values.oneway import NOTHING, Down, Gathered, Home, digest_of
from baggage.wire import (
    MAX_PRIORITY,
    Unread,
    WireBlock,
    WireError,
    scan,
    seek,
)

T = TypeVar("T")

_FEW: Final = 8
"""So many keys are sought one by one, then all are read: else the time grew with the square."""
_new: Final = tuple.__new__


class Came(Known):
    """What came in a message.

    `body` is the message without its `origin` and what is lent, as it came. What turns out to be
    none when it is read is `dropped`, with one line in the log for the whole message, which isn't
    passed on then. To read one key is to look at its entries alone: those that make no sense under
    other keys turn out when these, or all, are read. Safe in any thread.
    """

    __slots__ = ("_asked", "_down", "body", "dropped", "unread")

    def __init__(self, blob: bytes) -> None:
        """Take a message; raise BaggageError if it isn't one, whatever it says."""
        try:
            self.unread = unread = Unread(blob)
        except WireError as error:
            raise BaggageError(f"can't read baggage: {error}") from error
        self._seen = self.form = None
        self._down: Down | None = None
        self.dropped = False
        self._asked = 0
        self.body = unread.body

    def read(self) -> Home:
        """Read all of it now, return what goes home; raise BaggageError if any part can't be."""
        try:
            self._seen, self._entries, self._over = _known(self.unread)
            self._down = _down(self.unread)
            return _home(self.unread)
        except (WireError, ClockError) as error:
            raise BaggageError(f"can't read baggage: {error}") from error

    def find(self) -> Found:
        """Return what merges by causal history; nothing if that can't be."""
        return self._read(_known, NOTHING_FOUND)

    def mentions(self, key: str) -> bool:
        """Say whether anything may be under a key, whichever way it travels."""
        try:
            return self.body.find(key.encode()) >= 0  # `in` tries a number first, at twice the cost
        except UnicodeEncodeError:
            return False

    def entry(self, key: str) -> Entry | None:
        """Return what is visible under one key, None without anything."""
        if self._seen is not None:
            return self._entries.get(key)
        self._asked += 1
        sought = seek(self.body, key) if self._asked <= _FEW else None
        if sought is None:
            return self.entries.get(key)
        entry = {}
        for root, height, value, type, priority in sought:
            # What their own constructors do, at half of the cost.
            entry[_new(Dot, (height, root, ""))] = _new(Contribution, (value, type, priority))
        return entry or None

    @property
    def down(self) -> Down:
        """What goes down; nothing if that can't be."""
        down = self._down
        if down is None:
            has_any = self.unread.has_down
            self._down = down = self._read(_down, NOTHING) if has_any else NOTHING
        return down

    def home(self) -> Home:
        """Return what goes home; nothing if that can't be."""
        return self._read(_home, NOTHING)

    def lent(self) -> Ids:
        """Return the ids that were lent with it; none if any, or what merges, can't be.

        An id is worth nothing without the event trees that it came with: who began from the ground
        would make dots anew that exist already. So what merges is read now.
        """
        return self._read(self._lent, {})

    def _lent(self, unread: Unread) -> Ids:
        ids = lent_by(unread)
        if ids:
            self._seen, self._entries, self._over = _known(unread)
        return ids

    @property
    def along(self) -> Known:
        """What came: this."""
        return self

    def alone(self) -> bytes:
        """Return the bytes of what merges by causal history."""
        return self.unread.alone()

    def later(self) -> bytes:
        """Return the bytes of what only a later version understands."""
        return self.unread.later()

    def _read(self, read: Callable[[Unread], T], nothing: T) -> T:
        try:
            return read(self.unread)
        except (WireError, ClockError) as error:
            if not self.dropped:
                self.dropped = True
                dropped(error, len(self.body))
            return nothing


def _scanned(body: bytes) -> Found | None:
    """Return what merges by causal history, if all of that is in the usual form and makes sense."""
    blocks = scan(body)
    if blocks is None:
        return None
    seen: dict[int, int] = {}
    for root, flat, _ in blocks:
        seen[root] = max(flat, seen.get(root, 0))
    entries: dict[str, dict[Dot, Contribution]] = {}
    for root, _, packed in blocks:
        highest = seen[root]
        for key, height, value, type, priority in packed:
            if height > highest:
                return None
            dot, each = _new(Dot, (height, root, "")), _new(Contribution, (value, type, priority))
            name = key.decode()
            if name in entries:
                entries[name][dot] = each
            else:
                entries[name] = {dot: each}
    return seen, entries, None


def _known(unread: Unread) -> Found:
    scanned = _scanned(unread.body)
    if scanned is not None:
        return scanned
    blocks, over = unread.history()
    seen = _seen(blocks)
    return seen, _entries(blocks, seen), None if over is None else Marker(*over)


def _down(unread: Unread) -> Down:
    return {each.key: (each.value, each.priority) for each in unread.down()}


def _home(unread: Unread) -> Home:
    values: dict[str, dict[bytes, Value]] = defaultdict(dict)
    priorities: dict[str, int] = {}
    for each in unread.home():
        values[each.key][digest_of(each.value)] = each.value
        priorities[each.key] = min(each.priority, priorities.get(each.key, MAX_PRIORITY))
    return {name: Gathered(by_digest, priorities[name]) for name, by_digest in values.items()}


def lent_by(unread: Unread) -> Ids:
    """Return the ids that a message lends; raise WireError or ClockError if any can't be."""
    ids: dict[int, Id] = {}
    for root, encoded in unread.lent():
        identity = decode_id(encoded)
        if root in ids or identity == NONE:
            raise WireError("an id that is lent twice, or owns nothing")
        ids[root] = identity
    return ids


def _seen(blocks: Iterable[WireBlock]) -> Roots:
    trees: dict[int, list[Event]] = defaultdict(list)
    for root, tree, _ in blocks:
        trees[root].append(_event(tree))
    return {root: _joined(events) for root, events in trees.items()}


def _event(tree: int | bytes) -> Event:
    if isinstance(tree, bytes):
        return decode_event(tree)
    if tree > MAX_HEIGHT:
        raise ClockError(f"the height {tree} is greater than {MAX_HEIGHT}")
    return tree


def _joined(events: list[Event]) -> Event:
    """Join event trees in pairs: one after the other would cost the square of their number."""
    while len(events) > 1:
        odd = events[len(events) // 2 * 2 :]
        pairs = zip(events[::2], events[1::2], strict=False)
        events = [join_event(one, other) for one, other in pairs] + odd
    return events[0]


def _entries(blocks: Iterable[WireBlock], seen: Roots) -> Entries:
    entries: dict[str, dict[Dot, Contribution]] = {}
    for root, _, packed in blocks:
        event = seen[root]
        for key, value, height, point, type, priority in packed:
            # Else it would survive its own removal, or get in the way of a dot still to come.
            if not height or not covered(event, point, height):
                raise WireError(f"a value under {key!r} that was never packed")
            contribution = Contribution(value, type, priority)
            entries.setdefault(key, {})[Dot(height, root, point)] = contribution
    return entries
