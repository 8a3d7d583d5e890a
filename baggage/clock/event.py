"""Event trees: how high each part of [0, 1) has been raised, which tells what has been seen.

Belongs here: values of `Event`; comparing, joining and growing them. Does not: choosing the dot
of a new event (`dot`), bytes (`codec`).

Source: Almeida, Baquero, Fonte, "Interval Tree Clocks: A Logical Clock for Dynamic Systems",
OPODIS 2008, section 5. It differs from the paper in one respect: a node carries the lowest and
the highest height below it, both **absolute**, where the paper's carries a base and heights
relative to it. So comparing and joining stop wherever one side is as high as the other's top, a
part that doesn't change is shared and not rebuilt, and a point's height is that of its leaf. The
paper's relative form is what `codec` writes.

Every function returns normal trees and takes normal trees: no node has two equal leaves. They
recurse once per level, so a caller keeps trees within `codec.MAX_DEPTH` (decoders do; an event
tree is never deeper than the ids that grew it) and has that many Python frames to spare, and 20
more. All are pure, and safe in any thread.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from baggage.clock.errors import ClockError
from baggage.clock.identity import NONE, Id, Point

Event: TypeAlias = "int | tuple[int, Event, Event, int]"
"""One height throughout, or (lowest, left half, right half, highest). Opaque outside this package.

Heights are absolute: those in a half are not relative to the node that it belongs to.
"""

ZERO: Final[Event] = 0

# Growing a leaf into a node costs more than any detour, so that trees stay small.
_SPLIT_LEAF_COST: Final = 1 << 20


def lowest(event: Event) -> int:
    """Return the least height anywhere."""
    return event if isinstance(event, int) else event[0]


def highest(event: Event) -> int:
    """Return the greatest height anywhere."""
    return event if isinstance(event, int) else event[3]


def halves(event: Event) -> tuple[Event, Event]:
    """Return the trees of the left and right half; those of a plain height are the same."""
    return (event, event) if isinstance(event, int) else (event[1], event[2])


def node(left: Event, right: Event) -> Event:
    """Return the normal tree of these two halves."""
    if isinstance(left, int) and left == right:
        return left
    low = min(lowest(left), lowest(right))
    return low, left, right, max(highest(left), highest(right))


def leq(one: Event, other: Event) -> bool:
    """Tell whether `one` is nowhere higher: all events seen there have been seen by `other`."""
    if one is other:
        return True
    if isinstance(one, int):
        return one <= lowest(other)
    if isinstance(other, int) or one[3] <= other[0]:
        return one[3] <= lowest(other)
    if one[0] > other[0] or one[3] > other[3]:
        return False
    return leq(one[1], other[1]) and leq(one[2], other[2])


def join_event(one: Event, other: Event) -> Event:
    """Return the tree that is everywhere as high as the higher: what either has seen.

    Returns one of the arguments itself where that is the result, unless both have equal parts that
    are different objects; shares parts of both.
    """
    if one is other:
        return one
    if isinstance(one, int):
        return _at_least(other, one)
    if isinstance(other, int):
        return _at_least(one, other)
    if one[0] >= other[3]:
        return one
    if other[0] >= one[3]:
        return other
    left, right = join_event(one[1], other[1]), join_event(one[2], other[2])
    if left is one[1] and right is one[2]:
        return one
    if left is other[1] and right is other[2]:
        return other
    return node(left, right)


def _at_least(event: Event, floor: int) -> Event:
    """Raise what is lower than `floor` to it."""
    if isinstance(event, int):
        return max(event, floor)
    if event[0] >= floor:
        return event
    if event[3] <= floor:
        return floor
    return node(_at_least(event[1], floor), _at_least(event[2], floor))


def height(event: Event, point: Point) -> int:
    """Return the absolute height at a point: a walk down one path, without recursion."""
    for bit in point:
        if isinstance(event, int):
            return event
        event = event[2] if bit == "1" else event[1]
    while not isinstance(event, int):
        event = event[1]
    return event


def covered(event: Event, point: Point, level: int) -> bool:
    """Tell whether the tree is at least `level` high at the point: whether it has seen that dot.

    The same as `height(event, point) >= level`, but stops where a subtree's lowest or highest
    height decides.
    """
    for bit in point:
        if isinstance(event, int) or event[0] >= level or event[3] < level:
            break
        event = event[2] if bit == "1" else event[1]
    while not isinstance(event, int) and event[0] < level <= event[3]:
        event = event[1]
    return lowest(event) >= level


def grow_event(identity: Id, event: Event) -> Event:
    """Record one new event of the id's owner: the paper's `event`, which fills, or else grows.

    The result is higher than `event` somewhere, only where the id owns, and simplified where
    that is possible. Raise `ClockError` if the id owns nothing. It is never deeper than the
    deeper of the two arguments.
    """
    if isinstance(identity, int):
        if identity == NONE:
            raise ClockError("an id that owns nothing can't record an event")
        return event + 1 if isinstance(event, int) else event[3]
    filled = _fill(identity, event)
    return _grow(identity, event)[1] if filled is event else filled


def _fill(identity: Id, event: Event) -> Event:
    """Raise owned parts as far as that makes the tree simpler; return `event` itself if it doesn't.

    A whole id isn't met here: a half that is owned whole is dealt with at its parent. Such a half
    is the same object if it isn't raised, because `max` returns the first of equal arguments.
    """
    if isinstance(event, int) or isinstance(identity, int):
        return event
    own_left, own_right = identity
    _, left, right, _ = event
    new_left: Event
    new_right: Event
    if own_left == 1:
        new_right = _fill(own_right, right)
        new_left = max(highest(left), lowest(new_right))
    elif own_right == 1:
        new_left = _fill(own_left, left)
        new_right = max(highest(right), lowest(new_left))
    else:
        new_left, new_right = _fill(own_left, left), _fill(own_right, right)
    if new_left is left and new_right is right:
        return event
    return node(new_left, new_right)


def _grow(identity: Id, event: Event) -> tuple[int, Event]:
    """Raise one owned leaf by one, the cheapest; return its cost too.

    Takes an id that owns something, and what `_fill` could not change, so a whole id is met at a
    leaf only. Of equally cheap leaves it takes the right one, as the paper does.
    """
    if isinstance(identity, int):
        return 0, highest(event) + 1
    own_left, own_right = identity
    step = 1 + _SPLIT_LEAF_COST if isinstance(event, int) else 1
    left, right = halves(event)
    if own_left == NONE:
        cost, grown = _grow(own_right, right)
        return cost + step, node(left, grown)
    if own_right == NONE:
        cost, grown = _grow(own_left, left)
        return cost + step, node(grown, right)
    left_cost, new_left = _grow(own_left, left)
    right_cost, new_right = _grow(own_right, right)
    if left_cost < right_cost:
        return left_cost + step, node(new_left, right)
    return right_cost + step, node(left, new_right)


def event_depth(event: Event) -> int:
    """Return how many times [0, 1) was halved to get the smallest part; 0 for a plain height."""
    if isinstance(event, int):
        return 0
    return 1 + max(event_depth(event[1]), event_depth(event[2]))


def event_nodes(event: Event) -> int:
    """Return the number of nodes and leaves; 1 for a plain height."""
    if isinstance(event, int):
        return 1
    return 1 + event_nodes(event[1]) + event_nodes(event[2])
