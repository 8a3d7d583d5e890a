"""Shortest programs that other designs get wrong, each numbered as in the design that found it.

Where a program is about clocks alone (1 to 3), `tests/clock/test_dots.py` has it too, beside the
wrong name that a simpler design would give the event.
"""

from __future__ import annotations

import pytest

from baggage.values import EMPTY, Baggage, Key, Last, Sum, Value, fit, receive

BAG = Key("test.bag")
LAST = Key("test.last", Last)
SUM = Key("test.sum", Sum)


def values(carried: Baggage) -> list[Value]:
    return sorted(carried.unpack(BAG))


def test_1_growing_need_not_raise_the_leftmost_owned_point() -> None:
    rest, shares = EMPTY.pack(BAG, 0), []
    for _ in range(6):
        rest, share = rest.split()
        shares.append(share)
    owner = rest.join(shares[0]).pack(BAG, 1)
    for ignorant in shares[1:]:
        assert values(ignorant) == [0]
        assert values(ignorant.join(owner)) == values(owner.join(ignorant)) == [0, 1]


def test_2_normalisation_does_not_move_dots() -> None:
    left, right = EMPTY.pack(BAG, 0).split()
    left = left.pack(BAG, 1)
    right = right.pack(BAG, 2).join(left.peeked())
    assert values(left.join(right).pack(BAG, 3)) == [0, 1, 2, 3]
    assert values(right.pack(BAG, 3).join(left)) == [0, 1, 2, 3]


def test_3_two_events_of_one_id_path_have_two_dots() -> None:
    left, right = EMPTY.pack(BAG, 0).split()
    one, other = left.split()
    one = one.pack(BAG, 1)
    joined = one.join(other).pack(BAG, 2)
    assert values(right.join(joined)) == [0, 1, 2]


def test_4_an_id_that_comes_back_makes_new_dots() -> None:
    left, right = EMPTY.pack(BAG, 0).split()
    again = left.join(right).pack(BAG, 1)
    left_again, right_again = again.split()
    assert values(right.join(left_again)) == [0, 1]
    assert values(right_again.pack(BAG, 2).join(right)) == [0, 1, 2]


def test_5_a_value_that_both_branches_know_counts_once() -> None:
    left, right = EMPTY.pack(BAG, 0).split()
    assert values(left.join(right)) == [0]


def test_5_equal_values_that_two_branches_packed_count_twice() -> None:
    left, right = EMPTY.pack(BAG, 0).split()
    assert values(left.pack(BAG, 7).join(right.pack(BAG, 7))) == [0, 7, 7]


def test_5_a_removed_value_does_not_come_back() -> None:
    left, right = EMPTY.pack(BAG, 0).split()
    assert values(left.remove(BAG).join(right)) == []
    assert values(right.join(left.remove(BAG))) == []


def test_5_one_more_split_changes_nothing() -> None:
    left, right = EMPTY.pack(BAG, 0).split()
    right, beyond = right.split()
    left = left.pack(BAG, 1)
    assert values(left.join(right).join(beyond)) == values(left.join(beyond)) == [0, 1]


def test_5_the_join_that_comes_last_does_not_win() -> None:
    left, right = EMPTY.split()
    left = left.pack(BAG, 1)
    assert values(left.join(right)) == values(right.join(left)) == [1]


@pytest.mark.parametrize("base", [EMPTY, EMPTY.pack(BAG, 0)], ids=["empty", "packed"])
def test_6_two_branches_that_write_from_one_value_lose_nothing(base: Baggage) -> None:
    before = values(base)
    assert values(base.pack(BAG, 1).join(base.pack(BAG, 2))) == [*before, 1, 2]


def test_6_a_copy_made_without_a_split_loses_nothing_later_either() -> None:
    shared = EMPTY.pack(BAG, 0)
    left, right = shared.split()
    copied = shared.pack(BAG, 1)
    left, beyond = left.split()
    copied = copied.join(left.peeked()).pack(BAG, 2)
    whole = right.join(left).join(beyond).pack(BAG, 3)
    assert values(whole.join(copied)) == values(copied.join(whole)) == [0, 1, 2, 3]


def test_6_ids_that_a_wire_delivers_twice_are_taken_once_and_nothing_is_lost() -> None:
    mine, theirs = EMPTY.pack(BAG, 0).lend()
    blob = fit(theirs, lending=True).blob
    once, again = receive(blob, lent=True), receive(blob)
    joined = mine.join(once.pack(BAG, 1)).join(again.pack(BAG, 2))
    assert values(joined.pack(BAG, 3)) == [0, 1, 2, 3]


def test_7_only_owners_put_a_sum_in_place_of_what_it_sums_up() -> None:
    left, right = EMPTY.pack(SUM, 1).split()
    left, right = left.pack(SUM, 0), right.pack(SUM, 0)
    assert left.siblings(SUM) == (1,)
    assert right.siblings(SUM) == (1, 0)
    assert left.join(right).unpack(SUM) == right.join(left).unpack(SUM) == (1,)


def test_8_what_one_side_dropped_for_lack_of_room_stays_on_the_other() -> None:
    left, right = EMPTY.pack(BAG, "long" * 20).split()
    trimmed = Baggage.deserialize(fit(right, 60).blob)
    assert not trimmed.unpack(BAG)
    assert not trimmed.complete(BAG)
    assert values(left.join(trimmed)) == values(trimmed.join(left)) == ["long" * 20]


def test_9_a_root_is_kept_after_its_id_is_whole_again() -> None:
    left, right = EMPTY.pack(BAG, 0).split()
    peeked = left.peeked()
    whole = left.join(right)
    assert values(whole.pack(BAG, 1).remove(BAG).join(peeked)) == []
    assert values(whole.pack(BAG, 1).join(peeked.pack(BAG, 2))) == [0, 1, 2]


def test_10_what_an_owner_summed_up_outlives_a_concurrent_removal() -> None:
    """The documented anomaly: without folding it would show 0. The removal sees no new dot."""
    owner, other = EMPTY.pack(SUM, 1).split()
    owner, other = owner.pack(SUM, 0), other.remove(SUM)
    assert owner.join(other).unpack(SUM) == other.join(owner).unpack(SUM) == (1,)


def test_10_what_was_not_summed_up_goes_with_a_concurrent_removal() -> None:
    owner, other = EMPTY.pack(SUM, 1).split()
    owner, other = owner.remove(SUM), other.pack(SUM, 0)
    assert owner.join(other).unpack(SUM) == other.join(owner).unpack(SUM) == (0,)


def test_what_is_known_later_supersedes_and_what_is_concurrent_is_a_conflict() -> None:
    left, right = EMPTY.pack(LAST, "old").split()
    left, right = left.pack(LAST, "left"), right.pack(LAST, "right")
    joined = left.join(right)
    assert set(joined.siblings(LAST)) == {"left", "right"}
    assert joined.unpack(LAST) == right.join(left).unpack(LAST) == joined.siblings(LAST)[-1:]
    assert joined.conflict(LAST)
    settled = joined.pack(LAST, "new")
    assert settled.siblings(LAST) == ("new",)
    assert not settled.conflict(LAST)
