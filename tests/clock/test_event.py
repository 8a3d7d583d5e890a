"""Event trees as functions over [0, 1), and growing them against the paper's own definition."""

from __future__ import annotations

from typing import TypeAlias

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from baggage.clock import (
    MAX_DEPTH,
    NONE,
    SEED,
    ClockError,
    Event,
    Id,
    Point,
    covered,
    event_depth,
    event_nodes,
    grow_event,
    height,
    id_depth,
    join_event,
    leq,
    owns,
)
from baggage.clock.event import node
from tests.clock.histories import (
    deep_event,
    deep_id,
    events,
    every_event,
    every_id,
    ids,
    points,
)

Relative: TypeAlias = "int | tuple[int, Relative, Relative]"
"""The paper's event tree: a height, or (base, left, right) with heights relative to the base."""


def starts(*trees: Event) -> list[Point]:
    """Return a point in each of the equal parts that are fine enough for all the trees."""
    depth = max(map(event_depth, trees))
    return [f"{part:0{depth}b}".rstrip("0") if depth else "" for part in range(1 << depth)]


@given(events, events)
def test_leq_compares_everywhere(one: Event, other: Event) -> None:
    assume(event_depth(one) <= 10 and event_depth(other) <= 10)
    everywhere = all(height(one, at) <= height(other, at) for at in starts(one, other))
    assert leq(one, other) == everywhere


@given(events, events)
def test_a_join_is_the_higher_everywhere(one: Event, other: Event) -> None:
    assume(event_depth(one) <= 10 and event_depth(other) <= 10)
    joined = join_event(one, other)
    for at in starts(one, other):
        assert height(joined, at) == max(height(one, at), height(other, at))


@given(events, events, events)
def test_joining_is_idempotent_commutative_and_associative(
    one: Event, two: Event, three: Event
) -> None:
    assert join_event(one, one) is one
    assert join_event(one, two) == join_event(two, one)
    assert join_event(join_event(one, two), three) == join_event(one, join_event(two, three))


@given(events, events)
def test_a_join_with_what_was_seen_is_the_tree_itself(one: Event, other: Event) -> None:
    joined = join_event(one, other)
    assert join_event(joined, one) == joined == join_event(one, joined)
    assert leq(one, joined)
    assert leq(other, joined)


@given(events, events)
def test_equal_functions_are_equal_and_hash_equal(one: Event, other: Event) -> None:
    assert (leq(one, other) and leq(other, one)) == (one == other)
    assert one != other or hash(one) == hash(other)


@given(events, points, st.integers(0, 7))
def test_covered_is_a_comparison_with_the_height(event: Event, point: Point, level: int) -> None:
    assert covered(event, point, level) == (height(event, point) >= level)


@given(ids, events)
def test_growing_raises_something_and_only_what_is_owned(identity: Id, event: Event) -> None:
    assume(identity != NONE and event_depth(event) <= 10 and id_depth(identity) <= 10)
    grown = grow_event(identity, event)
    assert leq(event, grown)
    assert grown != event
    for at in starts(event, grown):
        assert owns(identity, at) or height(grown, at) == height(event, at)


@given(ids, events)
def test_growing_does_what_the_paper_says(identity: Id, event: Event) -> None:
    assume(identity != NONE)
    assert relative(grow_event(identity, event)) == paper_event(identity, relative(event))


def test_growing_does_what_the_paper_says_wherever_little_is_owned_of_a_small_tree() -> None:
    trees = [(event, relative(event)) for event in every_event(2, 3)]
    for identity in every_id(3)[1:]:
        for event, papers in trees:
            assert relative(grow_event(identity, event)) == paper_event(identity, papers)


