"""What tests of boundaries share: one that hides no error, what arrives there, and keys."""

from __future__ import annotations

from typing import Final

from baggage.boundary import Arrival, Boundary, Kind, MetaApp, Policy, write_header
from baggage.testing import Parcel, ParcelAdapter
from baggage.values import EMPTY, Baggage, Direction, Key, key

SERVER: Final = ParcelAdapter(Kind.SERVER)
DOWN: Final[Key] = key("test.down", direction=Direction.DOWN)
HOME: Final[Key] = key("test.home", direction=Direction.HOME)


def strict(*apps: MetaApp) -> Boundary:
    """Return a boundary of the service "here" that raises what its meta-applications raise."""
    return Boundary(Policy(service="here", strict=True), apps)


def arrive(boundary: Boundary, carried: Baggage | None = EMPTY) -> Arrival:
    """Have a request arrive that carries something; None for one without a header."""
    header = {} if carried is None else {"baggage": write_header(carried, origin="caller")}
    arrival = boundary.arrive(SERVER, Parcel(header))
    assert arrival is not None
    return arrival
