"""The truth that clocks are checked against: sets of unique event tokens, and random programs.

Belongs here: the oracle, and strategies for programs and trees. Does not: properties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from hypothesis import strategies as st

from baggage.clock import (
    MAX_DEPTH,
    NONE,
    SEED,
    ZERO,
    Event,
    Id,
    Point,
    id_depth,
    join_event,
    new_dot,
    split_id,
    sum_id,
)
from baggage.clock.event import node

Verb: TypeAlias = Literal["fork", "event", "join", "peek"]
Step: TypeAlias = tuple[Verb, int, int]
Program: TypeAlias = Sequence[Step]


@dataclass(frozen=True)
class Branch:
    """Both trees of a stamp, and the truth: the tokens of all events in its causal past."""

    id: Id
    events: Event
    history: frozenset[int]


@dataclass
class Universe:
    """What a program leaves behind; the token of an event is its position in `dots`."""

    live: list[Branch] = field(default_factory=lambda: [Branch(SEED, ZERO, frozenset())])
    ever: list[Branch] = field(default_factory=list)
    dots: list[tuple[Point, int]] = field(default_factory=list)

    def fork(self, index: int) -> None:
        branch = self.live[index]
        if id_depth(branch.id) >= MAX_DEPTH:
            return
        first, second = split_id(branch.id)
        self.live[index] = Branch(first, branch.events, branch.history)
        self.live.append(Branch(second, branch.events, branch.history))

    def event(self, index: int) -> None:
        branch = self.live[index]
        if branch.id == NONE:
            return
        events, point, level = new_dot(branch.id, branch.events)
        self.live[index] = Branch(branch.id, events, branch.history | {len(self.dots)})
        self.dots.append((point, level))

    def join(self, index: int, other_index: int) -> None:
        if index == other_index:
            return
        one, other = self.live[index], self.live[other_index]
        events = join_event(one.events, other.events)
        self.live[index] = Branch(sum_id(one.id, other.id), events, one.history | other.history)
        del self.live[other_index]

    def peek(self, index: int) -> None:
        branch = self.live[index]
        self.live.append(Branch(NONE, branch.events, branch.history))


def run(program: Program) -> Universe:
    """Run a program; `ever` holds every different branch that was live at some time."""
    universe = Universe()
    seen = {universe.live[0]: None}
    for verb, one, other in program:
        index = one % len(universe.live)
        if verb == "join":
            universe.join(index, other % len(universe.live))
        else:
            getattr(universe, verb)(index)
        seen.update(dict.fromkeys(universe.live))
    universe.ever = list(seen)
    return universe


_VERBS: list[Verb] = ["fork", "fork", "event", "event", "event", "join", "join", "peek"]
_STEPS = st.tuples(st.sampled_from(_VERBS), st.integers(0, 63), st.integers(0, 63))

programs: st.SearchStrategy[Program] = st.one_of(
    st.lists(_STEPS, max_size=20), st.lists(_STEPS, min_size=40, max_size=100)
)


def _pair(left: Id, right: Id) -> Id:
    return left if isinstance(left, int) and left == right else (left, right)


ids: st.SearchStrategy[Id] = st.recursive(
    st.sampled_from([0, 1]), lambda half: st.builds(_pair, half, half), max_leaves=24
)

events: st.SearchStrategy[Event] = st.recursive(
    st.integers(0, 5) | st.integers(0, 2**40),
    lambda half: st.builds(node, half, half),
    max_leaves=24,
)

points: st.SearchStrategy[Point] = st.text("01", max_size=12).map(lambda bits: bits.rstrip("0"))


def deep_id(depth: int, side: int = 1) -> Id:
    """Return the id of the last (`side` 1) or first (0) of 2**depth equal intervals."""
    identity: Id = 1
    for _ in range(depth):
        identity = (0, identity) if side else (identity, 0)
    return identity


def deep_event(depth: int, side: int = 1) -> Event:
    """Return the tree that is 1 in the same interval, and 0 elsewhere."""
    event: Event = 1
    for _ in range(depth):
        event = node(0, event) if side else node(event, 0)
    return event


def every_id(depth: int) -> list[Id]:
    """Return all ids that are at most so deep."""
    halves = every_id(depth - 1) if depth else []
    pairs = [(left, right) for left in halves for right in halves]
    return [0, 1, *(pair for pair in pairs if pair not in ((0, 0), (1, 1)))]


def every_event(depth: int, heights: int) -> list[Event]:
    """Return all event trees that are at most so deep and lower than `heights`."""
    halves = every_event(depth - 1, heights) if depth else []
    pairs = (node(left, right) for left in halves for right in halves)
    return [*range(heights), *(pair for pair in pairs if not isinstance(pair, int))]