def test_a_detour_through_the_deepest_tree_is_better_than_a_new_node() -> None:
    deep, shallow = deep_id(MAX_DEPTH - 1), (NONE, SEED)
    for side in (0, 1):
        identity = (shallow, deep) if side else (deep, shallow)
        tree = node(5, deep_event(MAX_DEPTH - 1)) if side else node(deep_event(MAX_DEPTH - 1), 5)
        grown = grow_event(identity, tree)
        assert event_nodes(grown) == event_nodes(tree)
        assert relative(grown) == paper_event(identity, relative(tree))


@given(ids, events)
def test_growing_deepens_a_tree_no_further_than_the_id(identity: Id, event: Event) -> None:
    assume(identity != NONE)
    grown = grow_event(identity, event)
    assert event_depth(grown) <= max(event_depth(event), id_depth(identity))


def test_equal_heights_that_are_different_objects_are_no_change() -> None:
    for identity in ((SEED, (NONE, SEED)), ((SEED, NONE), SEED)):
        inner = node(int("1" * 20), int("2" * 20))
        other = node(int("2" * 20), int("1" * 20))
        event = node(int("1" * 20), inner) if identity[0] == SEED else node(other, int("1" * 20))
        grown = grow_event(identity, event)
        assert grown != event
        assert relative(grown) == paper_event(identity, relative(event))


def test_nothing_grows_without_an_id() -> None:
    with pytest.raises(ClockError):
        grow_event(NONE, 3)


def test_depth_and_nodes() -> None:
    tree = node(node(1, 2), node(3, node(4, 5)))
    assert (event_depth(7), event_nodes(7)) == (0, 1)
    assert (event_depth(tree), event_nodes(tree)) == (3, 9)


def relative(event: Event, base: int = 0) -> Relative:
    if isinstance(event, int):
        return event - base
    low, left, right, _ = event
    return low - base, relative(left, low), relative(right, low)


def paper_event(identity: Id, event: Relative) -> Relative:
    filled = paper_fill(identity, event)
    return filled if filled != event else paper_grow(identity, event)[1]


def paper_norm(event: tuple[int, Relative, Relative]) -> Relative:
    n, left, right = event
    if isinstance(left, int) and left == right:
        return n + left
    low = min(paper_min(left), paper_min(right))
    return n + low, paper_lift(left, -low), paper_lift(right, -low)


def paper_lift(event: Relative, by: int) -> Relative:
    return event + by if isinstance(event, int) else (event[0] + by, event[1], event[2])


def paper_min(event: Relative) -> int:
    return event if isinstance(event, int) else event[0]


def paper_max(event: Relative) -> int:
    if isinstance(event, int):
        return event
    return event[0] + max(paper_max(event[1]), paper_max(event[2]))


def paper_fill(identity: Id, event: Relative) -> Relative:
    if identity == 0 or isinstance(event, int):
        return event
    if isinstance(identity, int):
        return paper_max(event)
    n, left, right = event
    if identity[0] == 1:
        right = paper_fill(identity[1], right)
        left = max(paper_max(left), paper_min(right))
    elif identity[1] == 1:
        left = paper_fill(identity[0], left)
        right = max(paper_max(right), paper_min(left))
    else:
        left, right = paper_fill(identity[0], left), paper_fill(identity[1], right)
    return paper_norm((n, left, right))


def paper_grow(identity: Id, event: Relative) -> tuple[int, Relative]:
    if isinstance(identity, int):
        assert identity == 1
        assert isinstance(event, int)
        return 0, event + 1
    if isinstance(event, int):
        cost, grown = paper_grow(identity, (event, 0, 0))
        return cost + 1000, grown
    n, left, right = event
    if identity[0] == 0:
        cost, right = paper_grow(identity[1], right)
        return cost + 1, (n, left, right)
    if identity[1] == 0:
        cost, left = paper_grow(identity[0], left)
        return cost + 1, (n, left, right)
    left_cost, new_left = paper_grow(identity[0], left)
    right_cost, new_right = paper_grow(identity[1], right)
    if left_cost < right_cost:
        return left_cost + 1, (n, new_left, right)
    return right_cost + 1, (n, left, new_right)
