"""Ids are taken with the event trees that they were lent with, or not at all.

Of two ids of one universe neither reaches into the other, and an id's owner has seen all that was
written there. A message whose event trees can't be read says nothing of what was written: who
wrote with its ids would make dots that exist already.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.clock import MAX_HEIGHT
from baggage.values import EMPTY, Bag, Baggage, Key, Last, Sum, fit, receive
from baggage.values.known import Dot
from baggage.values.lending import admitted, bearing, coming_home, lease_of
from baggage.wire import WireBaggage, WireBlock, WireEntry, encode
from baggage.wire.baggage_pb2 import Baggage as Message
from tests.wire.decoders import lent, message

MINE = Key("mine")
STEPS = st.lists(st.sampled_from([Bag, Last, Sum, "split", "lost", "join"]), max_size=8)

FOUND = bytes.fromhex(
    "0a140907000000000000002a090a016c1803280748000a0b09080000000000000010050a0909070000000000"
    "00000a090907000000000000000a000a1909ffffffffffffffff10032a0c0a046d696e651801280148001202"
    "086412081206746865697273120312016b1a1b0a0674686569727318ffffffffffffffff7f22010230b6fe07"
    "480122150a0100180422010530b6fe0751000000000000f0ff"
)
"""What hypothesis made up: under "mine" is a last value, but what else merges can't be."""


def _of_a_kind_to_come(sent: Message) -> None:
    sent.blocks[0].entries.add(key="later", height=1)


def _never_packed(sent: Message) -> None:
    sent.blocks[0].entries.add(key="k", height=MAX_HEIGHT, integer=1)


def _of_two_trees(sent: Message) -> None:
    sent.blocks.add(root=sent.blocks[0].root, flat=1, tree=b"\x64\xc8")


def _of_no_form(sent: Message) -> None:
    sent.blocks.add(root=sent.blocks[0].root, tree=b"\xff")


def _too_high(sent: Message) -> None:
    sent.blocks.add(root=sent.blocks[0].root, flat=MAX_HEIGHT + 1)


def _beyond_all_keys(sent: Message) -> None:
    sent.over.add(priority=1 << 16, key="k")


SENSELESS: list[Callable[[Message], None]] = [
    _of_a_kind_to_come,
    _never_packed,
    _of_two_trees,
    _of_no_form,
    _too_high,
    _beyond_all_keys,
]


def lender(steps: list[object]) -> Baggage:
    """Return a branch that has written, and has an id; it may have lost parts to others."""
    carried, others = EMPTY.pack("n", 0), [EMPTY]
    for number, step in enumerate(steps):
        if step == "join":
            carried = carried.join(others.pop()) if others else carried
        elif step in ("split", "lost"):
            carried, other = carried.split()
            others += [other.pack("n", number)] if step == "split" else []
        else:
            carried = carried.pack(Key("mine", step), number)  # type: ignore[arg-type]
    return carried


def dots(carried: Baggage) -> set[Dot]:
    return {dot for entry in carried.history.entries.values() for dot in entry}


@pytest.mark.parametrize("spoil", SENSELESS)
@given(steps=STEPS)
def test_where_what_merges_makes_no_sense_no_id_is_taken_and_nothing_is_lost(
    spoil: Callable[[Message], None], steps: list[object]
) -> None:
    here, away = lender(steps).lend()
    sent = Message.FromString(fit(away, lending=True).blob)
    spoil(sent)
    came = receive(sent.SerializeToString(), lent=True)
    assert came.history.own == {}

    gone, back = came.pack("theirs", 1).lend()
    answer = bearing(back.returning(since=came), back.history.own)
    told = receive(fit(answer, lending=True).blob, lent=True)
    taken, _ = admitted(lease_of(away), told, here)
    home = here.join(coming_home(told, taken, here))
    assert home.unpack("theirs") == (1,)
    assert dots(home) == dots(here) | dots(gone)


@given(steps=STEPS)
def test_what_is_written_with_ids_that_came_nobody_has_seen(steps: list[object]) -> None:
    sent = lender(steps)
    came = receive(fit(sent.lend()[1], lending=True).blob, lent=True)
    assert came.history.seen == sent.history.seen
    one, other = (each.pack(MINE, 1) for each in came.split())
    fresh = [dots(each) - dots(sent) for each in (one, other)]
    assert [len(each) for each in fresh] == [1, 1]
    assert not any(sent.history.covers(dot) for each in fresh for dot in each)
    assert dots(one.join(other)) == dots(sent) | fresh[0] | fresh[1]


def test_a_value_of_a_kind_that_is_to_come_costs_its_ids_not_what_the_lender_wrote(
    caplog: pytest.LogCaptureFixture,
) -> None:
    here, away = EMPTY.pack("n", 1).pack("n", 2).lend()
    sent = Message.FromString(fit(away, lending=True).blob)
    _of_a_kind_to_come(sent)
    written = receive(sent.SerializeToString(), lent=True).pack("n", 3)
    assert set(here.join(written.peeked()).unpack("n")) == {1, 2, 3}
    assert [record.message for record in caplog.records] == ["baggage dropped"]


def test_ids_are_taken_though_what_goes_down_makes_no_sense() -> None:
    away = EMPTY.pack("n", 1).lend()[1]
    sent = Message.FromString(fit(away, lending=True).blob)
    sent.down.add(key="", integer=1)
    came = receive(sent.SerializeToString(), lent=True)
    assert came.history.own == away.history.own
    assert came.unpack("n") == (1,)


@pytest.mark.parametrize("type", [Last, Sum])
def test_a_name_takes_no_type_from_what_turns_out_to_be_no_message(type: int) -> None:
    read_alone = WireBlock(7, 1, (WireEntry("mine", 5, 1, type=type, priority=7),))
    blob = encode(WireBaggage((read_alone, WireBlock(8, 1, (WireEntry("k", 1, 2),)))))
    assert receive(blob).unpack("mine") == (5,)
    for carried in (receive(blob), receive(blob).pack(MINE, 0).remove("mine", 0)):
        packed = carried.pack("mine", 1).pack("mine", 2)
        assert packed.unpack("mine") == (1, 2)
        assert receive(packed.serialize()).unpack("mine") == (1, 2)
    assert receive(blob).set("mine", 1).pack("mine", 2).unpack("mine") == (1, 2)


def test_what_a_whole_message_says_of_a_name_is_what_is_packed_under_it() -> None:
    came = receive(EMPTY.pack(Key("mine", Sum, priority=7), 1).serialize())
    assert came.pack("mine", 2).unpack("mine") == (3,)


def test_what_hypothesis_found_is_read_as_without_it() -> None:
    one, other = receive(FOUND, lent=True).split()
    joined = one.pack("mine", 1).join(other.pack("mine", 2))
    assert sorted(map(repr, joined.unpack("mine"))) == ["1", "2"]
    message(FOUND)
    lent(FOUND)
