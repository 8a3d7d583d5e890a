"""What is written by hand is what protocol buffers write."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from baggage.wire import (
    DEFAULT_PRIORITY,
    WireBaggage,
    WireBlock,
    WireEntry,
    WireLoan,
    encode,
    size_of,
)
from baggage.wire.baggage_pb2 import Baggage as Message

SIGNED = st.integers(-(1 << 63), (1 << 63) - 1)
UNSIGNED = st.integers(0, (1 << 64) - 1) | st.integers(0, 300)
VALUES = st.binary(max_size=300) | st.text(max_size=200) | SIGNED | st.floats() | st.booleans()
POINTS = st.just("") | st.text("01", max_size=63).map(lambda path: path + "1")
ENTRIES = st.builds(
    WireEntry,
    st.text(max_size=200),
    VALUES,
    UNSIGNED,
    POINTS,
    st.integers(0, (1 << 32) - 1) | st.integers(0, 3),
    st.integers(-(1 << 31) + DEFAULT_PRIORITY, (1 << 31) - 1 - DEFAULT_PRIORITY),
)
MANY = st.lists(ENTRIES, max_size=4).map(tuple)
TREES = UNSIGNED | st.binary(min_size=1, max_size=200)
MESSAGES = st.builds(
    WireBaggage,
    st.lists(st.builds(WireBlock, UNSIGNED, TREES, MANY), max_size=3).map(tuple),
    st.none() | st.tuples(st.integers(0, (1 << 32) - 1), st.text(max_size=200)),
    MANY,
    MANY,
    st.text(max_size=200),
    st.just(()),
)
LOANS = st.lists(st.builds(WireLoan, UNSIGNED.filter(bool), st.binary(min_size=1, max_size=200)))
FIELDS: dict[type, str] = {
    bytes: "raw",
    str: "text",
    int: "integer",
    float: "real",
    bool: "truth",
}


def fields(entry: WireEntry) -> dict[str, Any]:
    """Return an entry as protocol buffers are given it."""
    bits = int("1" + entry.point, 2)
    point = bits.to_bytes((bits.bit_length() + 7) // 8, "big") if entry.point else b""
    return {
        "key": entry.key,
        FIELDS[type(entry.value)]: entry.value,
        "height": entry.height,
        "point": point,
        "type": entry.type,
        "priority": entry.priority - DEFAULT_PRIORITY,
    }


def block(each: WireBlock) -> dict[str, Any]:
    """Return a block as protocol buffers are given it."""
    tree = {"tree" if isinstance(each.tree, bytes) else "flat": each.tree}
    return {"root": each.root, **tree, "entries": [fields(entry) for entry in each.entries]}


@given(MESSAGES)
def test_equal_messages_have_equal_bytes(baggage: WireBaggage) -> None:
    markers = () if baggage.over is None else (baggage.over,)
    message = Message(
        blocks=[block(each) for each in baggage.blocks],
        over=[{"priority": priority, "key": name} for priority, name in markers],
        down=[fields(entry) for entry in baggage.down],
        home=[fields(entry) for entry in baggage.home],
        origin=baggage.origin,
    )
    assert encode(baggage) == message.SerializeToString(deterministic=True)


@given(LOANS, MANY, st.text(max_size=9))
def test_what_is_lent_stands_before_the_origin_which_a_hop_can_replace(
    lent: list[WireLoan], down: tuple[WireEntry, ...], origin: str
) -> None:
    blob = encode(WireBaggage(down=down, origin=origin, lent=tuple(lent)))
    before = Message(down=[fields(entry) for entry in down]).SerializeToString()
    loans = Message(lent=[loan._asdict() for loan in lent]).SerializeToString()
    assert blob == before + loans + Message(origin=origin).SerializeToString()


@given(ENTRIES)
def test_the_size_of_an_entry_is_what_it_adds(entry: WireEntry) -> None:
    assert size_of(entry) == len(encode(WireBaggage(down=(entry,))))
