"""What came is read when somebody asks: then it is what was written, or it is dropped."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.clock import MAX_HEIGHT
from baggage.values import (
    EMPTY,
    Bag,
    Baggage,
    BaggageError,
    Direction,
    Key,
    Last,
    Map,
    Sum,
    fit,
    receive,
)
from baggage.wire import WireBaggage, WireBlock, WireEntry, encode, sealed, seek

ROOT = 7
DOWN = Key("down", direction=Direction.DOWN)
NEVER_PACKED = WireBlock(ROOT, 1, (WireEntry("k", 1, 2),))
NAMELESS = WireEntry("", 1)
NAMES = st.sampled_from(["a", "b", "ab", "é"])
KEYS = st.builds(Key, NAMES, st.sampled_from([Bag, Last]))
PACKS = st.lists(st.tuples(KEYS, st.integers(0, 9)), max_size=6)
VERBS = st.lists(st.tuples(st.sampled_from(["pack", "remove", "split"]), KEYS), max_size=6)


def packed(carried: Baggage, packs: list[tuple[Key, int]]) -> Baggage:
    for key, value in packs:
        carried = carried.pack(key, value)
    return carried


def shown(carried: Baggage) -> dict[str, object]:
    names = carried.keys()
    return {name: (carried.unpack(name), carried.siblings(name)) for name in names}


def unordered(carried: Baggage) -> dict[str, object]:
    """Return what is there, in no order: that of concurrent values is their random roots'."""
    return {name: sorted(carried.siblings(name)) for name in carried.keys()} | {  # noqa: SIM118 - no dict
        DOWN.name: carried.unpack(DOWN)
    }


@given(PACKS, VERBS)
def test_it_makes_no_difference_whether_it_was_read_before(
    packs: list[tuple[Key, int]], verbs: list[tuple[str, Key]]
) -> None:
    blob = fit(packed(EMPTY.with_down({DOWN: 1}), packs), origin="there").blob
    read, unread = Baggage.deserialize(blob), receive(blob)
    for number, (verb, key) in enumerate(verbs):
        if verb == "pack":
            read, unread = read.pack(key, number), unread.pack(key, number)
        elif verb == "remove":
            read, unread = read.remove(key), unread.remove(key)
        else:
            read, unread = (each.split()[number % 2] for each in (read, unread))
        sent = receive(fit(unread.departing(), origin="here").blob)
        assert unordered(sent) == unordered(read.departing())
        assert sent.origin == "here"
    assert unordered(unread) == unordered(read)


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_refused_or_can_be_used(blob: bytes) -> None:
    try:
        carried = receive(blob)
    except BaggageError:
        return
    for each in (carried.pack("k", 1), *carried.split(), carried.join(EMPTY.pack("k", 1))):
        receive(fit(each.departing().with_down({DOWN: 1}), origin="here").blob).keys()


@pytest.mark.parametrize(
    "message",
    [
        WireBaggage((NEVER_PACKED,)),
        WireBaggage((WireBlock(ROOT, MAX_HEIGHT + 1),)),
        WireBaggage((WireBlock(ROOT, b"\xff"),)),
        WireBaggage(over=(1 << 16, "k")),
        WireBaggage(down=(NAMELESS,)),
        WireBaggage(home=(NAMELESS,)),
        WireBaggage((NEVER_PACKED,), None, (NAMELESS,), (NAMELESS,)),
    ],
)
def test_what_no_service_can_have_written_is_dropped_when_it_is_read_and_logged_once(
    message: WireBaggage, caplog: pytest.LogCaptureFixture
) -> None:
    carried = receive(encode(message))
    for _ in range(2):
        assert carried.keys() == ()
        assert not carried.complete("k") or carried.history.over is None
    assert [record.message for record in caplog.records] == ["baggage dropped"]


def test_what_was_dropped_is_not_passed_on() -> None:
    message = WireBaggage((NEVER_PACKED,), None, (WireEntry("down", 1),))
    carried = receive(encode(message)).pack("mine", 1)
    assert carried.unpack("k") == ()
    sent = Baggage.deserialize(fit(carried.departing(), origin="here").blob)
    assert shown(sent) == {"mine": ((1,), (1,)), "down": ((1,), ())}


