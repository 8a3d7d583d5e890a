"""The immutable baggage value, with the verbs of the talk.

What merges by causal history is in `history`, bytes are in `codec`; this joins them with the keys
that only go down and those that only come home.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Final, NamedTuple

from baggage.values.errors import BaggageError
from baggage.values.history import Contribution, History, priority_of, type_of
from baggage.values.keys import Direction, Key, Type, Value, encoded
from baggage.wire import DEFAULT_PRIORITY

_LEAST, _GREATEST = -(1 << 63), (1 << 63) - 1
_KNOWN_TYPES: Final = {int(type): type for type in Type}


class Carried(NamedTuple):
    """The value of a `down` key."""

    value: Value
    priority: int = DEFAULT_PRIORITY


class Gathered(NamedTuple):
    """The set of values of a `home` key, by digest."""

    by_digest: Mapping[bytes, Value]
    priority: int = DEFAULT_PRIORITY


@dataclass(frozen=True, slots=True, eq=False)
class Baggage:
    """Causal context, as a value.

    Every verb returns a new value. A value may be shared by threads; two of them that write from
    the same value get separate roots, so nothing is ever lost or counted twice. Copies are the
    value itself; pickling goes through bytes, and leaves the right to write behind.

    `origin` is the service whose bytes these were, "" for none. `foreign` are the other members of
    a W3C `baggage` header, which travel down with ours. `received` is what came, without its
    origin, for as long as nothing else has to go out.
    """

    history: History = field(default_factory=History)
    down: Mapping[str, Carried] = field(default_factory=dict)
    home: Mapping[str, Gathered] = field(default_factory=dict)
    origin: str = ""
    foreign: tuple[str, ...] = ()
    received: bytes | None = field(default=None, repr=False)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to carry."""
        return not (self.down or self.home or self.foreign) and self.history.empty

    def keys(self) -> tuple[str, ...]:
        """Return the names of all keys with a value, sorted."""
        return tuple(sorted({*self.history.entries, *self.down, *self.home}))

    def unpack(self, key: Key | str) -> tuple[Value, ...]:
        """Return the values under a key; () without any.

        They come in an order that is the same everywhere: a bag's by height of their dots, which is
        the order of packing where nothing was split; those of a `home` key by digest, which says
        nothing. Of LAST there is at most one; among concurrent ones every branch sees the same.
        """
        known = self._resolve(key)
        if known.direction is Direction.BOTH:
            siblings = self.siblings(known)
            return siblings[-1:] if known.type is Type.LAST else siblings
        if known.direction is Direction.DOWN:
            carried = self.down.get(known.name)
            return () if carried is None else (carried.value,)
        gathered = self.home.get(known.name)
        return () if gathered is None else tuple(v for _, v in sorted(gathered.by_digest.items()))

    def siblings(self, key: Key | str) -> tuple[Value, ...]:
        """Return all that merges by causal history under a key, in the order of `unpack`.

        More than one under a key of type LAST is a conflict: they were packed concurrently, and
        `unpack` shows the last.
        """
        entry = self.history.entries.get(key.name if isinstance(key, Key) else key)
        return () if entry is None else tuple(entry[dot].value for dot in sorted(entry))

    def complete(self, key: Key | str) -> bool:
        """Say whether nothing that merges under a key was left out on the way for lack of room.

        If something may have been, `unpack` shows too few values, or some that had been removed.
        Of a name alone without values nobody can tell, once anything was left out.
        """
        if isinstance(key, Key):
            return self.history.knows(key.name, key.priority)
        entry = self.history.entries.get(key)
        if entry is None:
            return self.history.over is None
        return self.history.knows(key, priority_of(entry))

    def pack(self, key: Key | str, value: Value) -> Baggage:
        """Return baggage with one more value under a key (LAST, DOWN: with this one instead).

        Raises BaggageError for a value that can't travel: see `baggage.Value`; integers must fit
        64 bits, text must be encodable.
        """
        known = self._resolve(key)
        if known.direction is Direction.DOWN:
            return self.with_down({known: value})
        check_value(value)
        if known.direction is Direction.HOME:
            return self._with_home(known, value)
        contribution = Contribution(value, known.type, known.priority)
        supersede = known.type is Type.LAST
        return self._with(self.history.pack(known.name, contribution, supersede=supersede))

    def remove(self, key: Key | str) -> Baggage:
        """Return baggage without what is visible under a key, whichever way it travels."""
        name = key.name if isinstance(key, Key) else key
        if name not in self.history.entries and name not in self.down and name not in self.home:
            return self
        down = {other: carried for other, carried in self.down.items() if other != name}
        home = {other: gathered for other, gathered in self.home.items() if other != name}
        history = self.history.remove(name)
        return replace(self, history=history, down=down, home=home, received=None)

    def split(self, n: int = 2) -> tuple[Baggage, ...]:
        """Fork: return `n` branches that know the same past; the first one goes on as this one.

        `down` keys are copied to all; the other branches start with no `home` values, which come
        home at the join. To split often without a join is correct but makes stamps grow.
        """
        if n < 2:
            raise BaggageError(f"a split makes at least 2 branches, not {n!r}")
        first, *others = self.history.split(n)
        away = self.without_home()
        return (
            replace(self, history=first),
            *(replace(away, history=history) for history in others),
        )

    def join(self, other: Baggage) -> Baggage:
        """Merge a branch, or what came back from one: nothing counted twice, nothing lost.

        Idempotent, commutative and associative on what `both` and `home` keys show. `down` keys and
        foreign members stay this side's.
        """
        history = self.history.join(other.history)
        if not other.home or other is self:
            return self if history is self.history else self._with(history)
        home = dict(self.home)
        for name, gathered in other.home.items():
            held = home.get(name)
            home[name] = gathered if held is None else _united(held, gathered)
        return replace(self, history=history, home=home, received=None)

    def with_down(self, changes: Mapping[Key, Value]) -> Baggage:
        """Return baggage with other values of these `down` keys; raises as `pack` does."""
        if not changes:
            return self
        down = dict(self.down)
        for key, value in changes.items():
            if key.direction is not Direction.DOWN:
                raise BaggageError(f"{key.name!r} is no `down` key")
            check_value(value)
            down[key.name] = Carried(value, key.priority)
        return Baggage(self.history, down, self.home, self.origin, self.foreign)

    def peeked(self) -> Baggage:
        """Return the same knowledge without the right to write under its ids."""
        return replace(self, history=self.history.peek()) if self.history.own else self

    def departing(self, changes: Mapping[Key, Value] | None = None) -> Baggage:
        """Return what a callee gets: no ids, no `home` values, `down` keys as changed."""
        departing = self.without_home().peeked()
        return departing.with_down(changes) if changes else departing

    def returning(self, since: Baggage | None = None) -> Baggage:
        """Return what a caller gets back: no ids, no `down` keys, no foreign members.

        `since` is what the caller sent: where nothing was packed or removed after it, there is
        nothing to merge, and what the caller knows already doesn't travel back.
        """
        if since is not None and self.history.shows(since.history):
            return Baggage(home=self.home, origin=self.origin)
        return Baggage(self.history.peek(), home=self.home, origin=self.origin)

    def without_home(self) -> Baggage:
        """Return baggage whose `home` values were handed to somebody else."""
        return replace(self, home={}, received=None) if self.home else self

    def serialize(self, budget: int | None = None) -> bytes:
        """Return the bytes of what another process may have of this (no ids); see `budget.fit`.

        What finds no room in `budget` bytes is left out. Bytes that came and were not touched go
        out as they came.
        """
        from baggage.values.budget import fit

        return fit(self, budget).blob

    @staticmethod
    def deserialize(blob: bytes) -> Baggage:
        """Return the baggage in `blob`. Raises BaggageError, and nothing else, in linear time."""
        from baggage.values.codec import read

        return read(blob)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle through bytes, so that the right to write stays behind."""
        return _restored, (self.serialize(), self.origin, self.foreign)

    def __copy__(self) -> Baggage:
        """Return the value itself: a copy that could write with the same ids must not exist."""
        return self

    def __deepcopy__(self, memo: object) -> Baggage:
        """Return the value itself, as `copy` does."""
        return self

    def _with(self, history: History) -> Baggage:
        return Baggage(history, self.down, self.home, self.origin, self.foreign)

    def _with_home(self, key: Key, value: Value) -> Baggage:
        gathered = Gathered({digest_of(value): value}, key.priority)
        held = self.home.get(key.name)
        home = {**self.home, key.name: gathered if held is None else _united(held, gathered)}
        return replace(self, home=home, received=None)

    def _resolve(self, key: Key | str) -> Key:
        """Return a declared key as it is; a name stands for what is under it, else for a bag."""
        if isinstance(key, Key):
            return key
        if key in self.down:
            return Key(key, direction=Direction.DOWN, priority=self.down[key].priority)
        if key in self.home:
            return Key(key, direction=Direction.HOME, priority=self.home[key].priority)
        entry = self.history.entries.get(key)
        if entry is None:
            return Key(key)
        return Key(key, _KNOWN_TYPES.get(type_of(entry), Type.BAG), priority=priority_of(entry))


EMPTY: Final = Baggage()


def check_value(value: Value) -> None:
    """Raise BaggageError unless a value can travel."""
    kind = type(value)
    if kind not in (bytes, str, int, float, bool):
        raise BaggageError(
            f"can't pack {value!r}: pack bytes, str, int, float or bool, not {kind.__name__}"
        )
    if isinstance(value, str):
        encoded(value)
    elif isinstance(value, int) and not _LEAST <= value <= _GREATEST:
        raise BaggageError(f"can't pack {value!r}: an int must fit 64 bits")


def digest_of(value: Value) -> bytes:
    """Return what tells values of a `home` key apart: equal values of equal type count once."""
    raw = value if isinstance(value, bytes) else repr(value).encode()
    return blake2b(raw, digest_size=8, person=type(value).__name__.encode()).digest()


def _united(a: Gathered, b: Gathered) -> Gathered:
    return Gathered({**a.by_digest, **b.by_digest}, min(a.priority, b.priority))


def _restored(blob: bytes, origin: str, foreign: tuple[str, ...]) -> Baggage:
    """Return what was pickled. Its bytes have no origin: they are not from another service."""
    return replace(Baggage.deserialize(blob), origin=origin, foreign=foreign)
