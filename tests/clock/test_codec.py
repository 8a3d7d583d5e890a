"""The bit encoding: golden vectors, round trips, and decoders that refuse everything else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.clock import (
    MAX_DEPTH,
    MAX_HEIGHT,
    MAX_NODES,
    SEED,
    ClockError,
    Event,
    Id,
    decode_event,
    decode_id,
    encode_event,
    encode_id,
    event_nodes,
    split_id_n,
    stamp_bits,
    sum_id,
)
from baggage.clock.event import node
from tests.clock.histories import deep_event, deep_id, events, ids

ID_VECTORS: list[tuple[Id, str]] = [
    (0, "000"),
    (1, "001"),
    ((0, 1), "01 001"),
    ((1, 0), "10 001"),
    (((1, 0), 1), "11 10 001 001"),
    ((0, ((0, 1), (1, 0))), "01 11 01 001 10 001"),
]

EVENT_VECTORS: list[tuple[Event, str]] = [
    (0, "1 0 00"),
    (2, "1 0 10"),
    (3, "1 0 11"),
    (4, "1 10 000"),
    (11, "1 10 111"),
    (12, "1 110 0000"),
    (27, "1 110 1111"),
    (28, "1 1110 00000"),
    (node(0, 1), "000 1001"),
    (node(1, 0), "001 1001"),
    (node(node(1, 0), 1), "010 001 1001 1001"),
    (node(1, 2), "0 11 00 1001 1001"),
    (node(2, 1), "0 11 01 1001 1001"),
    (node(node(2, 1), 2), "0 11 1 1001 001 1001 1001"),
    (node(node(7, 5), node(3, 4)), "0 11 1 1011 0 11 01 1010 1010 000 1001"),
]

NOT_IDS = {
    "both halves whole": "11 001 001",
    "both halves empty": "11 000 000",
    "left half empty, in the long form": "11 000 001",
    "right half empty, in the long form": "11 001 000",
    "right half empty, left too": "01 000",
    "left half empty, right too": "10 000",
    "cut short": "11 10 00",
    "padding is not zero": "001 00001",
    "a byte follows": "001 00000 00000000",
    "a byte follows what needs no padding": "11 01 01 01 01 001 001 00000000",
}

NOT_EVENTS = {
    "right half zero, left too": "000 1000",
    "left half zero, right too": "001 1000",
    "left half zero, in the long form": "010 1000 1001",
    "right half zero, in the long form": "010 1001 1000",
    "equal halves": "010 1001 1001",
    "no half at the base": "010 1001 1010",
    "no half at the base, and one a node": "010 000 1001 1001 1001",
    "a base of zero": "0 11 00 1000 1001",
    "a base that is a node": "0 11 00 000 1001 1001",
    "a long form under a base": "0 11 1 1001 1000 1001",
    "cut short": "010 1001",
    "a number cut short": "1 11111110 0",
    "a number without end": "1" * 16,
    "padding is not zero": "1000 0001",
    "a byte follows": "1000 0000 00000000",
    "a byte follows what needs no padding": "1 110 0000 00000000",
}


def packed(bits: str) -> bytes:
    bits = bits.replace(" ", "")
    return bytes(int(bits[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(bits), 8))


@pytest.mark.parametrize(("identity", "bits"), ID_VECTORS)
def test_ids_have_the_papers_bits(identity: Id, bits: str) -> None:
    assert encode_id(identity) == packed(bits)
    assert decode_id(packed(bits)) == identity


@pytest.mark.parametrize(("event", "bits"), EVENT_VECTORS)
def test_event_trees_have_the_papers_bits(event: Event, bits: str) -> None:
    assert encode_event(event) == packed(bits)
    assert decode_event(packed(bits)) == event


def test_the_stamp_of_the_seed_after_two_events_takes_seven_bits() -> None:
    assert stamp_bits(SEED, 2) == 7


@given(ids, events)
def test_decoding_inverts_encoding(identity: Id, event: Event) -> None:
    assert decode_id(encode_id(identity)) == identity
    assert decode_event(encode_event(event)) == event
    assert len(encode_id(identity) + encode_event(event)) * 8 - stamp_bits(identity, event) < 16


@pytest.mark.parametrize("bits", NOT_IDS.values(), ids=NOT_IDS)
def test_what_is_no_normal_id_is_refused(bits: str) -> None:
    with pytest.raises(ClockError):
        decode_id(packed(bits))


@pytest.mark.parametrize("bits", NOT_EVENTS.values(), ids=NOT_EVENTS)
def test_what_is_no_normal_event_tree_is_refused(bits: str) -> None:
    with pytest.raises(ClockError):
        decode_event(packed(bits))


def assert_refused_or_canonical(encoded: bytes) -> None:
    """Whatever a decoder accepts encodes to the same bytes; all else raises `ClockError`."""
    pairs: list[tuple[Callable[[bytes], Event | Id], Callable[..., bytes]]]
    pairs = [(decode_id, encode_id), (decode_event, encode_event)]
    for decode, encode in pairs:
        try:
            tree = decode(encoded)
        except ClockError:
            continue
        assert encode(tree) == encoded


def test_all_short_bytes_are_refused_or_canonical() -> None:
    assert_refused_or_canonical(b"")
    for number in range(1 << 8):
        assert_refused_or_canonical(bytes([number]))
    for number in range(1 << 16):
        assert_refused_or_canonical(number.to_bytes(2, "big"))


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_canonical(encoded: bytes) -> None:
    assert_refused_or_canonical(encoded)


@given(ids.map(encode_id) | events.map(encode_event), st.data())
def test_damaged_bytes_are_refused_or_canonical(encoded: bytes, data: st.DataObject) -> None:
    damaged = bytearray(encoded)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.integers(0, len(damaged)))
    assert_refused_or_canonical(bytes(damaged[:cut]) + data.draw(st.binary(max_size=2)))
    assert_refused_or_canonical(bytes(damaged))


def test_the_limits_are_part_of_the_format() -> None:
    assert (MAX_DEPTH, MAX_NODES, MAX_HEIGHT) == (64, 4096, 2**63 - 1)


@pytest.mark.parametrize("side", [0, 1], ids=["left", "right"])
def test_depth_is_limited_both_ways(side: int) -> None:
    as_deep, deeper = MAX_DEPTH, MAX_DEPTH + 1
    assert decode_id(encode_id(deep_id(as_deep, side))) == deep_id(as_deep, side)
    assert decode_event(encode_event(deep_event(as_deep, side))) == deep_event(as_deep, side)
    with pytest.raises(ClockError, match="deeper"):
        encode_id(deep_id(deeper, side))
    with pytest.raises(ClockError, match="deeper"):
        encode_event(deep_event(deeper, side))
    with pytest.raises(ClockError, match="deeper"):
        decode_id(packed(["10", "01"][side] * deeper + "001"))
    with pytest.raises(ClockError, match="deeper"):
        decode_event(packed(["001", "000"][side] * deeper + "1001"))


@pytest.mark.parametrize("length", [200, 1_000, 60_000])
@pytest.mark.parametrize("byte", [0b00000000, 0b01010101, 0b10101010, 0b11111111, 0b01001001])
def test_endless_nesting_is_refused(byte: int, length: int) -> None:
    for decode in (decode_id, decode_event):
        with pytest.raises(ClockError):
            decode(bytes([byte]) * length)


def event_bits(event: Event) -> str:
    bits = "".join(f"{byte:08b}" for byte in encode_event(event))
    return bits[: stamp_bits(0, event) - stamp_bits(0, 0) + len("1000")]


def full_event(leaves: int) -> Event:
    level: list[Event] = [at % 2 for at in range(leaves)]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        rest = level[-1:] if len(level) % 2 else []
        level = [node(left, right) for left, right in pairs] + rest
    return level[0]


def test_the_number_of_nodes_is_limited_both_ways() -> None:
    largest = full_event(MAX_NODES // 2)
    assert event_nodes(largest) == MAX_NODES - 1
    assert decode_event(encode_event(largest)) == largest
    left, right = full_event(MAX_NODES // 4), full_event(MAX_NODES // 4 + 1)
    too_large = node(left, right)
    assert event_nodes(too_large) == MAX_NODES + 1
    with pytest.raises(ClockError, match="nodes"):
        encode_event(too_large)
    with pytest.raises(ClockError, match="nodes"):
        decode_event(packed("010" + event_bits(left) + event_bits(right)))
    every_other: Id = 0
    for share in split_id_n(SEED, MAX_NODES)[::2]:
        every_other = sum_id(every_other, share)
    with pytest.raises(ClockError, match="nodes"):
        encode_id(every_other)


def test_heights_are_limited_both_ways() -> None:
    highest = node(MAX_HEIGHT, node(MAX_HEIGHT - 5, 0))
    assert decode_event(encode_event(MAX_HEIGHT)) == MAX_HEIGHT
    assert decode_event(encode_event(highest)) == highest
    with pytest.raises(ClockError, match="greater"):
        encode_event(MAX_HEIGHT + 1)
    with pytest.raises(ClockError, match="greater"):
        encode_event(node(0, MAX_HEIGHT + 1))
    code = event_bits(MAX_HEIGHT)
    with pytest.raises(ClockError, match="greater"):
        decode_event(packed("01100" + "1001" + code))
    with pytest.raises(ClockError, match="greater"):
        decode_event(packed(code[:63] + "1" * 63))


def test_a_height_needs_no_more_bits_than_the_limits_allow_for() -> None:
    with pytest.raises(ClockError, match="too large"):
        decode_event(packed("1" * 64 + "0" + "0" * 64))


def test_more_bytes_than_any_tree_has_are_refused_unread() -> None:
    with pytest.raises(ClockError, match="bytes"):
        decode_event(b"\0" * 100_000)
    with pytest.raises(ClockError, match="no tree has 0 bytes"):
        decode_id(b"")


def test_the_largest_tree_with_great_heights_is_not_too_long() -> None:
    level: list[Event] = [node(0, MAX_HEIGHT - at) for at in range(MAX_NODES // 4)]
    while len(level) > 1:
        level = [node(left, right) for left, right in zip(level[::2], level[1::2], strict=True)]
    assert event_nodes(level[0]) == MAX_NODES - 1
    assert decode_event(encode_event(level[0])) == level[0]
