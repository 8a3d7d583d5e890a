"""How the values under one key merge: what may be packed, what is read, and what becomes one (R7).

Belongs here: what differs from type to type. Does not: which contributions are there, and who may
put one in place of others (`history`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypeGuard

from baggage.values.keys import GREATEST, LEAST, Key, Type, Value
from baggage.values.known import Contribution

_BAG, _LAST, _SET, _SUM, _COUNT, _MAX, _MIN, _MAP = (int(type) for type in Type)
_COUNTED: Final = frozenset({_SUM, _COUNT, _MAX, _MIN})


def unfit(key: Key, value: Value) -> str:
    """Say why a value can't be packed under a key of its type, and what to do; "" if it can."""
    type = key.type
    if type == _MAP:
        return "it is a map: pack under a field of it, key[field]"
    if type in _COUNTED and not _counts(value):
        return "pack finite numbers"
    if type == _COUNT and not _counts_up(value):
        return "pack whole numbers from 0 on"
    return ""


def shown(type: int, values: Sequence[Value]) -> tuple[Value, ...]:
    """Return what is read of values in the order of their dots; () of none.

    What a stranger packed under a type that it doesn't fit is left out.
    """
    if type == _LAST:
        return tuple(values[-1:])
    if type == _SET:
        return tuple({(value.__class__, value): value for value in values}.values())
    if type not in _COUNTED:
        return tuple(values)
    numbers = [value for value in values if _counts(value)]
    if not numbers:
        return ()
    if type == _MAX:
        return (max(numbers),)
    if type == _MIN:
        return (min(numbers),)
    if type == _COUNT:
        numbers = [number for number in numbers if _counts_up(number)]
    return (_total(numbers),)


def folded(old: Contribution, new: Contribution) -> Contribution | None:
    """Return the one contribution that says the same as both; None where they stay two.

    Sound only for an `old` one at a point that whoever packs the new one owns.
    """
    type = new.type
    if type <= _LAST or type != old.type:
        return None
    value = _folded(type, old.value, new.value)
    return None if value is None else Contribution(value, type, min(old.priority, new.priority))


def _folded(type: int, old: Value, new: Value) -> Value | None:
    if type == _SET:
        return new if old.__class__ is new.__class__ and old == new else None
    if type not in _COUNTED or not (_counts(old) and _counts(new)):
        return None
    if type == _MAX:
        return max(old, new)
    if type == _MIN:
        return min(old, new)
    if type == _COUNT and not (_counts_up(old) and _counts_up(new)):
        return None
    total = _total((old, new))
    fits = LEAST <= total <= GREATEST if isinstance(total, int) else math.isfinite(total)
    return total if fits else None


def _total(numbers: Sequence[int | float]) -> int | float:
    """Return the sum, the same in whatever order: floats are rounded once, and ints never are."""
    reals = [number for number in numbers if isinstance(number, float)]
    whole = sum(number for number in numbers if isinstance(number, int))
    if not reals:
        return whole
    try:
        nearly = float(whole)
        return math.fsum([*reals, nearly, whole - int(nearly)])
    except OverflowError:  # of partial sums, too
        return sum(sorted(reals)) + whole


def _counts(value: Value) -> TypeGuard[int | float]:
    """Say whether a value is a number that can be counted with; truth is none, nor is infinity."""
    return type(value) is int or (type(value) is float and math.isfinite(value))


def _counts_up(value: Value) -> bool:
    return isinstance(value, int) and value >= 0
