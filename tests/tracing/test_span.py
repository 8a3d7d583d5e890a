from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from metaapps.tracing.span import Position

TRACE, SPAN = bytes(range(16)), b"abcdefgh"


def ids(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size).filter(any)


@st.composite
def positions(draw: st.DrawFn) -> Position:
    root = Position.root(
        draw(ids(16)),
        draw(ids(8)),
        sampled=draw(st.booleans()),
        debug=draw(st.booleans()),
        random=draw(st.booleans()),
    )
    position = root.child(draw(ids(8))) if draw(st.booleans()) else root
    return position.sending() if draw(st.booleans()) else position


@given(positions())
def test_a_position_survives_its_bytes(position: Position) -> None:
    assert Position.decode(position.raw) == position


@given(positions())
def test_a_position_takes_at_most_33_bytes(position: Position) -> None:
    assert len(position.raw) <= 33


@given(
    st.one_of(
        st.binary(max_size=64),
        st.binary(min_size=25, max_size=25),
        st.binary(min_size=33, max_size=33),
        st.text(max_size=40),
        st.integers(),
        st.booleans(),
        st.none(),
    )
)
def test_garbage_is_no_position_or_one_of_the_same_bytes(garbage: object) -> None:
    position = Position.decode(garbage)
    assert position is None or position.raw == garbage


@given(positions(), st.data())
def test_no_shortened_or_lengthened_position_is_one(
    position: Position, draw: st.DataObject
) -> None:
    raw = position.raw
    cut = draw.draw(st.integers(0, len(raw) - 1))
    assert Position.decode(raw[:cut]) is None
    assert Position.decode(raw + bytes(1)) is None


def test_ids_of_zeros_are_no_ids() -> None:
    assert Position.decode(b"\x21" + bytes(16) + SPAN) is None
    assert Position.decode(b"\x21" + TRACE + bytes(8)) is None
    assert Position.decode(b"\x23" + TRACE + SPAN + bytes(8)) is None


@given(positions(), ids(8))
def test_a_child_is_in_the_same_trace_below_its_parent(position: Position, span: bytes) -> None:
    child = position.child(span)
    assert child.trace_id == position.trace_id
    assert (child.sampled, child.debug) == (position.sampled, position.debug)
    assert child.random == position.random
    assert not child.sent
    assert (child.span_id, child.parent_id) == (span.hex(), position.span_id)
