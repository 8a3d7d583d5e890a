"""The stamp algebra, by the paper's worked example."""

from __future__ import annotations

import pytest

from baggage.clock import ClockError, Stamp, stamp_bits
from baggage.clock.event import node


def test_the_papers_worked_example() -> None:
    left, right = Stamp().fork()
    assert (left, right) == (Stamp((1, 0), 0), Stamp((0, 1), 0))
    left, right = left.event(), right.event()
    assert (left, right) == (Stamp((1, 0), node(1, 0)), Stamp((0, 1), node(0, 1)))
    (left, middle), right = left.fork(), right.event()
    assert left == Stamp(((1, 0), 0), node(1, 0))
    assert middle == Stamp(((0, 1), 0), node(1, 0))
    assert right == Stamp((0, 1), node(0, 2))
    left, joined = left.event(), middle.join(right)
    assert left == Stamp(((1, 0), 0), node(node(2, 1), 0))
    assert joined == Stamp(((0, 1), 1), node(1, 2))
    middle, right = joined.fork()
    assert (middle, right) == (Stamp(((0, 1), 0), node(1, 2)), Stamp((0, 1), node(1, 2)))
    left = left.join(middle)
    assert left == Stamp((1, 0), node(node(2, 1), 2))
    assert left.event() == Stamp((1, 0), 2)


def test_the_talks_example_ends_in_seven_bits() -> None:
    """Pack 10; split; left packs 20, right packs 5; join; pack 8 would be one event more."""
    left, right = Stamp().event().fork()
    joined = left.event().join(right.event())
    assert joined == Stamp(1, 2)
    assert stamp_bits(joined.id, joined.events) == 7


def test_a_peek_knows_the_same_and_can_record_nothing() -> None:
    stamp = Stamp().event()
    message = stamp.peek()
    assert message == Stamp(0, 1)
    assert message.leq(stamp)
    assert stamp.leq(message)
    assert not stamp.event().leq(message)
    with pytest.raises(ClockError):
        message.event()
