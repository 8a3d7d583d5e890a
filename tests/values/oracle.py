"""A naive oracle for baggage: it keeps whole causal histories, as sets of tokens.

Each pack makes a token. The truth about a value is which tokens it has seen, which of them were
removed there, and which were put in place by a later one of who owned them (folded). A split copies
these sets, a join unites them; what is visible is the difference. Belongs here: the verbs, on a
value and its truth at once. Does not: whether the two agree (`agreement`), programs (`programs`).
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Final, TypeAlias

from baggage.clock import NONE, Id, owns
from baggage.values import (
    EMPTY,
    Baggage,
    Count,
    Key,
    Last,
    Map,
    Max,
    Min,
    Set,
    Sum,
    Type,
    Value,
    fit,
    receive,
)
from baggage.values.history import Dot
from baggage.values.pen import taken

BAG = Key("oracle.bag", priority=50)
EQUAL = Key("oracle.equal")
LAST = Key("oracle.last", Last)
LATE = Key("oracle.late", Last, priority=150)
SET = Key("oracle.set", Set, priority=70)
SUM = Key("oracle.sum", Sum, priority=120)
COUNT = Key("oracle.count", Count)
MAX = Key("oracle.max", Max, priority=60)
MIN = Key("oracle.min", Min, priority=110)
MAP = Key("oracle.map", Map, priority=90, of=Sum)
FIELDS = {field: MAP[field] for field in ("", "a", "é")}

KEYS = (BAG, EQUAL, LAST, LATE, SET, SUM, COUNT, MAX, MIN, *FIELDS.values())
NUMBERS = frozenset({Sum, Count, Max, Min})
_EQUALS: Final[tuple[Value, ...]] = (1, True, 1.0, "1", b"1", 0)


def value_of(key: Key, token: int, choice: int) -> Value:
    """Return what to pack: sums of these are exact, also in floats."""
    if key is EQUAL:
        return 0
    if key is SET:
        return _EQUALS[choice % len(_EQUALS)]
    if key.type == Count:
        return choice % 4
    if key.type in NUMBERS:
        number = choice % 11 - 5
        return number / 2 if token % 3 == 0 else number
    return token


@dataclass(frozen=True)
class Token:
    """One pack. `whole` are the tokens that its contribution stands for, itself among them."""

    number: int
    key: str
    value: Value
    dot: Dot
    whole: frozenset[int]


@dataclass(frozen=True)
class Truth:
    """Which tokens a value has seen, which of them were removed there, and which were folded.

    `trimmed` is whether anything was left out on the way.
    """

    seen: frozenset[int] = frozenset()
    removed: frozenset[int] = frozenset()
    folded: frozenset[int] = frozenset()
    trimmed: bool = False

    def join(self, other: Truth) -> Truth:
        return Truth(
            self.seen | other.seen,
            self.removed | other.removed,
            self.folded | other.folded,
            self.trimmed or other.trimmed,
        )


@dataclass(frozen=True)
class Line:
    """A value, and the truth about it."""

    carried: Baggage = EMPTY
    truth: Truth = Truth()


Verb: TypeAlias = Callable[..., Baggage | Sequence[Baggage]]


@dataclass
class World:
    """All that was packed, whoever may still write, and all that was done, to do it again."""

    tokens: list[Token] = field(default_factory=list)
    by_dot: dict[Dot, Token] = field(default_factory=dict)
    values: dict[int, Baggage] = field(default_factory=lambda: {id(EMPTY): EMPTY})
    log: list[tuple[Verb, list[int], list[int]]] = field(default_factory=list)

    def did(self, verb: Verb, *lines: Line, truth: Truth | None = None) -> list[Line]:
        """Make values of others, by a verb that returns one or several."""
        made = _several(verb(*(line.carried for line in lines)))
        self.values.update((id(carried), carried) for carried in made)
        self.log.append((verb, [id(line.carried) for line in lines], list(map(id, made))))
        known = reduce(Truth.join, (line.truth for line in lines)) if truth is None else truth
        return [Line(carried, known) for carried in made]

    def again(self) -> dict[int, Baggage]:
        """Do all of it again and look at nothing; return what is made of each value's like."""
        likes = {id(EMPTY): EMPTY}
        for verb, given, made in self.log:
            likes.update(zip(made, _several(verb(*(likes[each] for each in given))), strict=True))
        return likes

    def of(self, numbers: Iterable[int], key: Key) -> list[Token]:
        """Return those of these tokens that were packed under a key, in the order of their dots."""
        found = [self.tokens[number] for number in numbers]
        return sorted((t for t in found if t.key == key.name), key=lambda token: token.dot)

    def visible(self, truth: Truth, key: Key) -> list[Token]:
        """Return the tokens whose dots should be there."""
        return self.of(truth.seen - truth.removed - truth.folded, key)

    def wanted(self, truth: Truth, key: Key) -> list[Token]:
        """Return the tokens that nobody removed: what a key would show if nothing was folded."""
        return self.of(truth.seen - truth.removed, key)

    def held(self, carried: Baggage, key: Key) -> dict[int, Token]:
        """Return the tokens whose dots are there."""
        held = [self.by_dot[dot] for dot in carried.history.entries.get(key.name, {})]
        return {token.number: token for token in held}

    def pack(self, line: Line, key: Key, choice: int) -> Line:
        """Pack the next token."""
        value = value_of(key, len(self.tokens), choice)
        before, mergeable = self.held(line.carried, key), self._mergeable(line, key, value)
        [packed] = self.did(lambda carried: carried.pack(key, value), line)
        return self._packed(packed, key, value, before, mergeable)

    def put(self, line: Line, key: Key, choice: int) -> Line:
        """Pack the next token in place of all that is visible."""
        value = value_of(key, len(self.tokens), choice)
        truth = _removed(line.truth, self.wanted(line.truth, key))
        [packed] = self.did(lambda carried: carried.set(key, value), line, truth=truth)
        return self._packed(packed, key, value, {}, set())

    def remove(self, line: Line, key: Key) -> Line:
        """Remove what is visible under a key; under a map, all its fields."""
        truth = line.truth
        for each in FIELDS.values() if key is MAP else (key,):
            truth = _removed(truth, self.wanted(truth, each))
        return self.did(lambda carried: carried.remove(key), line, truth=truth)[0]

    def remove_value(self, line: Line, key: Key, choice: int) -> Line:
        """Remove one of the values that are visible under a key of a type that keeps them."""
        tokens = self.wanted(line.truth, key)
        value = tokens[choice % len(tokens)].value if tokens and key.type not in NUMBERS else "none"
        gone = [each for each in tokens if exactly(each.value) == exactly(value)]
        truth = _removed(line.truth, gone)
        return self.did(lambda carried: carried.remove(key, value), line, truth=truth)[0]

    def split(self, line: Line, n: int = 2) -> list[Line]:
        return self.did(lambda carried: carried.split(n), line)

    def join(self, one: Line, other: Line) -> Line:
        return self.did(Baggage.join, one, other)[0]

    def lend(self, line: Line) -> list[Line]:
        return self.did(Baggage.lend, line)

    def peek(self, line: Line) -> Line:
        return self.did(Baggage.peeked, line)[0]

    def copy(self, line: Line, kind: int) -> Line:
        return self.did(_COPIES[kind % len(_COPIES)], line)[0]

    def sent(self, line: Line, *, read: bool) -> Line:
        """Return what is at the other end of a wire: a copy without ids."""
        arrive = Baggage.deserialize if read else receive
        return self.did(lambda carried: arrive(carried.departing().serialize()), line)[0]

    def responded(self, line: Line, other: Line, *, read: bool, brief: bool) -> Line:
        """Join what a branch returned by wire, while the branch goes on.

        A `brief` answer says nothing where the branch knows just what the caller does.
        """
        arrive = Baggage.deserialize if read else receive

        def verb(carried: Baggage, away: Baggage) -> Baggage:
            answer = away.returning(carried.departing() if brief else None)
            return carried.join(arrive(answer.serialize()))

        return self.did(verb, line, other)[0]

    def home(self, line: Line, away: Line, *, copies: int) -> Line:
        """Bring home a branch with its ids, by a message that is delivered so many times."""

        def verb(carried: Baggage, away: Baggage) -> Baggage:
            blob = fit(away.lend()[1], lending=True).blob
            arrived = [receive(blob, lent=copy == 0) for copy in range(copies)]
            return reduce(Baggage.join, arrived, carried)

        return self.did(verb, line, away)[0]

    def trimmed(self, line: Line, room: int, *, lending: bool = False) -> Line:
        """Send a message over a wire that may have no room for all."""
        blobs: list[bytes] = []

        def verb(carried: Baggage) -> Baggage:
            whole = carried.lend()[1] if lending else carried
            full = fit(whole, lending=lending).blob
            blobs.append(fit(whole, room % (len(full) + 1), lending=lending).blob)
            return receive(blobs[-1], lent=lending)

        [line] = self.did(verb, line)
        known = line.truth if blobs[0] else Truth()
        return Line(line.carried, Truth(known.seen, known.removed, known.folded, trimmed=True))

    def owned(self) -> Iterator[tuple[int, Id]]:
        """Yield the ids that somebody can still write with, by root."""
        histories = {id(carried.history): carried.history for carried in self.values.values()}
        for history in histories.values():
            if history.pen is not None and not taken(history.pen):
                yield from history.own.items()

    def _packed(
        self, line: Line, key: Key, value: Value, before: dict[int, Token], mergeable: set[int]
    ) -> Line:
        number, truth = len(self.tokens), line.truth
        dots = line.carried.history.entries[key.name]
        (dot,) = set(dots) - {token.dot for token in before.values()}
        assert dot not in self.by_dot, "a dot was given twice"
        gone = {token.number for token in before.values() if token.dot not in dots}
        if key.type == Last:
            assert len(dots) == 1
            truth, mergeable = _removed(truth, self.wanted(truth, key)), set()
        else:
            assert gone == mergeable, "owners fold what they own, and nobody else's"
        whole = frozenset({number}).union(*(before[each].whole for each in mergeable))
        self.by_dot[dot] = Token(number, key.name, value, dot, whole)
        self.tokens.append(self.by_dot[dot])
        seen, folded = truth.seen | {number}, truth.folded | mergeable
        return Line(line.carried, Truth(seen, truth.removed, folded, truth.trimmed))

    def _mergeable(self, line: Line, key: Key, value: Value) -> set[int]:
        """Return which tokens there the holder of the pen may put a new one in place of."""
        history = line.carried.history
        if history.pen is None or taken(history.pen) or key.type in {Type.BAG, Last}:
            return set()
        return {
            token.number
            for token in self.held(line.carried, key).values()
            if owns(history.own.get(token.dot.root, NONE), token.dot.point)
            and (key.type != Set or exactly(token.value) == exactly(value))
        }


_COPIES: Final[tuple[Verb, ...]] = (
    copy.copy,
    copy.deepcopy,
    lambda carried: pickle.loads(pickle.dumps(carried)),
)


def _several(made: Baggage | Sequence[Baggage]) -> Sequence[Baggage]:
    return [made] if isinstance(made, Baggage) else made


def _removed(truth: Truth, tokens: Iterable[Token]) -> Truth:
    removed = truth.removed.union(token.number for token in tokens)
    return Truth(truth.seen, removed, truth.folded, truth.trimmed)


def exactly(value: Value) -> tuple[type, Value]:
    """Return what tells values apart, in type too."""
    return type(value), value
