"""Clocks against causal histories, over random programs of fork, event, join and peek."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

from hypothesis import given

from baggage.clock import (
    NONE,
    Id,
    covered,
    decode_event,
    decode_id,
    encode_event,
    encode_id,
    height,
    id_mass,
    leq,
    overlaps,
    owns,
    sum_id,
)
from tests.clock.histories import Program, programs, run


@given(programs)
def test_leq_is_inclusion_of_histories(program: Program) -> None:
    ever = run(program).ever
    for one in ever:
        for other in ever[:: max(1, len(ever) // 40)]:
            assert leq(one.events, other.events) == (one.history <= other.history)
            assert leq(other.events, one.events) == (other.history <= one.history)


@given(programs)
def test_a_dot_is_covered_exactly_where_its_event_is_in_the_history(program: Program) -> None:
    universe = run(program)
    for branch in universe.ever:
        for token, (point, level) in enumerate(universe.dots):
            known = token in branch.history
            assert covered(branch.events, point, level) == known
            assert (height(branch.events, point) >= level) == known


@given(programs)
def test_dots_are_unique(program: Program) -> None:
    dots = run(program).dots
    assert len(set(dots)) == len(dots)


@given(programs)
def test_the_owner_of_a_point_has_seen_every_dot_there(program: Program) -> None:
    universe = run(program)
    for branch in universe.live:
        for token, (point, _) in enumerate(universe.dots):
            assert token in branch.history or not owns(branch.id, point)


@given(programs)
def test_ids_of_live_branches_are_disjoint(program: Program) -> None:
    for one, other in combinations(run(program).live, 2):
        assert not overlaps(one.id, other.id)


@given(programs)
def test_the_masses_of_live_branches_sum_up_to_one(program: Program) -> None:
    live = run(program).live
    assert sum((id_mass(branch.id) for branch in live), Fraction(0)) == 1


@given(programs)
def test_joining_all_live_branches_restores_the_seed(program: Program) -> None:
    whole: Id = NONE
    for branch in run(program).live:
        whole = sum_id(whole, branch.id)
    assert whole == 1


@given(programs)
def test_every_branch_survives_its_encoding(program: Program) -> None:
    for branch in run(program).ever:
        assert decode_id(encode_id(branch.id)) == branch.id
        assert decode_event(encode_event(branch.events)) == branch.events
