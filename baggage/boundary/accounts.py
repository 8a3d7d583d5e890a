"""Accounts: where the rights to write are that a request began with, and which never came home.

Belongs here: parts of ids, who has them, and where they were given away. Does not: what is wrong
with that (`conservation`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, NamedTuple

from baggage.boundary.call import UNKNOWN_SITE, CallSite
from baggage.clock import NONE, Id, id_mass, less_id, overlaps, sum_id
from baggage.context import Branch
from baggage.values.known import Ids

LAST: Final = "audit.last"
CALLED: Final = "audit.called"
"""The note in which a branch has where it was written to last."""

_REMEMBERED: Final = 4096


@dataclass(slots=True)
class _Lease:
    """A part that went to a callee, by whom, and where it was called."""

    branch: Branch
    part: Ids
    place: CallSite


class Lost(NamedTuple):
    """A part that was given away at a `place`, last written with at another, and is missed.

    If it was `lent` to a callee, that is the call's place.
    """

    place: CallSite
    last: CallSite
    lent: bool = False


class Accounts:
    """What became of the ids that the scope of one request `owned` in its beginning. Thread-safe.

    A part that a branch got and never wrote with is not missed, nor is one of a branch that is not
    watched: it's on its own by intention. Of more parts at a time than can be remembered nobody can
    tell which is missed.
    """

    __slots__ = ("_given", "_leases", "_lock", "_owned")

    def __init__(self, owned: Ids) -> None:
        """Start with all of it in one place."""
        self._lock = Lock()
        self._owned = owned
        self._given: dict[Branch, Ids] = {}
        self._leases: list[_Lease] = []

    def gave(self, child: Branch, part: Ids) -> None:
        """Note that a branch has a part."""
        with self._lock:
            if self._owned and len(self._given) < _REMEMBERED:
                self._given[child] = part

    def lent(self, branch: Branch, part: Ids, place: CallSite) -> None:
        """Note that a callee has all that a branch had."""
        with self._lock:
            if self._owned and len(self._leases) < _REMEMBERED:
                self._leases.append(_Lease(branch, part, place))

    def came_home(self, child: Branch, branch: Branch) -> None:
        """Note that the part of a child came to another branch: to who had given it, or not."""
        with self._lock:
            part, held = self._given.pop(child, None), self._given.get(branch)
            if part is not None and held is not None:
                self._given[branch] = _summed(held, part)

    def repaid(self, own: Ids) -> None:
        """Note that somebody has this much, after an answer."""
        with self._lock:
            self._leases = [each for each in self._leases if _left(each.part, own)]

    def forgive(self, branch: Branch) -> None:
        """Expect nothing more of a callee that failed, and may have lost what it was lent."""
        with self._lock:
            for lease in [each for each in self._leases if each.branch is branch]:
                self._leases.remove(lease)
                gone = _left(lease.part, branch.baggage.history.own)
                self._owned = _left(self._owned, gone)

    def giver(self, part: Ids) -> CallSite:
        """Return where such a part was given away."""
        with self._lock:
            for lease in self._leases:
                if overlapping(lease.part, part):
                    return lease.place
            for child, given in self._given.items():
                if overlapping(given, part):
                    return known(child.place)
        return UNKNOWN_SITE

    def close(self, own: Ids) -> tuple[list[Lost], bool]:
        """Return what is missed, if the scope has this much at its end; once.

        Also whether there is more than can be told where it went.
        """
        with self._lock:
            owned, self._owned = self._owned, {}
            given, self._given = self._given, {}
            leases, self._leases = self._leases, []
        lost: list[Lost] = []
        more = False
        lending = {lease.branch for lease in leases}
        for root, missing in _left(owned, own).items():
            for child, part in given.items():
                if (child.untouched and child not in lending) or child.watch is None:
                    missing = less_id(missing, part.get(root, NONE))
            for each, gone in _smallest_first(root, given, leases):
                if overlaps(missing, gone):
                    missing = less_id(missing, gone)
                    lost.append(each)
            more = more or missing != NONE
        return lost, more


def _smallest_first(
    root: int, given: Mapping[Branch, Ids], leases: list[_Lease]
) -> Iterator[tuple[Lost, Id]]:
    """Yield parts of a root: what somebody got may have been given on to another, in part."""
    parts = [
        (Lost(known(child.place), known(child.notes.get(LAST))), part[root])
        for child, part in given.items()
        if root in part and not child.untouched and child.watch is not None
    ]
    called = [each for each in leases if root in each.part]
    parts += [(Lost(each.place, UNKNOWN_SITE, lent=True), each.part[root]) for each in called]
    yield from sorted(parts, key=lambda part: id_mass(part[1]))


def known(place: Any) -> CallSite:
    """Return a place as a call site, whether there is one or not."""
    return place if isinstance(place, CallSite) else UNKNOWN_SITE


def overlapping(one: Ids, other: Ids) -> bool:
    """Say whether two could write as one."""
    return any(overlaps(part, other[root]) for root, part in one.items() if root in other)


def _left(one: Ids, other: Ids) -> Ids:
    """Return what `one` has and `other` hasn't."""
    left = {root: less_id(part, other.get(root, NONE)) for root, part in one.items()}
    return {root: part for root, part in left.items() if part != NONE}


def _summed(one: Ids, other: Ids) -> Ids:
    summed = dict(one)
    for root, part in other.items():
        summed[root] = sum_id(one.get(root, NONE), part)
    return summed
