"""Giving away one part of an id after the other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from baggage.clock import (
    NONE,
    SEED,
    Id,
    decode_id,
    encode_id,
    id_depth,
    id_mass,
    overlaps,
    spare_id,
    split_id,
    sum_id,
)


@st.composite
def ids(draw: st.DrawFn) -> Id:
    """What is left of the whole after some was given away by halves, one by one, and returned."""
    held: list[Id] = [SEED]
    for way, at in draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 99)), max_size=30)):
        part = held.pop(at % len(held))
        if way == 2 and held:
            held[0] = sum_id(held[0], part)
        elif id_depth(part) < 40:
            held += split_id(part) if way else spare_id(part)
        else:
            held.append(part)
    return draw(st.sampled_from(held))


@given(ids())
def test_what_is_kept_and_what_is_given_are_disjoint_and_sum_up_to_the_id(identity: Id) -> None:
    kept, given_away = spare_id(identity)
    assert not overlaps(kept, given_away)
    assert sum_id(kept, given_away) == identity
    assert id_mass(kept) + id_mass(given_away) == id_mass(identity)
    assert (kept == NONE) == (given_away == NONE) == (identity == NONE)
    for part in (kept, given_away):
        assert decode_id(encode_id(part)) == part, "it is normal"


@given(ids())
def test_it_deepens_an_id_by_four_at_most(identity: Id) -> None:
    assert max(map(id_depth, spare_id(identity))) <= id_depth(identity) + 4


def test_many_parts_given_one_by_one_stay_shallow() -> None:
    kept: Id = SEED
    depths = []
    for _ in range(100):
        kept, given_away = spare_id(kept)
        depths.append(max(id_depth(kept), id_depth(given_away)))
    assert (depths[0], depths[15], depths[63], depths[99]) == (1, 5, 21, 29)


def test_an_interval_is_given_whole_while_another_one_is_left() -> None:
    small: Id = SEED
    for _ in range(5):
        small = (NONE, small)
    assert isinstance(small, tuple)
    assert spare_id((SEED, small[1])) == ((SEED, NONE), small)
    kept, given_away = spare_id(small)
    assert id_mass(given_away) * 15 == id_mass(kept)
    assert id_depth(kept) == id_depth(given_away) == 9


def test_the_first_part_of_the_whole_is_a_half_and_nothing_has_no_parts() -> None:
    assert spare_id(SEED) == split_id(SEED)
    assert spare_id(NONE) == (NONE, NONE)
