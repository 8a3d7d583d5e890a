"""What is known of the keys that merge by causal history: what was seen, and what is visible.

Belongs here: the value itself, and putting off the work of finding out. Many branches share one
such value, so what was found out, or written, serves them all. Does not: who may change it
(`history`), and bytes (`codec`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from baggage.clock import ZERO, Event, Id, leq
from baggage.values.keys import Value


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

Entries: TypeAlias = Mapping[str, Entry]
Roots: TypeAlias = Mapping[int, Event]
Ids: TypeAlias = Mapping[int, Id]
NO_ENTRY: Final[Entry] = {}

Packed: TypeAlias = tuple[str, int, Value, int, int]
"""A key, the height of a dot at the point 0.0, and what was packed under it: a `Contribution`'s."""

Found: TypeAlias = tuple[Roots, Entries, "Marker | None"]
"""What was seen, what is visible, and where knowledge ends."""

NOTHING_FOUND: Final[Found] = ({}, {}, None)


class Known:
    """What was seen, and what is visible. Immutable; `form` is where `codec` keeps its bytes.

    `seen` holds an event tree for each root, and covers the dots of all `entries`. `over` is where
    knowledge ends. Those that are made of something else put off to find all of this out.
    """

    __slots__ = ("_along", "_entries", "_over", "_seen", "form")

    def __init__(
        self,
        seen: Roots,
        entries: Entries,
        over: Marker | None = None,
        along: Known | None = None,
    ) -> None:
        """Know this."""
        self._seen: Roots | None = seen  # None until it is found out
        self._entries, self._over, self._along = entries, over, along
        self.form: bytes | None = None

    @property
    def seen(self) -> Roots:
        """The event trees, by root."""
        return self._find() if self._seen is None else self._seen

    @property
    def entries(self) -> Entries:
        """What is visible, by key."""
        if self._seen is None:
            self._find()
        return self._entries

    @property
    def over(self) -> Marker | None:
        """Where knowledge ends, None for nowhere."""
        if self._seen is None:
            self._find()
        return self._over

    @property
    def along(self) -> Known | None:
        """What came, if this was made of it: what nobody here understands goes along."""
        return self._along

    @property
    def empty(self) -> bool:
        """Whether nothing was ever seen."""
        return not self.seen

    def mentions(self, key: str) -> bool:
        """Say whether anything may be visible under a key, quickly: if not, there is nothing."""
        return key in self.entries

    def entry(self, key: str) -> Entry | None:
        """Return what is visible under one key, None without anything; `entries` makes all."""
        return self.entries.get(key)

    def find(self) -> Found:
        """Find out what was put off. Never raises; happens twice at worst, in two threads."""
        return self.seen, self.entries, self.over

    def _find(self) -> Roots:
        seen, self._entries, self._over = self.find()
        self._seen = seen  # last: other threads take it as a sign that the rest is there
        return seen


NOTHING: Final = Known({}, {})


class Layer(Known):
    """What one branch packed on top of what it had, under a root that is whole its own.

    Told apart, so that the bytes of what it had go out as they are, with one block behind them.
    """

    __slots__ = ("base", "height", "packed", "root")

    def __init__(self, base: Known, root: int, height: int, packed: tuple[Packed, ...]) -> None:
        """Take what was packed under a root that `base` knows nothing of; `height` is the last.

        `form` is that of the block alone.
        """
        self._seen = self.form = None
        self.base, self.root = base, root
        self.height, self.packed = height, packed

    @property
    def along(self) -> Known | None:
        """What came, if this was made of it: what nobody here understands goes along."""
        return self.base.along

    @property
    def empty(self) -> bool:
        """Whether nothing was ever seen."""
        return False

    def mentions(self, key: str) -> bool:
        """Say whether anything may be visible under a key, quickly: if not, there is nothing."""
        for packed in self.packed:
            if packed[0] == key:
                return True
        return self.base.mentions(key)

    def entry(self, key: str) -> Entry | None:
        """Return what is visible under one key, None without anything."""
        if self._seen is not None:
            return self._entries.get(key)
        below = self.base.entry(key)
        fresh = _unfolded(self.root, [packed for packed in self.packed if packed[0] == key])
        if not fresh:
            return below
        return fresh[key] if below is None else {**below, **fresh[key]}

    def find(self) -> Found:
        """Put what was packed beside what there was."""
        base, entries = self.base, dict(self.base.entries)
        for key, entry in _unfolded(self.root, self.packed).items():
            entries[key] = {**entries[key], **entry} if key in entries else entry
        return {**base.seen, self.root: self.height}, entries, base.over


def _unfolded(root: int, packed: Iterable[Packed]) -> dict[str, dict[Dot, Contribution]]:
    """Return entries of what was packed under a root, by key."""
    entries: dict[str, dict[Dot, Contribution]] = {}
    for key, height, value, type, priority in packed:
        contribution = Contribution(value, type, priority)
        entries.setdefault(key, {})[Dot(height, root, "")] = contribution
    return entries


def covers(seen: Roots, earlier: Roots) -> bool:
    """Say whether all events that `earlier` tells of were seen."""
    return all(leq(event, seen.get(root, ZERO)) for root, event in earlier.items())
