"""The immutable baggage value, with the verbs of the talk.

What merges by causal history is in `history`, bytes are in `codec`; this joins them with the keys
that only go down and those that only come home.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from baggage.values.codec import Came, body_of, untouched
from baggage.values.errors import BaggageError
from baggage.values.history import Contribution, History, priority_of, type_of
from baggage.values.keys import Direction, Key, Type, Value, bag, check_down, check_value
from baggage.values.known import Known
from baggage.values.oneway import NOTHING, Down, Gathered, Home, digest_of, united, without
from baggage.wire import brief, descending

_NO_HISTORY: Final = History()
_DOWN, _BOTH = Direction.DOWN, Direction.BOTH
_KNOWN_TYPES: Final = {int(type): type for type in Type}


class Baggage:
    """Causal context, as a value.

    Every verb returns a new value. A value may be shared by threads; two of them that write from
    the same value get separate roots, so nothing is ever lost or counted twice. Copies are the
    value itself; pickling goes through bytes, and leaves the right to write behind.

    `origin` is the service whose bytes these were, "" for none. `foreign` are the other members of
    a W3C `baggage` header, which travel down with ours. Not a dataclass, because some of it is
    found out no sooner than it's asked for, and because it's made at every hop.
    """

    __slots__ = ("_base", "_down", "foreign", "history", "home", "origin")

    def __init__(
        self,
        history: History = _NO_HISTORY,
        down: Down | None = NOTHING,
        home: Home = NOTHING,
        origin: str = "",
        foreign: tuple[str, ...] = (),
        base: Known | None = None,
    ) -> None:
        """Hold these. `base` is what came in a message, of which all but the history is as it was.

        `down` None stands for what that message says.
        """
        self.history, self.home = history, home
        self._down = down
        self.origin, self.foreign = origin, foreign
        self._base = base

    @property
    def down(self) -> Down:
        """The values that are copied to callees, by key."""
        down = self._down
        if down is None:
            base = self._base
            came = None if base is None else base.source
            self._down = down = came.down() if isinstance(came, Came) else NOTHING
        return down

    @property
    def empty(self) -> bool:
        """Whether there is nothing to carry."""
        return not (self.down or self.home or self.foreign) and self.history.empty

    @property
    def bare(self) -> bool:
        """Whether there is surely nothing of ours to carry; what came is not read for that."""
        if self.history is _NO_HISTORY:
            return not (self.down or self.home)
        base = self._base
        came = base.source if base is self.history.known else None
        return isinstance(came, Came) and not came.body

    @property
    def returns(self) -> bool:
        """Whether a join of this may change anything: nothing goes down with an answer."""
        merges = self.history is not _NO_HISTORY
        return bool(self.home) or (merges and not (self.history.empty and not self.history.over))

    def keys(self) -> tuple[str, ...]:
        """Return the names of all keys with a value, sorted."""
        return tuple(sorted({*self.history.entries, *self.down, *self.home}))

    def unpack(self, key: Key | str) -> tuple[Value, ...]:
        """Return the values under a key; () without any.

        They come in an order that is the same everywhere: a bag's by height of their dots, which is
        the order of packing where nothing was split; those of a `home` key by digest, which says
        nothing. Of LAST there is at most one; among concurrent ones every branch sees the same.
        """
        if self._base is not None and self._lacks(key):
            return ()
        known = key if isinstance(key, Key) else self._resolve(key)
        if known.direction is _DOWN:
            carried = self.down.get(known.name)
            return () if carried is None else carried[:1]
        if known.direction is _BOTH:
            siblings = self.siblings(known)
            return siblings[-1:] if known.type is Type.LAST else siblings
        gathered = self.home.get(known.name)
        return () if gathered is None else tuple(v for _, v in sorted(gathered.by_digest.items()))

    def siblings(self, key: Key | str) -> tuple[Value, ...]:
        """Return all that merges by causal history under a key, in the order of `unpack`.

        More than one under a key of type LAST is a conflict: they were packed concurrently, and
        `unpack` shows the last.
        """
        entry = self.history.known.entry(key.name if isinstance(key, Key) else key)
        if entry is None:
            return ()
        return tuple([entry[dot][0] for dot in sorted(entry)])

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
        known = key if isinstance(key, Key) else self._resolve(key)
        if known.direction is _DOWN:
            return self.with_down({known: value})
        if type(value) is not bytes:
            check_value(value)
        if known.direction is not _BOTH:
            return self._with_home(known, value)
        contribution = Contribution(value, known.type, known.priority)
        supersede = known.type is Type.LAST
        return self.with_history(self.history.pack(known.name, contribution, supersede=supersede))

    def remove(self, key: Key | str) -> Baggage:
        """Return baggage without what is visible under a key, whichever way it travels."""
        name = key.name if isinstance(key, Key) else key
        if name not in self.history.entries and name not in self.down and name not in self.home:
            return self
        down, home = without(name, self.down), without(name, self.home)
        history = self.history.remove(name)
        return Baggage(history, down, home, self.origin, self.foreign)

    def split(self, n: int = 2) -> tuple[Baggage, ...]:
        """Fork: return `n` branches that know the same past; the first one goes on as this one.

        `down` keys are copied to all; the other branches start with no `home` values, which come
        home at the join. To split often without a join is correct but makes stamps grow.
        """
        if n < 2:
            raise BaggageError(f"a split makes at least 2 branches, not {n!r}")
        first, *others = self.history.split(n)
        mine = Baggage(first, self._down, self.home, self.origin, self.foreign, self._base)
        return mine, *[
            Baggage(history, self._down, NOTHING, self.origin, self.foreign, self._base)
            for history in others
        ]

    def join(self, other: Baggage) -> Baggage:
        """Merge a branch, or what came back from one: nothing counted twice, nothing lost.

        Idempotent, commutative and associative on what `both` and `home` keys show. `down` keys and
        foreign members stay this side's.
        """
        history = self.history.join(other.history)
        if not other.home or other is self:
            return self if history is self.history else self.with_history(history)
        home = dict(self.home)
        for name, gathered in other.home.items():
            held = home.get(name)
            home[name] = gathered if held is None else united(held, gathered)
        return Baggage(history, self._down, home, self.origin, self.foreign, self._base)

    def with_down(self, changes: Mapping[Key, Value]) -> Baggage:
        """Return baggage with other values of these `down` keys; raises as `pack` does."""
        if not changes:
            return self
        for key, value in changes.items():
            check_down(key, value)
        return self.lowered(changes)

    def lowered(self, changes: Mapping[Key, Value]) -> Baggage:
        """Return the same of changes that `check_down` was asked about."""
        held = self.down
        down = dict(held) if held else {}
        for key, value in changes.items():
            down[key.name] = (value, key.priority)
        return Baggage(self.history, down, self.home, self.origin, self.foreign)

    def peeked(self) -> Baggage:
        """Return the same knowledge without the right to write under its ids."""
        return self.with_history(self.history.peek()) if self.history.own else self

    def departing(self, changes: Mapping[Key, Value] | None = None) -> Baggage:
        """Return what a callee gets: no ids, no `home` values, `down` keys as changed."""
        departing = self
        if self.home or self.history.own:
            history = self.history.peek()
            departing = Baggage(history, self._down, NOTHING, self.origin, self.foreign, self._base)
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
        if not self.home:
            return self
        return Baggage(self.history, self._down, NOTHING, self.origin, self.foreign, self._base)

    def with_history(self, history: History) -> Baggage:
        """Return baggage with this in place of what merges by causal history."""
        return Baggage(history, self._down, self.home, self.origin, self.foreign, self._base)

    def within(self, foreign: tuple[str, ...]) -> Baggage:
        """Return baggage that came with these foreign members."""
        return Baggage(self.history, self._down, self.home, self.origin, foreign, self._base)

    def body(self, *, sealed: bool) -> bytes:
        """Return the bytes without origin; raise `ClockError` if they are beyond the wire's limits.

        Bytes that came and were not touched are as they came. An origin within them can be replaced
        (`sealed`), but not taken out.
        """
        if self.history is _NO_HISTORY and not self.home:
            return descending(sorted(self.down.items()))
        base = self._base
        if base is not None and not self.home and (sealed or not self.origin):
            body = untouched(base, self.history.known)
            if body is not None:
                return body
        return body_of(self.history.known, self.down, self.home)

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
        if not blob:
            return EMPTY
        came = Came(bytes(blob))
        known, down, home = came.read()
        return Baggage(History(known), down, home, came.origin, (), None if home else known)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle through bytes, so that the right to write stays behind."""
        return _restored, (self.serialize(), self.origin, self.foreign)

    def __copy__(self) -> Baggage:
        """Return the value itself: a copy that could write with the same ids must not exist."""
        return self

    def __deepcopy__(self, memo: object) -> Baggage:
        """Return the value itself, as `copy` does."""
        return self

    def _with_home(self, key: Key, value: Value) -> Baggage:
        gathered = Gathered({digest_of(value): value}, key.priority)
        held = self.home.get(key.name)
        home = {**self.home, key.name: gathered if held is None else united(held, gathered)}
        return Baggage(self.history, self._down, home, self.origin, self.foreign, self._base)

    def _lacks(self, key: Key | str) -> bool:
        """Say whether there is surely nothing under a key, without reading what came."""
        base = self._base
        if base is None or self.home:
            return False
        known = self.history.known
        layer = known.layer
        if known is not base and (layer is None or layer.base is not base):
            return False
        name = key.name if isinstance(key, Key) else key
        came = base.source
        return isinstance(came, Came) and not (came.mentions(name) or known.mentions(name))

    def _resolve(self, key: Key | str) -> Key:
        """Return a declared key as it is; a name stands for what is under it, else for a bag."""
        if isinstance(key, Key):
            return key
        if self._lacks(key):
            return bag(key)
        if key in self.down:
            return Key(key, direction=Direction.DOWN, priority=self.down[key][1])
        if key in self.home:
            return Key(key, direction=Direction.HOME, priority=self.home[key].priority)
        entry = self.history.entries.get(key)
        if entry is None:
            return bag(key)
        return Key(key, _KNOWN_TYPES.get(type_of(entry), Type.BAG), priority=priority_of(entry))


EMPTY: Final = Baggage()


def receive(blob: bytes) -> Baggage:
    """Return the baggage in `blob` from a stranger, to be read when somebody asks what's in it.

    Raises BaggageError, and nothing else, for what is no message. A message that turns out to make
    no sense when it's read is dropped then, with one line in the log.
    """
    if not blob:
        return EMPTY
    short = brief(blob)
    if short is not None:
        down, origin = short
        return Baggage(_NO_HISTORY, down, NOTHING, origin)
    came = Came(blob)
    known = came.known()
    if came.has_home:
        return Baggage(History(known), came.down(), came.home(), came.origin)
    return Baggage(History(known), None, NOTHING, came.origin, (), known)


def _restored(blob: bytes, origin: str, foreign: tuple[str, ...]) -> Baggage:
    """Return what was pickled. Its bytes have no origin: they are not from another service."""
    came = Baggage.deserialize(blob)
    return Baggage(came.history, came.down, came.home, origin, foreign)
