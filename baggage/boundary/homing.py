"""How `home` values of forked branches get home when nobody joins them.

A branch that ended before its parent's scope did leaves them with the parent; one that goes on
after that hands them to their owners when it ends (`Boundary.overflow`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from baggage.context import Branch
from baggage.values import Baggage, Value

NOTHING: Final[Mapping[str, tuple[Value, ...]]] = MappingProxyType({})


def collect(parent: Branch) -> None:
    """Gather what forked branches of a scope bring home; those that still run are let go."""
    for child in parent.release():
        collect(child)
        bring_home(child.take_home(), parent)


def take_home(leaving: Branch) -> Mapping[str, tuple[Value, ...]]:
    """Take the `home` values out of a branch, by key."""
    home = leaving.take_home().home
    if not home:
        return NOTHING
    return {name: tuple(gathered.by_digest.values()) for name, gathered in home.items()}


def bring_home(home: Baggage, parent: Branch) -> None:
    """Unite `home` values with those of a branch."""
    if home.home:
        parent.update(lambda carried: carried.join(home))
