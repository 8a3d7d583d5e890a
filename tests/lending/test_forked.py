"""Branches that call lend their part; who waits for them keeps the smaller one."""

from __future__ import annotations

import pytest

from baggage.clock import MAX_DEPTH, id_depth, id_mass
from baggage.context import Branch
from baggage.values import EMPTY, Baggage, Direction, key
from baggage.values.lending import coming_home
from tests.lending.hops import Request
from tests.lending.shapes import SHAPES

HOME = key("test.home", direction=Direction.HOME)


def test_a_chain_of_branches_that_wait_for_one_another_does_not_use_an_id_up() -> None:
    request = Request(SHAPES["chain"](100), lends=True, at_once=lambda _: True)
    home = request.run()
    assert sorted(map(int, home.unpack("n"))) == list(range(100))
    assert list(map(id_mass, home.history.own.values())) == [1]
    assert request.costs(every=100)[0].per_entry <= 4


def test_who_waits_can_write_meanwhile_under_the_same_root() -> None:
    parent = Branch(EMPTY.pack("n", 0))
    child = parent.fork()
    given = child.lend()
    parent.pack("n", 1)
    answer = given.pack("n", 2)
    child.join(answer)
    parent.rejoin(child)
    parent.pack("n", 3)
    assert sorted(map(int, parent.unpack("n"))) == [0, 1, 2, 3]
    ((_, identity),) = parent.baggage.history.own.items()
    assert id_mass(identity) == 1


@pytest.mark.parametrize("links", [1, 2, 30, 100])
def test_branches_of_branches_take_it_from_the_first_one(links: int) -> None:
    branches = [Branch(EMPTY.pack("n", 0))]
    for _ in range(links):
        branches.append(branches[-1].fork())
    given = branches[-1].lend()
    assert [id_depth(each) for each in given.history.own.values()] == [min(links, MAX_DEPTH)]
    branches[-1].join(coming_home(EMPTY, given.history.own, branches[-1].baggage))
    for parent, child in zip(branches[-2::-1], branches[:0:-1], strict=True):
        parent.rejoin(child)
    ((_, identity),) = branches[0].baggage.history.own.items()
    assert id_mass(identity) == 1


def test_siblings_share_it_and_leave_a_little_for_who_waits() -> None:
    parent = Branch(EMPTY.pack("n", 0))
    parts = [branch.lend() for branch in [parent.fork() for _ in range(4)]]
    first, *rest = (id_mass(each) for part in parts for each in part.history.own.values())
    ((_, left),) = parent.baggage.history.own.items()
    assert rest == [0.25] * 3
    assert first + id_mass(left) == 0.25
    assert 0 < id_mass(left) <= first


def test_a_branch_that_has_ended_is_lent_nothing() -> None:
    parent = Branch(EMPTY.pack("n", 0))
    child, other = parent.fork(), parent.fork()
    parent.ended(child)
    assert child.lend().history.own == {}
    other.pack("n", 1)
    parent.rejoin(other)
    assert [id_mass(each) for each in parent.baggage.history.own.values()] == [1]


def test_home_values_stay_with_who_has_them() -> None:
    parent = Branch(EMPTY.pack("n", 0).pack(HOME, "parent's"))
    child = parent.fork()
    assert child.lend().unpack(HOME) == ()
    assert parent.unpack(HOME) == ("parent's",)


def test_a_branch_that_nothing_came_back_to_leaves_the_rest_exact() -> None:
    parent = Branch(EMPTY.pack("n", 0))
    child = parent.fork()
    lost = child.lend().pack("n", "lost")
    parent.rejoin(child)
    parent.pack("n", 1)
    assert set(parent.unpack("n")) == {0, 1}
    parent.join(lost.peeked())
    assert set(parent.unpack("n")) == {0, 1, "lost"}


class Watching:
    """Notes who got what."""

    def __init__(self) -> None:
        self.shares: list[tuple[Branch, dict[Branch, Baggage]]] = []

    def shared(self, parent: Branch, _: Baggage, shares: dict[Branch, Baggage]) -> None:
        self.shares.append((parent, shares))

    def __getattr__(self, name: str) -> object:
        return lambda *_, **__: None


def test_a_watch_is_told_who_got_the_larger_part() -> None:
    parent, watch = Branch(EMPTY.pack("n", 0)), Watching()
    parent.watch = watch  # type: ignore[assignment]
    child = parent.fork()
    given = child.lend()
    ((told, shares),) = watch.shares
    assert (told, list(shares)) == (parent, [child])
    assert shares[child].history.own == given.history.own
