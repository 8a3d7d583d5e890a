"""A forked branch borrows what its parent carries, and nobody can tell from a split at once."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.clock import id_mass
from baggage.context import Branch
from baggage.values import EMPTY, Direction, Key
from tests.context.noting import Notes

HOME = Key("test.home", direction=Direction.HOME)
STEPS = st.lists(
    st.tuples(st.sampled_from(["fork", "pack", "home", "rejoin", "join"]), st.integers(0, 9)),
    max_size=25,
)


def carrying() -> Branch:
    return Branch(EMPTY.pack("n", -1))


@given(STEPS)
def test_whatever_forks_and_packs_nothing_is_lost_or_counted_twice(
    steps: list[tuple[str, int]],
) -> None:
    root = carrying()
    parents: dict[Branch, Branch | None] = {root: None}
    packed = {-1}
    for number, (step, pick) in enumerate(steps):
        branch = list(parents)[pick % len(parents)]
        parent = parents[branch]
        if step == "fork":
            parents[branch.fork()] = branch
        elif step == "pack":
            branch.pack("n", number)
            packed.add(number)
        elif step == "home":
            branch.pack(HOME, number)
        elif parent is not None:
            (parent.rejoin if step == "rejoin" else parent.join)(branch)
    for branch, parent in reversed(parents.items()):
        if parent is not None:
            parent.rejoin(branch)
    assert sorted(root.unpack("n"), key=repr) == sorted(packed, key=repr)


@given(st.integers(1, 40), st.sets(st.integers(0, 39)), st.booleans())
def test_the_identity_is_whole_again_when_all_are_joined(
    children: int, packing: set[int], parent_packs: bool
) -> None:
    root = carrying()
    before = root.baggage.history.own
    forked = [root.fork() for _ in range(children)]
    if parent_packs:
        root.pack("n", "parent")
    for number, child in enumerate(forked):
        if number in packing:
            child.pack("n", number)
    for child in forked:
        root.rejoin(child)
    assert root.baggage.history.own == before
    assert len(root.baggage.history.seen) == 1


def test_a_child_that_never_wrote_costs_its_parent_no_split() -> None:
    root = carrying()
    before = root.baggage
    children = [root.fork() for _ in range(9)]
    assert {child.unpack("n") for child in children} == {(-1,)}
    for child in children:
        root.rejoin(child)
    assert root.baggage is before


def test_a_child_starts_without_home_values_and_brings_its_own() -> None:
    root = carrying()
    root.pack(HOME, "mine")
    child = root.fork()
    assert child.unpack(HOME) == ()
    child.pack(HOME, "theirs")
    root.rejoin(child)
    assert set(root.unpack(HOME)) == {"mine", "theirs"}


def test_a_strangers_join_takes_no_right_to_write_from_the_lender() -> None:
    root, stranger = carrying(), Branch()
    own = root.baggage.history.own
    stranger.join(root.fork())
    root.pack("n", 1)
    assert root.baggage.history.own.keys() == own.keys()
    assert stranger.unpack("n") == (-1,)


def test_an_ended_child_is_kept_by_nobody() -> None:
    root = carrying()
    child = root.fork()
    assert root.ended(child)
    assert not root._lent
    assert root.release() == []
    child.pack("n", 1)
    assert root.unpack("n") == (-1,)


def test_parents_and_children_that_write_at_once_lose_nothing() -> None:
    root = carrying()
    together = threading.Barrier(9)

    def pack(branch: Branch, number: int) -> None:
        together.wait(300)
        for step in range(50):
            grandchild = branch.fork()
            grandchild.pack("n", number * 1000 + step)
            branch.pack("n", -number * 1000 - step)
            branch.rejoin(grandchild)

    children = [root.fork() for _ in range(8)]
    threads = [
        threading.Thread(target=pack, args=(branch, number))
        for number, branch in enumerate([root, *children], 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    for child in children:
        root.rejoin(child)
    values = root.unpack("n")
    assert len(values) == len(set(values)) == 1 + 9 * 50 * 2


@pytest.mark.parametrize("watched", [False, True])
def test_a_chain_of_forks_whose_last_one_lends_halves_it_at_each_link(watched: bool) -> None:
    root = carrying()
    before = root.baggage.history.own
    watch = Notes()
    if watched:
        root.watch = watch
    chain = [root]
    for _ in range(10):
        chain.append(chain[-1].fork())
    theirs = chain[-1].lend()
    [identity] = theirs.history.own.values()
    assert id_mass(identity) * 1024 == 1
    assert set(watch.carried) == (set(chain) if watched else set())
    chain[-1].join(theirs.pack("n", 1))
    while len(chain) > 1:
        child = chain.pop()
        chain[-1].rejoin(child)
    assert root.baggage.history.own == before
    assert set(root.unpack("n")) == {-1, 1}


def test_a_stranger_that_is_told_of_an_end_gets_nothing() -> None:
    root, stranger = carrying(), Branch()
    child = root.fork()
    root.pack("n", 1)
    assert not stranger.ended(child)
    assert stranger.unpack("n") == ()
    child.pack("n", 2)
    root.rejoin(child)
    assert set(root.unpack("n")) == {-1, 1, 2}
    assert len(root.baggage.history.seen) == 1
