"""After every step of any program, a value shows what its causal history says, and nothing else."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.clock import SEED
from baggage.values import Baggage, Last, Map, Value
from tests.values.agreement import assert_disjoint, assert_exact
from tests.values.oracle import KEYS, MAP, NUMBERS, exactly
from tests.values.programs import LOSSY, STALE, STRUCTURED, TRIMMED, Run, Step, programs, ran


@pytest.mark.parametrize(
    "kinds",
    [STRUCTURED, LOSSY, STALE, TRIMMED],
    ids=["structured", "lossy", "stale", "trimmed"],
)
@given(data=st.data())
def test_what_is_shown_equals_the_causal_history(
    kinds: tuple[str, ...], data: st.DataObject
) -> None:
    run = Run()
    for made in run.run(data.draw(programs(kinds))):
        for line in made:
            assert_exact(run.world, line)


@given(programs(STALE))
def test_it_makes_no_difference_whether_anybody_looks(program: list[Step]) -> None:
    run = ran(program)
    unseen = run.world.again()
    for line in (*run.live, *run.past):
        assert unordered(unseen[id(line.carried)]) == unordered(line.carried)


def unordered(carried: Baggage) -> dict[str, Counter[object]]:
    """Return what is shown, in no order: that of concurrent values is their random roots'.

    So is whether the greatest of 1 and 1.0 is a float.
    """
    shown: dict[str, Counter[object]] = {}
    for key in (*KEYS, MAP):
        values = carried.siblings(key) if key.type == Last else carried.unpack(key)
        number = key.type in {*NUMBERS, Map}
        shown[key.name] = Counter(value if number else exactly(value) for value in values)
    return shown


@given(programs(TRIMMED))
def test_nobody_owns_what_another_owns(program: list[Step]) -> None:
    run = Run()
    for _ in run.run(program):
        assert_disjoint(run.world.owned())


@given(programs(STRUCTURED))
def test_what_is_owned_sums_up_to_the_whole_wherever_it_was_lent(program: list[Step]) -> None:
    run = Run()
    for _ in run.run(program):
        minted = {token.dot.root: SEED for token in run.world.tokens}
        assert assert_disjoint(run.world.owned()) == minted


Shown = dict[str, tuple[tuple[Value, ...], tuple[Value, ...]]]


def shown(carried: Baggage) -> Shown:
    return {key.name: (carried.unpack(key), carried.siblings(key)) for key in KEYS}


def picked(data: st.DataObject, run: Run) -> Baggage:
    return data.draw(st.sampled_from([line.carried for line in (*run.live, *run.past)]))


@given(programs(STALE), st.data())
def test_join_is_idempotent_commutative_and_associative(
    program: list[Step], data: st.DataObject
) -> None:
    run = ran(program)
    a, b, c = (picked(data, run) for _ in range(3))
    assert shown(a.join(a)) == shown(a)
    assert shown(a.join(b)) == shown(b.join(a))
    assert shown(a.join(b).join(b)) == shown(a.join(b))
    assert shown(a.join(b).join(c)) == shown(a.join(b.join(c)))


@given(programs(TRIMMED), st.data())
def test_a_loss_never_spreads(program: list[Step], data: st.DataObject) -> None:
    run = ran(program)
    lines = st.sampled_from([*run.live, *run.past])
    one, other = data.draw(lines), data.draw(lines)
    truth = one.truth.join(other.truth)
    joined = one.carried.join(other.carried)
    for key in KEYS:
        held = {*run.world.held(one.carried, key), *run.world.held(other.carried, key)}
        assert held - truth.removed - truth.folded <= set(run.world.held(joined, key))
