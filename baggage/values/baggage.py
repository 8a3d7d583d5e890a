"""The immutable baggage value, with the verbs of the talk.

What merges by causal history is in `history`, bytes are in `codec`; this joins them with the keys
that only go down and those that only come home.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from baggage.values.came import Came
from baggage.values.codec import body_of, untouched
from baggage.values.errors import BaggageError
from baggage.values.history import Contribution, History
from baggage.values.keys import FIELD, Direction, Key, Type, Value, bag, check_down, check_value
from baggage.values.merging import unfit
from baggage.values.oneway import NOTHING, Gathered, bereft, digest_of, united, without
from baggage.values.view import NO_HISTORY, View
from baggage.wire import brief, descending

_DOWN, _BOTH, _LAST = Direction.DOWN, Direction.BOTH, int(Type.LAST)


class Baggage(View):
    """Causal context, as a value.

    Every verb returns a new value. A value may be shared by threads; two of them that write from
    the same value get separate roots, so nothing is ever lost or counted twice. Copies are the
    value itself; pickling goes through bytes, and leaves the right to write behind.

    `origin` is the service whose bytes these were, "" for none. `foreign` are the other members of
    a W3C `baggage` header, which travel down with ours. Not a dataclass, because some of it is
    found out no sooner than it's asked for, and because it's made at every hop.
    """

    __slots__ = ()

    def pack(self, key: Key | str, value: Value) -> Baggage:
        """Return baggage with one more value under a key (LAST, DOWN: with this one instead).

        Raises BaggageError for a value that can't travel: see `baggage.Value`; integers must fit
        64 bits, text must be encodable. What is summed or compared must be finite numbers, what is
        counted whole ones from 0 on.
        """
        if isinstance(key, Key):
            known = key
        else:
            known = bag(key) if self._lacks(key) else self._resolve(key, writing=True)
        if known.direction is _DOWN:
            return self.with_down({known: value})
        if type(value) is not bytes and not (type(value) is str and value.isascii()):
            check_value(value)
        if known.direction is not _BOTH:
            return self._with_home(known, value)
        if known.type > _LAST:
            known = _fitting(known, value, declared=known is key)
        history = self.history.pack(known.name, value, known.type, known.priority)
        return Baggage(history, self._down, self.home, self.origin, self.foreign)

    def set(self, key: Key | str, value: Value) -> Baggage:
        """Return baggage with this value in place of all that is visible under a key.

        Raises as `pack` does.
        """
        check_value(value)  # before the right to write is taken
        known = self._resolve(key, writing=True)
        if known.direction is _BOTH and known.type > _LAST:
            known = _fitting(known, value, declared=known is key)
        return self.remove(known).pack(known, value)

    def remove(self, key: Key | str, value: Value | None = None) -> Baggage:
        """Return baggage without what is visible under a key, whichever way it travels.

        Of a bag or set, `value` takes away only what equals it, in type too. A map goes with all of
        its fields.
        """
        name = key.name if isinstance(key, Key) else key
        if value is None:
            history = self.history.clear(name, name + FIELD)
        else:
            history = self.history.remove(name, _equal(value))
        down, home = self.down, self.home
        if value is None or (name in down and _same(down[name][0], value)):
            down = without(name, down)
        home = without(name, home) if value is None else bereft(name, home, value)
        if history is self.history and down is self.down and home is self.home:
            return self
        return Baggage(history, down, home, self.origin, self.foreign)

    def split(self, n: int = 2) -> tuple[Baggage, ...]:
        """Fork: return `n` branches that know the same past; the first one goes on as this one.

        `down` keys are copied to all; the other branches start with no `home` values, which come
        home at the join. To split often without a join is correct but makes stamps grow.
        """
        if n < 2:
            raise BaggageError(f"a split makes at least 2 branches, not {n!r}")
        first, *others = self.history.split(n)
        mine = Baggage(first, self._down, self.home, self.origin, self.foreign)
        return mine, *[
            Baggage(history, self._down, NOTHING, self.origin, self.foreign) for history in others
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
        return Baggage(history, self._down, home, self.origin, self.foreign)

    def with_down(self, changes: Mapping[Key, Value]) -> Baggage:
        """Return baggage with other values of these `down` keys; raises as `pack` does."""
        for key, value in changes.items():
            check_down(key, value)
        return self.lowered(changes)

    def lowered(self, changes: Mapping[Key, Value]) -> Baggage:
        """Return the same of changes that are known to pass `check_down`."""
        if not changes:
            return self
        held = self.down
        down = dict(held) if held else {}
        for key, value in changes.items():
            down[key.name] = (value, key.priority)
        return Baggage(self.history, down, self.home, self.origin, self.foreign)

    def lend(self) -> tuple[Baggage, Baggage]:
        """Return this without the right to write, and the same with it; see `History.lend`."""
        mine, theirs = self.history.lend()
        return self.with_history(mine), self.with_history(theirs)

    def peeked(self) -> Baggage:
        """Return the same knowledge without the right to write under its ids."""
        return self.with_history(self.history.peek()) if self.history.own else self

    def departing(self) -> Baggage:
        """Return what a callee gets: no ids, no `home` values."""
        if not (self.home or self.history.own):
            return self
        history = History(self.history.known)
        return Baggage(history, self._down, NOTHING, self.origin, self.foreign)

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
        return Baggage(self.history, self._down, NOTHING, self.origin, self.foreign)

    def with_history(self, history: History) -> Baggage:
        """Return baggage with this in place of what merges by causal history."""
        return Baggage(history, self._down, self.home, self.origin, self.foreign)

    def within(self, foreign: tuple[str, ...]) -> Baggage:
        """Return baggage that came with these foreign members."""
        return Baggage(self.history, self._down, self.home, self.origin, foreign)

    def body(self, *, sealed: bool) -> bytes:
        """Return the bytes without origin; raise `ClockError` if they are beyond the wire's limits.

        Bytes that came and were not touched are as they came. An origin within them can be replaced
        (`sealed`), but not taken out.
        """
        came = self._down
        if isinstance(came, Came):
            if not self.home and (sealed or not self.origin):
                body = untouched(came, self.history.known)
                if body is not None:
                    return body
        elif self.history is NO_HISTORY and not self.home:
            return descending(sorted(self.down.items())) if self.down else b""
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
        home = came.read()
        return Baggage(History(came), came.down if home else came, home, came.unread.origin)

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
        return Baggage(self.history, self._down, home, self.origin, self.foreign)


def _fitting(key: Key, value: Value, *, declared: bool) -> Key:
    """Return the key to pack a value under; raise BaggageError if it doesn't fit a declared one."""
    wrong = unfit(key, value)
    if wrong and declared:
        raise BaggageError(f"can't pack {value!r} under {key.name!r}: {wrong}")
    # What a stranger has sent under that name is no reason to fail.
    return bag(key.name) if wrong else key


