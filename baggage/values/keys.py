"""Keys: what a value is called, how values under it merge, and which way it travels.

A key is a plain value that says all this by itself, so that no process needs a registry.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final, TypeAlias

from baggage.values.errors import BaggageError
from baggage.wire import DEFAULT_PRIORITY, MAX_NAME, MAX_PRIORITY

Value: TypeAlias = bytes | str | int | float | bool
"""What can be packed."""


class Type(IntEnum):
    """How the values under one key merge. The numbers are the wire's."""

    BAG = 0
    LAST = 1


class Direction(IntEnum):
    """Which way a key travels; see `docs/semantics.md`."""

    BOTH = 0
    DOWN = 1
    HOME = 2


_DOWN: Final = Direction.DOWN
_LEAST, _GREATEST = -(1 << 63), (1 << 63) - 1

Bag: Final = Type.BAG
Last: Final = Type.LAST


@dataclass(frozen=True, slots=True)
class Key:
    """A declared key.

    `name` should start with a namespace ("acme.tenant"). Where not everything fits, keys of a
    higher `priority` number are dropped first. `type` matters for the direction BOTH alone: a
    DOWN key holds one value, which pack replaces; a HOME key holds a set.
    """

    name: str
    type: Type = Type.BAG
    direction: Direction = Direction.BOTH
    priority: int = DEFAULT_PRIORITY

    def __hash__(self) -> int:
        """Tell keys apart by their names, which is all that differs in most cases, and quick."""
        return hash(self.name)

    def __post_init__(self) -> None:
        """Refuse names and priorities that the wire can't carry."""
        if not self.name or len(encoded(self.name)) > MAX_NAME:
            raise BaggageError(f"a key's name takes 1 to {MAX_NAME} bytes, not {self.name!r}")
        if not 0 <= self.priority <= MAX_PRIORITY:
            raise BaggageError(f"a priority goes from 0 to {MAX_PRIORITY}, not {self.priority!r}")


def key(
    name: str,
    *,
    type: Type = Type.BAG,
    direction: Direction | str = Direction.BOTH,
    priority: int = DEFAULT_PRIORITY,
) -> Key:
    """Declare a key. `direction` may be spelled "both", "down" or "home".

    Raise `BaggageError` for a name, direction or priority that there can't be.
    """
    if isinstance(direction, str):
        if direction.upper() not in Direction.__members__:
            raise BaggageError(f"a key goes 'both' ways, 'down' or 'home', not {direction!r}")
        direction = Direction[direction.upper()]
    return Key(name, type, direction, priority)


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
    kind = type(value)
    if kind not in (bytes, str, int, float, bool):
        raise BaggageError(
            f"can't pack {value!r}: pack bytes, str, int, float or bool, not {kind.__name__}"
        )
    if isinstance(value, str):
        encoded(value)
    elif isinstance(value, int) and not _LEAST <= value <= _GREATEST:
        raise BaggageError(f"can't pack {value!r}: an int must fit 64 bits")
