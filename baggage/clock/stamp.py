"""The paper's stamp: an id and an event tree that travel together, with its five operations.

Belongs here: `Stamp`, for documentation, tests, and programs that want plain interval tree
clocks. Does not: baggage, which keeps both trees per root and names events by dots.
"""

from __future__ import annotations

from dataclasses import dataclass

from baggage.clock.event import ZERO, Event, grow_event, join_event, leq
from baggage.clock.identity import NONE, SEED, Id, split_id, sum_id


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a branch owns, and what it has seen; without arguments the seed of a new universe.

    A stamp whose `id` isn't 0 is used up by `fork`, `event` and `join`: going on with the old
    value as well gives two branches one identity.
    """

    id: Id = SEED
    events: Event = ZERO

    def fork(self) -> tuple[Stamp, Stamp]:
        first, second = split_id(self.id)
        return Stamp(first, self.events), Stamp(second, self.events)

    def peek(self) -> Stamp:
        """Return an anonymous copy, for a message: it has seen the same and owns nothing."""
        return Stamp(NONE, self.events)

    def event(self) -> Stamp:
        """Record a new event; raise `ClockError` if anonymous."""
        return Stamp(self.id, grow_event(self.id, self.events))

    def join(self, other: Stamp) -> Stamp:
        return Stamp(sum_id(self.id, other.id), join_event(self.events, other.events))

    def leq(self, other: Stamp) -> bool:
        """Tell whether every event that this stamp has seen was seen by `other`."""
        return leq(self.events, other.events)