def _same(one: Value, other: Value) -> bool:
    return one.__class__ is other.__class__ and one == other


def _equal(value: Value) -> Callable[[Contribution], bool]:
    return lambda contribution: _same(contribution.value, value)


EMPTY: Final = Baggage()


def receive(blob: bytes, *, lent: bool = False) -> Baggage:
    """Return the baggage in `blob` from a stranger, to be read when somebody asks what's in it.

    With `lent`, it may write with the ids that came along: only where each message is delivered
    once, and comes from who is trusted with that.

    Raises BaggageError, and nothing else, for what is no message. A message that turns out to make
    no sense when it's read is dropped then, with one line in the log.
    """
    if not blob:
        return EMPTY
    short = brief(blob)
    if short is not None:
        down, origin = short
        return Baggage(NO_HISTORY, down, NOTHING, origin)
    came = Came(blob)
    history = History(came, came.lent()) if lent else History(came)
    if came.unread.has_home:
        return Baggage(history, came.down, came.home(), came.unread.origin)
    return Baggage(history, came, NOTHING, came.unread.origin)


def _restored(blob: bytes, origin: str, foreign: tuple[str, ...]) -> Baggage:
    """Return what was pickled. Its bytes have no origin: they are not from another service."""
    came = receive(blob)  # What came from a stranger, and nobody has read yet, may be garbage.
    return Baggage(came.history, came._down, came.home, origin, foreign)
