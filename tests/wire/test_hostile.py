"""Whatever bytes or text come in, only the package's own errors come out, in linear work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from baggage.clock import MAX_HEIGHT, Event, encode_event
from baggage.values import EMPTY, Baggage, BaggageError, Key, fit, key, receive
from baggage.wire import (
    MAX_BYTES,
    MAX_NAME,
    WireBaggage,
    WireBlock,
    WireEntry,
    WireError,
    armour,
    decode,
    encode,
    split_members,
    unarmour,
)
from baggage.wire.baggage_pb2 import Baggage as Message

ROOT = 7
HOME = key("k.home", direction="home")


def sample() -> bytes:
    """Return a message in which every field is used."""
    carried = EMPTY.pack("k.bag", b"raw").pack(Key("k.last", priority=7), "text")
    left, right = carried.split()
    carried = left.pack("k.bag", -1).join(right.pack("k.bag", 1.5).peeked()).pack("k.bag", True)
    carried = carried.pack(key("k.down", direction="down"), 1).pack(HOME, 2)
    trimmed = Baggage.deserialize(fit(carried.pack(Key("k.z", priority=200), "x" * 99), 190).blob)
    return carried.join(trimmed).serialize() + encode(WireBaggage(origin="service"))


def read(blob: bytes) -> Baggage | None:
    """Return what is in some bytes, None if the right error says that there is nothing.

    What can be read can be used, and written again.
    """
    try:
        carried = Baggage.deserialize(blob)
    except BaggageError:
        return None
    joined = EMPTY.pack("mine", 1).join(carried).pack("mine", 2)
    assert set(joined.unpack("mine")) >= {1, 2}
    assert shown(Baggage.deserialize(joined.serialize())) == shown(joined)
    assert shown(Baggage.deserialize(carried.serialize())) == shown(carried)
    return carried


def shown(carried: Baggage) -> dict[str, str]:
    """Return what all keys show, as text, in which NaN equals itself."""
    names = carried.keys()
    return {name: repr((carried.unpack(name), carried.siblings(name))) for name in names}


@given(st.binary(max_size=200))
def test_arbitrary_bytes(blob: bytes) -> None:
    read(blob)
    try:
        decode(blob)
    except WireError:
        pass


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255), st.integers(0, 2)), max_size=4))
def test_bytes_that_were_changed_on_the_way(changes: list[tuple[float, int, int]]) -> None:
    blob = bytearray(sample())
    for place, byte, length in changes:
        start = int(place * len(blob))
        blob[start : start + length] = bytes([byte])
    read(bytes(blob))


Fields = dict[str, Any]
ENTRIES: st.SearchStrategy[Fields] = st.builds(
    dict,
    key=st.sampled_from(["k", "", "k" * 300, "é"]),
    text=st.text(max_size=3),
    height=st.sampled_from([0, 1, 2, MAX_HEIGHT, (1 << 64) - 1]),
    point=st.sampled_from(
        [b"", b"\x01", b"\x02", b"\x03", b"\x00\x03", b"\x07" * 9, b"\x01" * 400]
    ),
    type=st.sampled_from([0, 1, 2, (1 << 32) - 1]),
    priority=st.sampled_from([0, -100, -101, 65435, 65436, -(1 << 31), (1 << 31) - 1]),
)
BLOCKS: st.SearchStrategy[Fields] = st.builds(
    dict,
    root=st.sampled_from([0, 1, (1 << 64) - 1]),
    flat=st.sampled_from([0, 1, MAX_HEIGHT, MAX_HEIGHT + 1, (1 << 64) - 1]),
    tree=st.sampled_from([b"", b"\x00", b"\xff" * 9, encode_event((0, 0, 1, 1)), b"\x55" * 999]),
    entries=st.lists(ENTRIES, max_size=2),
)
MARKERS: st.SearchStrategy[Fields] = st.builds(
    dict,
    priority=st.sampled_from([0, 100, 65535, 65536, (1 << 32) - 1]),
    key=st.sampled_from(["", "k", "k" * 300]),
)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "blocks": st.lists(BLOCKS, max_size=3),
        "over": st.lists(MARKERS, max_size=2),
        "down": st.lists(ENTRIES, max_size=2),
        "home": st.lists(ENTRIES, max_size=2),
        "origin": st.text(max_size=3),
    },
)


@given(MESSAGES)
def test_well_formed_messages_of_garbage(fields: Fields) -> None:
    read(Message(**fields).SerializeToString())


@given(st.text(max_size=100))
@example("causal=é")
@example("causal=A")
@example("causal=AA=,causal=BB")
@example(",=,;,causal,causal=")
def test_arbitrary_headers(header: str) -> None:
    ours, foreign = split_members(header)
    assert all(member.isprintable() or "\t" in member for member in foreign)
    if ours is not None:
        try:
            assert armour(unarmour(ours)) == ours
        except WireError:
            pass


@pytest.mark.parametrize(
    "message",
    [
        WireBaggage(down=(WireEntry("", 1),)),
        WireBaggage(down=(WireEntry("é" * 128, 1),)),
        WireBaggage(down=(WireEntry("k", 1, priority=-1),)),
        WireBaggage(down=(WireEntry("k", 1, priority=1 << 16),)),
        WireBaggage(over=(1 << 16, "k")),
        WireBaggage(over=(0, "k" * (MAX_NAME + 1))),
        WireBaggage(blocks=(WireBlock(ROOT, MAX_HEIGHT + 1),)),
        WireBaggage(blocks=(WireBlock(ROOT, b"\xff"),)),
        WireBaggage(blocks=(WireBlock(ROOT, 1, (WireEntry("k", 1, 0),)),)),
        WireBaggage(blocks=(WireBlock(ROOT, 1, (WireEntry("k", 1, 2),)),)),
        WireBaggage(blocks=(WireBlock(ROOT, 1, (WireEntry("k", 1, 1, "0" * 64 + "1"),)),)),
    ],
)
def test_what_no_service_can_have_written_is_refused(message: WireBaggage) -> None:
    with pytest.raises(BaggageError, match="can't read baggage"):
        Baggage.deserialize(encode(message))


@pytest.mark.parametrize(
    "blob",
    [
        Message(blocks=[{"root": ROOT, "flat": 1, "tree": b"\x00"}]).SerializeToString(),
        Message(down=[{"key": "k"}]).SerializeToString(),
        Message(down=[{"key": "k", "truth": True, "point": b"\x02"}]).SerializeToString(),
        Message(down=[{"key": "k", "truth": True, "point": b"\x00\x03"}]).SerializeToString(),
        bytes(MAX_BYTES + 1),
        b"\x2a\x01\xff",
        b"\x0a" * 1000,
    ],
)
def test_what_is_no_message_is_refused(blob: bytes) -> None:
    with pytest.raises(BaggageError):
        Baggage.deserialize(blob)


def test_the_longest_name_and_the_extreme_priorities_are_read() -> None:
    for name in ("k" * MAX_NAME, "é" * 127):
        for priority in (0, (1 << 16) - 1):
            blob = EMPTY.pack(Key(name, priority=priority), 1).serialize()
            assert Baggage.deserialize(blob).keys() == (name,)


def test_an_unknown_type_is_shown_as_a_bag_and_carried_on() -> None:
    entries = (WireEntry("k", 1, 1, type=9), WireEntry("k", 2, 2, type=9))
    carried = Baggage.deserialize(encode(WireBaggage((WireBlock(ROOT, 2, entries),))))
    assert carried.unpack("k") == (1, 2)
    (known, unknown) = decode(carried.pack("k", 3).serialize()).blocks
    assert {entry.type for entry in (*known.entries, *unknown.entries)} == {0, 9}


@pytest.mark.parametrize("name", ["\0", "\0field", "a\0", "a\0b\0c", "\0\0"])
def test_each_name_that_is_shown_can_be_asked_for(name: str) -> None:
    merging = WireBaggage((WireBlock(ROOT, 1, (WireEntry(name, 1, 1),)),))
    down, home = WireBaggage(down=(WireEntry(name, 1),)), WireBaggage(home=(WireEntry(name, 1),))
    for blob in map(encode, (merging, down, home)):
        for carried in (receive(blob), Baggage.deserialize(blob)):
            (shown_as,) = carried.keys()
            assert carried.unpack(shown_as) == (1,)


def test_fields_of_a_later_version_pass_through_untouched_bytes() -> None:
    blob = EMPTY.pack("k", 1).serialize() + b"\x7a\x03new"
    assert Baggage.deserialize(blob).departing().serialize() == blob
    assert fit(Baggage.deserialize(blob), origin="here").blob == blob + b"\x2a\x04here"


def test_a_hop_replaces_the_origin_of_untouched_bytes() -> None:
    blob = fit(EMPTY.pack("k", 1), origin="a").blob
    for origin in ("b", "c", "a"):
        came = Baggage.deserialize(blob)
        again = fit(came.departing(), origin=origin).blob
        assert len(again) == len(blob)
        assert Baggage.deserialize(again).origin == origin
        blob = again
    assert Baggage.deserialize(Baggage.deserialize(blob).serialize()).origin == ""


def test_a_root_that_a_peer_brought_to_its_end_is_not_written_with() -> None:
    mine = EMPTY.pack("k", 1)
    ((root, _),) = mine.history.seen.items()
    poisoned = Baggage.deserialize(encode(WireBaggage((WireBlock(root, MAX_HEIGHT),))))
    written = mine.join(poisoned).pack("k", 2).pack("k", 3)
    assert written.unpack("k")[-2:] == (2, 3) or set(written.unpack("k")) >= {2, 3}
    assert Baggage.deserialize(written.serialize()).unpack("k") == written.unpack("k")


def work(call: Callable[[], object]) -> int:
    """Return how many Python functions a call calls: a measure of work that no clock disturbs."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        call()
    finally:
        sys.setprofile(before)
    return calls


