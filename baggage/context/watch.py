"""Watching: who wants to be told what happens to the branches of a request, for an audit.

Belongs here: what a watch is told. Does not: what it makes of that (`boundary.conservation`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from baggage.values import Baggage
from baggage.values.known import Ids
from baggage.values.pen import owner, taken

if TYPE_CHECKING:
    from baggage.context.branch import Branch


class Joining(NamedTuple):
    """What comes in by a join, and what branch it is of, if any.

    It has the ids that really come along: none, where somebody wrote with them before. So are those
    in `held`, which the branch itself had by then. A `batch` is of several requests by intention.
    """

    baggage: Baggage
    held: Ids
    branch: Branch | None
    batch: bool


class Watch(Protocol):
    """Told of what happens to the branches that it watches, in whichever thread that happens.

    Never raises. All but `shared` is told outside of the branch's lock.
    """

    def wrote(self, branch: Branch, before: Baggage, after: Baggage) -> None:
        """Note that a branch changed what it knows, by itself."""

    def joined(self, branch: Branch, before: Baggage, after: Baggage, came: Joining) -> None:
        """Note that a branch took in what another one, or an answer, knows."""

    def split(self, parent: Branch, before: Baggage, child: Branch) -> None:
        """Note that somebody split a branch, by hand."""

    def shared(self, parent: Branch, before: Baggage, shares: Mapping[Branch, Baggage]) -> None:
        """Note which rights to write a branch gives to others, of what it had before.

        Their lock is held.
        """

    def lent(self, branch: Branch, before: Baggage, given: Baggage) -> None:
        """Note that a callee got all rights to write that a branch had."""

    def closed(self, branch: Branch) -> None:
        """Note that the scope which a branch opened is over."""


def watching(carried: Baggage) -> Watch | None:
    """Return the watch of the branch that a value with a right to write is of."""
    found = owner(carried.history.pen)
    return cast("Watch | None", found)


def contributed(theirs: Baggage) -> Baggage:
    """Return what a join takes of this: no ids, if somebody wrote with them."""
    pen = theirs.history.pen
    return theirs.peeked() if pen is not None and taken(pen) else theirs
