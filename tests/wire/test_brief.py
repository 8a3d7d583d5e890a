"""A brief message is read by hand as protocol buffers read it, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from baggage.wire import (
    DEFAULT_PRIORITY,
    MAX_PRIORITY,
    WireBaggage,
    WireEntry,
    WireError,
    brief,
    decode,
    encode,
)

NAMES = st.text(min_size=1, max_size=40)
PRIORITIES = st.just(DEFAULT_PRIORITY) | st.integers(0, MAX_PRIORITY)
DOWN = st.dictionaries(NAMES, st.tuples(st.binary(max_size=80), PRIORITIES), max_size=3)


def message(down: dict[str, tuple[bytes, int]], origin: str) -> bytes:
    entries = tuple(
        WireEntry(name, value, priority=priority)
        for name, (value, priority) in sorted(down.items())
    )
    return encode(WireBaggage(down=entries, origin=origin))


def agrees(blob: bytes) -> bool:
    """Say whether a message is read by hand, after seeing that both ways to read it agree."""
    read = brief(blob)
    if read is None:
        return False
    down, origin = read
    whole = decode(blob)
    assert (whole.blocks, whole.over, whole.home, whole.origin) == ((), None, (), origin)
    assert [WireEntry(name, v, priority=p) for name, (v, p) in down.items()] == [*whole.down]
    assert encode(whole) == blob
    return True


@given(DOWN, st.text(max_size=30))
def test_what_goes_down_is_read_as_it_was_written(
    down: dict[str, tuple[bytes, int]], origin: str
) -> None:
    blob = message(down, origin)
    lengths = [len(name.encode()) + len(value) for name, (value, _) in down.items()]
    if agrees(blob):
        assert brief(blob) == (dict(sorted(down.items())), origin)
    else:
        assert not blob or max([*lengths, len(origin.encode())]) > 110


@given(DOWN, st.text(max_size=5), st.data())
def test_what_was_changed_on_the_way_is_left_to_protocol_buffers(
    down: dict[str, tuple[bytes, int]], origin: str, data: st.DataObject
) -> None:
    blob = bytearray(message(down, origin))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(blob)))
        blob[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    agrees(bytes(blob))


@given(st.lists(st.sampled_from(b"\x1a\x2a\x0a\x12\x30\x00\x01\x02\x04\x05\x80ab"), max_size=24))
@example([*b"\x1a\x07\x0a\x01a\x12\x00\x30\x00"])
@example([*b"\x1a\x08\x0a\x01a\x12\x00\x30\x80\x00"])
@example([*b"\x1a\x05\x0a\x01a\x12\x00\x2a\x00"])
@example([*b"\x2a\x01a\x1a\x05\x0a\x01a\x12\x00"])
def test_anything_like_it_is_read_as_protocol_buffers_do_or_left_to_them(blob: list[int]) -> None:
    agrees(bytes(blob))


@pytest.mark.parametrize("cut", range(1, 24))
@pytest.mark.parametrize(("priority", "origin"), [(50, "origin"), (100, "origin"), (100, "")])
def test_a_message_that_was_cut_off_is_left_to_protocol_buffers(
    cut: int, priority: int, origin: str
) -> None:
    kept = message({"key": (b"value", priority)}, origin)[:-cut]
    if kept and not agrees(kept):
        with pytest.raises(WireError):
            decode(kept)
