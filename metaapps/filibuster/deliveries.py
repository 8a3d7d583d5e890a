"""What the explorer makes of messages: their deliveries in order, and what to wait for.

Consumers tell of deliveries by themselves, and none of them knows of the others. So where a message
went, and how many took it, shows only in an execution as a whole, and in those before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from types import MappingProxyType
from typing import Final

from metaapps.filibuster.observation import LOST, Observation, Role, open_branches

Shape = tuple[str, str, str]
"""What messages have in common that are put alike: source, library and destination."""
_NOBODY: Final[Mapping[Shape, frozenset[str]]] = MappingProxyType({})


def is_delivery(seen: Observation) -> bool:
    """Say whether an observation is of a message that was taken from a broker."""
    return seen.role is Role.BRANCH and not seen.method and bool(seen.target)


def placed(heard: Iterable[Observation]) -> tuple[Observation, ...]:
    """Return what was heard of an execution, each message with its deliveries in their places.

    A message that went to one service alone says so. Deliveries that can't be told apart are
    marked: nobody could count them.
    """
    heard = tuple(heard)
    found: dict[bytes, dict[bytes, list[Observation]]] = defaultdict(lambda: defaultdict(list))
    for seen in heard:
        if is_delivery(seen):
            found[seen.parent][seen.index].append(seen)
    if not found:
        return heard
    places: dict[bytes, Observation] = {}
    for deliveries in found.values():
        ordered = sorted(
            deliveries.values(), key=lambda told: (told[0].occurrence, told[0].operation)
        )
        for position, told in enumerate(ordered):
            ambiguous = len({each.digest for each in told}) > 1
            one = replace(told[0], position=position, digest=None, ambiguous=ambiguous)
            places[one.index] = one
    takers = {message: {each[0].target for each in found[message].values()} for message in found}
    whole = [_targeted(seen, takers) for seen in heard if not is_delivery(seen)]
    return (*whole, *places.values())


def _turn(told: Sequence[Observation]) -> tuple[int, str]:
    return told[0].occurrence, told[0].operation


def _targeted(seen: Observation, takers: Mapping[bytes, set[str]]) -> Observation:
    if seen.role is not Role.BRANCH or not seen.method or seen.target:
        return seen
    services = takers.get(seen.index, set())
    return replace(seen, target=next(iter(services))) if len(services) == 1 else seen


@dataclass(frozen=True, slots=True)
class Expected:
    """What earlier executions tell of what an execution need be waited for.

    `endless` are branches that did not end in time once. Messages of `deserted` shapes were never
    taken. `takers` says who takes those of other shapes, each at least once. Those who take
    messages of `settled` shapes tell the broker as soon as they are done: else it comes again.
    """

    endless: frozenset[bytes] = frozenset()
    deserted: frozenset[Shape] = frozenset()
    takers: Mapping[Shape, frozenset[str]] = field(default_factory=lambda: _NOBODY)
    settled: frozenset[Shape] = frozenset()

    def unfinished(self, seen: Collection[Observation]) -> tuple[Observation, ...]:
        """Return the branches that did not end, by what was seen so far."""
        return open_branches(seen, lambda message: shape(message) in self.settled)

    def is_settled(self, seen: Collection[Observation]) -> bool:
        """Say whether nothing more is to be waited for, by what was seen so far."""
        if not all(self._is_excused(branch) for branch in self.unfinished(seen)):
            return False
        several = [of for of, takers in self.takers.items() if len(takers) > 1]
        return not any(self.lacks_some(of, seen) for of in several)

    def is_unsure(self, seen: Collection[Observation]) -> bool:
        """Say whether messages were taken of which nobody knows yet who takes them."""
        return not _takers(seen).keys() <= self.takers.keys()

    def lacks_some(self, of: Shape, seen: Collection[Observation]) -> bool:
        """Say whether a message of a shape was taken by some, and not by all who take such ones."""
        taken: dict[bytes, set[str]] = defaultdict(set)
        for each in seen:
            if is_delivery(each):
                taken[each.parent].add(each.operation)
        return any(
            each.index in taken and not self.takers.get(of, frozenset()) <= taken[each.index]
            for each in seen
            if each.role is Role.BRANCH and shape(each) == of
        )

    def _is_excused(self, branch: Observation) -> bool:
        return branch.index in self.endless or bool(
            branch.method and shape(branch) in self.deserted
        )


NOTHING: Final = Expected()


class Patience:
    """Learns from each execution of a run what the next ones need be waited for. Thread-safe."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._lock = Lock()
        self._expected = Expected()
        self._ended: set[Shape] = set()
        self._left: dict[bytes, Shape] = {}
        self._late: set[bytes] = set()

    @property
    def expected(self) -> Expected:
        """What is known by now."""
        return self._expected

    def learn(self, heard: Collection[Observation]) -> None:
        """Learn from all that was heard of an execution by when nobody waited any longer."""
        left = {each.index for each in self._expected.unfinished(heard)}
        begun = [each for each in heard if each.role is Role.BRANCH]
        taken = _takers(heard)
        with self._lock:
            known = self._expected
            takers = dict(known.takers)
            for of, these in taken.items():
                # Who did not come, though he did before, is not waited for again.
                before = frozenset() if known.lacks_some(of, heard) else takers.get(of, frozenset())
                takers[of] = before | these
            self._ended.update(shape(each) for each in begun if each.index not in left)
            self._left.update((each.index, shape(each)) for each in begun if each.index in left)
            open_now = {shape(each) for each in begun if each.method and each.index in left}
            ended = {each.index for each in begun} - left
            self._expected = Expected(
                (known.endless - ended) | left,
                (known.deserted | open_now) - self._ended - takers.keys(),
                takers,
                known.settled | {shape(each) for each in begun if each.index in _settled(heard)},
            )

    def heard_late(self, ended: Collection[bytes]) -> None:
        """Note which branches ended after all: they were but late, and are waited for once more."""
        if not ended:
            return
        with self._lock:
            again = {index for index in ended if index in self._left} - self._late
            self._late |= again
            shapes = {self._left[index] for index in again}
            known = self._expected
            self._expected = replace(
                known, endless=known.endless - again, deserted=known.deserted - shapes
            )


def _settled(heard: Collection[Observation]) -> frozenset[bytes]:
    """Return the messages of which the broker heard that the work was done."""
    ends = (each for each in heard if each.role is Role.END and each.ok)
    return frozenset(each.parent for each in ends if each.parent != each.index)


def _takers(heard: Collection[Observation]) -> Mapping[Shape, frozenset[str]]:
    """Return who took the messages of an execution, by their shapes."""
    messages = {each.index: shape(each) for each in heard if each.role is Role.BRANCH}
    found: dict[Shape, set[str]] = defaultdict(set)
    for each in heard:
        if is_delivery(each) and each.parent in messages and not each.operation.endswith(LOST):
            found[messages[each.parent]].add(each.operation)
    return {of: frozenset(these) for of, these in found.items()}


def shape(message: Observation) -> Shape:
    """Return what a message has in common with others that are put alike."""
    return message.source, message.library, message.operation
