"""Random programs on baggage, beside a naive oracle that keeps whole causal histories.

The oracle's state is two sets of tokens, one token for each pack: what was seen, and what of it
was removed. A split copies it, a join unites it; what is visible is the difference.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hypothesis import strategies as st

from baggage.clock import NONE, Id, overlaps, sum_id
from baggage.values import EMPTY, Baggage, Key, Last, fit
from baggage.values.history import Dot
from baggage.values.pen import taken

BAG = Key("oracle.bag", priority=50)
EQUAL = Key("oracle.equal")
LAST = Key("oracle.last", Last)
LATE = Key("oracle.late", Last, priority=150)
KEYS = (BAG, EQUAL, LAST, LATE)


@dataclass(frozen=True)
class Truth:
    """Which packs a value has seen, and which of them were removed there."""

    seen: frozenset[int] = frozenset()
    removed: frozenset[int] = frozenset()

    def pack(self, token: int, superseded: frozenset[int]) -> Truth:
        return Truth(self.seen | {token}, self.removed | superseded)

    def remove(self, tokens: frozenset[int]) -> Truth:
        return Truth(self.seen, self.removed | tokens)

    def join(self, other: Truth) -> Truth:
        return Truth(self.seen | other.seen, self.removed | other.removed)


@dataclass(frozen=True)
class Line:
    """A value, and the truth about it."""

    carried: Baggage = EMPTY
    truth: Truth = Truth()


@dataclass(frozen=True)
class Step:
    """One step of a program; the numbers choose lines, keys and widths, modulo what there is."""

    kind: str
    one: int
    other: int
    key: Key


@dataclass
class World:
    """All values of one program: those that go on, and those that were used up."""

    live: list[Line] = field(default_factory=lambda: [Line()])
    past: list[Line] = field(default_factory=lambda: [Line()])
    dots: dict[int, Dot] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)

    def run(self, program: list[Step]) -> Iterator[list[Line]]:
        """Run a program; yield the lines that each step makes."""
        for step in program:
            if not self.live:
                self.live.append(Line())
            yield _STEPS[step.kind](self, step)

    def visible(self, truth: Truth, key: Key) -> frozenset[int]:
        """Return the tokens that should be visible under a key."""
        return frozenset(t for t in truth.seen - truth.removed if self.keys[t] == key.name)

    def shown(self, carried: Baggage, key: Key) -> set[int]:
        """Return the tokens of what is held under a key."""
        tokens = {dot: token for token, dot in self.dots.items()}
        return {tokens[dot] for dot in carried.history.entries.get(key.name, {})}

    def packed(self, line: Line, key: Key) -> Line:
        """Pack the next token."""
        token = len(self.dots)
        carried = line.carried.pack(key, 0 if key is EQUAL else token)
        before = set(line.carried.history.entries.get(key.name, ()))
        (dot,) = set(carried.history.entries[key.name]) - before
        assert dot not in self.dots.values(), "a dot was given twice"
        self.dots[token], self.keys[token] = dot, key.name
        superseded = self.visible(line.truth, key) if key.type is Last else frozenset()
        return Line(carried, line.truth.pack(token, superseded))

    def owned(self) -> Iterator[tuple[int, Id]]:
        """Yield the ids that somebody can still write with, by root."""
        histories = {id(line.carried): line.carried.history for line in (*self.live, *self.past)}
        for history in histories.values():
            if history.pen is not None and not taken(history.pen):
                yield from history.own.items()

    def replace(self, step: Step, *lines: Line) -> list[Line]:
        """Use up the first chosen line, and go on with others."""
        index = step.one % len(self.live)
        self.past.append(self.live[index])
        self.live[index : index + 1] = lines
        return list(lines)

    def chosen(self, step: Step) -> Line:
        return self.live[step.one % len(self.live)]

    def former(self, step: Step) -> Line:
        return self.past[step.other % len(self.past)]

    def add(self, line: Line) -> list[Line]:
        self.live.append(line)
        return [line]


def _split(world: World, step: Step) -> list[Line]:
    line = world.chosen(step)
    return world.replace(step, *(Line(part, line.truth) for part in line.carried.split()))


def _fan_out(world: World, step: Step) -> list[Line]:
    line = world.chosen(step)
    parts = line.carried.split(2 + step.other % 5)
    return world.replace(step, *(Line(part, line.truth) for part in parts))


def _join(world: World, step: Step) -> list[Line]:
    index = step.other % len(world.live)
    if len(world.live) == 1 or index == step.one % len(world.live):
        return []
    line, other = world.chosen(step), world.live[index]
    made = world.replace(step, Line(line.carried.join(other.carried), line.truth.join(other.truth)))
    world.past.append(world.live.pop(index))
    return made


def _pack(world: World, step: Step) -> list[Line]:
    return world.replace(step, world.packed(world.chosen(step), step.key))


def _remove(world: World, step: Step) -> list[Line]:
    line = world.chosen(step)
    truth = line.truth.remove(world.visible(line.truth, step.key))
    return world.replace(step, Line(line.carried.remove(step.key), truth))


def _peek(world: World, step: Step) -> list[Line]:
    line = world.chosen(step)
    return world.add(Line(line.carried.peeked(), line.truth))


def _wire(world: World, step: Step) -> list[Line]:
    """Send a message: there is a copy without ids at the other end."""
    line = world.chosen(step)
    blob = line.carried.departing().serialize()
    return world.add(Line(Baggage.deserialize(blob), line.truth))


def _move(world: World, step: Step) -> list[Line]:
    """Go on at the other end of a wire."""
    line = world.chosen(step)
    return world.replace(step, Line(Baggage.deserialize(line.carried.serialize()), line.truth))


def _respond(world: World, step: Step) -> list[Line]:
    """Join what a branch returned by wire, while the branch goes on."""
    line, other = world.chosen(step), world.live[step.other % len(world.live)]
    came = Baggage.deserialize(other.carried.returning().serialize())
    return world.replace(step, Line(line.carried.join(came), line.truth.join(other.truth)))


def _lose(world: World, step: Step) -> list[Line]:
    return world.replace(step)


def _stale(world: World, step: Step) -> list[Line]:
    """Go on with a value that was used up."""
    return world.add(world.former(step))


def _rejoin(world: World, step: Step) -> list[Line]:
    line, other = world.chosen(step), world.former(step)
    joined = line.carried.join(other.carried)
    return world.replace(step, Line(joined, line.truth.join(other.truth)))


def _share(world: World, step: Step) -> list[Line]:
    """Let two branches use one value, without a split."""
    return world.add(world.chosen(step))


def _copy(world: World, step: Step) -> list[Line]:
    line = world.chosen(step)
    kinds: list[Callable[[Baggage], Baggage]] = [
        copy.copy,
        copy.deepcopy,
        lambda carried: pickle.loads(pickle.dumps(carried)),
    ]
    return world.add(Line(kinds[step.other % 3](line.carried), line.truth))


def trim(world: World, step: Step) -> list[Line]:
    """Send a message over a wire that hasn't room for all."""
    line = world.chosen(step)
    blob = fit(line.carried, step.other % (len(line.carried.serialize()) + 1)).blob
    return world.add(Line(Baggage.deserialize(blob), line.truth if blob else Truth()))


