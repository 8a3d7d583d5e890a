"""Plans that failed: how they did, and which of them contain a smaller one that failed, too.

Pure. What is run for it, and in which order, is `explore`; what is told of it is the command
line's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from baggage.boundary import Fault
from metaapps.filibuster.observation import Execution

Key = frozenset[tuple[bytes, Fault]]
"""A plan as a set, see `Plan.key`."""

_PLACE: Final = re.compile(r" \(([^()/\\]+\.py:\d+)\)$")
_PORT: Final = re.compile(r"(?<=[\w.\]-]):\d{2,5}\b")


def kind_of(summary: str) -> str:
    """Return the part of a failure that does not change with values, and its place in the test."""
    place = _PLACE.search(summary)
    kind = _PORT.sub("", _PLACE.sub("", summary).split(": ", 1)[0])
    return f"{kind} ({place[1]})" if place else kind


@dataclass(frozen=True, slots=True)
class Failed:
    """A plan that failed, and how: where in the test, or by which services' ends."""

    key: Key
    how: str

    @classmethod
    def of(cls, execution: Execution) -> Failed:
        """Return what an execution shows, which has failed."""
        summary = "" if execution.failure is None else execution.failure.summary
        how = ", ".join(map(str, execution.deaths)) or kind_of(summary)
        return cls(execution.plan.key, how)


class FailedPlans:
    """Some plans, to be found in others. Not thread-safe."""

    def __init__(self) -> None:
        """Know of none."""
        self._known: dict[tuple[bytes, Fault], list[Key]] = {}

    def add(self, key: Key) -> None:
        """Note a plan that failed, which has faults; one that contains another is not needed."""
        if not self.are_within(key):
            # Any one of its faults will do to find it by.
            self._known.setdefault(next(iter(key)), []).append(key)

    def within(self, key: Key) -> Iterator[Key]:
        """Yield those that a plan contains, or is; in no order."""
        for each in key:
            yield from (known for known in self._known.get(each, ()) if known <= key)

    def are_within(self, key: Key) -> bool:
        """Say whether a plan contains, or is, any of them."""
        return any(True for _ in self.within(key))


def smaller_ones(failed: Collection[Failed]) -> Mapping[Failed, frozenset[Failed]]:
    """Return for each the smallest ones in it that failed alike: none if it's one of those."""
    known: dict[str, FailedPlans] = defaultdict(FailedPlans)
    found: dict[Failed, frozenset[Failed]] = {}
    for each in sorted(set(failed), key=lambda each: len(each.key)):
        alike = known[each.how]
        found[each] = frozenset(Failed(key, each.how) for key in alike.within(each.key))
        alike.add(each.key)
    return found
