"""After every step of any program, a value shows what its causal history says, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.values import Baggage, Last, Value
from tests.values.programs import (
    EQUAL,
    KEYS,
    LOSSY,
    STALE,
    STRUCTURED,
    TRIMMED,
    Line,
    Step,
    World,
    assert_disjoint,
    programs,
    ran,
)


def assert_exact(world: World, line: Line) -> None:
    for key in KEYS:
        visible = world.visible(line.truth, key)
        tokens = sorted(visible, key=lambda token: world.dots[token])
        values = tuple(0 if key is EQUAL else token for token in tokens)
        assert line.carried.siblings(key) == values
        assert line.carried.unpack(key) == (values[-1:] if key.type is Last else values)
        assert line.carried.unpack(key.name) == line.carried.unpack(key)
    for token, dot in world.dots.items():
        assert line.carried.history.covers(dot) == (token in line.truth.seen)


@pytest.mark.parametrize("kinds", [STRUCTURED, LOSSY, STALE], ids=["structured", "lossy", "stale"])
@given(data=st.data())
def test_visible_values_equal_the_causal_history(
    kinds: tuple[str, ...], data: st.DataObject
) -> None:
    world = World()
    for made in world.run(data.draw(programs(kinds))):
        for line in made:
            assert_exact(world, line)


@given(programs(STALE))
def test_nobody_owns_what_another_owns(program: list[Step]) -> None:
    world = World()
    for _ in world.run(program):
        assert_disjoint(world.owned())


Shown = dict[str, tuple[tuple[Value, ...], tuple[Value, ...]]]


def shown(carried: Baggage) -> Shown:
    return {key.name: (carried.unpack(key), carried.siblings(key)) for key in KEYS}


def picked(data: st.DataObject, world: World) -> Baggage:
    return data.draw(st.sampled_from([line.carried for line in (*world.live, *world.past)]))


@given(programs(STALE), st.data())
def test_join_is_idempotent_commutative_and_associative(
    program: list[Step], data: st.DataObject
) -> None:
    world = ran(program)
    a, b, c = (picked(data, world) for _ in range(3))
    assert shown(a.join(a)) == shown(a)
    assert shown(a.join(b)) == shown(b.join(a))
    assert shown(a.join(b).join(b)) == shown(a.join(b))
    assert shown(a.join(b).join(c)) == shown(a.join(b.join(c)))


@given(programs(TRIMMED))
def test_before_the_marker_trimmed_baggage_is_exact(program: list[Step]) -> None:
    world = World()
    for made in world.run(program):
        for line in made:
            for key in KEYS:
                if line.carried.complete(key):
                    assert world.shown(line.carried, key) == world.visible(line.truth, key)


@given(programs(TRIMMED), st.data())
def test_a_loss_never_spreads(program: list[Step], data: st.DataObject) -> None:
    world = ran(program)
    lines = st.sampled_from([*world.live, *world.past])
    one, other = data.draw(lines), data.draw(lines)
    removed = one.truth.removed | other.truth.removed
    joined = one.carried.join(other.carried)
    for key in KEYS:
        held = world.shown(one.carried, key) | world.shown(other.carried, key)
        assert held - removed <= world.shown(joined, key)