def jagged(leaves: int) -> bytes:
    """Return a tree with at least as many leaves, half of which any height raises."""
    high = 1 << 40
    event: Event = (0, 0, high, high)
    for _ in range(leaves.bit_length() - 1):
        event = (0, event, event, high)
    return encode_event(event)


def many_blocks(n: int) -> bytes:
    blocks = [WireBlock(ROOT, jagged(n))]
    return encode(WireBaggage((*blocks, *(WireBlock(ROOT, height) for height in range(1, n)))))


def many_home_values(n: int) -> bytes:
    return encode(WireBaggage(home=tuple(WireEntry("k", number) for number in range(n))))


def many_entries(n: int) -> bytes:
    entries = tuple(WireEntry("k", 1, height) for height in range(1, n))
    return encode(WireBaggage((WireBlock(ROOT, n, entries),)))


def many_roots(n: int) -> bytes:
    return encode(WireBaggage(tuple(WireBlock(root, 1) for root in range(1, n))))


def many_markers(n: int) -> bytes:
    return encode(WireBaggage(over=(1, "k"))) * n


def many_down_values(n: int) -> bytes:
    return encode(WireBaggage(down=tuple(WireEntry("k", number) for number in range(n))))


@pytest.mark.parametrize(
    "blob",
    [
        many_blocks,
        many_home_values,
        many_entries,
        many_roots,
        many_markers,
        many_down_values,
    ],
)
def test_twice_as_much_is_twice_the_work(blob: Callable[[int], bytes]) -> None:
    once, twice = blob(500), blob(1000)
    assert work(lambda: Baggage.deserialize(twice)) < 2.5 * work(lambda: Baggage.deserialize(once))


@pytest.mark.parametrize("blob", [many_home_values, many_entries])
def test_trimming_twice_as_much_is_twice_the_work(blob: Callable[[int], bytes]) -> None:
    once, twice = Baggage.deserialize(blob(500)), Baggage.deserialize(blob(1000))
    assert work(lambda: fit(twice, 600)) < 2.5 * work(lambda: fit(once, 600))
