"""A naive oracle for baggage: it keeps whole causal histories, as sets of tokens.

Each pack makes a token. The truth about a value is which tokens it has seen, which of them were
removed there, and which were put in place by a later one of who owned them (folded). A split copies
these sets, a join unites them; what is visible is the difference. Belongs here: the verbs, on a
value and its truth at once, and whether the two agree. Does not: programs (`programs`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from baggage.clock import NONE, Id, overlaps, owns, sum_id
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


@dataclass
class World:
    """All that was packed, and whoever may still write."""

    tokens: list[Token] = field(default_factory=list)
    by_dot: dict[Dot, Token] = field(default_factory=dict)
    values: dict[int, Baggage] = field(default_factory=dict)

    def line(self, carried: Baggage, truth: Truth) -> Line:
        self.values[id(carried)] = carried
        return Line(carried, truth)

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
        packed = line.carried.pack(key, value)
        return self._packed(packed, line.truth, key, value, before, mergeable)

    def put(self, line: Line, key: Key, choice: int) -> Line:
        """Pack the next token in place of all that is visible."""
        value = value_of(key, len(self.tokens), choice)
        truth = _removed(line.truth, self.wanted(line.truth, key))
        return self._packed(line.carried.set(key, value), truth, key, value, {}, set())

    def remove(self, line: Line, key: Key) -> Line:
        """Remove what is visible under a key; under a map, all its fields."""
        truth = line.truth
        for each in FIELDS.values() if key is MAP else (key,):
            truth = _removed(truth, self.wanted(truth, each))
        return self.line(line.carried.remove(key), truth)

    def remove_value(self, line: Line, key: Key, choice: int) -> Line:
        """Remove one of the values that are visible under a key of a type that keeps them."""
        tokens = self.wanted(line.truth, key)
        value = tokens[choice % len(tokens)].value if tokens and key.type not in NUMBERS else "none"
        gone = [each for each in tokens if exactly(each.value) == exactly(value)]
        return self.line(line.carried.remove(key, value), _removed(line.truth, gone))

    def split(self, line: Line, n: int = 2) -> list[Line]:
        return [self.line(part, line.truth) for part in line.carried.split(n)]

    def join(self, one: Line, other: Line) -> Line:
        return self.line(one.carried.join(other.carried), one.truth.join(other.truth))

    def lend(self, line: Line) -> list[Line]:
        return [self.line(part, line.truth) for part in line.carried.lend()]

    def sent(self, line: Line, *, read: bool) -> Line:
        """Return what is at the other end of a wire: a copy without ids."""
        blob = line.carried.departing().serialize()
        return self.line((Baggage.deserialize if read else receive)(blob), line.truth)

    def home(self, line: Line, away: Line, *, copies: int) -> Line:
        """Bring home a branch with its ids, by a message that is delivered so many times."""
        blob = fit(away.carried.lend()[1], lending=True).blob
        for copy in range(copies):
            line = self.join(line, Line(receive(blob, lent=copy == 0), away.truth))
        return line

    def trimmed(self, line: Line, room: int, *, lending: bool = False) -> Line:
        """Send a message over a wire that may have no room for all."""
        whole = line.carried.lend()[1] if lending else line.carried
        full = fit(whole, lending=lending).blob
        blob = fit(whole, room % (len(full) + 1), lending=lending).blob
        known = line.truth if blob else Truth()
        truth = Truth(known.seen, known.removed, known.folded, trimmed=True)
        return self.line(receive(blob, lent=lending), truth)

    def owned(self) -> Iterator[tuple[int, Id]]:
        """Yield the ids that somebody can still write with, by root."""
        histories = {id(carried.history): carried.history for carried in self.values.values()}
        for history in histories.values():
            if history.pen is not None and not taken(history.pen):
                yield from history.own.items()

    def _packed(
        self,
        carried: Baggage,
        truth: Truth,
        key: Key,
        value: Value,
        before: dict[int, Token],
        mergeable: set[int],
    ) -> Line:
        number, dots = len(self.tokens), carried.history.entries[key.name]
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
        return self.line(carried, Truth(seen, truth.removed, folded, truth.trimmed))

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


def _removed(truth: Truth, tokens: Iterable[Token]) -> Truth:
    removed = truth.removed.union(token.number for token in tokens)
    return Truth(truth.seen, removed, truth.folded, truth.trimmed)


def exactly(value: Value) -> tuple[type, Value]:
    """Return what tells values apart, in type too."""
    return type(value), value


_READ: dict[Type, Callable[[list[Value]], list[Value]]] = {
    Type.BAG: lambda values: values,
    Last: lambda values: values[-1:],
    Set: lambda values: list({exactly(value): value for value in values}.values()),
    Sum: lambda values: [sum(map(_number, values))],
    Count: lambda values: [sum(map(_number, values))],
    Max: lambda values: [max(map(_number, values))],
    Min: lambda values: [min(map(_number, values))],
}


def _number(value: Value) -> int | float:
    assert isinstance(value, int | float)
    return value


def assert_exact(world: World, line: Line) -> None:
    """Fail unless a value shows what its truth says, before its marker if it has one."""
    assert line.truth.trimmed or line.carried.history.over is None
    for key in KEYS:
        if line.carried.complete(key):
            _assert_key(world, line, key)
    if line.carried.complete(MAP):
        shown = {name: line.carried.unpack(key) for name, key in FIELDS.items()}
        assert line.carried.fields(MAP) == {name: each for name, each in shown.items() if each}
        assert line.carried.unpack(MAP) == tuple(each for field in shown.values() for each in field)
    for token in world.tokens:
        covered = line.carried.history.covers(token.dot)
        assert covered == (token.number in line.truth.seen) or line.truth.trimmed


def _assert_key(world: World, line: Line, key: Key) -> None:
    carried, visible = line.carried, world.visible(line.truth, key)
    assert set(world.held(carried, key)) == {token.number for token in visible}
    whole = [number for token in visible for number in token.whole]
    assert len(whole) == len(set(whole)), "nothing counts twice"
    values = [world.tokens[number].value for number in whole]
    shown, read = list(carried.unpack(key)), _read(key, values)
    assert shown == read
    assert key.type in NUMBERS or list(map(exactly, shown)) == list(map(exactly, read))
    siblings = [_read(key, [world.tokens[n].value for n in token.whole]) for token in visible]
    assert list(carried.siblings(key)) == [value for [value] in siblings]
    assert carried.conflict(key) == (key.type == Last and len(visible) > 1)
    if visible:
        assert carried.unpack(key.name) == carried.unpack(key)
        assert key.name.partition("\0")[0] in carried.keys()  # noqa: SIM118 - no dict
    _assert_nothing_lost(world, line, key, set(whole))


def _read(key: Key, values: list[Value]) -> list[Value]:
    return _READ[key.type](values) if values else []


def _assert_nothing_lost(world: World, line: Line, key: Key, whole: set[int]) -> None:
    """Compare with a truth that knows nothing of folding.

    There may be more than it wants under a key that was cleared: what others folded meanwhile wins.
    """
    wanted = {token.number for token in world.wanted(line.truth, key)}
    if key.type == Set:
        distinct = [{exactly(world.tokens[n].value) for n in each} for each in (whole, wanted)]
        assert distinct[0] == distinct[1]
    else:
        assert wanted <= whole
        assert whole - wanted <= line.truth.removed
        assert whole == wanted or key.type in NUMBERS


def assert_disjoint(ids: Iterable[tuple[int, Id]]) -> dict[int, Id]:
    """Fail if two ids of one root overlap; return what is owned of each root."""
    sums: dict[int, Id] = {}
    for root, identity in ids:
        before = sums.get(root, NONE)
        assert not overlaps(before, identity)
        sums[root] = sum_id(before, identity)
    return sums
