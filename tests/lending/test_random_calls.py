"""Whatever becomes of calls that lend, no value is lost or counted twice, and no id is owned twice.

The truth is kept beside: the set of all that each branch packed, or was told of.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations, count

from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Boundary, Kind, Policy
from baggage.boundary.transport import read
from baggage.clock import id_mass, overlaps
from baggage.context import Branch, attached
from baggage.context.watch import contributed
from baggage.testing.parcel import Parcel, ParcelAdapter, ParcelReturned
from baggage.values import EMPTY, Baggage

LENDING = Policy(service="lending", strict=True, lend=("*",))
PLAIN = Policy(service="plain", strict=True)
CLEAN = ("pack", "call", "fails", "fork")
FAULTY = (*CLEAN, "plain", "refused", "unheard", "lost", "kept", "late", "replay")
_DEEPEST = 4
_MOST = 40


@dataclass(slots=True)
class Line:
    """A branch, and the truth about it."""

    branch: Branch
    known: set[int] = field(default_factory=set)
    answers: list[Parcel] = field(default_factory=list)


@dataclass(slots=True)
class Play:
    """Services that do what is drawn; `lines` are all branches that there ever were."""

    draw: st.DrawFn
    kinds: tuple[str, ...]
    lines: list[Line] = field(default_factory=list)
    tokens: count[int] = field(default_factory=count)
    steps: int = 0

    def line(self, branch: Branch, known: set[int]) -> Line:
        line = Line(branch, set(known))
        self.lines.append(line)
        return line

    def pack(self, line: Line) -> None:
        token = next(self.tokens)
        line.branch.pack("n", token)
        line.known.add(token)

    def act(self, line: Line, depth: int) -> None:
        """Do some steps in a branch."""
        for kind in self.draw(st.lists(st.sampled_from(self.kinds), max_size=4)):
            self.steps += 1
            if kind == "pack" or depth == _DEEPEST or self.steps > _MOST:
                self.pack(line)
            elif kind in ("fork", "kept"):
                self.fork(line, depth, joined=kind == "fork")
            else:
                self.call(line, depth, kind)

    def fork(self, line: Line, depth: int, *, joined: bool) -> None:
        """Let some branches act at once; join them, or not."""
        children = [line.branch.fork() for _ in range(self.draw(st.integers(1, 3)))]
        forked = [self.line(child, line.known) for child in children]
        for child in forked:
            with attached(child.branch):
                self.act(child, depth + 1)
                self.pack(child)
        for child in forked if joined else []:
            line.branch.rejoin(child.branch)
            line.known |= child.known

    def call(self, line: Line, depth: int, fate: str) -> None:
        """Make a call, to which this happens."""
        request, told = Parcel(), set[int]()

        def send() -> Parcel:
            if fate == "refused":
                raise ConnectionRefusedError(111, "refused")
            if fate == "unheard":
                raise TimeoutError("the request was lost")
            if fate == "replay" and line.answers:
                answer = self.draw(st.sampled_from(line.answers))
                known = {*shown(read(answer))}
            else:
                answer, known = self.serve(request, line.known, depth, fate)
                line.answers.append(answer)
            if fate == "lost":
                raise TimeoutError("the answer was lost")
            told.update(known)
            if fate == "fails":
                raise ParcelReturned(answer)
            return answer

        caller = Boundary(LENDING)
        with suppress(OSError, ParcelReturned), attached(line.branch):
            caller.call(ParcelAdapter(), request, send)
        line.known |= told

    def serve(
        self, request: Parcel, known: set[int], depth: int, fate: str
    ) -> tuple[Parcel, set[int]]:
        callee = Boundary(PLAIN if fate == "plain" else LENDING)
        arrival = callee.arrive(ParcelAdapter(Kind.SERVER), request)
        assert arrival is not None
        line, answer = self.line(arrival.branch, known), Parcel()
        with arrival.scope():
            arrival.begin()
            self.act(line, depth + 1)
            arrival.respond(answer)
            told = set(line.known)
            if fate == "late":
                self.pack(line)
            arrival.end(arrival.answered(answer))
        arrival.close()
        return answer, told

    def owned(self) -> dict[int, list[object]]:
        """Return who owns what, by root, of all who may still write."""
        owners: dict[int, list[object]] = {}
        for line in self.lines:
            for root, identity in contributed(line.branch.baggage).history.own.items():
                owners.setdefault(root, []).append(identity)
        return owners


@st.composite
def plays(draw: st.DrawFn, kinds: tuple[str, ...]) -> Play:
    play = Play(draw, kinds)
    ingress = play.line(Branch(EMPTY), set())
    if kinds is CLEAN:  # Else branches that know nothing in common make roots of their own.
        play.pack(ingress)
    for _ in range(draw(st.integers(1, 4))):
        play.act(ingress, 0)
        play.pack(ingress)
    return play


def shown(baggage: Baggage) -> list[int]:
    return sorted(map(int, baggage.unpack("n")))


def check(play: Play) -> None:
    whole = EMPTY
    for line in play.lines:
        assert shown(line.branch.baggage) == sorted(line.known)
        whole = whole.join(line.branch.baggage.peeked())
    assert shown(whole) == list(range(next(play.tokens)))
    for identities in play.owned().values():
        assert not any(overlaps(*pair) for pair in combinations(identities, 2))  # type: ignore[arg-type]


@given(plays(FAULTY))
def test_no_value_is_lost_or_counted_twice_whatever_becomes_of_calls(play: Play) -> None:
    check(play)


@given(plays(CLEAN))
def test_at_the_end_of_a_clean_request_all_is_at_home_and_under_one_root(play: Play) -> None:
    check(play)
    ingress = play.lines[0].branch.baggage.history
    assert len(ingress.seen) == 1
    masses = [sum(map(id_mass, ids), Fraction(0)) for ids in play.owned().values()]  # type: ignore[arg-type]
    assert masses == [1]
    assert [id_mass(identity) for identity in ingress.own.values()] == [1]
