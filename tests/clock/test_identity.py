"""Ids: splitting and summing as functions over [0, 1)."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import ceil, log2

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from baggage.clock import (
    NONE,
    SEED,
    Id,
    Point,
    decode_id,
    encode_id,
    id_depth,
    id_mass,
    less_id,
    overlaps,
    owns,
    split_id,
    split_id_n,
    sum_id,
)
from tests.clock.histories import ids, points


@given(ids)
def test_a_split_is_disjoint_and_sums_up_to_the_id(identity: Id) -> None:
    first, second = split_id(identity)
    assert not overlaps(first, second)
    assert sum_id(first, second) == identity
    assert (first == NONE) == (second == NONE) == (identity == NONE)


@given(ids, st.integers(1, 40))
def test_an_n_way_split_is_disjoint_and_sums_up_to_the_id(identity: Id, parts: int) -> None:
    shares = split_id_n(identity, parts)
    assert len(shares) == parts
    assert not any(overlaps(one, other) for one, other in combinations(shares, 2))
    whole = NONE
    for share in shares:
        whole = sum_id(whole, share)
    assert whole == identity
    assert NONE not in shares or identity == NONE


@given(ids, st.integers(2, 9))
def test_parts_are_given_from_left_to_right(identity: Id, parts: int) -> None:
    assume(identity != NONE)
    starts = [owned_cells(share)[0] for share in split_id_n(identity, parts)]
    assert starts == sorted(starts)
    first, second = split_id(identity)
    assert max(owned_cells(first)) < min(owned_cells(second))


def owned_cells(identity: Id, path: Point = "") -> list[Point]:
    """Return the paths of all owned intervals, from left to right."""
    if isinstance(identity, int):
        return [path] * identity
    left, right = identity
    return owned_cells(left, path + "0") + owned_cells(right, path + "1")


@given(ids, st.integers(1, 300))
def test_an_n_way_split_adds_at_most_log_n_levels(identity: Id, parts: int) -> None:
    deepest = max(map(id_depth, split_id_n(identity, parts)))
    assert deepest <= id_depth(identity) + ceil(log2(parts))


@pytest.mark.parametrize("parts", [1, 2, 3, 64, 256, 1000])
def test_an_n_way_split_of_the_seed_is_as_flat_as_can_be(parts: int) -> None:
    depths = {id_depth(share) for share in split_id_n(SEED, parts)}
    assert max(depths) == ceil(log2(parts))
    assert max(depths) - min(depths) <= 1


@pytest.mark.parametrize("parts", [0, -1])
def test_nothing_is_split_in_no_parts(parts: int) -> None:
    with pytest.raises(ValueError, match=str(parts)):
        split_id_n(SEED, parts)


@given(ids, ids, points)
def test_a_sum_owns_what_either_owns(one: Id, other: Id, point: Point) -> None:
    assert owns(sum_id(one, other), point) == (owns(one, point) or owns(other, point))


@given(ids, ids, points)
def test_a_difference_owns_what_the_one_owns_and_the_other_does_not(
    one: Id, other: Id, point: Point
) -> None:
    rest = less_id(one, other)
    assert owns(rest, point) == (owns(one, point) and not owns(other, point))
    assert not overlaps(rest, other)
    assert sum_id(rest, other) == sum_id(one, other)
    assert id_mass(rest) == id_mass(sum_id(one, other)) - id_mass(other)
    assert less_id(one, one) == NONE
    assert decode_id(encode_id(rest)) == rest, "it is normal"


@given(ids, ids)
def test_overlapping_ids_own_more_together_than_their_sum(one: Id, other: Id) -> None:
    excess = id_mass(one) + id_mass(other) - id_mass(sum_id(one, other))
    assert overlaps(one, other) == (excess > 0)


@given(ids, ids, ids)
def test_summing_is_idempotent_commutative_and_associative(one: Id, two: Id, three: Id) -> None:
    assert sum_id(one, one) is one
    assert sum_id(one, two) == sum_id(two, one)
    assert sum_id(sum_id(one, two), three) == sum_id(one, sum_id(two, three))


@pytest.mark.parametrize(
    ("identity", "depth", "mass"),
    [(0, 0, "0"), (1, 0, "1"), ((0, 1), 1, "1/2"), (((1, 0), (0, ((0, 1), 0))), 4, "5/16")],
)
def test_depth_and_mass(identity: Id, depth: int, mass: str) -> None:
    assert id_depth(identity) == depth
    assert id_mass(identity) == Fraction(mass)


def test_of_all_small_intervals_one_is_owned_at_its_own_points_alone() -> None:
    paths = [f"{cell:04b}" for cell in range(16)]
    for owned in paths:
        identity: Id = SEED
        for bit in reversed(owned):
            identity = (NONE, identity) if bit == "1" else (identity, NONE)
        for path in paths:
            assert owns(identity, path) == owns(identity, path.rstrip("0")) == (path == owned)
            assert owns(identity, path + "101") == (path == owned)


@pytest.mark.parametrize(
    ("point", "owned"), [("", True), ("001", True), ("01", False), ("1", False), ("111", True)]
)
def test_a_point_belongs_to_the_interval_that_starts_there(point: Point, owned: bool) -> None:
    assert owns(((1, 0), (0, (0, 1))), point) == owned
