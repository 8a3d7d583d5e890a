"""Values of the waist that are made at every crossing.

Type checkers take them for frozen, as they are to be. At run time they are not: an object that
guards itself takes several times as long to make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """Make a class a slotted dataclass of values that nobody writes to."""
    return dataclass(slots=True, unsafe_hash=True)(cls)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def named(cls: type[T]) -> type[T]:
    """Make a class one whose fields are given by name; without slots, so that some come later."""
    return dataclass(unsafe_hash=True, kw_only=True)(cls)
