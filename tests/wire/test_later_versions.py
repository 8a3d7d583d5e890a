"""What a later version writes survives services that don't understand it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import read_header, write_header
from baggage.values import EMPTY, Baggage, BaggageError, Key, Last, Sum, fit, key, receive
from baggage.wire import WireBaggage, WireBlock, WireEntry, compose, decode, encode, unarmour
from baggage.wire import armour as armoured
from baggage.wire.baggage_pb2 import Baggage as Message

ROOT = 7
DOWN, HOME = key("d", direction="down"), key("h", direction="home")
NEW = bytes.fromhex("7a036e6577" + "800101")
"""Fields 15, a text, and 16, a number."""

ENTRY = bytes.fromhex("0a016b" + "1801" + "4802" + "7801")
UNKNOWN_INSIDE = b"\x0a" + bytes([11 + 2 + len(ENTRY) + 2]) + bytes.fromhex("09" + "07" + "00" * 7)
UNKNOWN_INSIDE += bytes.fromhex("1001") + b"\x2a" + bytes([len(ENTRY)]) + ENTRY + b"\x78\x05"
"""A block with a field 15, and an entry with one."""

TYPED = encode(
    WireBaggage((WireBlock(ROOT, 2, tuple(WireEntry("k", n, n, type=9) for n in (1, 2))),))
)
"""Two values of a type that there is not, yet."""


def later() -> bytes:
    """Return a message with something new at every level."""
    return NEW + UNKNOWN_INSIDE + TYPED + fit(EMPTY.pack(DOWN, 1)).blob + NEW


def new_in(blob: bytes) -> bytes:
    """Return the fields of a message that this version does not know."""
    message = Message.FromString(blob)
    for field in message.DESCRIPTOR.fields:
        message.ClearField(field.name)
    return message.SerializeToString()


def types_in(blob: bytes) -> set[int]:
    return {entry.type for block in decode(blob).blocks for entry in block.entries}


@pytest.mark.parametrize("budget", [None, 4096])
def test_an_untouched_message_goes_on_byte_for_byte(budget: int | None) -> None:
    came = later()
    carried = receive(came)
    assert fit(carried.departing(), budget).blob == came
    assert fit(carried.departing(), budget, "hop").blob == came + b"\x2a\x03hop"
    assert carried.unpack("k") != ()  # reading is not touching
    assert fit(carried.departing(), budget, "hop").blob == came + b"\x2a\x03hop"


def test_a_whole_header_of_it_goes_on_through_a_chain_of_hops() -> None:
    header = compose(armoured(later()), ["user=alice;p=1"])
    for hop in ("a", "b", "c"):
        header = write_header(read_header(header), origin=hop)
    foreign, ours = header.split(",")
    assert foreign == "user=alice;p=1"
    assert unarmour(ours.removeprefix("causal=")) == later() + b"\x2a\x01c"


def test_a_value_is_packed_on_top_of_it() -> None:
    sent = fit(receive(later()).pack("mine", 1).pack("mine", 2).departing(), origin="hop").blob
    assert sent.startswith(later())
    assert receive(sent).unpack("mine") == (1, 2)


def test_other_down_values_take_nothing_from_it() -> None:
    sent = fit(receive(later()).departing().with_down({DOWN: 2}), origin="hop").blob
    assert new_in(sent) == NEW + NEW
    assert UNKNOWN_INSIDE in sent
    assert receive(sent).unpack(DOWN) == (2,)


def changed(carried: Baggage) -> dict[str, Baggage]:
    """Return baggage whose history is no longer the one that came, by what was done to it."""
    one, other = carried.split()
    return {
        "joined with an answer": carried.join(receive(EMPTY.pack("theirs", 1).serialize())),
        "joined with a branch": one.pack("mine", 1).join(other.pack("mine", 2)),
        "removed from": carried.remove("k"),
        "set": carried.pack("l", 0).pack(Key("l", Last), 1).pack(Key("l", Last), 2),
        "packed, joined, packed": carried.join(EMPTY.pack("theirs", 1)).pack(Key("s", Sum), 1),
        "joined with nothing new": carried.join(receive(encode(WireBaggage(over=(0, "z"))))),
    }


@pytest.mark.parametrize("done", sorted(changed(EMPTY)))
def test_what_is_new_in_a_message_survives_what_is_done_to_the_rest(done: str) -> None:
    carried = changed(receive(later()))[done]
    sent = fit(carried.departing(), origin="hop").blob
    assert new_in(sent) == NEW + NEW
    again = changed(receive(sent))[done]
    assert new_in(fit(again.departing()).blob) == NEW + NEW


@pytest.mark.parametrize("done", sorted(set(changed(EMPTY)) - {"removed from"}))
def test_types_that_are_new_survive_what_is_done_to_the_rest(done: str) -> None:
    carried = changed(receive(later()))[done]
    sent = fit(carried.departing()).blob
    assert 9 in types_in(sent)
    assert set(receive(sent).unpack("k")) == {1, 2}


def test_what_is_new_in_an_answer_does_not_come_home_as_down_values_do_not() -> None:
    answer = receive(NEW + EMPTY.pack("theirs", 1).pack(HOME, 1).serialize())
    for mine in (EMPTY, EMPTY.pack("mine", 1), receive(TYPED)):
        joined = mine.join(answer)
        assert (joined.unpack("theirs"), joined.unpack(HOME)) == ((1,), (1,))
        assert new_in(fit(joined.departing()).blob) == b""


def test_a_message_that_makes_no_sense_takes_what_is_new_in_it_along() -> None:
    never_packed = encode(WireBaggage((WireBlock(ROOT, 1, (WireEntry("k", 1, 2),)),)))
    carried = receive(NEW + never_packed)
    assert carried.keys() == ()
    for each in (carried, carried.pack("mine", 1), carried.join(EMPTY.pack("mine", 1))):
        assert new_in(fit(each.departing()).blob) == b""


def test_what_is_new_is_the_first_to_go_where_room_is_short() -> None:
    came = NEW * 20 + EMPTY.pack("k", 1).serialize()
    sent = fit(receive(came).departing(), 60, "hop").blob
    assert new_in(sent) == b""
    assert receive(sent).unpack("k") == (1,)


@given(st.binary(max_size=30), st.binary(max_size=30))
def test_any_bytes_in_a_field_that_is_new_are_kept(one: bytes, other: bytes) -> None:
    new = b"".join(b"\x7a" + bytes([len(each)]) + each for each in (one, other))
    try:
        carried = receive(new[: 2 + len(one)] + TYPED + new[2 + len(one) :])
    except BaggageError:
        raise AssertionError("it is a message") from None
    assert new_in(fit(carried.join(EMPTY.pack("k", 1)).departing()).blob) == new
