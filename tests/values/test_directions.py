"""`down` keys are copied and never come home; `home` keys start empty and are united."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.values import EMPTY, Baggage, BaggageError, Key, Last, Value, key

DOWN = key("test.down", direction="down")
HOME = key("test.home", direction="home")
BAG = key("test.bag")

VALUES = st.one_of(
    st.binary(max_size=8),
    st.text(max_size=8),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=False),
    st.booleans(),
)
GATHERED = st.lists(VALUES, max_size=5)


def gathered(values: list[Value]) -> Baggage:
    carried = EMPTY
    for value in values:
        carried = carried.pack(HOME, value)
    return carried


def arrived(carried: Baggage) -> Baggage:
    return Baggage.deserialize(carried.serialize())


@given(VALUES, VALUES)
def test_a_down_value_is_copied_to_a_branch_and_never_comes_home(mine: Value, other: Value) -> None:
    base = EMPTY.pack(DOWN, mine)
    parent, child = base.split()
    assert child.unpack(DOWN) == arrived(base.departing()).unpack(DOWN) == (mine,)
    child = child.pack(DOWN, other)
    assert parent.join(child).unpack(DOWN) == (mine,)
    assert parent.join(arrived(child.returning())).unpack(DOWN) == (mine,)
    assert arrived(child.returning()).unpack(DOWN) == ()


def test_a_departure_changes_down_values_for_the_callee_alone() -> None:
    base = EMPTY.pack(DOWN, "mine")
    assert base.departing().with_down({DOWN: "theirs"}).unpack(DOWN) == ("theirs",)
    assert base.unpack(DOWN) == ("mine",)
    assert base.departing() is base.with_down({}) is base


@given(GATHERED, GATHERED)
def test_a_home_value_starts_empty_in_a_branch_and_is_united(
    mine: list[Value], theirs: list[Value]
) -> None:
    parent, child = gathered(mine).split()
    assert child.unpack(HOME) == parent.departing().unpack(HOME) == ()
    for value in theirs:
        child = child.pack(HOME, value)
    joined = parent.join(arrived(child.returning()))
    assert joined.unpack(HOME) == gathered(mine + theirs).unpack(HOME)
    assert joined.join(child).unpack(HOME) == joined.unpack(HOME)


@given(GATHERED, GATHERED, GATHERED)
def test_uniting_home_values_is_idempotent_commutative_and_associative(
    a: list[Value], b: list[Value], c: list[Value]
) -> None:
    one, other, third = gathered(a), gathered(b), gathered(c)
    assert one.join(one).unpack(HOME) == one.unpack(HOME)
    assert one.join(other).unpack(HOME) == other.join(one).unpack(HOME)
    left, right = one.join(other).join(third), one.join(other.join(third))
    assert left.unpack(HOME) == right.unpack(HOME)


def test_home_values_of_different_types_differ() -> None:
    assert len(gathered([1, True, 1.0, "1", b"1"]).unpack(HOME)) == 5


def test_home_and_down_values_need_no_root() -> None:
    carried = EMPTY.pack(HOME, 1).pack(DOWN, 2)
    assert carried.history.empty
    assert not carried.empty


def test_home_values_that_were_handed_over_are_gone() -> None:
    carried = gathered([1]).pack(BAG, 2)
    assert carried.without_home().unpack(HOME) == ()
    assert carried.without_home().unpack(BAG) == (2,)
    assert EMPTY.without_home() is EMPTY


def test_foreign_members_go_down_and_never_home() -> None:
    base = Baggage(foreign=("a=b",))
    parent, child = base.split()
    assert child.foreign == base.departing().foreign == ("a=b",)
    assert child.returning().foreign == ()
    assert EMPTY.join(child).foreign == ()
    assert not parent.empty


@pytest.mark.parametrize("direction", ["both", "down", "home"])
def test_a_name_alone_stands_for_what_is_under_it(direction: str) -> None:
    declared = Key("test.key", Last, key("x", direction=direction).direction, 7)
    carried = EMPTY.pack(declared, 1)
    assert carried.unpack("test.key") == (1,)
    assert carried.pack("test.key", 2).unpack(declared) == carried.pack(declared, 2).unpack(
        declared
    )
    assert carried.keys() == ("test.key",)
    assert carried.remove("test.key").keys() == carried.remove(declared).keys() == ()


def test_removing_what_is_not_there_changes_nothing() -> None:
    assert EMPTY.remove("nothing") is EMPTY
    assert EMPTY.pack(BAG, 1).history.remove("nothing", lambda _: True).entries


def test_without_a_value_nothing_is_shown() -> None:
    for declared in (BAG, DOWN, HOME):
        assert EMPTY.unpack(declared) == ()
    assert EMPTY.unpack("nothing") == ()


@pytest.mark.parametrize("value", [None, 1j, [1], 1 << 63, -(1 << 63) - 1, "\ud800"])
@pytest.mark.parametrize("declared", [BAG, DOWN, HOME])
def test_what_can_not_travel_can_not_be_packed(declared: Key, value: Value) -> None:
    with pytest.raises(BaggageError):
        EMPTY.pack(declared, value)


def test_only_down_keys_are_changed_at_a_departure() -> None:
    with pytest.raises(BaggageError, match="no `down` key"):
        EMPTY.with_down({BAG: 1})


def test_a_split_makes_at_least_two_branches() -> None:
    with pytest.raises(BaggageError):
        EMPTY.split(1)


@pytest.mark.parametrize(
    ("name", "direction", "priority"),
    [("", "both", 0), ("é" * 128, "both", 0), ("\ud800", "both", 0), ("k", "up", 0)]
    + [("k", "both", priority) for priority in (-1, 1 << 16)],
)
def test_a_key_that_the_wire_can_not_carry_is_refused(
    name: str, direction: str, priority: int
) -> None:
    with pytest.raises(BaggageError):
        key(name, direction=direction, priority=priority)
