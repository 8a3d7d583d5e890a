"""What each type shows, and what can be packed under it; that joins keep it is for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from baggage.values import (
    EMPTY,
    Bag,
    Baggage,
    BaggageError,
    Count,
    Direction,
    Key,
    Last,
    Map,
    Max,
    Min,
    Set,
    Sum,
    Type,
    Value,
    key,
    receive,
)
from baggage.wire import WireBaggage, WireBlock, WireEntry, encode

INTS = st.integers(-(1 << 63), (1 << 63) - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.lists(INTS | FLOATS, min_size=1, max_size=8)
ANY = st.one_of(INTS, FLOATS, st.booleans(), st.text(max_size=2), st.binary(max_size=2))
CART = Key("test.cart", Map, of=Sum)


def packed(key: Key, values: Sequence[Value], carried: Baggage = EMPTY) -> Baggage:
    for value in values:
        carried = carried.pack(key, value)
    return carried


def spread(key: Key, values: Sequence[Value]) -> Baggage:
    """Return these, each packed by a branch of its own, which nobody else can fold."""
    branches = EMPTY.split(max(2, len(values)))
    joined = branches[0]
    for value, branch in zip(values, branches, strict=False):
        joined = joined.join(branch.pack(key, value))
    return joined


@given(NUMBERS)
def test_the_greatest_and_the_least_are_those_of_all_that_was_packed(values: list[Value]) -> None:
    most, least = Key("m", Max), Key("l", Min)
    for make in (packed, spread):
        assert make(most, values).unpack(most) == (max(values),)
        assert make(least, values).unpack(least) == (min(values),)


@pytest.mark.parametrize("value", [-1, 0.5, -(1 << 63)])
def test_a_count_has_whole_steps_from_0_on(value: Value) -> None:
    with pytest.raises(BaggageError, match="whole numbers from 0 on"):
        EMPTY.pack(Key("c", Count), value)
    for type in (Sum, Max, Min):
        assert EMPTY.pack(Key("c", type), value).unpack("c") == (value,)
    assert EMPTY.pack(Key("c", Count), 0).unpack("c") == (0,)


@given(st.lists(INTS, min_size=1, max_size=8))
def test_a_sum_of_ints_is_exact_however_great(values: list[int]) -> None:
    total = Key("s", Sum)
    assert packed(total, values).unpack(total) == spread(total, values).unpack(total)
    assert packed(total, values).unpack(total) == (sum(values),)


@given(st.lists(st.integers(0, (1 << 63) - 1), min_size=1, max_size=8))
def test_a_count_is_the_sum_of_its_steps(values: list[int]) -> None:
    count = Key("c", Count)
    assert packed(count, values).unpack(count) == spread(count, values).unpack(count)
    assert packed(count, values).unpack(count) == (sum(values),)


@given(NUMBERS)
@example([1, 1 << 53, 1.0])
def test_a_sum_of_floats_that_nobody_folded_is_rounded_once(values: list[int | float]) -> None:
    total, exact = Key("s", Sum), sum(map(Fraction, values), Fraction(0))
    [shown] = spread(total, values).unpack(total)
    if any(isinstance(value, float) for value in values):
        assume(abs(exact) < sys.float_info.max / 10)
        assert shown == float(exact)
    else:
        assert shown == exact


@given(st.lists(ANY, max_size=8), st.lists(ANY, max_size=8))
def test_a_set_shows_equal_values_of_equal_type_once(one: list[Value], other: list[Value]) -> None:
    distinct = Key("d", Set)
    left, right = EMPTY.split()
    joined = packed(distinct, one, left).join(packed(distinct, other, right))
    shown = [(type(value), value) for value in joined.unpack(distinct)]
    assert len(shown) == len(set(shown))
    assert set(shown) == {(type(value), value) for value in one + other}


@pytest.mark.parametrize(
    ("type", "values"),
    [(Set, [7] * 9), (Sum, [1, -2, 0.5] * 3), (Count, [3] * 9), (Max, [2, 1, 3]), (Min, [2, 1, 3])],
)
def test_what_an_owner_packs_stays_a_single_value_on_the_wire(
    type: Type, values: list[Value]
) -> None:
    folding = Key("f", type)
    carried = packed(folding, values)
    assert len(carried.siblings(folding)) == 1
    assert len(packed(folding, values * 9).serialize()) <= len(carried.serialize()) + 2
    left, right = carried.split()
    joined = packed(folding, values, left).join(packed(folding, values, right))
    assert joined.unpack(folding) == packed(folding, [*values, *values, *values]).unpack(folding)
    assert len(joined.pack(folding, values[0]).siblings(folding)) == 1


def test_what_would_not_fit_64_bits_is_not_folded_into_one() -> None:
    for type, each in ((Sum, -(1 << 63)), (Sum, 1e308), (Count, (1 << 63) - 1)):
        folding = Key("f", type)
        assert packed(folding, [each, each]).siblings(folding) == (each, each)
    for last in (-(1 << 63), (1 << 63) - 1):
        total, step = Key("f", Sum), 1 if last > 0 else -1
        assert packed(total, [last - step, step]).siblings(total) == (last,)
        assert packed(total, [last, step]).siblings(total) == (last, step)


def test_what_others_say_of_the_same_name_under_another_type_is_not_folded() -> None:
    carried = EMPTY.pack(Key("k", Max), 5).pack(Key("k", Sum), 1).pack(Key("k", Min), 3)
    assert carried.siblings("k") == (5, 1, 3)
    assert carried.unpack(Key("k", Sum)) == (9,)


def test_a_type_that_this_version_does_not_know_is_read_as_a_bag_and_goes_on() -> None:
    newer = encode(WireBaggage((WireBlock(7, 1, (WireEntry("k", 5, 1, type=99),)),)))
    for arrive in (Baggage.deserialize, receive):
        carried = arrive(newer).pack("k", 6)
        sent = Baggage.deserialize(carried.join(EMPTY.pack("other", 1)).serialize())
        assert sorted(sent.unpack("k")) == [5, 6]
        assert {each.type for each in sent.history.entries["k"].values()} == {99, Type.BAG}


@given(st.dictionaries(st.text("ab\0é", max_size=3), st.lists(INTS, min_size=1, max_size=3)))
def test_a_map_shows_each_field_as_its_type_does(fields: dict[str, list[Value]]) -> None:
    carried = EMPTY
    for field, values in fields.items():
        carried = packed(CART[field], values, carried)
    carried = Baggage.deserialize(carried.serialize())
    sums = {field: sum(map(int, values)) for field, values in sorted(fields.items())}
    for whole in (CART, CART.name):
        assert carried.fields(whole) == {field: (total,) for field, total in sums.items()}
        assert carried.unpack(whole) == tuple(sums.values())
    assert carried.keys() == ((CART.name,) if fields else ())
    assert carried.remove(CART).keys() == carried.remove(CART.name).keys() == ()


def test_a_map_is_packed_by_its_fields_alone() -> None:
    with pytest.raises(BaggageError, match="is a map"):
        EMPTY.pack(CART, 1)
    assert EMPTY.set(CART["a"], 1).set(CART["a"], 2).fields(CART) == {"a": (2,)}


@pytest.mark.parametrize(
    "declare",
    [
        lambda: Key("k", Bag, of=Sum),
        lambda: Key("k", Map, of=Map),
        lambda: Key("k", Map, Direction.DOWN),
        lambda: Key("k", Sum)["field"],
        lambda: CART["f" * 256],
        lambda: key("k\0f"),
    ],
)
def test_what_is_no_map_has_no_fields_and_no_map_has_maps(declare: object) -> None:
    assert callable(declare)
    with pytest.raises(BaggageError):
        declare()


def test_a_map_is_removed_with_what_else_has_its_name() -> None:
    cart, home = Key("cart", Map, of=Sum), Key("cart", direction=Direction.HOME)
    fields = EMPTY.pack(cart["a"], 1).pack(cart["b"], 2)
    for carried in (fields.pack("cart", "x"), fields.pack(home, "x")):
        for name in (cart, "cart"):
            removed = carried.pack("cartoon", 3).remove(name)
            assert removed.keys() == ("cartoon",)
            assert removed.fields(cart) == {}


def test_one_value_of_several_can_be_removed_whichever_way_it_travels() -> None:
    down, home = Key("k", direction=Direction.DOWN), Key("k", direction=Direction.HOME)
    for carried, left in (
        (packed(Key("k"), [1, 2, 1, True]), {2, True}),
        (packed(Key("k", Set), [1, 2, 1, True]), {2, True}),
        (packed(home, [1, 2, True]), {2, True}),
        (packed(home, [1]), set()),
        (packed(down, [1]), set()),
        (packed(down, [2]), {2}),
        (packed(Key("k", Last), [1]), set()),
    ):
        remaining = carried.remove("k", 1).unpack("k")
        assert {repr(value) for value in remaining} == {repr(value) for value in left}
        assert carried.remove("k", "another") is carried


@pytest.mark.parametrize("declared", [Key("k"), Key("k", Sum), Key("k", Map, of=Sum)])
def test_who_sets_what_can_not_be_packed_keeps_the_right_to_write(declared: Key) -> None:
    carried = EMPTY.pack("k", 1)
    for value in (object(), 1 << 64, *(() if declared.type is Bag else ("text",))):
        with pytest.raises(BaggageError):
            carried.set(declared, value)
    assert len(carried.pack("k", 2).history.seen) == 1


def test_what_a_stranger_sent_does_not_keep_anybody_from_setting_a_name() -> None:
    total, cart = Key("total", Sum), Key("cart", Map, of=Sum)
    carried = EMPTY.pack(total, 1).pack(cart["a"], 2).set("total", "text").set("cart", "text")
    assert (carried.unpack("total"), carried.unpack("cart")) == (("text",), ("text",))
    assert carried.fields(cart) == {}


def test_a_key_that_was_set_shows_that_value_alone() -> None:
    for type in (Bag, Last, Set, Sum, Count, Max, Min):
        declared = Key("k", type)
        left, right = packed(declared, [9, 8]).split()
        joined = left.pack(declared, 7).join(right.set(declared, 1))
        assert right.set(declared, 2).unpack(declared) == (2,)
        assert joined.set(declared, 3).siblings(declared) == (3,)
    for direction in (Direction.DOWN, Direction.HOME):
        one_way = Key("k", direction=direction)
        assert EMPTY.pack(one_way, 1).set(one_way, 2).unpack("k") == (2,)


def test_what_is_folded_is_as_important_as_the_most_important_part_of_it() -> None:
    carried = EMPTY.pack(Key("k", Sum, priority=50), 1).pack(Key("k", Sum, priority=200), 2)
    [contribution] = carried.history.entries["k"].values()
    assert (contribution.value, contribution.priority) == (3, 50)
    carried = carried.pack(Key("k", Sum, priority=20), 3)
    assert [each.priority for each in carried.history.entries["k"].values()] == [20]
