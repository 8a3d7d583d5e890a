"""Whether a value shows what the oracle knows of it, and nobody owns what another owns."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from baggage.clock import NONE, Id, overlaps, sum_id
from baggage.values import Count, Key, Last, Max, Min, Set, Sum, Type, Value
from tests.values.oracle import FIELDS, KEYS, MAP, NUMBERS, Line, World, exactly

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
    assert (key.name in carried.history.entries) == bool(visible)
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
