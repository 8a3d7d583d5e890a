"""Stamps of different shapes, and what an event, a split and a join cost at each.

A shape is what one branch has when it is about to do something, and what another one brings home
to it. What is measured is what baggage does with them: the id and the event tree apart, a dot for
each event. Events are recorded in every branch on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from baggage.clock import (
    SEED,
    ZERO,
    Event,
    Id,
    encode_event,
    encode_id,
    grow_event,
    join_event,
    new_dot,
    split_id,
    split_id_n,
    sum_id,
)
from benchmarks.measure import Run

Half = tuple[Id, Event]


@dataclass(frozen=True, slots=True)
class Shape:
    """What one branch has, and what another one brings."""

    mine: Half
    theirs: Half

    @property
    def size(self) -> int:
        """How many bytes the stamp takes, with its id."""
        identity, events = self.mine
        return len(encode_id(identity)) + len(encode_event(events))


def seed() -> Shape:
    """Return a branch that was never split, and what a peer brings that was told of its first."""
    return Shape((SEED, 5), (0, 6))


def depth(levels: int) -> Shape:
    """Return a branch that was split off a branch that was split off …, and its sibling."""
    identity, events = SEED, ZERO
    sibling: Half = (0, ZERO)
    for level in range(levels):
        events = grow_event(identity, events)
        left, right = split_id(identity)
        # Now left, now right: a zigzag has no short form.
        identity, other = (left, right) if level % 2 else (right, left)
        sibling = other, grow_event(other, events)
    return Shape((identity, grow_event(identity, events)), sibling)


def fan_out(branches: int) -> Shape:
    """Return a branch that started so many at once and has joined every other, and one of the rest.

    Nothing is more ragged; once all are joined the id is whole again.
    """
    events = grow_event(SEED, ZERO)
    first, *others = split_id_n(SEED, branches)
    mine: Half = first, grow_event(first, events)
    for identity in others[1::2]:
        mine = _joined(mine, (identity, grow_event(identity, events)))
    last = others[len(others) // 4 * 2]
    return Shape(mine, (last, grow_event(last, events)))


SHAPES: Final[dict[str, Callable[[], Shape]]] = {
    "seed": seed,
    "depth 8": lambda: depth(8),
    "fan-out of 100": lambda: fan_out(100),
    "fan-out of 1,000": lambda: fan_out(1000),
}


def split(shape: Shape) -> Run:
    identity = shape.mine[0]

    def run(calls: int) -> None:
        for _ in range(calls):
            split_id(identity)

    return run


def event(shape: Shape) -> Run:
    identity, events = shape.mine

    def run(calls: int) -> None:
        for _ in range(calls):
            new_dot(identity, events)

    return run


def join(shape: Shape) -> Run:
    (identity, events), (others_identity, others_events) = shape.mine, shape.theirs

    def run(calls: int) -> None:
        for _ in range(calls):
            sum_id(identity, others_identity)
            join_event(events, others_events)

    return run


def whole(branches: int) -> Run:
    """Split so many ways, record an event in each branch, and join them all, one by one."""

    def run(calls: int) -> None:
        for _ in range(calls):
            first, *others = split_id_n(SEED, branches)
            mine: Half = first, ZERO
            for identity in others:
                mine = _joined(mine, (identity, new_dot(identity, ZERO)[0]))

    return run


def _joined(mine: Half, theirs: Half) -> Half:
    return sum_id(mine[0], theirs[0]), join_event(mine[1], theirs[1])
