"""Lending: which ids go along with a message, and which of those that come back are taken (R6).

Belongs here: what is sound of a loan, whoever carries it. Does not: when to lend at all, and what
becomes of a loan that nobody answers (`boundary.lending`).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from baggage.clock import MAX_DEPTH, Id, id_depth, split_id, sum_id
from baggage.values.baggage import Baggage
from baggage.values.history import NO_IDS, History
from baggage.values.known import NOTHING, Ids, Known, covers


class Lease(NamedTuple):
    """The ids that one call lends, and what was known when they left."""

    ids: Ids
    known: Known


NOTHING_LENT: Final = Lease(NO_IDS, NOTHING)


def lease_of(given: Baggage) -> Lease:
    """Return the lease of what a callee is given."""
    return Lease(given.history.own, given.history.known)


def bearing(baggage: Baggage, ids: Ids) -> Baggage:
    """Return the same knowledge with these ids and no others."""
    return baggage.with_history(History(baggage.history.known, ids))


def halved(history: History) -> tuple[History, History]:
    """Return two branches of one: its largest part is halved, and the first one has all others.

    An id that is as deep as it may be is the first one's. `History.split` would give the second one
    a small part, for who gives away many: here one may be halved again and again.
    """
    _, whole = history.lend()
    own, known = whole.own, whole.known
    root = min(own, key=lambda each: id_depth(own[each]), default=None)
    if root is None or id_depth(own[root]) == MAX_DEPTH:
        return whole, History(known)
    first, second = split_id(own[root])
    return History(known, {**own, root: first}), History(known, {root: second})


def admitted(lease: Lease, answer: Baggage, here: Baggage) -> tuple[Ids, Ids]:
    """Return which ids of an answer are to be taken by who knows what is known `here`; the others.

    Taken are those within the lease, and those of roots that nobody here has ever seen: the callee
    made them. Both only of who has seen at least what was sent; who says nothing of what it has
    seen, has written nothing under what was lent. Of all others there may be a second owner, as
    where an answer came twice, which would be the end of all exactness.
    """
    taken: dict[int, Id] = {}
    refused: dict[int, Id] = {}
    told, seen = answer.history.own, answer.history.seen
    abreast = not (told and seen) or covers(seen, lease.known.seen)
    for root, identity in told.items():
        held = lease.ids.get(root)
        if held is None:
            sound = root in seen and root not in here.history.seen
        else:
            sound = sum_id(held, identity) == held
        (taken if sound and abreast else refused)[root] = identity
    return taken or NO_IDS, refused or NO_IDS


def coming_home(answer: Baggage, ids: Ids, here: Baggage) -> Baggage:
    """Return what to join of an answer that brings these ids to who knows what is known `here`."""
    if ids and answer.history.empty:
        # Ids alone: a join takes none of who has seen nothing.
        return answer.with_history(History(here.history.known, ids))
    return bearing(answer, ids) if ids else answer.peeked()
