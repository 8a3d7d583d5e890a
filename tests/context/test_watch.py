"""A watch is told of all that happens to a request's branches; without one nobody is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

import baggage
from baggage.context import Branch, Joining, attached
from baggage.values import EMPTY, Baggage, key

HOME = key("test.home", direction="home")


class Notes:
    """A watch that takes notes."""

    def __init__(self) -> None:
        self.notes: list[tuple[Any, ...]] = []

    def wrote(self, branch: Branch, before: Baggage, after: Baggage) -> None:
        self.notes.append(("wrote", branch, before.unpack("n"), after.unpack("n")))

    def joined(self, branch: Branch, before: Baggage, after: Baggage, came: Joining) -> None:
        ids = len(came.baggage.history.own)
        self.notes.append(("joined", branch, came.branch, ids, came.batch))

    def split(self, parent: Branch, before: Baggage, child: Branch) -> None:
        self.notes.append(("split", parent, len(before.history.own), child))

    def shared(self, parent: Branch, before: Baggage, shares: Mapping[Branch, Baggage]) -> None:
        owning = {child for child, share in shares.items() if share.history.own}
        self.notes.append(("shared", parent, owning))

    def lent(self, branch: Branch, before: Baggage, given: Baggage) -> None:
        assert before.history.known is given.history.known
        self.notes.append(("lent", branch, len(given.history.own)))

    def closed(self, branch: Branch) -> None:
        self.notes.append(("closed", branch))


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def request_(notes: Notes) -> Branch:
    opened = Branch(EMPTY.pack("n", 1))
    opened.watch = notes
    return opened


def test_writes_are_told_with_what_was_there_before(request_: Branch, notes: Notes) -> None:
    request_.pack("n", 2)
    request_.update(lambda carried: carried.remove("n"))
    request_.pack(HOME, 3)
    request_.take_home()
    assert notes.notes == [("wrote", request_, (1,), (1, 2)), ("wrote", request_, (1, 2), ())]


def test_parts_are_told_as_they_are_given(request_: Branch, notes: Notes) -> None:
    silent, writing = request_.fork(), request_.fork()
    assert notes.notes == []
    writing.pack("n", 2)
    assert notes.notes == [
        ("shared", request_, {silent, writing}),
        ("wrote", writing, (1,), (1, 2)),
    ]


def test_a_split_by_hand_and_a_loan_are_told(request_: Branch, notes: Notes) -> None:
    child = request_.split()
    assert child.watch is notes
    request_.lend()
    assert notes.notes == [("split", request_, 1, child), ("lent", request_, 1)]


def test_joins_are_told_with_the_ids_that_really_come(request_: Branch, notes: Notes) -> None:
    child = request_.split()
    child.pack("n", 2)
    notes.notes.clear()
    request_.join(child)
    request_.join(child)
    request_.join(child.baggage.departing().pack("n", 3), batch=True)
    assert notes.notes == [
        ("joined", request_, child, 1, False),
        ("joined", request_, child, 0, False),
        ("joined", request_, None, 1, True),
    ]


def test_nothing_is_told_of_what_brings_nothing(request_: Branch, notes: Notes) -> None:
    request_.join(request_.baggage.departing())
    request_.rejoin(request_.fork())
    assert notes.notes == []


def test_the_end_of_a_scope_is_told(request_: Branch, notes: Notes) -> None:
    request_.close()
    assert notes.notes == [("closed", request_)]


def test_what_is_attached_in_a_watched_branch_is_watched(request_: Branch, notes: Notes) -> None:
    with attached(request_), attached(EMPTY) as inner:
        baggage.pack("n", 2)
    with attached(EMPTY) as outer:
        baggage.pack("n", 2)
    assert notes.notes == [("wrote", inner, (), (2,))]
    assert outer.watch is None


def test_a_child_that_ended_without_a_word_gives_its_part_back(request_: Branch) -> None:
    own = request_.baggage.history.own
    child = request_.fork()
    request_.pack("n", 2)
    assert (child.untouched, request_.baggage.history.own != own) == (True, True)
    assert request_.ended(child)
    assert request_.baggage.history.own == own
    child.pack("n", 3)
    assert not child.untouched
    request_.join(child)
    assert request_.baggage.history.own.items() >= own.items()
    assert set(request_.unpack("n")) == {1, 2, 3}