STRUCTURED = ("split", "fan_out", "join", "join", "pack", "pack", "pack", "remove")
LOSSY = (*STRUCTURED, "peek", "wire", "move", "respond", "lose")
STALE = (*LOSSY, "stale", "rejoin", "share", "copy")
TRIMMED = (*STALE, "trim", "trim")

_STEPS: dict[str, Callable[[World, Step], list[Line]]] = {
    "split": _split,
    "fan_out": _fan_out,
    "join": _join,
    "pack": _pack,
    "remove": _remove,
    "peek": _peek,
    "wire": _wire,
    "move": _move,
    "respond": _respond,
    "lose": _lose,
    "stale": _stale,
    "rejoin": _rejoin,
    "share": _share,
    "copy": _copy,
    "trim": trim,
}


def programs(kinds: tuple[str, ...]) -> st.SearchStrategy[list[Step]]:
    """Return programs of up to 60 steps of these kinds, as many long ones as short ones."""
    numbers = st.integers(0, 1 << 16)
    steps = st.builds(Step, st.sampled_from(kinds), numbers, numbers, st.sampled_from(KEYS))
    return st.integers(0, 60).flatmap(lambda n: st.lists(steps, min_size=n, max_size=n))


def ran(program: list[Step]) -> World:
    """Return the world after a program."""
    world = World()
    for _ in world.run(program):
        pass
    return world


def assert_disjoint(ids: Iterator[tuple[int, Id]]) -> None:
    """Fail if two ids of one root overlap."""
    taken: dict[int, Id] = {}
    for root, identity in ids:
        before = taken.get(root, NONE)
        assert not overlaps(before, identity)
        taken[root] = sum_id(before, identity)
