"""Keys: what a value is called, how values under it merge, and which way it travels.

A key is a plain value that says all this by itself, so that no process needs a registry.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final, TypeAlias, TypeVar

from baggage.values.errors import BaggageError
from baggage.wire import DEFAULT_PRIORITY, MAX_NAME, MAX_PRIORITY

Value: TypeAlias = bytes | str | int | float | bool
"""What can be packed."""


class Type(IntEnum):
    """How the values under one key merge; see `docs/semantics.md`. The numbers are the wire's.

    A map is not on the wire: its fields are, each as the type that they have.
    """

    BAG = 0
    LAST = 1
    SET = 2
    SUM = 3
    COUNT = 4
    MAX = 5
    MIN = 6
    MAP = 7


class Direction(IntEnum):
    """Which way a key travels; see `docs/semantics.md`."""

    BOTH = 0
    DOWN = 1
    HOME = 2


_BOTH, _DOWN = Direction.BOTH, Direction.DOWN
_TYPES: Final = frozenset({bytes, str, int, float, bool})
_WORDS: Final = "a type is a bag, last, set, sum, count, max, min or map"
E = TypeVar("E", bound=IntEnum)
LEAST, GREATEST = -(1 << 63), (1 << 63) - 1
"""The integers that can travel."""

FIELD: Final = "\0"
"""What stands between the name of a map and that of a field of it."""

Bag: Final = Type.BAG
Last: Final = Type.LAST
Set: Final = Type.SET
Sum: Final = Type.SUM
Count: Final = Type.COUNT
Max: Final = Type.MAX
Min: Final = Type.MIN
Map: Final = Type.MAP


@dataclass(frozen=True, slots=True)
class Key:
    """A declared key.

    `name` should start with a namespace ("acme.tenant"). Where not everything fits, keys of a
    higher `priority` number are dropped first. `type` matters for the direction BOTH alone: a
    DOWN key holds one value, which pack replaces; a HOME key holds a set. Of a map, `of` is the
    type of its fields, and `key["field"]` the key of one.
    """

    name: str
    type: Type = Type.BAG
    direction: Direction = Direction.BOTH
    priority: int = DEFAULT_PRIORITY
    of: Type = Type.BAG

    def __hash__(self) -> int:
        """Tell keys apart by their names, which is all that differs in most cases, and quick."""
        return hash(self.name)

    def __post_init__(self) -> None:
        """Refuse names and priorities that the wire can't carry."""
        if not self.name or len(encoded(self.name)) > MAX_NAME:
            raise BaggageError(f"a key's name takes 1 to {MAX_NAME} bytes, not {self.name!r}")
        if not 0 <= self.priority <= MAX_PRIORITY:
            raise BaggageError(f"a priority goes from 0 to {MAX_PRIORITY}, not {self.priority!r}")
        if self.of is not Type.BAG and self.type is not Type.MAP:
            raise BaggageError(f"{self.name!r} is no map: only a map's fields have a type")
        if self.type is Type.MAP and (self.of is Type.MAP or self.direction is not _BOTH):
            raise BaggageError(f"{self.name!r} is a map of maps, or one that goes one way")

    def __getitem__(self, field: str) -> Key:
        """Return the key of one field of a map; raise `BaggageError` for what is no map."""
        if self.type is not Type.MAP:
            raise BaggageError(f"{self.name!r} is no map: it has no fields")
        return Key(self.name + FIELD + field, self.of, self.direction, self.priority)

    @property
    def fields(self) -> str:
        """What the names of all fields of a map begin with."""
        return self.name + FIELD


def key(
    name: str,
    *,
    type: Type | str = Type.BAG,
    direction: Direction | str = Direction.BOTH,
    priority: int = DEFAULT_PRIORITY,
    of: Type | str = Type.BAG,
) -> Key:
    """Declare a key. Types and directions may be spelled: "sum", "down".

    Raise `BaggageError` for a name, type, direction or priority that there can't be. See `Key`.
    """
    if FIELD in name:
        raise BaggageError(f"a key's name has no {FIELD!r}, not {name!r}: for a field, use a map")
    way = _spelled(Direction, direction, "a key goes 'both' ways, 'down' or 'home'")
    return Key(name, _spelled(Type, type, _WORDS), way, priority, _spelled(Type, of, _WORDS))


def _spelled(known: type[E], word: E | str, expected: str) -> E:
    if isinstance(word, known):
        return word
    found = known.__members__.get(word.upper()) if isinstance(word, str) else None
    if found is None:
        raise BaggageError(f"{expected}, not {word!r}")
    return found


@lru_cache(maxsize=1024)
def bag(name: str) -> Key:
    """Return what a name stands for where nothing is known of it."""
    return Key(name)


def encoded(text: str) -> bytes:
    """Return text as UTF-8; raise `BaggageError` if it has no such form."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BaggageError(f"{text!r} has no UTF-8 form") from error


def check_down(key: Key, value: Value) -> None:
    """Raise BaggageError unless a value can go down under a key."""
    if key.direction is not _DOWN:
        raise BaggageError(f"{key.name!r} is no `down` key")
    if type(value) is not bytes:
        check_value(value)


def check_value(value: Value) -> None:
    """Raise BaggageError unless a value can travel."""
    if type(value) is str:
        if not value.isascii():
            encoded(value)
    elif type(value) not in _TYPES:
        name = type(value).__name__
        raise BaggageError(f"can't pack {value!r}: pack bytes, str, int, float or bool, not {name}")
    elif type(value) is int and not LEAST <= value <= GREATEST:
        raise BaggageError(f"can't pack {value!r}: an int must fit 64 bits")
