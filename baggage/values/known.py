"""What is known of the keys that merge by causal history: what was seen, and what is visible.

Belongs here: the value itself, and putting off the work of finding out. Many branches share one
such value, so what was found out, or written, serves them all. Does not: who may change it
(`history`), and bytes (`codec`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol, TypeAlias

from baggage.clock import Event, Id
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

Packed: TypeAlias = tuple[str, int, Contribution]
"""A key, the height of a dot at the point 0.0, and what was packed under it."""


_UNKNOWN: Final[tuple[Roots, Entries, Marker | None]] = ({}, {}, None)


class Source(Protocol):
    """Where to find out what is known."""

    def find(self) -> tuple[Roots, Entries, Marker | None]:
        """Return `seen`, `entries` and `over`. Never raises; twice at worst, in two threads."""

    def mentions(self, key: str) -> bool:
        """Say whether anything may be visible under a key; quicker than to find out."""


class Known:
    """What was seen, and what is visible. Immutable; `form` is where `codec` keeps its bytes.

    `seen` holds an event tree for each root, and covers the dots of all `entries`. `over` is where
    knowledge ends.
    """

    __slots__ = ("_along", "_entries", "_over", "_seen", "form", "source")

    def __init__(
        self,
        seen: Roots,
        entries: Entries,
        over: Marker | None = None,
        along: Source | None = None,
    ) -> None:
        """Know this."""
        self._seen: Roots | None = seen
        self._entries, self._over, self._along = entries, over, along
        self.source: Source | None = None
        self.form: bytes | None = None

    @classmethod
    def by(cls, source: Source) -> Known:
        """Return what is to be found out, at the first question."""
        known = cls.__new__(cls)
        known._seen = known.form = None
        known.source = source
        return known

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
    def layer(self) -> Layer | None:
        """What was packed on top of something else, where that is still told apart."""
        source = self.source
        return source if isinstance(source, Layer) else None

    @property
    def along(self) -> Source | None:
        """Where this came from, or what it was made of: what nobody here understands goes along."""
        source = self.source
        if isinstance(source, Layer):
            return source.base.along
        return self._along if source is None else source

    @property
    def empty(self) -> bool:
        """Whether nothing was ever seen."""
        if self._seen is None and isinstance(self.source, Layer):
            return False
        return not self.seen

    def mentions(self, key: str) -> bool:
        """Say whether anything may be visible under a key: if not, there is nothing."""
        if self._seen is None and self.source is not None:
            return self.source.mentions(key)
        return key in self._entries

    def entry(self, key: str) -> Entry | None:
        """Return what is visible under one key, None without anything; `entries` makes all."""
        if self._seen is not None:
            return self._entries.get(key)
        source = self.source
        if isinstance(source, Layer):
            return source.entry(key)
        return self.entries.get(key) if self.mentions(key) else None

    def _find(self) -> Roots:
        source = self.source
        seen, self._entries, self._over = _UNKNOWN if source is None else source.find()
        self._seen = seen  # last: other threads take it as a sign that the rest is there
        return seen


NOTHING: Final = Known({}, {})


class Layer:
    """What one branch packed on top of what it had, under a root that is whole its own. Immutable.

    Told apart, so that the bytes of what it had go out as they are, with one block behind them.
    """

    __slots__ = ("base", "form", "height", "packed", "root")

    def __init__(self, base: Known, root: int, height: int, packed: tuple[Packed, ...]) -> None:
        """Take what was packed under a root that `base` knows nothing of; `height` is the last."""
        self.base, self.root = base, root
        self.height, self.packed = height, packed
        self.form: bytes | None = None

    def find(self) -> tuple[Roots, Entries, Marker | None]:
        """Put what was packed beside what there was."""
        base = self.base
        fresh: dict[str, dict[Dot, Contribution]] = {}
        for key, height, contribution in self.packed:
            fresh.setdefault(key, {})[Dot(height, self.root, "")] = contribution
        entries = dict(base.entries)
        for key, entry in fresh.items():
            entries[key] = {**entries.get(key, NO_ENTRY), **entry}
        return {**base.seen, self.root: self.height}, entries, base.over

    def entry(self, key: str) -> Entry | None:
        """Return what is visible under a key, None without anything."""
        below = self.base.entry(key)
        fresh: dict[Dot, Contribution] = {}
        for name, height, each in self.packed:
            if name == key:
                fresh[Dot(height, self.root, "")] = each
        if below is None:
            return fresh or None
        return {**below, **fresh}

    def mentions(self, key: str) -> bool:
        """Say whether anything may be visible under a key."""
        for name, _, _ in self.packed:
            if name == key:
                return True
        return self.base.mentions(key)
