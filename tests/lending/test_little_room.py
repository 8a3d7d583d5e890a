"""Where not even all stamps find room, keys stay with those that they need, and nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from baggage.clock import height
from baggage.values import EMPTY, Baggage, Fitted, Key, fit, receive
from baggage.values.history import Marker

KEYS = tuple(Key(name, priority=priority) for name, priority in zip("abcde", (9, 9, 5, 1, 200)))  # noqa: B905
SHARES = st.integers(20, 100)
"""How much of what all stamps take there is room for, in percent."""

PACKED = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(KEYS), st.integers(0, 99)),
    min_size=1,
    max_size=25,
)


def services(packed: Sequence[tuple[int, Key, int]]) -> Baggage:
    """Return what comes home from services that packed these, each under a root of its own."""
    came = EMPTY
    for service in range(6):
        one = EMPTY
        for who, key, value in packed:
            one = one.pack(key, value) if who == service else one
        came = came.join(one.peeked())
    return came


def scraps(whole: Baggage, share: int) -> Fitted:
    """Return a message without room for all stamps and anything beside them."""
    stamps = whole
    for key in KEYS:
        stamps = stamps.remove(key)
    return fit(whole, len(stamps.serialize()) * share // 100)


def shown(baggage: Baggage) -> list[list[str]]:
    return [sorted(map(str, baggage.unpack(key))) for key in KEYS]


@given(PACKED, SHARES)
def test_keys_that_stay_are_whole_and_their_stamps_as_they_were(
    packed: list[tuple[int, Key, int]], share: int
) -> None:
    whole = services(packed)
    came = receive(scraps(whole, share).blob)
    for name, entry in came.history.entries.items():
        assert entry == whole.history.entries[name]
    for root, event in came.history.seen.items():
        assert event == whole.history.seen[root]
        assert any(dot.root == root for entry in came.history.entries.values() for dot in entry)


@given(PACKED, SHARES)
def test_nothing_is_said_to_be_known(packed: list[tuple[int, Key, int]], share: int) -> None:
    whole = services(packed)
    fitted = scraps(whole, share)
    came = receive(fitted.blob)
    assert came.history.over == Marker(0, "")
    assert not any(came.complete(key) for key in KEYS)
    assert {*came.keys(), *fitted.dropped} == {*whole.keys()}


@given(PACKED, SHARES, st.booleans())
def test_a_loss_never_spreads(
    packed: list[tuple[int, Key, int]], share: int, other_way: bool
) -> None:
    whole = services(packed)
    came = receive(scraps(whole, share).blob)
    both = came.join(whole) if other_way else whole.join(came)
    assert shown(both) == shown(whole)
    added = came.pack("new", 1)
    both = added.join(whole) if other_way else whole.join(added)
    assert shown(both) == shown(whole)
    assert both.unpack("new") == (1,)


@given(PACKED, SHARES, st.sampled_from(KEYS))
def test_what_was_removed_by_who_knew_it_all_stays_removed(
    packed: list[tuple[int, Key, int]], share: int, key: Key
) -> None:
    whole = services(packed)
    came = receive(scraps(whole, share).blob)
    assert whole.remove(key).join(came).unpack(key) == ()
    assert came.join(whole.remove(key)).unpack(key) == ()


@given(PACKED, SHARES)
def test_heights_are_never_raised(packed: list[tuple[int, Key, int]], share: int) -> None:
    whole = services(packed)
    came = receive(scraps(whole, share).blob)
    came = receive(scraps(came, share).blob)
    for root, event in came.history.seen.items():
        assert height(event, "") <= height(whole.history.seen[root], "")


@given(PACKED)
def test_the_most_important_key_stays_if_it_fits(packed: list[tuple[int, Key, int]]) -> None:
    whole = services(packed)
    first = min(whole.history.entries, key=lambda name: (KEYS["abcde".index(name)].priority, name))
    alone = EMPTY
    for service in range(6):
        one = EMPTY
        for who, key, value in packed:
            if who == service:
                one = one.pack(key, value)
        if one.unpack(first):
            for name in "abcde":
                one = one if name == first else one.remove(name)
            alone = alone.join(one.peeked())
    room = len(alone.serialize()) + 2 * len(alone.history.seen) + 4
    came = receive(fit(whole, room).blob)
    # Where all stamps find room, but no key beside them, what was removed is known at least.
    assert came.unpack(first) or came.history.seen == whole.history.seen


def test_of_500_roots_as_many_keys_stay_as_there_is_room_for() -> None:
    whole = EMPTY
    for number in range(500):
        whole = whole.join(EMPTY.pack(f"k{number:03}", number).peeked())
    came = receive(fit(whole, 4096).blob)
    assert len(came.keys()) > 120
    assert came.keys() == tuple(f"k{number:03}" for number in range(len(came.keys())))
    assert len(fit(whole, 4096).blob) > 3700
