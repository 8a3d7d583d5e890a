"""What tests of lending ask: who owns how much."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from baggage.boundary import Policy, read_header
from baggage.clock import NONE, id_mass
from baggage.context import Branch
from baggage.testing.suite import HERE
from baggage.values import Baggage

LENDING: Final = Policy(service=HERE, strict=True, lend=("*",))
"""Everybody is lent what there is."""


def owned(carried: Branch | Baggage) -> list[Any]:
    """Return what fraction is owned of each root that was seen, sorted; 1 is all of it."""
    baggage = carried.baggage if isinstance(carried, Branch) else carried
    own, seen = baggage.history.own, baggage.history.seen
    return sorted(id_mass(own.get(root, NONE)) for root in {**seen, **own})


def lent(header: str | None) -> Fraction:
    """Return how much is lent by the value of a `baggage` header."""
    own = read_header(header or "", lent=True).history.own
    return sum((id_mass(identity) for identity in own.values()), Fraction(0))
