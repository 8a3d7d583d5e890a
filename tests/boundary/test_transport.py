"""Baggage on carriers: garbage from strangers, and headers within bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import read_header, write_header
from baggage.boundary.transport import read, sign, write
from baggage.testing import Parcel
from baggage.testing.hostile import GARBAGE
from baggage.values import EMPTY, Direction, key
from tests.boundary.parts import HOME


@given(st.text(max_size=200) | st.text("causal=;,_-AZaz09 ", max_size=200))
def test_any_header_is_read_without_an_error(header: str) -> None:
    read_header(header)


@pytest.mark.parametrize("header", GARBAGE)
def test_garbage_is_no_baggage_and_its_neighbours_stay(header: str) -> None:
    received = read_header(f"a=1,{header}")
    assert received.keys() == ()
    assert "a=1" in received.foreign


def test_dropped_garbage_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    read_header("causal=AAAA")
    assert [record.message for record in caplog.records] == ["baggage dropped"]


def test_no_carrier_and_no_header_are_empty() -> None:
    assert read(None) is EMPTY
    assert read(Parcel()) is EMPTY
    assert read_header("").empty


def test_what_is_written_is_read() -> None:
    carried = EMPTY.pack("n", 1)
    received = read_header(write_header(carried, origin="here"))
    assert (received.unpack("n"), received.origin) == ((1,), "here")


def test_a_header_for_a_child_process_holds_no_home_values() -> None:
    carried = EMPTY.pack(HOME, 1).pack("n", 2)
    assert read_header(write_header(carried)).keys() == ("n",)


def test_nothing_is_written_where_there_is_nothing_to_say() -> None:
    parcel = Parcel()
    assert write(parcel, EMPTY, origin="", budget=4096) == {}
    assert parcel.headers == {}


def test_foreign_members_alone_are_passed_on() -> None:
    parcel = Parcel()
    write(parcel, read_header("a=1;p, b = 2"), origin="", budget=4096)
    assert parcel.headers == {"baggage": "a=1;p,b = 2"}


def test_members_that_the_message_has_take_the_place_of_those_that_came() -> None:
    parcel = Parcel({"baggage": "own=1,causal=stale"})
    write(parcel, read_header("came=1").pack("n", 1), origin="here", budget=4096)
    received = read_header(parcel.headers["baggage"])
    assert received.foreign == ("own=1",)
    assert received.unpack("n") == (1,)


class Bounded(Parcel):
    """A message with little room left."""

    room = 300


def test_no_more_is_written_than_a_carrier_has_room_for() -> None:
    carried = EMPTY
    for n in range(50):
        carried = carried.pack(f"key{n}", "value")
    carrier = Bounded({"baggage": "own=1"})
    write(carrier, carried, origin="here", budget=4096)
    assert 100 < len(carrier.headers["baggage"]) <= Bounded.room
    assert read(carrier).foreign == ("own=1",)


def test_home_values_that_find_no_room_are_returned_and_no_loss(
    caplog: pytest.LogCaptureFixture,
) -> None:
    parcel = Parcel()
    carried = EMPTY.pack(HOME, "x" * 300).pack(HOME, "y")
    left = write(parcel, carried, origin="here", budget=200)
    assert left == {"test.home": ("x" * 300,)}
    assert read_header(parcel.headers["baggage"]).unpack(HOME) == ("y",)
    assert caplog.records == []


def test_a_budget_of_nothing_writes_nothing() -> None:
    parcel = Parcel()
    write(parcel, EMPTY.pack("n", 1), origin="here", budget=0)
    assert parcel.headers == {}


@given(
    st.text(max_size=40) | st.just("s" * 9000),
    st.integers(0, 60) | st.integers(150, 250) | st.just(1 << 14),
    st.sampled_from([{}, {"baggage": "own=1"}, {"baggage": "causal=AAAA"}]),
)
def test_to_sign_is_to_write_nothing_but_a_name(
    origin: str, budget: int, headers: dict[str, str]
) -> None:
    signed, written = Parcel(dict(headers)), Parcel(dict(headers))
    sign(signed, origin=origin, budget=budget)
    write(written, EMPTY, origin=origin, budget=budget)
    assert signed.headers == written.headers


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=5), st.binary(max_size=80), max_size=3),
    st.text(max_size=20),
    st.integers(0, 400),
)
def test_what_goes_down_arrives_whole_where_there_is_room_for_it(
    values: dict[str, bytes], origin: str, budget: int
) -> None:
    down = {key(name, direction=Direction.DOWN): value for name, value in values.items()}
    carried, parcel = EMPTY.with_down(down), Parcel()
    write(parcel, carried, origin=origin, budget=budget)
    header = parcel.headers.get("baggage", "")
    assert len(header) <= budget
    received = read_header(header)
    whole = write_header(carried, origin=origin) if values or origin else ""
    if len(whole) <= budget:
        assert header == whole
        assert {each: received.unpack(each) for each in down} == {
            each: (value,) for each, value in down.items()
        }
    assert received.origin in ("", origin)
