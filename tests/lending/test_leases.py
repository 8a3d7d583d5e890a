"""Which ids of an answer are taken: never more than what was lent, or what nobody knew."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from baggage.clock import NONE, SEED, Id, id_mass, overlaps, split_id_n, sum_id
from baggage.values import EMPTY, Baggage
from baggage.values.lending import NOTHING_LENT, Lease, admitted, bearing, coming_home, lease_of


def parts(numbers: frozenset[int]) -> Id:
    """Return some of eight equal parts of an interval."""
    whole: Id = NONE
    for number in numbers:
        whole = sum_id(whole, split_id_n(SEED, 8)[number])
    return whole


SOME = st.frozensets(st.integers(0, 7), min_size=1)


def own(baggage: Baggage) -> dict[int, Id]:
    return dict(baggage.history.own)


@given(SOME, SOME)
def test_what_is_within_the_lease_is_taken_whole_and_all_else_refused(
    lent: frozenset[int], back: frozenset[int]
) -> None:
    here = EMPTY.pack("n", 1)
    (root,) = here.history.seen
    mine, theirs = here.lend()
    lease = Lease({root: parts(lent)}, here.history.known)
    taken, refused = admitted(lease, bearing(theirs, {root: parts(back)}), mine)
    if back <= lent:
        assert (taken, refused) == ({root: parts(back)}, {})
    else:
        assert (taken, refused) == ({}, {root: parts(back)})


@given(SOME)
def test_ids_of_a_root_that_is_known_here_are_refused_without_a_lease(
    back: frozenset[int],
) -> None:
    mine, theirs = EMPTY.pack("n", 1).lend()
    (root,) = mine.history.seen
    assert admitted(NOTHING_LENT, bearing(theirs, {root: parts(back)}), mine)[0] == {}


@given(SOME)
def test_ids_of_a_root_that_nobody_here_has_seen_are_taken(back: frozenset[int]) -> None:
    here, answer = EMPTY.pack("n", 1), EMPTY.pack("n", 2)
    (root,) = answer.history.seen
    brought = bearing(answer, {root: parts(back)})
    assert admitted(NOTHING_LENT, brought, here) == ({root: parts(back)}, {})
    knowing = bearing(answer.join(here.peeked()), {root: parts(back)})
    assert admitted(lease_of(here), knowing, here) == ({root: parts(back)}, {})
    assert admitted(lease_of(here), brought, here) == ({}, {root: parts(back)})


def test_ids_of_a_root_that_not_even_the_answer_has_seen_are_refused() -> None:
    here = EMPTY.pack("n", 1)
    assert admitted(lease_of(here), bearing(EMPTY, {1: SEED}), here) == ({}, {1: SEED})


def test_who_has_seen_less_than_was_sent_gives_nothing_back() -> None:
    before = EMPTY.pack("n", 1)
    stale = before.peeked()
    here = before.pack("n", 2)
    (root,) = here.history.seen
    taken, refused = admitted(lease_of(here), bearing(stale, {root: SEED}), here.peeked())
    assert (taken, refused) == ({}, {root: SEED})


def test_who_says_nothing_of_the_root_but_of_others_gives_nothing_back() -> None:
    here = EMPTY.pack("n", 1)
    (root,) = here.history.seen
    answer = bearing(EMPTY.pack("n", 2), {root: SEED})
    assert admitted(lease_of(here), answer, here) == ({}, {root: SEED})


def test_ids_alone_come_home_to_who_lent_them() -> None:
    mine, theirs = EMPTY.pack("n", 1).lend()
    lease = lease_of(theirs)
    answer = bearing(EMPTY, lease.ids)
    taken, refused = admitted(lease, answer, mine)
    home = mine.join(coming_home(answer, taken, mine))
    assert (own(home), refused) == (lease.ids, {})
    packed = home.pack("n", 2)
    assert packed.unpack("n") == (1, 2)
    assert len(packed.history.seen) == 1


def test_what_an_answer_knows_comes_home_without_ids_that_are_refused() -> None:
    here, answer = EMPTY.pack("n", 1), EMPTY.pack("n", 2)
    home = here.join(coming_home(answer, {}, here))
    assert set(home.unpack("n")) == {1, 2}
    assert own(home) == own(here)


@given(st.lists(SOME, min_size=1, max_size=5))
def test_what_is_taken_never_overlaps_what_others_have(backs: list[frozenset[int]]) -> None:
    """Each answer is to a lease of a part of its own; what one brings too much is refused."""
    root_of = EMPTY.pack("n", 1)
    (root,) = root_of.history.seen
    held: list[Id] = []
    for number, back in enumerate(backs):
        part = split_id_n(SEED, len(backs))[number]
        lease = Lease({root: part}, root_of.history.known)
        answer = bearing(root_of.peeked(), {root: parts(back)})
        taken, _ = admitted(lease, answer, root_of.peeked())
        held.append(taken.get(root, NONE))
    for index, one in enumerate(held):
        assert not any(overlaps(one, other) for other in held[index + 1 :])
    assert sum(map(id_mass, held), Fraction(0)) <= 1
