"""Dots: a name for one event that every later event tree can be asked about.

Belongs here: choosing the dot of a new event. Does not: which root a dot belongs to, and what is
recorded under it.
"""

from __future__ import annotations

from collections.abc import Iterator

from baggage.clock.event import Event, grow_event, halves, highest, lowest
from baggage.clock.identity import Id, Point


def new_dot(identity: Id, event: Event) -> tuple[Event, Point, int]:
    """Record one event; return the new tree, and the point and absolute height that name it.

    The point is owned and was raised by this very event. So the pair is unique in the universe,
    and `covered` there tells exactly the trees that know of this event. An owned point that was
    *not* raised would not do: growing chooses among owned leaves, and the dot would be one that
    every tree covers already. Of the raised points it is the one with the shortest path, then the
    leftmost. Raise `ClockError` if the id owns nothing.
    """
    grown = grow_event(identity, event)
    if isinstance(grown, int) and isinstance(event, int):
        return grown, "", grown
    point, level = min(_raised(event, grown), key=_path_length)
    return grown, point, level


def _path_length(dot: tuple[Point, int]) -> int:
    return len(dot[0])


def _raised(before: Event, after: Event) -> Iterator[tuple[Point, int]]:
    """Yield where each raised part starts, and its height, from left to right.

    A part's start is the point in it with the shortest path. What both trees share is skipped.
    """
    pending: list[tuple[Event, Event, Point, int]] = [(before, after, "", 0)]
    while pending:
        before, after, point, depth = pending.pop()
        if before is after or highest(after) <= lowest(before):
            continue
        if isinstance(before, int) and isinstance(after, int):
            yield point, after
            continue
        left_before, right_before = halves(before)
        left_after, right_after = halves(after)
        middle = point.ljust(depth, "0") + "1"
        pending.append((right_before, right_after, middle, depth + 1))
        pending.append((left_before, left_after, point, depth + 1))