def test_what_nobody_reads_goes_on_as_it_came_behind_it_what_was_packed() -> None:
    came = EMPTY.pack("k", 1).pack(DOWN, 2).serialize() + b"\x7a\x03new"
    carried = receive(came)
    for number in range(3):
        carried = carried.pack("mine", number)
        sent = fit(carried.departing(), origin="here").blob
        assert sent.startswith(came)
        arrived = Baggage.deserialize(sent)
        assert arrived.unpack("mine") == tuple(range(number + 1))
        assert arrived.keys() == ("down", "k", "mine")
        assert len(arrived.history.seen) == 2


@pytest.mark.parametrize("name", ["a", "é", "shop", "a" * 200])
@pytest.mark.parametrize("later", [b"", b"\x79" + bytes(8), b"\x78\x01", b"\x7d" + bytes(4)])
def test_a_value_that_ends_like_an_origin_is_not_cut_off(name: str, later: bytes) -> None:
    signed = sealed(later, name)
    value = sealed(b"v", name)
    blob = signed + EMPTY.pack(DOWN, value).serialize()
    for came in (blob, blob + sealed(b"", name)):
        carried = receive(came)
        assert carried.origin == name
        sent = fit(carried.departing(), origin="here").blob
        assert sent == sealed(blob, "here")
        assert receive(sent).unpack(DOWN) == (value,)


def test_a_tag_in_more_bytes_than_it_takes_is_the_same_tag() -> None:
    home = Key("home", direction=Direction.HOME)
    lent = fit(EMPTY.pack("k", 1), lending=True).blob
    one_way = {b"\x1a": EMPTY.pack(DOWN, 1).serialize(), b"\x22": EMPTY.pack(home, 2).serialize()}
    for tag, blob in one_way.items():
        carried = receive(bytes([tag[0] | 0x80]) + b"\0" + blob.removeprefix(tag))
        assert [*carried.unpack(DOWN), *carried.unpack(home)] == ([1] if tag == b"\x1a" else [2])
    at = len(EMPTY.pack("k", 1).serialize())
    carried = receive(lent[:at] + b"\xb2\0" + lent[at + 1 :])
    assert receive(carried.serialize(), lent=True).history.own == {}


def test_a_changed_down_value_takes_the_place_of_the_one_that_came() -> None:
    came = fit(EMPTY.pack("k", 1).pack(DOWN, 2), origin="there").blob
    sent = fit(receive(came).departing().with_down({DOWN: 3}), origin="here").blob
    assert len(sent) == len(came) - 1
    assert Baggage.deserialize(sent).unpack(DOWN) == (3,)


def test_a_concurrent_value_that_came_is_superseded() -> None:
    one, other = EMPTY.pack("x", 0).split()
    came = one.pack(Key("k", Last), 1).join(other.pack(Key("k", Last), 2)).serialize()
    carried = receive(came).pack("k", 3)
    assert carried.siblings("k") == (3,)
    assert receive(carried.serialize()).siblings("k") == (3,)


def test_a_field_that_was_packed_on_what_came_is_seen_through_its_map() -> None:
    cart = Key("cart", Map, of=Sum)
    carried = receive(EMPTY.pack("k", 1).serialize()).pack(cart["apples"], 2)
    for key in (cart, "cart"):
        assert carried.unpack(key) == (2,)
        assert carried.fields(key) == {"apples": (2,)}


def test_for_many_keys_all_is_read_once() -> None:
    names = [f"k{number}" for number in range(20)]
    blob = packed(EMPTY, [(Key(name), number) for number, name in enumerate(names)]).serialize()
    carried = receive(blob)
    with mock.patch("baggage.values.came.seek", wraps=seek) as sought:
        assert [carried.unpack(name) for name in names] == [(number,) for number in range(20)]
    assert 0 < sought.call_count < len(names)
    assert carried.serialize() == blob


def test_a_group_of_a_later_version_before_the_origin_is_no_obstacle() -> None:
    group, text = b"\x7b\x7c", "is there"
    whole = EMPTY.pack("k", text).serialize()
    carried = receive(whole + group + fit(EMPTY.pack(DOWN, 2), origin="there").blob)
    assert (carried.origin, carried.unpack("k"), carried.unpack(DOWN)) == ("there", (text,), (2,))
    sent = fit(carried.departing(), origin="here").blob
    assert group in sent
    again = receive(sent)
    assert (again.origin, again.unpack("k"), again.unpack(DOWN)) == ("here", (text,), (2,))
