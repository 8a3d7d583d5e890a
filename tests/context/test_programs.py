"""After any program of branches nothing is lost or counted twice, all rights to write come home,
and a watch could tell of each branch what it carries.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from baggage.clock import SEED
from baggage.context import Branch
from baggage.values import EMPTY, Baggage, Key, Sum
from tests.context.noting import Notes

TOTAL = Key("test.total", Sum)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["fork", "fork", "split", "pack", "pack", "lend", "rejoin", "join", "end"]),
        st.integers(0, 99),
    ),
    max_size=40,
)


class Request:
    """A root branch, all that came of it, and what is lent to callees."""

    def __init__(self) -> None:
        self.root = Branch(EMPTY.pack("n", -1).pack(TOTAL, 1))
        self.watch = self.root.watch = Notes()
        self.parents: dict[Branch, Branch] = {}
        self.away: dict[Branch, Baggage] = {}
        self.packed = {-1}

    def step(self, kind: str, pick: int, number: int) -> None:
        branch = [self.root, *self.parents][pick % (1 + len(self.parents))]
        if kind in {"fork", "split"}:
            self.parents[getattr(branch, kind)()] = branch
        elif kind == "pack":
            branch.pack("n", number)
            branch.pack(TOTAL, 1)
            self.packed.add(number)
        elif kind == "lend":
            self.call(branch, number)
        elif branch in self.parents and branch not in self.parents.values():
            self.home(branch, kind)

    def call(self, branch: Branch, number: int) -> None:
        """Lend to a callee that writes and answers, a bit later."""
        if branch in self.away:
            branch.join(self.away.pop(branch))
        else:
            self.away[branch] = branch.lend().pack("n", number).pack(TOTAL, 1)
            self.packed.add(number)

    def home(self, branch: Branch, kind: str) -> None:
        """End a branch that has no children left."""
        if branch in self.away:
            branch.join(self.away.pop(branch))
        parent = self.parents.pop(branch)
        if kind != "end" or not branch.untouched:
            getattr(parent, "join" if kind == "join" else "rejoin")(branch)
        parent.ended(branch)

    def end(self) -> Baggage:
        for branch in reversed(list(self.parents)):
            self.home(branch, "rejoin")
        if self.root in self.away:
            self.root.join(self.away.pop(self.root))
        return self.root.baggage


@given(STEPS)
def test_what_was_packed_and_who_may_write_come_home(steps: list[tuple[str, int]]) -> None:
    request = Request()
    for number, (kind, pick) in enumerate(steps):
        request.step(kind, pick, number)
    whole = request.end()
    assert sorted(map(int, whole.unpack("n"))) == sorted(request.packed)
    assert whole.unpack(TOTAL) == (len(request.packed),)
    assert set(whole.history.own) == set(whole.history.seen)
    assert set(whole.history.own.values()) == {SEED}
    assert whole.pack(TOTAL, 0).siblings(TOTAL) == (len(request.packed),)


@given(STEPS)
def test_what_a_branch_carries_is_what_a_watch_was_told_of_it(
    steps: list[tuple[str, int]],
) -> None:
    request = Request()
    for number, (kind, pick) in enumerate(steps):
        request.step(kind, pick, number)
        for branch, told in request.watch.carried.items():
            if not branch.untouched:
                assert branch.baggage.history.entries == told.history.entries
