"""What the explorer makes of messages: their deliveries in order, and what to wait for.

Consumers tell of deliveries by themselves, and none of them knows of the others. So where a message
went, and how many took it, shows only in an execution as a whole, and in those before it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from types import MappingProxyType
from typing import Final

from metaapps.filibuster.observation import LOST, Observation, Role, open_branches

Shape = tuple[str, str, str]
"""What messages have in common that are put alike: source, library and destination."""
_NOBODY: Final[Mapping[Shape, frozenset[str]]] = MappingProxyType({})


def is_message(seen: Observation) -> bool:
    """Say whether an observation is of a message that was handed over."""
    return seen.role is Role.BRANCH and bool(seen.method)


def callee(seen: Observation) -> str:
    """Return how whoever is called is named: a service, or the library of a message."""
    return seen.library if is_message(seen) else seen.target


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
        ordered = sorted(deliveries.values(), key=_turn)
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
        """Return the branches that did not end, and messages that some did not take, so far."""
        left = open_branches(seen, lambda message: shape(message) in self.settled)
        known = {each.index for each in left}
        absent = (message for message, _ in self.absent(seen) if message.index not in known)
        return (*left, *absent)

    def is_settled(self, seen: Collection[Observation]) -> bool:
        """Say whether nothing more is to be waited for, by what was seen so far."""
        return all(self._is_excused(branch) for branch in self.unfinished(seen))

    def absent(self, seen: Collection[Observation]) -> Iterator[tuple[Observation, frozenset[str]]]:
        """Yield the messages that some took, and those who take such ones and did not."""
        if all(len(takers) < 2 for takers in self.takers.values()):
            return  # A message that one alone takes is open until he did.
        taken = _taken(seen)
        for each in seen:
            if each.role is Role.BRANCH and each.index in taken:
                missing = self.takers.get(shape(each), frozenset()) - taken[each.index]
                if missing:
                    yield each, missing

    def is_unsure(self, seen: Collection[Observation]) -> bool:
        """Say whether messages were taken of which nobody knows yet who takes them."""
        return not _takers(seen).keys() <= self.takers.keys()

    def _is_excused(self, branch: Observation) -> bool:
        return branch.index in self.endless or bool(
            branch.method and shape(branch) in self.deserted
        )


NOTHING: Final = Expected()


class Patience:
    """Learns from each execution of a run what the next ones need be waited for. Thread-safe.

    What did not end in time is not waited for again; messages that ended before, and those who took
    such ones, not after `_TRIES` in a row.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self._lock = Lock()
        self._expected = Expected()
        self._ended: set[Shape] = set()
        self._left: dict[bytes, Observation] = {}
        self._late: set[bytes] = set()
        self._missed: Counter[object] = Counter()

    @property
    def expected(self) -> Expected:
        """What is known by now."""
        return self._expected

    def learn(self, heard: Collection[Observation]) -> None:
        """Learn from all that was heard of an execution by when nobody waited any longer."""
        with self._lock:
            known = self._expected
            unfinished = known.unfinished(heard)
            left = {each.index for each in unfinished}
            begun = [each for each in heard if each.role is Role.BRANCH]
            takers = self._takers(known, heard)
            self._left.update((each.index, each) for each in unfinished)
            self._ended.update(shape(each) for each in begun if each.index not in left)
            open_now = {shape(each) for each in unfinished if each.method}
            ended = {each.index for each in begun} - left
            for index in ended:
                self._missed.pop(index, None)
            self._expected = Expected(
                (known.endless - ended) | {e.index for e in unfinished if self._is_endless(e)},
                (known.deserted | open_now) - self._ended - takers.keys(),
                takers,
                known.settled | {shape(each) for each in begun if each.index in _settled(heard)},
            )

    def heard_late(self, ended: Collection[bytes]) -> None:
        """Note which branches ended after all: they were but late.

        They are waited for again, but those that are no messages only once more.
        """
        with self._lock:
            left = [self._left[index] for index in ended if index in self._left]
            again = [each for each in left if each.method or each.index not in self._late]
            if not again:
                return
            self._late.update(each.index for each in again)
            for each in again:
                for key in [each.index, *((shape(each), one) for one in self._known_takers(each))]:
                    self._missed.pop(key, None)
            known = self._expected
            self._expected = replace(
                known,
                endless=known.endless - {each.index for each in again},
                deserted=known.deserted - {shape(each) for each in again},
            )

    def _is_endless(self, branch: Observation) -> bool:
        """Count once more that a branch did not end; say whether that will do."""
        self._missed[branch.index] += 1
        patient = bool(branch.method) and shape(branch) in self._ended
        return not patient or self._missed[branch.index] >= _TRIES

    def _takers(
        self, known: Expected, heard: Collection[Observation]
    ) -> Mapping[Shape, frozenset[str]]:
        """Return who takes messages, as far as is known by now."""
        takers = dict(known.takers)
        for of, these in _takers(heard).items():
            takers[of] = takers.get(of, frozenset()) | these
            for one in these:
                self._missed.pop((of, one), None)
        absent = {(shape(message), one) for message, some in known.absent(heard) for one in some}
        for of, one in absent:
            self._missed[of, one] += 1
            if self._missed[of, one] >= _TRIES:
                takers[of] -= {one}
        return takers

    def _known_takers(self, message: Observation) -> frozenset[str]:
        return self._expected.takers.get(shape(message), frozenset())


_TRIES: Final = 3


def _taken(seen: Iterable[Observation]) -> Mapping[bytes, set[str]]:
    """Return who took each message."""
    taken: dict[bytes, set[str]] = defaultdict(set)
    for each in seen:
        if is_delivery(each):
            taken[each.parent].add(each.operation)
    return taken


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
