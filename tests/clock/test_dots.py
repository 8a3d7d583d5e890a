"""Dots: what a new one is, and the scenarios in which simpler ones lose an event."""

from __future__ import annotations

import pytest
from hypothesis import assume, given

from baggage.clock import (
    NONE,
    SEED,
    ZERO,
    ClockError,
    Event,
    Id,
    Point,
    covered,
    decode_event,
    encode_event,
    event_depth,
    grow_event,
    height,
    id_depth,
    join_event,
    new_dot,
    owns,
    split_id,
    sum_id,
)
from baggage.clock.event import highest, node
from tests.clock.histories import events, ids


@given(ids, events)
def test_a_dot_is_the_shortest_then_leftmost_raised_point(identity: Id, event: Event) -> None:
    assume(identity != NONE and event_depth(event) <= 10 and id_depth(identity) <= 10)
    grown, point, level = new_dot(identity, event)
    assert grown == grow_event(identity, event)
    assert owns(identity, point)
    assert height(event, point) < height(grown, point) == level
    depth = max(event_depth(event), event_depth(grown))
    cells = [f"{cell:0{depth}b}" if depth else "" for cell in range(1 << depth)]
    raised = [
        at.rstrip("0")
        for at in cells
        if owns(identity, at) and height(grown, at) > height(event, at)
    ]
    assert point == min(raised, key=lambda at: (len(at), at))


PATHS = [f"{cell:0{depth}b}" for depth in range(1, 6) for cell in range(1 << depth)]


@pytest.mark.parametrize("path", PATHS)
def test_the_dot_of_a_single_interval_is_where_it_starts(path: str) -> None:
    interval: Id = SEED
    for bit in reversed(path):
        interval = (NONE, interval) if bit == "1" else (interval, NONE)
    for before in (ZERO, 7, new_dot(split_id(SEED)[0], ZERO)[0]):
        grown, point, level = new_dot(interval, before)
        assert point == path.rstrip("0")
        assert level == height(before, point) + 1 == height(grown, point)


def test_what_was_as_high_before_has_no_dot_even_if_it_is_another_object() -> None:
    event = decode_event(encode_event(node(node(1000, 5), node(1000, 999))))
    assert new_dot(SEED, event) == (1000, "01", 1000)
    assert new_dot((SEED, (NONE, SEED)), event) == (1000, "01", 1000)


def test_nothing_has_a_dot_without_an_id() -> None:
    with pytest.raises(ClockError):
        new_dot(NONE, 5)


def test_the_seeds_dots_count_up_at_the_origin() -> None:
    event, point, level = new_dot(SEED, ZERO)
    assert (event, point, level) == (1, "", 1)
    assert new_dot(SEED, event) == (2, "", 2)


def leftmost(identity: Id) -> Point:
    """Return the path of the leftmost owned interval, zeros included."""
    if isinstance(identity, int):
        return ""
    return "0" + leftmost(identity[0]) if identity[0] != NONE else "1" + leftmost(identity[1])


def test_an_event_that_raises_another_owned_leaf_is_not_lost() -> None:
    """Counter-example 1: six forks, a join, an event; growing leaves the leftmost point alone."""
    rest: Id = SEED
    for _ in range(5):
        rest, _ = split_id(rest)
    leftmost_id, other = split_id(rest)
    shallow = split_id(SEED)[1]
    owner = sum_id(leftmost_id, shallow)
    ignorant = ZERO

    grown, point, level = new_dot(owner, ZERO)

    naive = leftmost(owner)
    assert height(grown, naive) == height(ignorant, naive), "the naive dot is covered everywhere"
    assert covered(grown, point, level)
    assert not covered(ignorant, point, level)
    stranger, *_ = new_dot(other, ZERO)
    assert not covered(stranger, point, level)
    assert covered(join_event(stranger, grown), point, level)


def test_dots_outlive_a_normalisation_that_moves_the_base() -> None:
    """Counter-example 2: event, fork, event; then the tree becomes a plain height again."""
    first_event, *first_dot = new_dot(SEED, ZERO)
    left, right = split_id(SEED)
    left_event, *left_dot = new_dot(left, first_event)
    right_event, *right_dot = new_dot(right, first_event)

    joined = join_event(left_event, right_event)

    assert joined == 2, "no node is left that a dot could name"
    assert [first_dot, left_dot, right_dot] == [["", 1], ["", 2], ["1", 2]]
    assert covered(joined, "", 1)
    assert covered(joined, "", 2)
    assert covered(joined, "1", 2)
    assert not covered(left_event, "1", 2)
    assert not covered(right_event, "", 2)


def test_an_event_after_a_join_has_a_dot_of_its_own() -> None:
    """Counter-example 3: fork, fork, event, join, event; id path and greatest height repeat."""
    left, right = split_id(SEED)
    outer, _ = split_id(left)
    first_event, first_point, first_level = new_dot(outer, ZERO)
    owner = sum_id(outer, right)

    second_event, second_point, second_level = new_dot(owner, first_event)

    assert leftmost(owner) == leftmost(outer)
    assert highest(second_event) == highest(first_event), "the naive dots are the same"
    assert (first_point, first_level) != (second_point, second_level)
    assert covered(second_event, first_point, first_level)
    assert not covered(first_event, second_point, second_level)


def test_a_dot_within_a_simplified_tree_skips_what_was_as_high_before() -> None:
    """Filling raises only parts of an interval: its start may have been that high already."""
    left, right = split_id(SEED)
    raised, *_ = new_dot(split_id(left)[0], ZERO)

    grown, point, level = new_dot(left, raised)

    assert (point, level) == ("01", 1)
    assert not covered(raised, point, level)
    assert not covered(new_dot(right, raised)[0], point, level)
    assert covered(grown, point, level)
