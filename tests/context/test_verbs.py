"""The verbs of the talk act on the current baggage."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread

import pytest

import baggage
from baggage import context
from baggage.values import EMPTY


@pytest.fixture(autouse=True)
def _own_branch() -> Iterator[None]:
    with baggage.attached(EMPTY):
        yield


def test_what_is_packed_is_unpacked_until_it_is_removed() -> None:
    baggage.pack("k", 1)
    baggage.pack("k", 2)
    assert baggage.unpack("k") == (1, 2)
    baggage.remove("k")
    assert baggage.unpack("k") == ()


def test_two_threads_split_and_join() -> None:
    baggage.pack("k", 10)
    mine, theirs = baggage.split()

    def work() -> None:
        with baggage.attached(theirs):
            baggage.pack("k", 5)

    thread = Thread(target=work)
    thread.start()
    baggage.pack("k", 20)
    thread.join()
    assert mine.unpack("k") == (10, 20)
    baggage.join(theirs)
    assert baggage.unpack("k") == (10, 20, 5)


def test_this_layer_splits_by_itself_what_is_current() -> None:
    baggage.pack("k", 1)
    mine, theirs = context.split()
    assert mine is context.branch()
    theirs.pack("k", 2)
    mine.pack("k", 3)
    context.join(theirs)
    assert set(baggage.unpack("k")) == {1, 2, 3}
    assert set(mine.baggage.history.own.values()) == {1}


def test_bytes_carry_what_is_current_to_a_callee_and_back() -> None:
    home = baggage.key("k.home", direction="home")
    baggage.pack("k", 1)
    baggage.pack(home, 2)
    came = baggage.deserialize(baggage.serialize())
    assert (came.unpack("k"), came.unpack(home)) == ((1,), ())
    baggage.join(came.pack("k", 3).pack(home, 4).returning())
    assert (set(baggage.unpack("k")), set(baggage.unpack(home))) == ({1, 3}, {2, 4})


def test_empty_baggage_has_no_bytes() -> None:
    assert baggage.serialize() == b""
    assert baggage.deserialize(b"") is EMPTY


def test_garbage_is_refused() -> None:
    with pytest.raises(baggage.BaggageError):
        baggage.deserialize(b"garbage")


def test_what_is_set_takes_the_place_of_all_that_is_visible() -> None:
    for number in range(3):
        baggage.pack("k", number)
    baggage.set("k", 9)
    assert baggage.unpack("k") == (9,)
    baggage.pack("k", 8)
    baggage.remove("k", 9)
    assert baggage.unpack("k") == (8,)


def test_the_fields_of_a_map_are_seen_together() -> None:
    cart = baggage.key("cart", type=baggage.Map, of=baggage.Sum)
    for fruit, number in (("pears", 1), ("apples", 2), ("pears", 3)):
        baggage.pack(cart[fruit], number)
    assert baggage.fields(cart) == {"apples": (2,), "pears": (4,)}
    assert baggage.unpack(cart) == (2, 4)
