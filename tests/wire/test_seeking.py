"""What is read by hand of one key is what protocol buffers read, or nothing is read by hand."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from baggage.clock import MAX_HEIGHT
from baggage.values import EMPTY, Baggage, Key, Last, receive
from baggage.wire import (
    DEFAULT_PRIORITY,
    Scanned,
    Sought,
    Unread,
    WireBaggage,
    WireBlock,
    WireEntry,
    WireError,
    encode,
    scan,
    seek,
)
from baggage.wire.baggage_pb2 import Baggage as Message

NAMES = st.sampled_from(["k", "kk", "key", "é", "\n"])
VALUES = (
    st.binary(max_size=3)
    | st.text(max_size=3)
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False)
    | st.booleans()
    | st.sampled_from(["k" * 200, b"\x0a\x01k" * 60])
)
ENTRIES = st.builds(
    WireEntry,
    NAMES,
    VALUES,
    st.integers(1, 300),
    st.just(""),
    st.integers(0, 9),
    st.just(DEFAULT_PRIORITY) | st.integers(0, (1 << 16) - 1),
)
BLOCKS = st.builds(
    WireBlock,
    st.integers(1, (1 << 64) - 1),
    st.integers(300, MAX_HEIGHT),
    st.lists(ENTRIES, max_size=4).map(tuple),
)
WRITTEN = st.builds(
    WireBaggage,
    st.lists(BLOCKS, max_size=3).map(tuple),
    st.none() | st.tuples(st.integers(0, 100), NAMES),
    st.lists(st.builds(lambda name, value: WireEntry(name, value), NAMES, VALUES), max_size=2).map(
        tuple
    ),
    st.just(()),
    st.text(max_size=3),
    st.just(()),
)
RAW: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"key": st.sampled_from(["k", "kk", ""])},
    optional={
        "text": st.sampled_from(["", "k"]),
        "raw": st.just(b"k"),
        "height": st.sampled_from([0, 1, 2, 200, MAX_HEIGHT + 1, (1 << 64) - 1]),
        "point": st.just(b"\x03"),
        "type": st.sampled_from([1, 200, (1 << 32) - 1]),
        "priority": st.sampled_from([-100, -101, 65435, 65436, -(1 << 31)]),
    },
)
GARBAGE = st.lists(
    st.fixed_dictionaries(
        {"entries": st.lists(RAW, max_size=3)},
        optional={
            "root": st.sampled_from([0, 7, (1 << 64) - 1]),
            "flat": st.sampled_from([1, 2, 300, MAX_HEIGHT, MAX_HEIGHT + 1]),
            "tree": st.just(b"\x10"),
        },
    ),
    max_size=3,
)


def read_by_protobuf(blob: bytes, name: str) -> list[Sought]:
    return [
        (
            block.root,
            entry.height,
            getattr(entry, entry.WhichOneof("value")),
            entry.type,
            entry.priority + DEFAULT_PRIORITY,
        )
        for block in Message.FromString(blob).blocks
        for entry in block.entries
        if entry.key == name
    ]


def sensible_as_written(blob: bytes, scanned: list[Scanned]) -> None:
    """See that all blocks are read as protocol buffers read them, and nothing else merges."""
    message = Message.FromString(blob)
    assert not message.over
    assert [(block.root, block.flat) for block in message.blocks] == [each[:2] for each in scanned]
    for block, (_, _, entries) in zip(message.blocks, scanned, strict=True):
        assert not block.tree
        assert all(entry.height and not entry.point for entry in block.entries)
        for name in {entry.key for entry in block.entries}:
            alone = Message(blocks=[block]).SerializeToString()
            read = [(block.root, *entry[1:]) for entry in entries if entry[0] == name.encode()]
            assert repr(read) == repr(read_by_protobuf(alone, name))


def agrees(blob: bytes, name: str) -> bool:
    """Say whether a key is read by hand, after seeing that both ways to read it agree."""
    try:
        Unread(blob)
    except WireError:
        return False
    found = seek(blob, name)
    scanned = scan(blob)
    if scanned is not None:
        sensible_as_written(blob, scanned)
    if found is not None:
        assert repr(found) == repr(read_by_protobuf(blob, name))  # NaN equals itself so
        for block in Message.FromString(blob).blocks:
            assert all(
                0 < each.height <= block.flat <= MAX_HEIGHT and not (each.point or block.tree)
                for each in block.entries
                if each.key == name
            )
    return found is not None


@given(WRITTEN, NAMES)
def test_what_was_written_is_read_by_hand(message: WireBaggage, name: str) -> None:
    large = any(
        type(entry.value) is int and abs(entry.value) >= 1 << 61
        for block in message.blocks
        for entry in block.entries
    )
    assert agrees(encode(message), name) or large
    assert scan(encode(message)) is not None or large or message.over


@given(GARBAGE, st.sampled_from(["k", "kk", "x"]))
def test_garbage_is_left_to_protocol_buffers(blocks: list[dict[str, Any]], name: str) -> None:
    agrees(Message(blocks=blocks).SerializeToString(), name)


@given(WRITTEN, NAMES, st.data())
def test_what_was_changed_on_the_way_is_read_the_same_or_left_to_them(
    message: WireBaggage, name: str, data: st.DataObject
) -> None:
    blob = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(blob)))
        blob[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    agrees(bytes(blob), name)


HEAD = b"\x09\x07\0\0\0\0\0\0\0\x10\x02"


@given(st.lists(st.sampled_from(b"\x0a\x12\x18\x28\x30\x42\x48\x58\x00\x01\x02\x80k"), max_size=16))
@example([*b"\x0a\x01k\x18\x01\x58\x01\x0a\x01x"])
@example([*b"\x0a\x01k\x18\x01\x58\x01\x18\x02"])
@example([*b"\x0a\x01k\x12\x01k\x18\x01\x58\x00"])
@example([*b"\x0a\x81\x00k\x18\x01\x58\x01"])
@example([*b"\x18\x01\x58\x01\x0a\x01k"])
@example([*b"\x0a\x01k\x18\x01\x58\x02"])
def test_anything_like_an_entry_is_read_as_they_do_or_left_to_them(entry: list[int]) -> None:
    block = HEAD + b"\x2a" + bytes([len(entry)]) + bytes(entry)
    agrees(b"\x0a" + bytes([len(block)]) + block, "k")


@given(st.sampled_from([HEAD, HEAD[:9], HEAD[9:], b"\x1a\x01\x10", b"\x10\x00", b"\x7a\x01k"]))
def test_a_head_behind_the_entries_counts(late: bytes) -> None:
    block = HEAD + b"\x2a\x07\x0a\x01k\x18\x01\x58\x01" + late
    assert not agrees(b"\x0a" + bytes([len(block)]) + block, "k")


@given(st.lists(st.tuples(NAMES, VALUES, st.booleans()), max_size=6), NAMES)
def test_a_key_shows_the_same_before_and_after_all_is_read(
    packs: list[tuple[str, Any, bool]], name: str
) -> None:
    carried = EMPTY
    for each, value, last in packs:
        carried = carried.pack(Key(each, Last) if last else each, value)
    blob = carried.serialize()
    alone = receive(blob)
    assert alone.unpack(name) == Baggage.deserialize(blob).unpack(name) == carried.unpack(name)
    assert alone.serialize() == blob
    assert alone.pack("mine", 1).serialize().startswith(blob)


def test_what_nobody_can_have_written_is_left_to_the_other_reader() -> None:
    never_packed = WireBlock(7, 3, (WireEntry("k", 1, 0),))
    too_high = WireBlock(7, MAX_HEIGHT + 1, (WireEntry("k", 1, 2),))
    for strange in (never_packed, too_high):
        assert seek(encode(WireBaggage((strange,))), "k") is None
    assert seek(encode(WireBaggage((too_high,))), "other") == []
    assert seek(b"\x0a", "\ud800") is None


def test_numbers_of_more_bits_than_protocol_buffers_keep_are_left_to_them() -> None:
    known = b"\x0a\x14" + HEAD + b"\x2a\x07\x0a\x01k\x18\x01\x58\x01"
    three, two = (bytes([0x80 | size, *[0x80] * 8, 0x02]) for size in (3, 2))
    assert not agrees(b"\x3a" + three + b"new" + known, "k")
    marker = b"\x12" + three + b"\x12\x01x"
    assert Unread(marker + known).history()[1] == (0, "x")
    assert not agrees(marker + known, "k")
    text = b"\x0a\x01k\x18\x01\x42" + two + b"ab"
    entry = b"\x2a" + bytes([0x80 | len(text), *[0x80] * 8, 0x02]) + text
    block = HEAD + entry + b"\x2a\x07\x0a\x01k\x18\x01\x58\x01"
    assert read_by_protobuf(b"\x0a" + bytes([len(block)]) + block, "k")[0][2] == "ab"
    assert not agrees(b"\x0a" + bytes([len(block)]) + block, "k")


def test_a_text_that_is_not_the_last_of_its_entry_is_left_to_the_other_reader() -> None:
    entry = b"\x0a\x01k" + b"\x18\x01" + b"\x42\x01x" + b"\x30\x02"
    block = b"\x09" + bytes([7] * 8) + b"\x10\x01" + b"\x2a" + bytes([len(entry)]) + entry
    body = b"\x0a" + bytes([len(block)]) + block
    assert seek(body, "k") is None
    assert receive(body).unpack("k") == ("x",)
