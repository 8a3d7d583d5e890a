"""How `home` values of forked branches get home when nobody joins them.

A branch that ended before its parent's scope did leaves them with the parent; of one that goes on
after that the parent takes what there is, and it hands the others to their owners when it ends
(`Boundary.overflow`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from baggage.boundary.metaapp import Condenser, MetaApp
from baggage.context import Branch
from baggage.values import Baggage, Direction, Key, Value

NOTHING: Final[Mapping[str, tuple[Value, ...]]] = MappingProxyType({})


def collect(parent: Branch) -> None:
    """Gather what forked branches of a scope bring home; those that still run are let go."""
    for child in parent.underway():
        _collect_so_far(child, parent)
    for child in parent.release():
        collect(child)
        bring_home(child.take_home(), parent)


def _collect_so_far(child: Branch, parent: Branch) -> None:
    """Take what a branch has by now that still runs: perhaps it never ends."""
    bring_home(child.take_home(), parent)
    for each in child.underway():
        _collect_so_far(each, parent)


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


def owner_of(name: str, apps: Iterable[MetaApp]) -> MetaApp | None:
    """Return the meta-application that a key belongs to, None if nobody claims it."""
    return next((app for app in apps if name.startswith(f"{app.name}.")), None)


def condensed(
    back: Baggage, left: Iterable[str], apps: Iterable[MetaApp]
) -> tuple[Baggage, frozenset[str]]:
    """Let the owners of `home` keys say in short what found no room in a response.

    Returns what to answer instead, and the names of the keys that were taken care of.
    """
    said: set[str] = set()
    for name in left:
        owner = owner_of(name, apps)
        if isinstance(owner, Condenser):
            priority = back.home[name].priority
            key = Key(name, direction=Direction.HOME, priority=priority)
            instead = owner.condense(key, tuple(back.home[name].by_digest.values()))
            back = back.remove(key)
            for value in instead:
                back = back.pack(key, value)
            said.add(name)
    return back, frozenset(said)
