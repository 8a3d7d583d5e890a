"""What is read of baggage.

Belongs here: what is carried, and all questions about it. Does not: the verbs, which make other
baggage of it (`baggage`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from baggage.values.came import Came
from baggage.values.history import History, priority_of, type_of
from baggage.values.keys import FIELD, Direction, Key, Type, Value, bag
from baggage.values.known import Entry, Layer
from baggage.values.merging import shown
from baggage.values.oneway import NOTHING, Down, Home
from baggage.wire import DEFAULT_PRIORITY

NO_HISTORY: Final = History()
_DOWN, _BOTH = Direction.DOWN, Direction.BOTH
_LAST_FIELD: Final = "\U0010ffff"
# A map is in no message: its fields are.
_TYPES: Final = {int(type): type for type in Type if type is not Type.MAP}


class View:
    """What is carried. Immutable; see `Baggage`."""

    __slots__ = ("_down", "_unpacked", "foreign", "history", "home", "origin")

    def __init__(
        self,
        history: History = NO_HISTORY,
        down: Down | Came = NOTHING,
        home: Home = NOTHING,
        origin: str = "",
        foreign: tuple[str, ...] = (),
    ) -> None:
        """Hold these. What goes down may be what came in a message, as that says it."""
        self.history = history
        self._down = down
        self.home = home
        self.origin = origin
        self.foreign = foreign
        self._unpacked: dict[Key | str, tuple[Value, ...]] | None = None

    def __repr__(self) -> str:
        """Name the keys; their values may be nobody's business."""
        origin = f" from {self.origin!r}" if self.origin else ""
        return f"<Baggage of {', '.join(map(repr, self.keys())) or 'nothing'}{origin}>"

    @property
    def down(self) -> Down:
        """The values that are copied to callees, by key."""
        down = self._down
        return down.down if isinstance(down, Came) else down

    @property
    def empty(self) -> bool:
        """Whether there is nothing to carry."""
        return not (self.down or self.home or self.foreign) and self.history.empty

    @property
    def bare(self) -> bool:
        """Whether there is surely nothing of ours to carry; what came is not read for that."""
        if self.history is NO_HISTORY:
            return not (self.down or self.home)
        came = self._down
        return isinstance(came, Came) and came is self.history.known and not came.body

    @property
    def returns(self) -> bool:
        """Whether a join of this may change anything: nothing goes down with an answer."""
        merges = self.history is not NO_HISTORY
        return bool(self.home) or (merges and not (self.history.empty and not self.history.over))

    def keys(self) -> tuple[str, ...]:
        """Return the names of all keys with a value, sorted; of a map its own, not its fields'."""
        return tuple(sorted({*map(_whole, self.history.entries), *self.down, *self.home}))

    def unpack(self, key: Key | str) -> tuple[Value, ...]:
        """Return the values under a key; () without any.

        They come in an order that is the same everywhere: a bag's and a set's by height of their
        dots, which is the order of packing where nothing was split; a map's by field; those of a
        `home` key by digest, which says nothing. Of all other types there is one value: the last
        one (of concurrent ones, every branch sees the same), the sum, the greatest, the least.
        """
        if isinstance(key, Key) and key.direction is _DOWN:
            carried = self.down.get(key.name)
            return () if carried is None else carried[:1]
        unpacked = self._unpacked
        if unpacked is None:
            self._unpacked = unpacked = {}
        values = unpacked.get(key)
        if values is not None:
            return values
        values = self._unpack(key)
        if values:  # Of names that stand for nothing there is no end.
            unpacked[key] = values
        return values

    def _unpack(self, key: Key | str) -> tuple[Value, ...]:
        name = key.name if isinstance(key, Key) else key
        entry = self.history.known.entry(name)
        if entry is None and self._lacks(name):
            return ()
        if key is name and entry is not None and name not in self.down and name not in self.home:
            if len(entry) == 1:
                ((value, type, _),) = entry.values()
                return shown(type, (value,)) if type else (value,)
            return _shown(type_of(entry), entry)
        known = self._resolve(key)
        if known.direction is _DOWN:
            carried = self.down.get(known.name)
            return () if carried is None else carried[:1]
        if known.direction is _BOTH:
            if known.type is Type.MAP:
                return tuple([each for values in self.fields(key).values() for each in values])
            return () if entry is None else _shown(known.type, entry)
        gathered = self.home.get(known.name)
        return () if gathered is None else tuple(v for _, v in sorted(gathered.by_digest.items()))

    def fields(self, key: Key | str) -> Mapping[str, tuple[Value, ...]]:
        """Return what `unpack` shows of each field of a map that has any, sorted by field.

        A declared map says of which type its fields are; of a name alone, each field does.
        """
        of = key.of if isinstance(key, Key) else None
        head = (key.name if isinstance(key, Key) else key) + FIELD
        entries, found = self.history.entries, {}
        for name in sorted(name for name in entries if name.startswith(head)):
            type = type_of(entries[name]) if of is None else of
            values = shown(type, self.siblings(name))
            if values:
                found[name.removeprefix(head)] = values
        return found

    def siblings(self, key: Key | str) -> tuple[Value, ...]:
        """Return each value that merges by causal history under a key, in the order of their dots.

        `unpack` shows what the type of the key makes of them. An owner of several may have made one
        of them.
        """
        entry = self.history.known.entry(key.name if isinstance(key, Key) else key)
        return () if entry is None else _in_order(entry)

    def conflict(self, key: Key | str) -> bool:
        """Say whether several values of a key of type LAST were packed concurrently.

        `unpack` shows one, `siblings` all. To pack another one settles it.
        """
        known = self._resolve(key)
        return known.type is Type.LAST and len(self.siblings(known)) > 1

    def complete(self, key: Key | str) -> bool:
        """Say whether nothing that merges under a key was left out on the way for lack of room.

        If something may have been, `unpack` shows too few values, or some that had been removed.
        Of a name alone without values nobody can tell, once anything was left out.
        """
        if isinstance(key, Key):
            last = key.fields + _LAST_FIELD if key.type is Type.MAP else key.name
            return self.history.knows(last, key.priority)
        entry = self.history.entries.get(key)
        if entry is None:
            return self.history.over is None
        return self.history.knows(key, priority_of(entry))

    def _lacks(self, name: str) -> bool:
        """Say whether there is surely nothing under a name, without reading what came."""
        came = self._down
        if not isinstance(came, Came) or self.home:
            return False
        known = self.history.known
        if known is not came:
            if not isinstance(known, Layer) or known.base is not came:
                return False
            field = name + FIELD
            for packed in known.packed:
                if packed[0] == name or packed[0].startswith(field):
                    return False
        return not came.mentions(name)

    def _resolve(self, key: Key | str, *, writing: bool = False) -> Key:
        """Return a declared key as it is; a name stands for what is under it, else for a bag.

        Who writes takes nobody's word for it before all of the message was read: what is written
        stays, even if what was read of it alone turns out to be part of no message.
        """
        if isinstance(key, Key):
            return key
        if self._lacks(key):
            return bag(key)
        if key in self.down:
            return Key(key, direction=Direction.DOWN, priority=self.down[key][1])
        if key in self.home:
            return Key(key, direction=Direction.HOME, priority=self.home[key].priority)
        entry = self.history.known.entry(key)
        if entry is None:
            head = key + FIELD
            is_map = any(name.startswith(head) for name in self.history.entries)
            return Key(key, Type.MAP) if is_map else bag(key)
        type, priority = type_of(entry), priority_of(entry)
        unusual = type or priority != DEFAULT_PRIORITY
        if writing and unusual and self.history.entries.get(key) != entry:
            return self._resolve(key)
        return Key(key, _TYPES.get(type, Type.BAG), priority=priority)


def _whole(name: str) -> str:
    """Return the name of the map that a name is a field's of; any other name as it is."""
    return name.partition(FIELD)[0] or name


def _in_order(entry: Entry) -> tuple[Value, ...]:
    """Return the values of an entry in the order of their dots."""
    if len(entry) == 1:
        return tuple([contribution[0] for contribution in entry.values()])
    return tuple([entry[dot][0] for dot in sorted(entry)])


def _shown(type: int, entry: Entry) -> tuple[Value, ...]:
    """Return what is read of an entry."""
    values = _in_order(entry)
    return shown(type, values) if type else values
