"""What strangers send under a name never makes an application's verbs fail."""

from __future__ import annotations

import pytest

from baggage.values import EMPTY, Baggage, BaggageError, Count, Key, Map, Max, Sum, Value

SUM, COUNT, MAX = Key("n", Sum), Key("n", Count), Key("n", Max)
MAP = Key("n", Map, of=Sum)


@pytest.mark.parametrize(
    "theirs", [SUM, COUNT, MAX, MAP["field"]], ids=["sum", "count", "max", "map"]
)
@pytest.mark.parametrize("value", ["text", b"raw", -1.5, True, float("inf")])
def test_a_name_takes_any_value_whatever_is_under_it(theirs: Key, value: Value) -> None:
    came = Baggage.deserialize(EMPTY.pack(theirs, 1).serialize())
    assert value in came.pack("n", value).siblings("n")


@pytest.mark.parametrize("value", ["text", True, float("nan"), float("-inf")])
def test_a_declared_key_refuses_what_does_not_fit_its_type(value: Value) -> None:
    for key in (SUM, COUNT, MAX):
        with pytest.raises(BaggageError, match="can't pack"):
            EMPTY.pack(key, value)


def test_what_does_not_fit_the_type_is_left_out_of_what_is_read() -> None:
    came = EMPTY.pack("n", "text").pack("n", float("nan")).join(EMPTY.pack(SUM, 2))
    assert came.unpack(SUM) == (2,)
    assert came.unpack(MAX) == (2,)
    assert EMPTY.pack("n", "text").unpack(SUM) == ()


def test_a_sum_beyond_64_bits_is_read_but_stays_in_parts() -> None:
    most = (1 << 63) - 1
    carried = EMPTY.pack(SUM, most).pack(SUM, most)
    assert carried.unpack(SUM) == (2 * most,)
    assert Baggage.deserialize(carried.serialize()).unpack(SUM) == (2 * most,)


def test_floats_beyond_the_greatest_are_read_as_infinity() -> None:
    carried = EMPTY.pack(SUM, 1.7e308).pack(SUM, 1.7e308)
    assert carried.unpack(SUM) == (float("inf"),)


def test_a_map_of_another_name_is_not_touched() -> None:
    other = Key("n2", Map, of=Sum)
    carried = EMPTY.pack(MAP["a"], 1).pack(other["a"], 2).remove(MAP)
    assert (carried.fields(MAP), carried.fields(other)) == ({}, {"a": (2,)})
